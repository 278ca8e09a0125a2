"""The launcher, run as a person runs it, in copies of the tree.

The quick tests borrow this Python for the environment; the slow ones make a real one.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import http.server
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import bootstrap
import bootstrap_exiftool

REPOSITORY = Path(__file__).resolve().parent.parent
STAND_IN_CLI = """\
import json, os, sys
print(json.dumps({"arguments": sys.argv[1:], "cwd": os.getcwd(), "prefix": sys.prefix}))
"""
SYSTEM_TOOLS = ("sh", "cat", "cmp", "dirname", "readlink", "rm", "mkdir", "sleep")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The launcher in a folder with a space, with a tiny cli.py and nothing to install."""
    folder = tmp_path / "light keep"
    folder.mkdir()
    for name in ("lightkeep", "bootstrap.py", "bootstrap_exiftool.py"):
        shutil.copy2(REPOSITORY / name, folder / name)
    (folder / "cli.py").write_text(STAND_IN_CLI)
    (folder / "requirements.txt").write_text("# nothing\n")
    (folder / "requirements-dev.txt").write_text("# nothing\n")
    return folder


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A PATH with a few tools of the system and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in SYSTEM_TOOLS:
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return folder


def start(
    launcher: Path, *arguments: str, cwd: Path | None = None, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({"PATH": str(path)} if path else {})}
    return subprocess.run(
        [str(launcher), *arguments],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


def add_tool(folder: Path, name: str, script: str) -> None:
    tool = folder / name
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)


def make_ready(tree: Path) -> bootstrap.Environment:
    """What a finished set-up leaves, with this Python instead of one of its own."""
    environment = bootstrap.Environment(tree)
    environment.python.parent.mkdir(parents=True)
    environment.python.symlink_to(os.path.realpath(sys.executable))
    environment.begin()
    environment.finish(dev=False)
    return environment


def test_a_machine_without_python_is_told_what_to_type(tree: Path, bare_path: Path) -> None:
    add_tool(bare_path, "apt-get", "exit 1")
    done = start(tree / "lightkeep", "serve", path=bare_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "Lightkeep needs Python 3.11 or newer; there is none on this machine.",
        "Type: sudo apt-get install python3 python3-venv",
        "Or get uv, which brings a Python of its own: https://docs.astral.sh/uv/",
    ]


def test_a_python_that_is_too_old_is_named(tree: Path, bare_path: Path) -> None:
    add_tool(bare_path, "python3", '[ "$1" = -V ] && echo "Python 3.9.2" && exit; exit 1')
    done = start(tree / "lightkeep", "serve", path=bare_path)
    assert done.returncode == 2
    assert "here is Python 3.9.2" in done.stderr
    assert not (tree / ".venv").exists()


def test_a_newer_python_beside_an_old_python3_is_found(tree: Path, bare_path: Path) -> None:
    add_tool(bare_path, "python3", "exit 1")
    add_tool(
        bare_path,
        "python3.12",
        f'case $1 in -c) exit 0;; esac; echo "$@" >"{bare_path}/asked"; exit 7',
    )
    done = start(tree / "lightkeep", "serve", path=bare_path)
    assert done.returncode == 7
    assert (bare_path / "asked").read_text() == f"-B {tree}/bootstrap.py\n"


def add_uv(folder: Path, *, downloads: bool) -> None:
    """A uv that knows of a Python only once it has installed one."""
    add_tool(folder, "uvs-python", f'echo "$@" >"{folder}/asked"; exit 7')
    add_tool(
        folder,
        "uv",
        f"""case $2 in
            find) [ -e "{folder}/installed" ] && echo "{folder}/uvs-python" ;;
            install) {f': >"{folder}/installed"' if downloads else "exit 1"} ;;
        esac""",
    )


def test_uv_brings_a_python_where_there_is_none(tree: Path, bare_path: Path) -> None:
    add_uv(bare_path, downloads=True)
    done = start(tree / "lightkeep", "serve", path=bare_path)
    assert done.returncode == 7
    assert done.stderr == "Setting up (once): Python 3.13 (with uv)\n"
    assert (bare_path / "asked").read_text() == f"-B {tree}/bootstrap.py\n"


def test_a_uv_without_a_network_ends_in_what_to_type(tree: Path, bare_path: Path) -> None:
    add_uv(bare_path, downloads=False)
    add_tool(bare_path, "dnf", "exit 1")
    done = start(tree / "lightkeep", "serve", path=bare_path)
    assert done.returncode == 2
    assert "Type: sudo dnf install python3.11" in done.stderr.splitlines()


def test_a_ready_tree_goes_straight_to_work(tree: Path, bare_path: Path) -> None:
    make_ready(tree)
    done = start(tree / "lightkeep", "index", "my photos", "--json", path=bare_path)
    assert done.returncode == 0, done.stderr
    assert '"arguments": ["index", "my photos", "--json"]' in done.stdout
    assert done.stderr == ""


def test_a_second_start_costs_little(tree: Path) -> None:
    make_ready(tree)
    (tree / "cli.py").write_text("")
    own_times_s = []
    for _ in range(5):
        before = time.perf_counter()
        assert start(tree / "lightkeep", "list").returncode == 0
        between = time.perf_counter()
        subprocess.run([sys.executable, str(tree / "cli.py")], check=True)
        own_times_s.append((between - before) - (time.perf_counter() - between))
    assert min(own_times_s) < 0.25


def test_it_works_by_a_link_and_from_another_folder(tree: Path, tmp_path: Path) -> None:
    make_ready(tree)
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    (elsewhere / "first").symlink_to(tree / "lightkeep")
    (elsewhere / "second").symlink_to("first")
    done = start(elsewhere / "second", "list", cwd=elsewhere)
    assert f'"cwd": "{elsewhere}"' in done.stdout


def test_the_exit_status_is_the_verbs(tree: Path) -> None:
    make_ready(tree)
    (tree / "cli.py").write_text("raise SystemExit(75)\n")
    assert start(tree / "lightkeep", "index").returncode == 75


def test_changed_requirements_are_noticed(tree: Path) -> None:
    environment = make_ready(tree)
    assert environment.is_ready(dev=False)
    (tree / "requirements.txt").write_text("# something else\n")
    assert not environment.is_ready(dev=False)


def test_another_python_behind_the_environment_is_noticed(tree: Path) -> None:
    environment = make_ready(tree)
    environment.made_for.write_text("/usr/bin/python3.10")
    assert not environment.is_ready(dev=False)


def test_a_set_up_that_was_cut_off_is_not_trusted(tree: Path) -> None:
    environment = make_ready(tree)
    environment.begin()
    assert not environment.is_ready(dev=False)
    assert not environment.is_usable()


def test_what_tests_need_counts_only_for_tests(tree: Path) -> None:
    environment = make_ready(tree)
    assert not environment.is_ready(dev=True)
    environment.begin()
    environment.finish(dev=True)
    assert environment.is_ready(dev=True)
    assert environment.is_ready(dev=False)


def test_a_failed_step_shows_what_the_program_said() -> None:
    with pytest.raises(bootstrap.SetupError, match=r"It failed:\nno network here"):
        bootstrap.run_step(["sh", "-c", "echo no network here; exit 1"], "It failed:")


def exiftool_script(version: str, answer: str = "2001:02:03 04:05:06") -> str:
    return f'case "$*" in *-ver*) echo {version};; *) echo "{answer}";; esac'


@pytest.fixture
def lone_tools(bare_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that alone is on PATH, for a person who is not root and chose no ExifTool."""
    for name in ("LIGHTKEEP_EXIFTOOL", "npm_config_registry", "NPM_CONFIG_REGISTRY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(bare_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    add_tool(bare_path, "apt-get", "exit 1")
    add_tool(bare_path, "perl", "exit 0")
    return bare_path


def make_package(members: dict[str, bytes], *, link: str | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        if link:
            member = tarfile.TarInfo(link)
            member.type, member.linkname = tarfile.SYMTYPE, "/etc"
            archive.addfile(member)
    return buffer.getvalue()


def make_exiftool_package(version: str = "13.59") -> bytes:
    program = f"#!/bin/sh\n{exiftool_script(version)}\n"
    return make_package(
        {
            "package/bin/exiftool": program.encode(),
            "package/bin/lib/Image/ExifTool.pm": b"1;",
            "package/index.js": b"",
            "package/bin/../../outside": b"no",
            "/package/bin/absolute": b"no",
        },
        link="package/bin/lib/etc",
    )


Serve = Callable[[bytes], list[str]]


@pytest.fixture
def serve_package(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Call it with bytes: the registry gives them, and they are the ones that are pinned."""
    package = b""
    asked: list[str] = []

    class Registry(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(package)))
            self.end_headers()
            self.wfile.write(package)

        def log_message(self, *_: object) -> None:
            pass

    def serve(content: bytes) -> list[str]:
        nonlocal package
        package = content
        digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
        monkeypatch.setattr(bootstrap_exiftool, "SHA512", digest)
        monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{server.server_port}/npm/")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        return asked

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield serve
        finally:
            server.shutdown()
            thread.join()


def provide_exiftool(tree: Path) -> None:
    with bootstrap.holding_lock(tree) as lock:
        bootstrap.provide_exiftool(tree, lock)


def test_an_old_exiftool_is_passed_over(tree: Path, lone_tools: Path) -> None:
    add_tool(lone_tools, "exiftool", exiftool_script("12.14"))
    assert bootstrap_exiftool.find(tree) is None
    program = bootstrap_exiftool.vendored(tree)
    program.parent.mkdir(parents=True)
    add_tool(program.parent, program.name, exiftool_script("12.15"))
    assert bootstrap_exiftool.find(tree) == str(program)


def test_an_exiftool_that_reads_no_picture_is_passed_over(tree: Path, lone_tools: Path) -> None:
    add_tool(lone_tools, "exiftool", exiftool_script("13.59", answer=""))
    assert bootstrap_exiftool.find(tree) is None


def test_a_chosen_exiftool_is_the_only_one(
    tree: Path,
    lone_tools: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    add_tool(lone_tools, "exiftool", exiftool_script("13.59"))
    add_tool(lone_tools, "mine", exiftool_script("12.57"))
    monkeypatch.setenv("LIGHTKEEP_EXIFTOOL", str(lone_tools / "mine"))
    assert bootstrap_exiftool.find(tree) == str(lone_tools / "mine")
    monkeypatch.setenv("LIGHTKEEP_EXIFTOOL", "/not/there")
    provide_exiftool(tree)
    assert "LIGHTKEEP_EXIFTOOL names /not/there" in capsys.readouterr().err


def test_an_exiftool_is_fetched_for_who_may_install_nothing(
    tree: Path, lone_tools: Path, serve_package: Serve
) -> None:
    asked = serve_package(make_exiftool_package())
    provide_exiftool(tree)
    program = tree / ".cache" / "exiftool" / "exiftool"
    assert bootstrap_exiftool.find(tree) == str(program)
    version = bootstrap_exiftool.VERSION
    assert asked == [f"/npm/exiftool-vendored.pl/-/exiftool-vendored.pl-{version}.tgz"]
    provide_exiftool(tree)
    assert len(asked) == 1

    # Only plain files of the package's `bin`, and nothing half-made beside them.
    files = {path.relative_to(tree / ".cache") for path in (tree / ".cache").rglob("*")}
    assert {str(path) for path in files} == {
        "setup.lock",
        "exiftool",
        "exiftool/exiftool",
        "exiftool/lib",
        "exiftool/lib/Image",
        "exiftool/lib/Image/ExifTool.pm",
    }
    assert not list(tree.parent.rglob("outside"))


def test_a_package_with_another_checksum_is_not_unpacked(
    tree: Path,
    lone_tools: Path,
    serve_package: Serve,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    serve_package(make_exiftool_package())
    monkeypatch.setattr(bootstrap_exiftool, "SHA512", "another")
    provide_exiftool(tree)
    assert "another checksum" in capsys.readouterr().err
    assert [path.name for path in (tree / ".cache").iterdir()] == ["setup.lock"]


@pytest.mark.parametrize(
    "package",
    [
        pytest.param(make_exiftool_package("9.99"), id="too old"),
        pytest.param(make_package({"package/index.js": b""}), id="no exiftool"),
        pytest.param(make_exiftool_package()[:-30], id="cut off"),
        pytest.param(b"<html>Log in to the network</html>", id="no archive"),
    ],
)
def test_a_package_that_gives_no_exiftool_leaves_the_old_one_alone(
    tree: Path, lone_tools: Path, serve_package: Serve, package: bytes
) -> None:
    serve_package(package)
    program = bootstrap_exiftool.vendored(tree)
    program.parent.mkdir(parents=True)
    program.write_text("the old one")
    with pytest.raises(bootstrap_exiftool.FetchError):
        bootstrap_exiftool.fetch(tree)
    assert program.read_text() == "the old one"
    assert [path.name for path in (tree / ".cache").iterdir()] == ["exiftool"]


def test_a_fetch_that_was_cut_off_is_tidied_up_by_the_next(
    tree: Path, lone_tools: Path, serve_package: Serve
) -> None:
    serve_package(make_exiftool_package())
    (tree / ".cache" / "exiftool.partial" / "lib").mkdir(parents=True)
    (tree / ".cache" / "exiftool").mkdir()
    bootstrap_exiftool.fetch(tree)
    assert [path.name for path in (tree / ".cache").iterdir()] == ["exiftool"]
    assert bootstrap_exiftool.find(tree)


@pytest.mark.parametrize("registry", ["http://127.0.0.1:9", "file:///etc", "nonsense"])
def test_without_exiftool_set_up_goes_on_and_says_what_to_type(
    tree: Path,
    lone_tools: Path,
    registry: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", registry)
    provide_exiftool(tree)
    said = capsys.readouterr().err
    assert registry in said
    assert "Type: sudo apt-get install libimage-exiftool-perl" in said
    assert said.endswith("let Lightkeep fetch its own: ./lightkeep setup\n")


def test_where_there_is_no_perl_nothing_is_fetched(
    tree: Path, lone_tools: Path, serve_package: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = serve_package(make_exiftool_package())
    (lone_tools / "perl").unlink()
    provide_exiftool(tree)
    assert "there is no perl on this machine" in capsys.readouterr().err
    assert asked == []


def test_the_pinned_checksum_is_one_of_sha512() -> None:
    assert len(base64.b64decode(bootstrap_exiftool.SHA512, validate=True)) == 64


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="no ExifTool on this machine")
def test_a_real_exiftool_reads_the_test_picture() -> None:
    assert bootstrap_exiftool.works("exiftool")


def test_a_setup_that_was_asked_for_looks_for_exiftool_again(
    tree: Path, lone_tools: Path, serve_package: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    make_ready(tree)
    asked = serve_package(make_exiftool_package())
    bootstrap.set_up(tree, dev=False)
    assert (asked, capsys.readouterr().err) == ([], "")
    bootstrap.set_up(tree, dev=False, again=True)
    assert len(asked) == 1
    bootstrap.set_up(tree, dev=False, again=True)
    assert len(asked) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "Lightkeep is set up."


def test_the_verb_setup_asks_for_it_and_a_start_does_not(tree: Path, bare_path: Path) -> None:
    add_tool(
        bare_path,
        "python3",
        f'case $1 in -c) exit 0;; esac; shift 2; echo "$@" >"{bare_path}/asked"; exit 7',
    )
    for arguments, passed in ((["setup", "--dev"], "--again --dev"), (["serve"], "")):
        assert start(tree / "lightkeep", *arguments, path=bare_path).returncode == 7
        assert (bare_path / "asked").read_text().strip() == passed


def test_a_missing_list_of_packages_is_fetched_first(
    bare_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = bare_path / "lists"
    add_tool(
        bare_path,
        "apt-get",
        f'case "$*" in *update*) echo >"{lists}";; *install*) [ -e "{lists}" ];; esac',
    )
    monkeypatch.setenv("PATH", str(bare_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert bootstrap.apt_install("exiftool")


def test_a_second_set_up_waits_for_the_first(tree: Path) -> None:
    (tree / ".cache").mkdir()
    with (tree / ".cache" / "setup.lock").open("a") as lock_file:
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        with subprocess.Popen(
            [sys.executable, str(tree / "bootstrap.py")], stderr=subprocess.PIPE, text=True
        ) as second:
            assert second.stderr is not None
            assert second.stderr.readline().startswith("Another start is setting Lightkeep up")
            assert not (tree / ".venv").exists()
            make_ready(tree)
            fcntl.flock(lock_file, fcntl.LOCK_UN)
            assert second.stderr.read() == ""
            assert second.wait(timeout=30) == 0


@pytest.mark.slow
def test_a_real_set_up_then_a_change_then_a_cut_off(tree: Path) -> None:
    """One after the other, because making an environment takes seconds."""
    launcher = tree / "lightkeep"
    first = start(launcher, "list", "x")
    assert first.returncode == 0, first.stderr
    assert f'"prefix": "{tree}/.venv"' in first.stdout
    assert first.stderr.startswith("Setting up (once): ")
    second = start(launcher, "list", "x")
    assert (second.stdout, second.stderr) == (first.stdout, "")

    # An environment whose making was cut off is made anew, whatever it holds.
    (tree / ".venv" / "lightkeep-unfinished").touch()
    (tree / ".venv" / "lightkeep-installed.txt").unlink()
    (tree / ".venv" / "left over").touch()
    third = start(launcher, "list", "x")
    assert (third.returncode, third.stdout) == (0, first.stdout)
    assert not (tree / ".venv" / "left over").exists()

    # Requirements that cannot be had: said, not run, and the next start tries again.
    (tree / "requirements.txt").write_text("there-is-no-such-package==1 --hash=sha256:" + "0" * 64)
    fourth = start(launcher, "list", "x")
    assert (fourth.returncode, fourth.stdout) == (2, "")
    assert "could not be installed" in fourth.stderr
    (tree / "requirements.txt").write_text("# nothing\n")
    assert start(launcher, "list", "x").stdout == first.stdout


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_set_up_that_is_stopped_is_done_by_the_next_start(
    tree: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(
        [str(tree / "lightkeep"), "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as interrupted:
        assert interrupted.stderr is not None
        assert interrupted.stderr.readline().startswith("Setting up (once): ")
        time.sleep(0.3)
        os.killpg(interrupted.pid, number)
        assert interrupted.wait(timeout=60) != 0
        assert "Traceback" not in interrupted.stderr.read()
    assert not bootstrap.Environment(tree).is_ready(dev=False)
    done = start(tree / "lightkeep", "list")
    assert done.returncode == 0, done.stderr
    assert '"arguments": ["list"]' in done.stdout


@pytest.mark.slow
def test_two_first_starts_at_once_both_work(tree: Path) -> None:
    both = [
        subprocess.Popen(
            [str(tree / "lightkeep"), "list"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=180)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert outputs[0] == outputs[1] != ""
