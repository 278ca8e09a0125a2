"""What a terminal shows of long work: a bar or plain lines, and the report at the end."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, Self

import click

from operation_progress import Progress
from operation_runner import OperationRunner
from operation_state import OperationStatus

_BAR_CELLS: Final = 24
_PLAIN_LINE_EVERY_S: Final = 5.0
_SHOWN_PROBLEMS: Final = 20


class PauseOnSignal:
    """Lets Ctrl-C and SIGTERM end an operation between two files, its checkpoint written.

    Entered before the operation is started: a signal that came meanwhile is kept for it.
    """

    def __init__(self, runner: OperationRunner) -> None:
        self._runner = runner
        self._operation_id: str | None = None
        self._asked = False

    def __enter__(self) -> Self:
        self._before = {
            number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def pause_when_asked(self, operation_id: str) -> None:
        """Which operation a signal pauses, or has paused before it was known."""
        self._operation_id = operation_id
        if self._asked:
            self._runner.pause(operation_id)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True
        if self._operation_id:
            self._runner.pause(self._operation_id)
        # A file that hangs can take minutes: a second signal ends the program at once.
        self._restore()


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the program as Ctrl-C does, also before there is an operation to pause."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def watch(runner: OperationRunner, operation_id: str) -> Progress:
    """Show an operation until it ends."""
    terminal = Terminal()
    while True:
        progress = runner.wait(operation_id, timeout=0.2)
        if OperationStatus(progress.status) not in (
            OperationStatus.PENDING,
            OperationStatus.RUNNING,
        ):
            terminal.clear()
            return progress
        terminal.show(progress)


class Terminal:
    """A bar on a terminal, a plain line now and then elsewhere; always on standard error."""

    def __init__(self) -> None:
        self._interactive = sys.stderr.isatty()
        self._last_line_at = time.monotonic()

    def show(self, progress: Progress) -> None:
        rate = f"{progress.files_per_s:,.0f} files/s" if progress.files_per_s else ""
        left = f"{progress.seconds_left:,.0f} s left" if progress.seconds_left else ""
        self.show_count(progress.phase, progress.done, progress.total, rate, left)

    def show_count(self, phase: str, done: int, total: int | None, *more: str) -> None:
        count = f"{done:,} of {total:,}" if total else f"{done:,}" if done else ""
        words = "  ".join(word for word in (phase, count, *more) if word)
        if self._interactive:
            filled = _BAR_CELLS * done // total if total else 0
            bar = f"[{'#' * filled}{' ' * (_BAR_CELLS - filled)}] " if total else ""
            click.echo(f"\r\x1b[K{bar}{words}", err=True, nl=False)
        elif time.monotonic() - self._last_line_at >= _PLAIN_LINE_EVERY_S:
            self._last_line_at = time.monotonic()
            click.echo(words, err=True)

    def clear(self) -> None:
        if self._interactive:
            click.echo("\r\x1b[K", err=True, nl=False)


def describe_index(report: dict[str, Any], *, dry_run: bool = False) -> str:
    """An index in sentences."""
    counts = ", ".join(
        f"{report[key]:,} {key}" for key in ("added", "changed", "moved", "missing", "unchanged")
    )
    opened = report["cache"]["files_opened"]
    would = "would be: " if dry_run else ""
    lines = [
        f"{report['found']:,} photos found; {would}{counts}.",
        f"{opened:,} files read in {report['seconds']:,.1f} s.",
    ]
    if passed := report.get("folders_passed"):
        lines.append(f"{passed:,} folders were as they had been, and were not read.")
    if report["ignored"]:
        kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in report["ignored"].items())
        lines.append(f"Not photos that this version shows: {kinds}.")
    lines += _list_problems(report)
    return "\n".join(lines)


def quote(path: str) -> str:
    """A file name without the control characters that could steer a terminal."""
    return path if path.isprintable() else repr(path)


def describe_rebuild(report: dict[str, Any]) -> str:
    """A rebuild in sentences: what differed from the rows before it."""
    differences, carried = report["differences"], report["carried"]
    lines = [
        f"{report['found']:,} photos found; the database was built anew in "
        f"{report['seconds']:,.1f} s and has taken the place of the old one.",
        f"{differences['same']:,} rows say the same as before, {differences['facts_differ']:,} "
        f"differ, {differences['added']:,} are new, {differences['missing']:,} are missing.",
        f"Kept: {carried['ids']:,} ids, {carried['trash']:,} entries of the trash, "
        f"{carried['missing']:,} missing photos. The old database: backups/{report['backup']}",
    ]
    return "\n".join((*lines, *_list_problems(report)))


_VERDICTS: Final = {
    "intact": "intact",
    "changed_by_us": "changed by Lightkeep",
    "changed": "edited by another program, the picture the same",
    "replaced": "replaced by another picture",
    "bit_rot": "rotten: other bytes under the same time stamps",
    "unreadable": "unreadable",
    "missing": "missing",
}


def describe_verify(report: dict[str, Any]) -> str:
    """A verify in sentences, a line a kind of finding."""
    lines = [f"{report['checked']:,} photos were read again in {report['seconds']:,.1f} s."]
    lines += [
        f"  {report[name]:,} {words}"
        for name, words in _VERDICTS.items()
        if report[name] or name == "intact"
    ]
    if not report["complete"]:
        lines.append("The time was up; the next verify goes on from there.")
    return "\n".join((*lines, *_list_problems(report)))


def describe_edits(report: dict[str, Any]) -> str:
    """What edits did, for people: one line, and the problems."""
    if report.get("moved") or "deleted" in report:
        return describe_moves(report)
    line = f"{report['changed']:,} changed, {report['unchanged']:,} as they were."
    return "\n".join([line, *_list_problems(report)])


def describe_import(report: dict[str, Any], *, dry_run: bool = False) -> str:
    """An import in sentences; what is here already says where, the first ones."""
    would = "would be " if dry_run else ""
    lines = [
        f"{report['found']:,} photos found; {report['added']:,} {would}imported, "
        f"{report['already_here']:,} already here, {report['unsupported']:,} files that are no "
        "photos.",
        f"{report['cached']:,} cached (unchanged, not hashed again); {report['seconds']:,.1f} s.",
    ]
    here = [file for file in report["files"] if file["kind"] == "already_here"]
    lines += [
        f"  {quote(one['path'])} is here: {quote(one['where'])}" for one in here[:_SHOWN_PROBLEMS]
    ]
    if len(here) > _SHOWN_PROBLEMS:
        lines.append("  and more (--json lists up to 1,000)")
    return "\n".join((*lines, *_list_problems(report)))


def describe_moves(report: dict[str, Any]) -> str:
    """What came into the trash, out of it, or was deleted, for people."""
    words = [f"{report['moved']:,} moved"]
    if "deleted" in report:
        words = [f"{report['deleted']:,} deleted for good"]
    if report["changed"]:
        words.append(f"{report['changed']:,} changed")
    if report["unchanged"]:
        words.append(f"{report['unchanged']:,} as they were")
    return "\n".join([", ".join(words) + ".", *_list_problems(report)])


def describe_plan(report: dict[str, Any]) -> str:
    """What would be done with which photos, for people."""
    lines = [quote(one["path"]) for one in report["photos"]]
    count, size = report["count"], report["bytes"] / 1e6
    lines.append(f"{count:,} photo{'' if count == 1 else 's'}, {size:,.1f} MB; nothing was done.")
    return "\n".join([*lines, *_list_problems(report)])


def describe_operations(operations: Sequence[Progress]) -> str:
    """One line an operation, the newest first; times are in UTC."""
    if not operations:
        return "There were no operations."
    return "\n".join(map(_describe_operation, operations))


def _describe_operation(one: Progress) -> str:
    began = (one.started_at or "")[:16].replace("T", " ")
    words = f"{one.operation_id}  {began}  {one.status:<9}  {one.operation_type}"
    if one.status != OperationStatus.COMPLETED and one.total:
        words += f"  {one.done:,} of {one.total:,}"
    if one.problem_count:
        words += f"  {one.problem_count:,} problem{'' if one.problem_count == 1 else 's'}"
    return f"{words}  {one.message}" if one.message else words


def _list_problems(report: dict[str, Any]) -> list[str]:
    problems = report["problems"]
    count = report.get("problem_count", len(problems))
    if not problems:
        return []
    lines = [f"{count:,} {'file' if count == 1 else 'files'} had problems:"]
    lines += [f"  {quote(item['path'])}: {item['reason']}" for item in problems[:_SHOWN_PROBLEMS]]
    if count > _SHOWN_PROBLEMS:
        lines.append(f"  and {count - _SHOWN_PROBLEMS:,} more (--json lists up to 1,000)")
    return lines
