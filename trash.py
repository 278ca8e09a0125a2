"""The trash: photos out of the grid and back, at once or days later, many in one operation.

A film of a Live Photo goes with its photo and comes back with it; of RAW and JPEG only the one
that was meant goes, unless both were asked for. Folders that are left truly empty are removed at
the end of the operation.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import catalog
import move_rows
import photo_listing
import trash_adoption
import trash_rows
from catalog import Photo
from db import Database
from errors import FileProblem, NotFoundError
from file_edits import FileEdits
from many_photos import Tally, do_many
from media_types import Kind, kind_of
from move_rows import MoveKind
from operation_runner import OperationContext
from pair_rows import pair_folders
from trash_moves import TrashMoves
from trash_rows import TrashEntry

_MOST_RENAMED: Final = 100
"""Photos that a report names which came back under a number."""

PlannedPhoto: TypeAlias = tuple[int, str, int]
"""Id, path and bytes."""


@dataclass(frozen=True, slots=True)
class TrashPlan:
    """What an operation of the trash would do; id, path and bytes of each photo.

    companions: of what goes into the trash, the RAW files that are not meant.
    """

    photos: tuple[PlannedPhoto, ...]
    problems: tuple[FileProblem, ...] = ()
    companions: tuple[PlannedPhoto, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "photos": _describe(self.photos),
            "companions": _describe(self.companions),
            "count": len(self.photos),
            "bytes": sum(size for _, _, size in self.photos),
            "problems": [{"path": one.path, "reason": one.reason} for one in self.problems],
        }


def _describe(photos: Iterable[PlannedPhoto]) -> list[dict[str, Any]]:
    return [{"photo_id": key, "path": path, "bytes": size} for key, path, size in photos]


# -- plans, which only read --------------------------------------------------------------------


def plan_trash(
    connection: sqlite3.Connection, photo_ids: Iterable[int], *, with_companions: bool = False
) -> TrashPlan:
    """Which photos would go into the trash, companions before those whose they are."""
    photos: dict[int, Photo] = {}
    staying: dict[int, Photo] = {}
    problems = []
    for photo_id in dict.fromkeys(photo_ids):
        try:
            photo = catalog.get_photo(connection, photo_id)
        except NotFoundError as error:
            entry = trash_rows.find_photo(connection, photo_id)
            path = entry.original_path if entry else f"photo {photo_id}"
            reason = f"{path} is in the trash already." if entry else error.message
            problems.append(FileProblem(path, reason))
            continue
        if photo.missing_since:
            problems.append(FileProblem(photo.current_path, "Its file is not there now."))
            continue
        for one in photo_listing.list_companions(connection, [photo_id]).get(photo_id, []):
            goes = with_companions or _is_film(one)
            (photos if goes else staying).setdefault(one.id, one)
        photos[photo_id] = photo
    left = (one for one in staying.values() if one.id not in photos)
    return TrashPlan(_plan(photos.values()), tuple(problems), _plan(left))


def _plan(photos: Iterable[Photo]) -> tuple[PlannedPhoto, ...]:
    return tuple((one.id, one.current_path, one.file_size) for one in photos)


def _is_film(photo: Photo) -> bool:
    return kind_of(photo.file_type) == Kind.VIDEO


def list_along(
    connection: sqlite3.Connection, photo_id: int, *, with_companions: bool
) -> list[Photo]:
    """The photos that go with this one: its film always, its RAW where both were asked for."""
    companions = photo_listing.list_companions(connection, [photo_id]).get(photo_id, [])
    return [one for one in companions if with_companions or _is_film(one)]


def plan_restore(
    connection: sqlite3.Connection, photo_ids: Iterable[int] = (), entry_ids: Iterable[int] = ()
) -> TrashPlan:
    """Which photos would come back, with those that were taken along with them."""
    entries, problems = find_entries(connection, photo_ids, entry_ids)
    rows = tuple((one.id, one.original_path, one.size) for one in entries)
    return TrashPlan(rows, tuple(problems))


def find_entries(
    connection: sqlite3.Connection, photo_ids: Iterable[int], entry_ids: Iterable[int]
) -> tuple[list[TrashEntry], list[FileProblem]]:
    """The entries of these photos and of these ids, each with what was taken along with it."""
    found: dict[int, TrashEntry] = {}
    problems = []
    asked = [(trash_rows.find_photo(connection, key), key) for key in photo_ids]
    asked += [(trash_rows.find_entry(connection, key), key) for key in entry_ids]
    for entry, key in asked:
        if entry is None:
            reason = f"There is no photo {key} in the trash."
            problems.append(FileProblem(f"photo {key}", reason))
            continue
        found[entry.id] = entry
        if entry.photo.id:
            led = trash_rows.list_led(connection, entry.photo.id)
            found.update((one.id, one) for one in led)
    return list(found.values()), problems


# -- deeds -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trash:
    """The trash of one library."""

    database: Database
    edits: FileEdits
    moves: TrashMoves

    def finish_interrupted(self) -> None:
        """End what a dead process left, and find again what the database does not know."""
        with self.edits.holding():
            self.moves.settle_all()
            trash_adoption.adopt(self.moves.files, self.database)
        with self.database.transaction() as connection:
            move_rows.forget_moves(connection)

    def trash(
        self, photo_id: int, operation_id: str | None = None, leader_id: int | None = None
    ) -> TrashEntry:
        """Move one photo into the trash. Raises as `TrashMoves.trash`."""
        with self.edits.holding(photo_id):
            return self.moves.trash(photo_id, operation_id, leader_id)

    def restore(self, entry_id: int, operation_id: str | None = None) -> Photo:
        """Bring one photo back. Raises as `TrashMoves.restore`."""
        with self.edits.holding():
            return self.moves.restore(entry_id, operation_id)

    def trash_many(
        self, context: OperationContext, photo_ids: Sequence[int], *, with_companions: bool = False
    ) -> dict[str, Any]:
        """The deed of `trash_photos`; resumed, it goes on with what is left."""
        moved_before = self._list_done(context, MoveKind.TRASH)
        with self.database.reading() as connection:
            leaders: dict[int, int] = {}
            names: dict[int, str] = {}
            for photo_id in dict.fromkeys(photo_ids):
                # A film goes before its photo: who resumes finds by the photo what belongs to it.
                for one in list_along(connection, photo_id, with_companions=with_companions):
                    leaders[one.id] = photo_id
                    names[one.id] = one.current_path
                names[photo_id] = _name(connection, photo_id)

        def trash_one(photo_id: int) -> bool:
            self.trash(photo_id, context.operation_id, leaders.get(photo_id))
            return True

        tally = do_many(context, self.database, "trash", names, trash_one, done_before=moved_before)
        return self._end(context, tally, MoveKind.TRASH)

    def restore_many(
        self,
        context: OperationContext,
        photo_ids: Sequence[int] = (),
        entry_ids: Sequence[int] = (),
    ) -> dict[str, Any]:
        """The deed of `restore_photos`; resumed, it goes on with what is left."""
        before = len(self._list_done(context, MoveKind.RESTORE))
        with self.database.reading() as connection:
            entries, problems = find_entries(connection, photo_ids, entry_ids)
        names = {entry.id: entry.original_path for entry in entries}
        renamed: list[dict[str, str]] = []

        def restore_one(entry_id: int) -> bool:
            photo = self.restore(entry_id, context.operation_id)
            if not names[entry_id].endswith(photo.current_path):  # an older app's are absolute
                renamed.append({"path": names[entry_id], "now": photo.current_path})
            return True

        tally = do_many(context, self.database, "restore", names, restore_one)
        tally.found += before
        tally.done += before
        # What is no longer in the trash was brought back before the operation was stopped.
        for problem in problems if not before else ():
            tally.found += 1
            tally.problems.append(problem)
            tally.errors.append((0, problem.reason))
            context.add_problem(problem)
        return self._end(context, tally, MoveKind.RESTORE) | {"renamed": renamed[:_MOST_RENAMED]}

    def take_back(self, context: OperationContext, operation_id: str) -> dict[str, Any]:
        """Bring back all that an operation has put into the trash and is still there."""
        with self.database.reading() as connection:
            entry_ids = move_rows.list_entries_of(connection, operation_id)
        return self.restore_many(context, entry_ids=entry_ids)

    def end(self, context: OperationContext) -> int:
        """Remove the folders that an operation has left empty, pair anew; how many folders."""
        moved = [path for _, path, _ in self._list_moves(context, MoveKind.TRASH)]
        removed = self.moves.files.remove_empty_folders(moved)
        moved += [path for _, path, _ in self._list_moves(context, MoveKind.RESTORE)]
        with self.database.transaction() as connection:
            pair_folders(connection, {path.rpartition("/")[0] for path in moved})
        return removed

    def _end(self, context: OperationContext, tally: Tally, kind: MoveKind) -> dict[str, Any]:
        removed = self.end(context) if kind == MoveKind.TRASH or tally.done else 0
        return tally.as_report(moved=tally.done) | {"folders_removed": removed}

    def _list_moves(self, context: OperationContext, kind: MoveKind) -> list[tuple[int, str, str]]:
        with self.database.reading() as connection:
            return move_rows.list_done(connection, context.operation_id, kind)

    def _list_done(self, context: OperationContext, kind: MoveKind) -> list[int]:
        return [photo_id for photo_id, _, _ in self._list_moves(context, kind)]


def _name(connection: sqlite3.Connection, photo_id: int) -> str:
    try:
        return catalog.get_photo(connection, photo_id).current_path
    except NotFoundError:
        entry = trash_rows.find_photo(connection, photo_id)
        return entry.original_path if entry else f"photo {photo_id}"
