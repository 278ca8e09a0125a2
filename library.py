"""Opens a library: its folder, lock, database, workers, runner. Everyone gets theirs from here."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

import catalog
import move_rows
import operation_state
import settings_file
import write_journal
from backups import Backup, list_backups
from daily_backup import DailyBackup, back_up_now
from date_edit import DateMode, PlannedDate
from errors import EditRefusedError, InvalidRequestError
from favorites import RatedPhoto, RatingReport, describe_outcome
from library_location import (
    BACKUPS_DIR,
    check_folder,
    make_data_dir,
    take_lock,
)
from library_marker import LibraryMemory, mark, refuse_unmounted
from library_operations import LibraryOperations
from library_parts import trash_source
from migrate_db import take_over
from move_rows import MoveKind
from operation_progress import Progress
from operation_state import OperationStatus, OperationType
from schedule import Planned, Schedule, plan_backup
from settings import SETTINGS_NAME, VARIABLES, Settings, apply_changes, find_fixed
from thumbnails import GRID_PX
from trash_purge import AgedPurge
from trash_rows import TrashEntry
from write_journal import Edit

_PREPARED_PHOTOS: Final = 500
_LISTED_OPERATIONS: Final = 50
_WAIT_FOR_EDITS_S: Final = 60.0
_LOOKED_AT: Final = 10_000

logger = logging.getLogger(__name__)


class Library(LibraryOperations):
    """An opened library: its parts, its operations, and what a person does with its photos."""

    def __init__(self, settings: Settings, lock: IO[str], markers: Sequence[Path]) -> None:
        super().__init__(settings, markers)
        self._lock = lock
        self._backups_dir = settings.data_dir / BACKUPS_DIR
        self._settings_lock = threading.Lock()
        self._daily_backup = self._make_daily_backup()
        self._schedule: Schedule | None = None
        self._aged_purge = AgedPurge(self.purge, settings.trash_days)

    def _make_daily_backup(self) -> DailyBackup | None:
        if not self.settings.daily_backup:
            return None
        return DailyBackup(self.settings.database_path, self._backups_dir, self._has_photos)

    def change_settings(self, changes: Mapping[str, Any]) -> None:
        """Keep settings in settings.toml, and do as they say from now on.

        changes: of what the page sets, values as `Settings` has them; a time zone of None is the
        machine's. Raises `InvalidRequestError` for what the environment decides, and as
        `settings_file.change_settings`; nothing is changed then.
        """
        fixed = find_fixed()
        for key in changes:
            if key not in VARIABLES:
                raise InvalidRequestError(f"{key} is not set by the page.")
            if key in fixed:
                raise InvalidRequestError(f"{fixed[key]} decides {key}. Nothing was changed.")
        with self._settings_lock:
            settings_file.change_settings(self.settings.data_dir / SETTINGS_NAME, changes)
            before, self.settings = self.settings, apply_changes(self.settings, changes)
            self._follow(before)

    def _follow(self, before: Settings) -> None:
        """Bring what keeps a setting of its own to the settings as they are now."""
        now = self.settings
        if now.time_zone != before.time_zone:
            self._join_dates()
        if self._schedule:
            self._schedule.follow(now)
        if now.trash_days != before.trash_days:
            self._aged_purge.close()
            self._aged_purge = AgedPurge(self.purge, now.trash_days)
        if now.daily_backup != before.daily_backup:
            if self._daily_backup:
                self._daily_backup.close()
            self._daily_backup = self._make_daily_backup()

    def count_aged(self, days: int) -> int:
        """How many photos have lain in the trash for so many days; none for 0."""
        return self.purge.count_aged(days) if days else 0

    def list_backups(self) -> list[Backup]:
        """The backups of the database, as `backups.list_backups`."""
        return list_backups(self._backups_dir)

    def begin_schedule(self) -> None:
        """From now on do by itself what the settings say, until `close`."""
        self._schedule = Schedule(self.settings, self.database, self.runner, self.start_operation)
        self._schedule.begin()

    def list_planned(self) -> list[Planned]:
        """What is done by itself, and when; nothing where nobody began it."""
        if self._schedule is None:
            return []
        wanted = self._daily_backup is not None
        return [*self._schedule.describe(), plan_backup(self._backups_dir, wanted=wanted)]

    def _has_photos(self) -> bool:
        with self.database.reading() as connection:
            return catalog.has_rows(connection)

    def back_up(self, reason: str) -> Backup:
        """A verified backup now; old ones make room. Raises `LibraryError`."""
        return back_up_now(self.settings.database_path, self._backups_dir, reason)

    def rate_photo(self, photo_id: int, rating: int | None) -> RatedPhoto:
        """Give one photo a rating of 1 to 5, 0 for none; None toggles favorite.

        Raises `NotFoundError`, and `EditRefusedError` with the reason.
        """
        if rating is None:
            return self.favorites.toggle(photo_id)
        return self.favorites.rate(photo_id, rating)

    def start_rating(self, photo_ids: Sequence[int], rating: int) -> str:
        """Start rating many photos, as soon as what edits photos now has ended; the id."""
        return self._start_edits(
            OperationType.RATE_PHOTOS, {"photo_ids": list(photo_ids), "rating": rating}
        )

    def rate_photos(self, photo_ids: Sequence[int], rating: int) -> RatingReport:
        """Rate many photos, and wait for it; trouble with one of them is in the report."""
        operation_id = self.start_rating(photo_ids, rating)
        progress = self.runner.wait(operation_id)
        if progress.status != OperationStatus.COMPLETED or progress.report is None:
            raise EditRefusedError(progress.message or f"The rating was {progress.status}.")
        errors = [(one["photo_id"], one["error"]) for one in progress.report["errors"]]
        counts = progress.report["success_count"], progress.report["error_count"]
        return RatingReport(operation_id, *counts, tuple(errors))

    def start_keeping_ratings(self) -> str:
        """Start writing into the files what only the database knows; the operation's id."""
        return self._start_edits(OperationType.KEEP_RATINGS, {})

    def list_edits(self, *, photo_id: int | None = None, limit: int = 50) -> list[Edit]:
        """The newest edits of all photos or of one, the last first."""
        with self.database.reading() as connection:
            return write_journal.list_edits(connection, photo_id=photo_id, limit=limit)

    def find_last_deed(self) -> str | None:
        """What `undo` takes back next: an operation, or a single edit, by its id.

        That is what was done last to photos, and still holds.
        """
        last = next(
            (
                edit
                for edit in self.list_edits(limit=_LOOKED_AT)
                # Said twice it goes back two steps, and does not take its own step back.
                if edit.undoable and not edit.undoes
            ),
            None,
        )
        with self.database.reading() as connection:
            moved = move_rows.find_last_operation(connection)
        if moved and (last is None or moved[1] > (last.done_at or "")):
            return moved[0]
        return (last.operation_id or str(last.id)) if last else None

    def undo_edit(self, edit_id: int) -> RatedPhoto:
        """Take one edit back. Raises `NotFoundError`, `EditRefusedError`."""
        return describe_outcome(self.edit_undo.undo(edit_id))

    def plan_dates(
        self, photo_ids: Sequence[int], mode: DateMode, value: str = "", step: str | None = None
    ) -> list[PlannedDate]:
        """The dates that photos would get; nothing is written. Raises `InvalidRequestError`."""
        return self.dates.plan(photo_ids, mode, value, step)

    def start_dates(
        self,
        photo_ids: Sequence[int],
        mode: DateMode,
        value: str = "",
        step: str | None = None,
        *,
        move_files: bool = False,
    ) -> str:
        """Start giving photos dates; the operation's id. Raises `InvalidRequestError`."""
        self.dates.plan(photo_ids[:1], mode, value, step)  # wrong words are said at once
        parameters = {"photo_ids": list(photo_ids), "mode": mode.value, "value": value}
        chosen = ({"step": step} if step else {}) | ({"move_files": True} if move_files else {})
        return self._start_edits(OperationType.UPDATE_DATE, parameters | chosen)

    def start_undo(self, operation_id: str) -> str:
        """Start taking back all that an operation did to photos; the id of the new one.

        What it put into the trash comes back, and what it brought back goes there again.
        """
        with self.database.reading() as connection:
            operation_state.get_operation(connection, operation_id)
            edited = write_journal.list_edits_of_operation(connection, operation_id)
            entry_ids = move_rows.list_entries_of(connection, operation_id)
            restored = move_rows.list_done(connection, operation_id, MoveKind.RESTORE)
        if edited:
            return self._start_edits(OperationType.UNDO_EDITS, {"operation_id": operation_id})
        if entry_ids:
            return self._start_edits(OperationType.RESTORE_PHOTOS, {"entry_ids": entry_ids})
        if restored:
            photo_ids = [photo_id for photo_id, _, _ in restored]
            return self.start_trash(photo_ids)
        raise EditRefusedError(
            f"Operation {operation_id} has edited no photo, or what it has put into the trash is "
            "no longer there."
        )

    def start_trash(self, photo_ids: Sequence[int], *, with_companions: bool = False) -> str:
        """Start moving photos into the trash, as soon as what edits photos now has ended."""
        return self._start_edits(
            OperationType.TRASH_PHOTOS,
            {"photo_ids": list(photo_ids), "with_companions": with_companions},
        )

    def start_restore(self, photo_ids: Sequence[int] = (), entry_ids: Sequence[int] = ()) -> str:
        """Start bringing photos back, by the ids that they had or by those of the trash."""
        chosen = {"photo_ids": list(photo_ids), "entry_ids": list(entry_ids)}
        parameters = {name: ids for name, ids in chosen.items() if ids}
        if not parameters:
            raise InvalidRequestError("Name the photos to bring back.")
        return self._start_edits(OperationType.RESTORE_PHOTOS, parameters)

    def start_purge(self, entry_ids: Sequence[int] = (), until: str | None = None) -> str:
        """Start deleting from the trash for good: these, or all that came there `until` then."""
        parameters: dict[str, Any] = {}
        if entry_ids:
            parameters["entry_ids"] = list(entry_ids)
        if until is not None:
            parameters["until"] = until
        return self._start_edits(OperationType.PURGE_TRASH, parameters)

    def start_merge(self, groups: Sequence[Mapping[str, Any]]) -> str:
        """Start keeping one of equal photos, and trashing the others."""
        return self._start_edits(OperationType.MERGE_DUPLICATES, {"groups": list(groups)})

    def start_suggested_merge(self, *, same_bytes: bool = False) -> str:
        """The same of all duplicates as suggested; same_bytes: of files equal as a whole."""
        parameters = {"suggested": True, "same_bytes": same_bytes}
        return self._start_edits(OperationType.MERGE_DUPLICATES, parameters)

    def finish(self, operation_id: str, timeout_s: float = _WAIT_FOR_EDITS_S) -> Progress:
        """Wait a while for an operation, for a page without a script."""
        return self.runner.wait(operation_id, timeout_s)

    def trashed_thumbnail(self, entry: TrashEntry) -> Path:
        """The small picture of a photo in the trash. Raises `PictureError`."""
        return self.thumbnails.get(trash_source(entry, self.trash.moves.files), GRID_PX)

    def _start_edits(self, operation_type: OperationType, parameters: Mapping[str, Any]) -> str:
        """Start an operation of `EDITS`, after the one that runs. Raises `BusyError` in the end."""
        deadline = time.monotonic() + _WAIT_FOR_EDITS_S
        while (running := self.runner.current(edits=True)) and time.monotonic() < deadline:
            self.runner.wait(running.operation_id, deadline - time.monotonic())
        return self.start_operation(operation_type, parameters)

    def close(self) -> None:
        """Pause what runs, end the workers, close the database, let go of the lock."""
        if self._schedule:
            self._schedule.close()
        self.runner.close()
        self.plans.close()
        if self._daily_backup:
            self._daily_backup.close()
        self._aged_purge.close()
        self.close_parts()
        self._lock.close()


# -- opening -----------------------------------------------------------------------------------


def open_library(settings: Settings, *, accept_missing: bool = False) -> Library:
    """Open a library for writing, and make it one where it is not yet.

    `accept_missing`: the person said that a known library without its marker starts anew.
    Raises a `LibraryError` with a sentence for every folder or database that will not do.
    """
    check_folder(settings.library)
    memory = LibraryMemory()
    if not accept_missing:
        refuse_unmounted(settings, memory)
    make_data_dir(settings.data_dir, settings.library)
    lock = take_lock(settings.data_dir)
    try:
        library_id, markers = mark(settings, memory)
        memory.remember(settings.library, library_id)
        take_over(settings.library, settings.data_dir, report=logger.warning)
        return Library(settings, lock, markers)
    except BaseException:
        lock.close()
        raise
