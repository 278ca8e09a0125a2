"""Every moment at which a command can die, by strace: a harness for crash tests.

`list_points` runs a command once and counts its calls of each syscall that changes a disk;
`run_point` runs it again and kills it at the k-th of them (before the call is done), or lets that
call fail with ENOSPC or EIO. strace counts `when=` for each syscall and each process apart, so
one name at a time is traced. Never with `--seccomp-bpf`: strace 6.1 then injects no signal.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pytest

KILL: Final = "SIGKILL"
CHANGING_CALLS: Final = (
    *("write", "pwrite64", "writev", "rename", "renameat", "renameat2", "unlink", "unlinkat"),
    *("ftruncate", "fdatasync", "fsync", "sendfile", "copy_file_range", "link", "linkat"),
    *("mkdir", "rmdir"),
)
# `write` also serves the pipes to the workers, whose breaking is another matter.
FAILING_CALLS: Final = (
    *("pwrite64", "rename", "ftruncate", "fdatasync", "fsync", "sendfile", "copy_file_range"),
    *("link", "mkdir"),
)
RUN_TIMEOUT_S: Final = 60.0
_CALL: Final = re.compile(r"(\d+) +(\w+)\(")


@dataclass(frozen=True, slots=True)
class CrashPoint:
    """The k-th call of a syscall, and what happens there: `SIGKILL`, or an errno's name.

    lasting: that call and all later ones fail.
    """

    syscall: str
    number: int
    fault: str = KILL
    lasting: bool = False

    def __str__(self) -> str:
        return f"{self.fault} at {self.syscall} {self.number}{'+' * self.lasting}"

    @property
    def injection(self) -> str:
        fault = f"signal={KILL}" if self.fault == KILL else f"error={self.fault}"
        return f"inject={self.syscall}:{fault}:when={self.number}{'+' * self.lasting}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended; `fired`: whether the point was reached."""

    status: int
    fired: bool
    output: str

    @property
    def is_clean(self) -> bool:
        """Done, killed, or refused with a sentence: not a traceback."""
        return self.status in (0, 2) or self.output == ""


def require_strace() -> None:
    """Skip the test where nothing can be traced."""
    if reason := _find_hindrance():
        pytest.skip(reason)


@cache
def _find_hindrance() -> str | None:
    if shutil.which("strace") is None:
        return "strace is not installed, so no crash points can be tried"
    tried = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"strace may not trace here: {tried.stderr.strip()}" if tried.returncode else None


def list_points(command: Sequence[str], calls: Sequence[str] = CHANGING_CALLS) -> list[CrashPoint]:
    """Every point of the command at which it can be killed; runs it once, to its end."""
    status, log, output = _trace(command, [f"trace={','.join(calls)}"])
    assert status == 0, output
    by_process = Counter(
        (match[1], match[2]) for line in log.splitlines() if (match := _CALL.match(line))
    )
    most: Counter[str] = Counter()
    for (_, syscall), count in by_process.items():
        most[syscall] = max(most[syscall], count)
    return [
        CrashPoint(syscall, number) for syscall in calls for number in range(1, most[syscall] + 1)
    ]


def add_failures(points: Sequence[CrashPoint]) -> list[CrashPoint]:
    """The same places, with a disk that is full or fails there: once, and from there on."""
    return [
        CrashPoint(point.syscall, point.number, fault, lasting)
        for point in points
        if point.syscall in FAILING_CALLS
        for fault in ("ENOSPC", "EIO")
        for lasting in (False, True)
    ]


def sample(points: Sequence[CrashPoint], count: int, seed: int = 1) -> list[CrashPoint]:
    """So many of the points, of every syscall and fault in turn."""
    choice = random.Random(seed)
    groups: dict[tuple[str, str, bool], list[CrashPoint]] = {}
    for point in points:
        groups.setdefault((point.syscall, point.fault, point.lasting), []).append(point)
    for group in groups.values():
        choice.shuffle(group)
    chosen: list[CrashPoint] = []
    while len(chosen) < count and any(groups.values()):
        chosen += [group.pop() for group in groups.values() if group]
    return chosen[:count]


def run_point(command: Sequence[str], point: CrashPoint) -> Outcome:
    """Run the command with that fault."""
    status, log, output = _trace(command, [f"trace={point.syscall}", point.injection])
    fired = "INJECTED" in log or "killed by SIGKILL" in log
    return Outcome(status, fired, output)


def _trace(command: Sequence[str], expressions: Sequence[str]) -> tuple[int, str, str]:
    """Exit status, strace's log and what the command wrote to stderr."""
    with tempfile.TemporaryDirectory(prefix="crash-") as folder:
        log = Path(folder) / "log"
        options = [word for expression in expressions for word in ("-e", expression)]
        traced = subprocess.run(
            ["strace", "-f", "-qq", "-o", str(log), *options, *command],
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            check=False,
        )
        return traced.returncode, log.read_text(errors="replace"), traced.stderr
