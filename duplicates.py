"""Duplicates: photos of one picture; one is kept with the stars and dates of all, the others go.

Before anything goes the files themselves are read again and compared byte by byte, in a worker.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import catalog
import duplicate_rows
import move_rows
import photo_listing
import write_journal
from capture_date import LocalDate
from catalog import Photo
from date_edit import DateEdits
from date_tags import NewDate
from db import Database
from duplicate_rows import PictureGroup, share_picture
from edit_undo import EditUndo
from errors import EditRefusedError, NotFoundError
from favorites import Favorites
from file_operations import check_copy
from many_photos import do_many
from media_types import Kind, kind_of
from media_workers import WorkerPool
from move_rows import MoveKind
from operation_runner import OperationContext
from trash import Trash

_SECONDS_A_BYTE: Final = 2e-7
_GUESSED: Final = ("filename", "none")
"""Sources of a date that no tag says."""


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Photos of one picture, and which of them is best kept."""

    key: str
    photos: tuple[Photo, ...]
    keep_id: int
    same_bytes: bool

    @property
    def is_plain(self) -> bool:
        """Whether the suggestion may be followed unseen: all are turned the same way."""
        return len({photo.orientation for photo in self.photos}) == 1

    @property
    def bytes_freed(self) -> int:
        return sum(photo.file_size for photo in self.photos if photo.id != self.keep_id)

    @property
    def differs(self) -> tuple[str, ...]:
        """In what they differ: `folder`, and those columns that a person goes by."""
        names = ("date_taken", "rating", "file_size", "orientation", "original_filename")
        found = [name for name in names if len({getattr(one, name) for one in self.photos}) > 1]
        folders = {photo.current_path.rpartition("/")[0] for photo in self.photos}
        return (*found, *(["folder"] if len(folders) > 1 else []))


def list_groups(
    connection: sqlite3.Connection, after: str = "", limit: int = -1, *, same_bytes: bool = False
) -> list[DuplicateGroup]:
    """Groups behind the key `after`, each with a suggestion; see `duplicate_rows.list_groups`."""
    groups = duplicate_rows.list_groups(connection, after, limit, same_bytes=same_bytes)
    return [_suggest(connection, one) for one in groups]


def _suggest(connection: sqlite3.Connection, group: PictureGroup) -> DuplicateGroup:
    companions = photo_listing.list_companions(connection, [one.id for one in group.photos])

    def rank(photo: Photo) -> tuple[object, ...]:
        return (
            not photo.favorited,
            -(photo.rating or 0),
            photo.id not in companions,
            photo.date_source != "exif",
            photo.date_taken is None,
            photo.sidecar_path is None,
            len(photo.current_path),
            photo.id,
        )

    best = min(group.photos, key=rank)
    return DuplicateGroup(group.key, group.photos, best.id, group.same_bytes)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What is done about duplicates in one library."""

    database: Database
    pool: WorkerPool
    favorites: Favorites
    dates: DateEdits
    edit_undo: EditUndo
    trash: Trash

    def merge_many(
        self,
        context: OperationContext,
        groups: Sequence[Mapping[str, Any]] = (),
        *,
        suggested: bool = False,
        same_bytes: bool = False,
    ) -> dict[str, Any]:
        """The deed of `merge_duplicates`: of each group keep one, trash the others.

        groups: {"keep": id, "trash": [ids]}. suggested: all plain groups, as suggested;
        same_bytes: of those only what is equal as a whole.
        """
        chosen = [(group["keep"], list(group["trash"])) for group in groups]
        if suggested:
            chosen += self._list_suggested(same_bytes)
        with self.database.reading() as connection:
            names = {key: _name(connection, key) for key, _ in chosen}
            gone = move_rows.list_done(connection, context.operation_id, MoveKind.TRASH)
        before = {photo_id for photo_id, _, _ in gone}
        wanted: dict[int, list[int]] = {}
        for key, ids in chosen:
            wanted.setdefault(key, []).extend(one for one in ids if one not in before)

        def merge_one(keep_id: int) -> bool:
            if wanted[keep_id]:  # else all of it was done before it was stopped
                self._merge(context, keep_id, list(dict.fromkeys(wanted[keep_id])))
            return True

        tally = do_many(context, self.database, "merge", names, merge_one)
        folders = self.trash.end(context)
        with self.database.reading() as connection:
            trashed = len(move_rows.list_done(connection, context.operation_id, MoveKind.TRASH))
            edits = write_journal.list_edits_of_operation(connection, context.operation_id)
        changed = len({edit.photo_id for edit in edits})
        report = tally.as_report(moved=trashed, changed=changed)
        return report | {"folders_removed": folders, "groups": tally.found}

    def _list_suggested(self, same_bytes: bool) -> list[tuple[int, list[int]]]:
        with self.database.reading() as connection:
            groups = list_groups(connection, same_bytes=same_bytes)
        return [
            (group.keep_id, [one.id for one in group.photos if one.id != group.keep_id])
            for group in groups
            if group.is_plain
        ]

    def _merge(self, context: OperationContext, keep_id: int, trash_ids: Sequence[int]) -> None:
        """One group. Raises `LibraryError` before anything of it is moved."""
        with self.database.reading() as connection:
            kept = _get(connection, keep_id)
            others = [_get(connection, photo_id) for photo_id in trash_ids]
            for other in others:
                if not share_picture(kept, other):
                    raise EditRefusedError(
                        f"{other.current_path} and {kept.current_path} are two pictures."
                    )
                _refuse_lost_film(connection, kept, other)
        for other in others:
            context.check()
            self._compare(kept, other)
        self._merge_date(context, kept, others)
        self._merge_rating(context, kept, others)
        for other in others:
            with self.database.reading() as connection:
                films = _list_films(connection, other.id)
            for film in films:
                self.trash.trash(film.id, context.operation_id, other.id)
            self.trash.trash(other.id, context.operation_id)

    def _compare(self, kept: Photo, other: Photo) -> None:
        """Read both files and compare their pictures byte by byte. Raises `EditRefusedError`."""
        files = self.trash.moves.files
        paths = [files.locate_photo(photo.current_path) for photo in (kept, other)]
        timeout_s = self.pool.file_timeout_s
        timeout_s += (kept.file_size + other.file_size) * _SECONDS_A_BYTE
        try:
            report = self.pool.run(check_copy, *paths, kept.file_type, timeout_s=timeout_s)
        except OSError as error:
            raise EditRefusedError(
                f"{kept.current_path} and {other.current_path} cannot be compared: "
                f"{error.strerror or error}."
            ) from error
        if not report.same_picture:
            raise EditRefusedError(
                f"{other.current_path} and {kept.current_path} are no longer the same picture. "
                "Update the index, and look again."
            )

    def _merge_rating(
        self, context: OperationContext, kept: Photo, others: Sequence[Photo]
    ) -> None:
        """Give the kept photo the highest rating of all."""
        best = max(photo.rating or 0 for photo in (kept, *others))
        if best > max(kept.rating or 0, 0):
            self.favorites.rate(kept.id, best, context.operation_id)

    def _merge_date(self, context: OperationContext, kept: Photo, others: Sequence[Photo]) -> None:
        """Give the kept photo the date that another one's tags say, where its own say none."""
        best = min((kept, *others), key=_rank_date)
        if best.date_taken is None or _rank_date(best) == _rank_date(kept):
            return
        if best.date_taken == kept.date_taken:
            return
        new = NewDate(LocalDate(best.date_taken, best.utc_offset))
        self.dates.set_date(kept.id, new, context.operation_id)

    def undo_merge(self, context: OperationContext, operation_id: str) -> dict[str, Any]:
        """The deed of `undo_edits`: what an operation trashed comes back, its edits are undone."""
        back = self.trash.take_back(context, operation_id)
        edits = self.edit_undo.undo_many(context, operation_id)
        if not back["found"]:
            return edits
        summed = {
            name: back[name] + edits[name]
            for name in ("found", "unchanged", "success_count", "error_count", "errors", "problems")
        }
        return {**back, **summed, "changed": edits["changed"]}


def _get(connection: sqlite3.Connection, photo_id: int) -> Photo:
    """A photo whose file is there. Raises `NotFoundError`, `EditRefusedError`."""
    photo = catalog.get_photo(connection, photo_id)
    if photo.missing_since:
        raise EditRefusedError(f"The file of {photo.current_path} is not there now.")
    return photo


def _rank_date(photo: Photo) -> int:
    """0 for a date from tags, 1 for one that its name says, 2 for none."""
    if photo.date_taken is None:
        return 2
    return int(photo.date_source in _GUESSED)


def _name(connection: sqlite3.Connection, photo_id: int) -> str:
    try:
        return catalog.get_photo(connection, photo_id).current_path
    except NotFoundError:
        return f"photo {photo_id}"


def _list_films(connection: sqlite3.Connection, photo_id: int) -> list[Photo]:
    companions = photo_listing.list_companions(connection, [photo_id]).get(photo_id, [])
    return [one for one in companions if kind_of(one.file_type) == Kind.VIDEO]


def _refuse_lost_film(connection: sqlite3.Connection, kept: Photo, other: Photo) -> None:
    """A film goes with its photo: the kept one must have the same."""
    films = _list_films(connection, kept.id)
    for film in _list_films(connection, other.id):
        if not any(share_picture(film, own) for own in films):
            raise EditRefusedError(
                f"{other.current_path} has a film, {film.original_filename}, that "
                f"{kept.current_path} has not. Keep that one instead."
            )
