"""The launcher, run as a person runs it, in copies of the tree.

The quick tests borrow this Python for the environment; the slow ones make a real one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import bootstrap

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
    for name in ("lightkeep", "bootstrap.py"):
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
        "Type: sudo apt-get install python3.11 python3.11-venv",
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
    assert (bare_path / "asked").read_text() == f"{tree}/bootstrap.py\n"


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
    assert min(own_times_s) < 0.15


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


def test_an_old_exiftool_is_passed_over(
    tree: Path, bare_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIGHTKEEP_EXIFTOOL", raising=False)
    monkeypatch.setenv("PATH", str(bare_path))
    add_tool(bare_path, "exiftool", "echo 12.14")
    assert bootstrap.find_exiftool(tree) is None
    vendored = tree / ".cache" / "exiftool"
    vendored.mkdir(parents=True)
    add_tool(vendored, "exiftool", "echo 13.59")
    assert bootstrap.find_exiftool(tree) == str(vendored / "exiftool")
    chosen = bare_path / "mine"
    add_tool(bare_path, "mine", "echo 12.57")
    monkeypatch.setenv("LIGHTKEEP_EXIFTOOL", str(chosen))
    assert bootstrap.find_exiftool(tree) == str(chosen)


def test_without_exiftool_set_up_goes_on_and_says_what_to_type(
    tree: Path,
    bare_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("LIGHTKEEP_EXIFTOOL", raising=False)
    monkeypatch.setenv("PATH", str(bare_path))
    add_tool(bare_path, "apk", "exit 0")
    with bootstrap.holding_lock(tree) as lock:
        bootstrap.provide_exiftool(tree, lock)
    assert "Type: sudo apk add exiftool" in capsys.readouterr().err


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
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
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
