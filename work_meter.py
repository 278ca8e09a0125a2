"""What work costs below the phases of an operation: hashes, tags, pictures, database, ExifTool.

Whoever does such work notes it; it counts for the operation of whose thread it is a part, and
for nobody where none is under way. Seconds are those of all workers together, so they may be
more than the phase took.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

KINDS: Final = ("hash", "tags", "exiftool", "decode", "database")
"""hash: bytes read and hashed. tags: the fast reader. exiftool: its commands. decode: small
pictures drawn meanwhile, for whomever. database: transactions that write."""

_FIELDS: Final = ("files", "bytes", "calls", "seconds")


@dataclass(slots=True)
class Work:
    """What one kind of work came to; `calls` are commands, or transactions."""

    files: int = 0
    bytes: int = 0
    calls: int = 0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, int | float]:
        return {
            "files": self.files,
            "bytes": self.bytes,
            "calls": self.calls,
            "seconds": round(self.seconds, 3),
            "files_per_s": round(self.files / self.seconds, 2) if self.seconds > 0 else 0.0,
        }


@dataclass(slots=True)
class WorkMeter:
    """The work of one operation, by kind. Not thread-safe: who waits for a thread may lend it."""

    kinds: dict[str, Work] = field(default_factory=dict)

    def restore(self, kind: str, said: Mapping[str, Any]) -> None:
        """Go on from what an interrupted operation had counted."""
        self.kinds[kind] = Work(**{name: said.get(name) or 0 for name in _FIELDS})

    def as_dict(self) -> dict[str, dict[str, int | float]]:
        return {kind: self.kinds[kind].as_dict() for kind in KINDS if kind in self.kinds}


_current: ContextVar[WorkMeter | None] = ContextVar("work_meter", default=None)


@contextmanager
def measuring(meter: WorkMeter) -> Iterator[None]:
    """Count in `meter` what this thread does inside the block."""
    token = _current.set(meter)
    try:
        yield
    finally:
        _current.reset(token)


def note(
    kind: str,
    seconds: float,
    *,
    files: int = 0,
    bytes: int = 0,  # noqa: A002 - the name of the metric
    calls: int = 0,
) -> None:
    """Count work of a kind in `KINDS` for the operation of this thread, if there is one."""
    meter = _current.get()
    if meter is None:
        return
    work = meter.kinds.setdefault(kind, Work())
    work.seconds += seconds
    work.files += files
    work.bytes += bytes
    work.calls += calls
