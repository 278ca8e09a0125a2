"""Who an index tells how far it is, and what it says at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from errors import FileProblem
from operation_state import CheckpointHelper


class IndexObserver(Protocol):
    """Who is told how far the index is, and may stop it; `OperationContext` is one."""

    @property
    def checkpoint(self) -> CheckpointHelper: ...

    def report_progress(self, *, phase: str, done: int = 0, total: int | None = None) -> None: ...

    def add_problem(self, problem: FileProblem) -> None: ...

    def check(self) -> None:
        """Raises where the person asked to pause or cancel."""


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What an index found and did; `cache` as `CacheStatistics.as_dict()`, and `files_opened`.

    unseen: files and folders that the disk did not give; what is known of them stays.
    folders_passed: folders that a quick index did not read, for they were as noted.
    """

    found: int
    added: int
    changed: int
    moved: int
    missing: int
    unchanged: int
    ignored: dict[str, int]
    problems: list[FileProblem]
    seconds: float
    cache: dict[str, Any]
    unseen: tuple[str, ...] = ()
    folders_passed: int = 0

    def as_dict(self) -> dict[str, Any]:
        names = [name for name in self.__slots__ if name not in ("problems", "unseen")]
        return {name: getattr(self, name) for name in names} | {
            "problems": [{"path": item.path, "reason": item.reason} for item in self.problems]
        }
