"""Where measures work: libraries that were made, room for data, programs run with a clock."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from library_maker import make_library

REPOSITORY: Final = Path(__file__).resolve().parent.parent
FULL_FILES: Final = 10_000
"""Of how many files the marks speak; a run with fewer is a rehearsal."""

_MANY: Final = 10  # times as many tiny files as small ones
_CAMERA_SHARE: Final = 0.06
_MOST_REPEATS: Final = 3
_EXIT_PROBLEMS: Final = 1
_NO_COMPILED_CODE: Final = frozenset({"PYTHONDONTWRITEBYTECODE"})


class MeasureError(Exception):
    """A measure cannot be taken; a sentence."""


@dataclass(frozen=True, slots=True)
class Run:
    """One program from its start to its end."""

    seconds: float
    output: bytes
    errors: bytes


@dataclass(frozen=True, slots=True)
class Workshop:
    """Sizes, places and rounds of one run of the benchmark.

    files: how many small ones; there are ten times as many tiny ones, and six camera files to a
    hundred. library: a person's own, which takes the place of each that would be made; it is only
    """

    files: int
    rounds: int
    files_dir: Path
    place: Path
    library: Path | None = None

    @property
    def repeats(self) -> int:
        """How often a round times what takes seconds or less, beside its yardstick."""
        return min(_MOST_REPEATS, self.rounds)

    @property
    def many(self) -> int:
        return self.files * _MANY

    @property
    def fewer(self) -> int:
        """From how many tiny files on memory is watched to grow."""
        return self.many // _MANY

    @property
    def batch(self) -> int:
        """Of how many small files the facts are read at once."""
        return max(1, self.files // _MANY)

    @property
    def camera_files(self) -> int:
        return max(2, round(self.files * _CAMERA_SHARE))

    def find_library(self, size: str, count: int) -> Path:
        """The library to measure with: the person's, or a made one."""
        return self.library or self.make_library(size, count)

    def make_library(self, size: str, count: int) -> Path:
        """One that was made, whoever's library is measured."""
        say(f"  the library of {count:,} {size} files")
        return make_library(self.files_dir, size, count)

    @contextlib.contextmanager
    def room(self) -> Iterator[Path]:
        """A new folder, gone afterwards."""
        with tempfile.TemporaryDirectory(dir=self.place) as folder:
            yield Path(folder)

    def index(self, library: Path, data_dir: Path, *options: str, verb: str = "index") -> Run:
        """One index by a process of its own. Raises `MeasureError` unless it gave a report."""
        command = [*PROGRAM, "--data-dir", str(data_dir), verb, str(library), *options, "--json"]
        run = self.time(command, statuses=(0, _EXIT_PROBLEMS))
        with contextlib.suppress(ValueError):
            if "found" in json.loads(run.output):
                return run
        # Its exit status is 1 over files with problems, and over a crash.
        raise MeasureError(_describe_failure(command, _EXIT_PROBLEMS, run.errors))

    def time(
        self, command: Sequence[str], *, statuses: Sequence[int] = (0,), keep: bool = True
    ) -> Run:
        """Run a program and time all of it. keep: whether its output is wanted."""
        began = time.perf_counter()
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if keep else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
            env=self.environment,
        )
        seconds = time.perf_counter() - began
        if done.returncode not in statuses:
            raise MeasureError(_describe_failure(command, done.returncode, done.stderr))
        return Run(seconds, done.stdout or b"", done.stderr)

    def time_together(self, commands: Sequence[Sequence[str]]) -> float:
        """Seconds until the last of several programs that run side by side has ended."""
        began = time.perf_counter()
        running = [
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=self.environment,
            )
            for command in commands
        ]
        errors = [process.communicate()[1] for process in running]
        seconds = time.perf_counter() - began
        for process, command, error in zip(running, commands, errors, strict=True):
            if process.returncode:
                raise MeasureError(_describe_failure(command, process.returncode, error))
        return seconds

    @property
    def environment(self) -> Mapping[str, str]:
        """Lightkeep remembers per user where libraries are; these are not to stay. Compiled code
        is kept, as where it is installed.
        """
        kept = {name: value for name, value in os.environ.items() if name not in _NO_COMPILED_CODE}
        compiled = str(self.files_dir / "compiled")
        return {
            **kept,
            "PYTHONPYCACHEPREFIX": compiled,
            "XDG_STATE_HOME": str(self.place / "state"),
        }


PROGRAM: Final = (sys.executable, str(REPOSITORY / "cli.py"))


def _describe_failure(command: Sequence[str], status: int, error: bytes) -> str:
    last_line = error.decode(errors="replace").strip().splitlines()[-1:]
    name = Path(command[0]).name if command[0] != sys.executable else "lightkeep"
    return f"{name} ended with exit status {status}: {' '.join(last_line)}"


def list_files(library: Path) -> list[Path]:
    """The files that are looked at, sorted; listing them once also warms the directories."""
    found = []
    for folder, folders, names in os.walk(library):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    return sorted(found)


def copy_files(files: Sequence[Path], library: Path, target: Path) -> None:
    """Copies of some files of a library, at the same places of another one."""
    for path in files:
        place = target / path.relative_to(library)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, place)  # a photo is older than the copy: nobody waits for its stamps


@contextlib.contextmanager
def leaving_no_marker(library: Path | None) -> Iterator[None]:
    """An index marks the folder as a library; a person's folder that was none is left as it was."""
    marker_dir = library / ".library" if library else None
    was_library = marker_dir is None or marker_dir.exists()
    try:
        yield
    finally:
        if marker_dir is not None and not was_library:
            (marker_dir / "library.json").unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not there, or not ours alone
                marker_dir.rmdir()


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
