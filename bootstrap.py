"""Sets Lightkeep up beside its own source: an environment in `.venv`, and ExifTool.

Run by the launcher `lightkeep`; standard library only, because it runs before anything is
installed. Doing it twice is harmless, and a set-up that was cut off is finished or made
anew by the next one. What the files in `.venv` say:

    lightkeep-unfinished          packages are being installed: not to be trusted
    lightkeep-installed.txt       the requirements.txt that is installed (with -dev: both files)
    lightkeep-python              the Python it was made for, links resolved
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import bootstrap_exiftool

HOME: Final = Path(__file__).resolve().parent
CHROMIUM_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
EXIT_FAILED: Final = 2
EXIT_INTERRUPTED: Final = 130  # as a shell reports Ctrl-C


class SetupError(Exception):
    """Set-up cannot go on; the message says what to do."""


def say(sentence: str) -> None:
    """One line to the person; standard output belongs to the verb that follows."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def say_step(step: str) -> None:
    say(f"Setting up (once): {step}")


class Environment:
    """The virtual environment in `home/.venv`, and what is known of its state."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / ".venv"
        self.python = self.folder / "bin" / "python"
        self.unfinished = self.folder / "lightkeep-unfinished"
        self.made_for = self.folder / "lightkeep-python"

    def stamp(self, *, dev: bool) -> Path:
        return self.folder / f"lightkeep-installed{'-dev' if dev else ''}.txt"

    def requirement_files(self, *, dev: bool) -> list[Path]:
        names = ["requirements.txt", "requirements-dev.txt"] if dev else ["requirements.txt"]
        return [self.home / name for name in names]

    def wanted(self, *, dev: bool) -> bytes:
        return b"".join(path.read_bytes() for path in self.requirement_files(dev=dev))

    def is_ready(self, *, dev: bool) -> bool:
        """Whether what the requirements say is installed for the Python behind it today."""
        try:
            return (
                not self.unfinished.exists()
                and os.access(self.python, os.X_OK)
                and self.made_for.read_text() == os.path.realpath(self.python)
                and self.stamp(dev=dev).read_bytes() == self.wanted(dev=dev)
                and self.stamp(dev=False).read_bytes() == self.wanted(dev=False)
            )
        except OSError:
            return False

    def is_usable(self) -> bool:
        """Whether packages can be added to it: whole, and of the Python that made it.

        One without our stamps (made by hand with `python3 -m venv`) is as good as ours.
        """
        if self.unfinished.exists() or not (self.folder / "pyvenv.cfg").exists():
            return False
        code = (
            "import sys, sysconfig, os; sys.exit(not os.path.isdir(sysconfig.get_path('purelib')))"
        )
        return succeeds([str(self.python), "-c", code])

    def begin(self) -> None:
        """From here to `finish` a cut-off leaves the mark by which the next set-up knows."""
        self.folder.mkdir(exist_ok=True)
        self.unfinished.touch()
        for stale in (self.stamp(dev=False), self.stamp(dev=True), self.made_for):
            stale.unlink(missing_ok=True)

    def finish(self, *, dev: bool) -> None:
        self.made_for.write_text(os.path.realpath(self.python))
        if dev:
            write_whole(self.stamp(dev=True), self.wanted(dev=True))
        self.unfinished.unlink()
        write_whole(self.stamp(dev=False), self.wanted(dev=False))


def write_whole(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)


def succeeds(command: Sequence[str]) -> bool:
    """Whether the command can be started and ends with status 0; what it prints is dropped."""
    try:
        done = subprocess.run(  # noqa: S603  the commands are ours, no text of others
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def run_step(command: Sequence[str], failure: str, *, lock: int | None = None) -> None:
    """Runs a command in silence; raises `SetupError` with its last lines where it fails.

    The lock goes along to the child, so that a pip that outlives a killed set-up still
    keeps the next one waiting.
    """
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(  # noqa: S603  the commands are ours, no text of others
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            env=environment,
            pass_fds=() if lock is None else (lock,),
        )
    except OSError as error:
        raise SetupError(f"{failure}\n{command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        last_lines = "\n".join(done.stdout.strip().splitlines()[-15:])
        raise SetupError(f"{failure}\n{last_lines}")


def apt_prefix(*, sudo: bool) -> list[str] | None:
    """How to call apt-get with the rights to install, or None where that is not ours to do."""
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return ["apt-get"]
    if sudo and shutil.which("sudo") and succeeds(["sudo", "-n", "true"]):
        return ["sudo", "-n", "apt-get"]
    return None


def apt_install(package: str, *, sudo: bool = True, lock: int | None = None) -> bool:
    """Installs a Debian package; False where that is not possible, and then says nothing."""
    apt = apt_prefix(sudo=sudo)
    if apt is None:
        return False
    install = [*apt, "-o", "DPkg::Lock::Timeout=120", "install", "-y", "--no-install-recommends"]
    with contextlib.suppress(SetupError):  # the lists of packages may be absent or old
        run_step([*install, package], "", lock=lock)
        return True
    try:
        run_step([*apt, "-o", "DPkg::Lock::Timeout=120", "update"], "", lock=lock)
        run_step([*install, package], "", lock=lock)
    except SetupError:
        return False
    return True


def make_environment(environment: Environment, lock: int) -> None:
    """An empty environment in `.venv`, with a pip in it where that can be had."""
    say_step(f"Python environment in {environment.folder}")
    if environment.folder.is_symlink():
        environment.folder.unlink()
    elif environment.folder.exists():
        shutil.rmtree(environment.folder)
    environment.begin()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    can_ensure_pip = [sys.executable, "-c", "import ensurepip, venv"]
    has_pip_source = succeeds(can_ensure_pip)
    if not has_pip_source:
        for package in (f"python{version}-venv", "python3-venv"):
            if apt_install(package, lock=lock) and succeeds(can_ensure_pip):
                has_pip_source = True
                break
    folder = str(environment.folder)
    failure = f"A Python environment could not be made in {folder}:"
    if has_pip_source:
        run_step([sys.executable, "-m", "venv", folder], failure, lock=lock)
    elif uv := shutil.which("uv"):
        # uv wants the folder to itself.
        shutil.rmtree(environment.folder)
        run_step([uv, "venv", "--python", sys.executable, folder], failure, lock=lock)
        environment.unfinished.touch()
    else:
        run_step([sys.executable, "-m", "venv", "--without-pip", folder], failure, lock=lock)


def find_installer(environment: Environment) -> list[str]:
    """The start of an install command for the environment; raises `SetupError` without one."""
    python = str(environment.python)
    quiet = ["--disable-pip-version-check", "--no-input"]
    if succeeds([python, "-m", "pip", "--version"]):
        return [python, "-m", "pip", "install", *quiet]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--python", python]
    for pip in ([sys.executable, "-m", "pip"], ["python3", "-m", "pip"], ["pip3"], ["pip"]):
        if succeeds([*pip, "--python", python, "--version"]):
            return [*pip, "--python", python, "install", *quiet]
    raise SetupError(
        "This Python cannot install packages: it has neither venv with pip, nor is there a pip "
        "or uv elsewhere.\n"
        + suggest(
            apt=f"python{sys.version_info.major}.{sys.version_info.minor}-venv",
            dnf="python3-pip",
            apk="py3-pip",
            pacman="python-pip",
        )
    )


def install_packages(environment: Environment, *, dev: bool, lock: int) -> None:
    what = "Python packages, and those for tests" if dev else "Python packages"
    say_step(f"{what} (about {'400' if dev else '80'} MB)")
    installer = find_installer(environment)
    environment.begin()
    files = [part for path in environment.requirement_files(dev=dev) for part in ("-r", str(path))]
    run_step(
        [*installer, "--require-hashes", *files],
        "The Python packages could not be installed. Is the network there? The installer says:",
        lock=lock,
    )


def suggest(**packages: str) -> str:
    """What to type to get something, by the package manager that is here."""
    commands = {
        "apt": "sudo apt-get install",
        "dnf": "sudo dnf install",
        "apk": "sudo apk add",
        "pacman": "sudo pacman -S",
        "brew": "brew install",
    }
    for manager, package in packages.items():
        if shutil.which("apt-get" if manager == "apt" else manager):
            return f"Type: {commands[manager]} {package}"
    return f"Install it with your system's packages ({', '.join(sorted({*packages.values()}))})."


def provide_exiftool(home: Path, lock: int) -> None:
    """Sees to it that ExifTool is there; without it Lightkeep works, and is told what it lacks."""
    if bootstrap_exiftool.find(home):
        return
    if chosen := os.environ.get("LIGHTKEEP_EXIFTOOL"):
        say(
            f"LIGHTKEEP_EXIFTOOL names {chosen}, which is no ExifTool 12.15 or newer that works.\n"
            "Lightkeep runs without ExifTool until the variable is right, or not set at all."
        )
        return
    if apt_prefix(sudo=True) is not None:
        say_step("ExifTool (with apt-get)")
        if apt_install("libimage-exiftool-perl", lock=lock) and bootstrap_exiftool.find(home):
            return
    try:
        say_step("ExifTool (6 MB)")
        bootstrap_exiftool.fetch(home)
    except (bootstrap_exiftool.FetchError, OSError) as error:
        say_exiftool_is_missing(error)


def say_exiftool_is_missing(reason: object) -> None:
    say(
        f"ExifTool is not here: {reason}.\n"
        "Lightkeep runs without it, but is less sure of dates and ratings, of RAW and films most "
        "of all;\nit reads those files again once ExifTool is here. "
        + suggest(
            apt="libimage-exiftool-perl",
            dnf="perl-Image-ExifTool",
            apk="exiftool",
            pacman="perl-image-exiftool",
            brew="exiftool",
        )
        + "\nOr, with the network there, let Lightkeep fetch its own: ./lightkeep setup"
    )


def provide_chromium(lock: int) -> None:
    """For the tests of the page; they are skipped where there is none."""
    if any(shutil.which(name) for name in CHROMIUM_NAMES):
        return
    if apt_prefix(sudo=False) is not None:
        say_step("Chromium for the tests of the page (with apt-get)")
        if apt_install("chromium", sudo=False, lock=lock):
            return
    say("Chromium is not on this machine: the tests of the page will be skipped.")


@contextlib.contextmanager
def holding_lock(home: Path) -> Iterator[int]:
    """One set-up at a time in this folder; a second one waits for the first."""
    folder = home / ".cache"
    folder.mkdir(exist_ok=True)
    with (folder / "setup.lock").open("a") as lock_file:
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another start is setting Lightkeep up; waiting for it.")
            fcntl.flock(lock_file, fcntl.LOCK_EX)
        yield lock_file.fileno()


def give_to_owner(home: Path) -> None:
    """What root made in somebody's folder becomes theirs, or they could not update it later."""
    owner = home.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    for top in (home / ".venv", home / ".cache"):
        for folder, folders, files in os.walk(top):
            for name in (".", *folders, *files):
                path = os.path.join(folder, name)
                os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def set_up(home: Path, *, dev: bool, again: bool = False) -> None:
    """Everything that is missing, in order; raises `SetupError` or OSError.

    again: the person typed `setup`, and may by now have the network for an ExifTool.
    """
    environment = Environment(home)
    if environment.is_ready(dev=dev):
        if again:
            if not bootstrap_exiftool.find(home):
                with holding_lock(home) as lock:
                    provide_exiftool(home, lock)
                    give_to_owner(home)
            say("Lightkeep is set up.")
        return
    with holding_lock(home) as lock:
        if environment.is_ready(dev=dev):  # the start that we waited for did it
            return
        if not environment.is_usable():
            make_environment(environment, lock)
        install_packages(environment, dev=dev, lock=lock)
        provide_exiftool(home, lock)
        environment.finish(dev=dev)
        give_to_owner(home)
        say("Lightkeep is set up.")


def stop(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="lightkeep setup", description="Set Lightkeep up.")
    parser.add_argument("--dev", action="store_true", help="also what the tests need")
    parser.add_argument("--again", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    dev = options.dev
    signal.signal(signal.SIGTERM, stop)
    try:
        set_up(HOME, dev=dev, again=options.again)
        if dev:
            with holding_lock(HOME) as lock:
                provide_chromium(lock)
    except SetupError as error:
        say(str(error))
        return EXIT_FAILED
    except OSError as error:
        say(f"Set-up failed: {error.strerror or error}: {error.filename or ''}".rstrip(": ") + ".")
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            say(f"It happens in Lightkeep's own folder: start it once as the owner of {HOME}.")
        return EXIT_FAILED
    except KeyboardInterrupt:
        say("\nSet-up was interrupted; the next start does it again.")
        return EXIT_INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
