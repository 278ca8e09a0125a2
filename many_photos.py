"""A deed done to many photos, one after the other: progress, stop, problems, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from db import Database
from errors import FileProblem, LibraryError
from operation_runner import OperationContext


@dataclass(slots=True)
class Tally:
    """What became of the photos of one deed.

    found: how many were asked for. done: with how many something was done, now or before a stop.
    errors: id, and why in a sentence.
    """

    found: int = 0
    done: int = 0
    errors: list[tuple[int, str]] = field(default_factory=list)
    problems: list[FileProblem] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def as_report(self, **counts: int) -> dict[str, Any]:
        """The keys that all reports have; `counts` replace those of 0."""
        zeros = dict.fromkeys(("added", "changed", "moved", "missing"), 0)
        return {
            "found": self.found,
            **zeros,
            "unchanged": self.found - self.done - len(self.errors),
            "success_count": self.found - len(self.errors),
            "error_count": len(self.errors),
            "errors": [{"photo_id": key, "error": reason} for key, reason in self.errors],
            "problems": [{"path": one.path, "reason": one.reason} for one in self.problems],
            "seconds": round(time.monotonic() - self.began, 3),
            "cache": {},
            **counts,
        }


def do_many(
    context: OperationContext,
    database: Database,
    phase: str,
    names: Mapping[int, str],
    deed: Callable[[int], bool],
    *,
    done_before: Sequence[int] = (),
) -> Tally:
    """Do a deed for each of these ids, in their order; trouble with one costs only itself.

    names: id -> what a report calls it. deed: whether there was anything to do.
    done_before: ids with which the operation was through before it was stopped.
    Raises what is no trouble with one photo, as of a full disk, and `OperationStopped`.
    """
    checkpoint = context.checkpoint
    ids = list(dict.fromkeys([*done_before, *names]))
    tally = Tally(len(ids), done=len(set(done_before)))
    checkpoint.begin_phase(phase, len(ids))
    for number, key in enumerate(ids):
        context.report_progress(phase=phase, done=number, total=len(ids))
        context.check()
        if key not in done_before:
            try:
                tally.done += deed(key)
            except LibraryError as error:
                if error.status >= 500:
                    raise
                tally.errors.append((key, error.message))
                tally.problems.append(FileProblem(names[key], error.message))
                context.add_problem(tally.problems[-1])
        checkpoint.advance(1)
        if checkpoint.due:
            with database.transaction() as connection:
                checkpoint.save(connection)
    context.report_progress(phase=phase, done=len(ids), total=len(ids))
    return tally
