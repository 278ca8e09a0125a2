"""What leaves the trash for good: by hand, or after the days that the settings say.

A file is deleted only where an entry names it, it lies in the trash folder, and its size and its
bytes are the recorded ones.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import operation_state
import trash_rows
from db import Database
from errors import EditRefusedError, LibraryError, NotWritableError
from file_edits import FileEdits
from many_photos import do_many
from operation_runner import OperationContext
from operation_state import CheckpointHelper, OperationStatus, OperationType
from safe_write import sync_folder
from trash import TrashPlan, find_entries
from trash_files import find_regular, hash_file
from trash_moves import TrashMoves
from trash_rows import TrashEntry

LOOK_EVERY_S: Final = 3600.0
_FEWEST_DIGITS: Final = 7
_HASH_SECONDS_A_BYTE: Final = 1e-7
_KEPT_PROBLEMS: Final = 100

_log = logging.getLogger(__name__)


def list_doomed(
    connection: sqlite3.Connection, entry_ids: Sequence[int] = (), until: str | None = None
) -> list[TrashEntry]:
    """The entries of these ids with what was taken along; without ids all.

    until: ISO 8601 in UTC; what came into the trash later stays.
    """
    if entry_ids:
        return find_entries(connection, (), entry_ids)[0]
    entries = trash_rows.list_entries(connection)
    return [entry for entry in entries if until is None or entry.deleted_at <= until]


def plan_purge(
    connection: sqlite3.Connection, entry_ids: Sequence[int] = (), until: str | None = None
) -> TrashPlan:
    """What would be deleted for good."""
    doomed = list_doomed(connection, entry_ids, until)
    return TrashPlan(tuple((one.id, one.original_path, one.size) for one in doomed))


@dataclass(frozen=True, slots=True)
class TrashPurge:
    """Deletes what lies in the trash of one library."""

    database: Database
    edits: FileEdits
    moves: TrashMoves

    def purge(self, entry: TrashEntry) -> None:
        """Delete the files of one entry for good, and the entry.

        Raises `EditRefusedError` where they are not what was put there; they then stay.
        """
        with self.edits.holding():
            self.moves.settle_all()
            with self.database.reading() as connection:
                found = trash_rows.find_entry(connection, entry.id)
                if found is None or found.trash_filename != entry.trash_filename:
                    raise EditRefusedError(f"{entry.original_path} is no longer in the trash.")
            paths = self._check(entry)
            try:
                for path in paths:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(path)
                self.moves.files.remove_note(entry.place, entry.trash_filename)
                sync_folder(str(self.moves.files.folder(entry.place)))
            except OSError as error:
                raise NotWritableError(
                    f"{entry.original_path} cannot be deleted: {error.strerror}."
                ) from error
            with self.database.transaction() as connection:
                trash_rows.delete_entry(connection, entry.id)

    def _check(self, entry: TrashEntry) -> list[str]:
        """The files to delete, those of them that are there. Raises `EditRefusedError`."""
        files = self.moves.files
        if not files.folder(entry.place).is_dir():
            raise EditRefusedError(f"{files.folder(entry.place)} is not there now.")
        wanted = [(entry.trash_filename, entry.photo.file_size, entry.photo.content_hash)]
        if entry.sidecar:
            sidecar = entry.sidecar
            wanted.append((sidecar.name, sidecar.size, sidecar.content_hash))
        paths = [files.locate(entry.place, name) for name, _, _ in wanted]
        return [
            path
            for path, (_, size, content_hash) in zip(paths, wanted, strict=True)
            if self._is_recorded(entry, path, size, content_hash)
        ]

    def _is_recorded(self, entry: TrashEntry, path: str, size: int, content_hash: str) -> bool:
        """Whether a file is there. Raises where it is another one than was put there."""
        if not os.path.lexists(path):
            return False
        found = find_regular(path)
        if len(content_hash) < _FEWEST_DIGITS:
            raise EditRefusedError(
                f"Nothing is recorded of {path} by which it could be told that it is the photo "
                "that was put there. Delete it by hand."
            )
        timeout_s = self.moves.pool.file_timeout_s + size * _HASH_SECONDS_A_BYTE
        same = (
            found is not None
            and found.st_size == size
            and self.moves.pool.run(hash_file, path, timeout_s=timeout_s).startswith(content_hash)
        )
        if not same:
            raise EditRefusedError(
                f"{path} is not the file that was put into the trash for {entry.original_path}; "
                "it stays."
            )
        return True

    def purge_many(
        self, context: OperationContext, entry_ids: Sequence[int] = (), until: str | None = None
    ) -> dict[str, Any]:
        """The deed of `purge_trash`; what was deleted before it was stopped is not counted."""
        with self.database.reading() as connection:
            doomed = {entry.id: entry for entry in list_doomed(connection, entry_ids, until)}
        freed = 0

        def purge_one(entry_id: int) -> bool:
            nonlocal freed
            self.purge(doomed[entry_id])
            freed += doomed[entry_id].size
            return True

        names = {key: entry.original_path for key, entry in doomed.items()}
        tally = do_many(context, self.database, "purge", names, purge_one)
        return tally.as_report() | {"deleted": tally.done, "bytes": freed}

    def purge_aged(self, days: int, check: Callable[[], bool] = lambda: False) -> int:
        """Delete what has lain in the trash for so many days; how many photos.

        What an older app put there stays. check: whether to stop. What was done is kept as an
        operation that has ended.
        """
        doomed = self._list_aged(days)
        deleted, problems = 0, []
        for entry in doomed:
            if check():
                break
            try:
                self.purge(entry)
                deleted += 1
            except LibraryError as error:
                problems.append({"path": entry.original_path, "reason": error.message})
        if deleted:
            self._note_aged(days, len(doomed), deleted, problems[:_KEPT_PROBLEMS])
        for problem in problems:
            _log.warning("An old photo stays in the trash: %s", problem["reason"])
        return deleted

    def count_aged(self, days: int) -> int:
        """How many photos `purge_aged` would delete now."""
        return len(self._list_aged(days))

    def _list_aged(self, days: int) -> list[TrashEntry]:
        until = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="microseconds")
        with self.database.reading() as connection:
            return [one for one in list_doomed(connection, (), until) if not one.is_old]

    def _note_aged(
        self, days: int, found: int, deleted: int, problems: list[dict[str, str]]
    ) -> None:
        report = {
            "found": found,
            "added": 0,
            "changed": 0,
            "moved": 0,
            "missing": 0,
            "unchanged": found - deleted - len(problems),
            "deleted": deleted,
            "problems": problems,
            "problem_count": len(problems),
            "older_than_days": days,
        }
        with self.database.transaction() as connection:
            operation = operation_state.create_operation(connection, OperationType.PURGE_TRASH)
            key = operation.operation_id
            operation_state.set_status(connection, key, OperationStatus.RUNNING)
            checkpoint = CheckpointHelper(key, report=report)
            operation_state.save_checkpoint(connection, key, checkpoint.as_dict(), {})
            operation_state.set_status(connection, key, OperationStatus.COMPLETED)


class AgedPurge:
    """Looks when the library is opened, and every hour, whether something lay there long enough.

    days: 0 for never.
    """

    def __init__(self, purge: TrashPurge, days: int, *, every_s: float = LOOK_EVERY_S) -> None:
        self._purge = purge
        self._days = days
        self._every_s = every_s
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="aged-purge", daemon=True)
        if days:
            self._thread.start()

    def close(self) -> None:
        """Let the photo that is being deleted be ended, and delete no more."""
        self._closed.set()
        if self._days:
            self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            # A disk that fails today may be mended tomorrow: the next look tries again.
            try:
                self._purge.purge_aged(self._days, self._closed.is_set)
            except (LibraryError, OSError, sqlite3.Error) as error:
                _log.warning("Old photos could not be deleted from the trash: %s", error)
            self._closed.wait(self._every_s)
