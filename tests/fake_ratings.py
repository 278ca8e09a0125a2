"""Ratings kept in rows alone: stands in for the room that writes them into photo files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

import catalog
from errors import LibraryError, NotFoundError
from library import Library
from operation_runner import OperationContext
from operation_state import OperationType


class EditRefusedError(LibraryError):
    status = 409
    code = "edit_refused"


@dataclass(frozen=True, slots=True)
class RatedPhoto:
    photo_id: int
    rating: int | None
    favorited: bool
    kept_in: str | None
    edit_id: int | None


@dataclass(frozen=True, slots=True)
class RatingReport:
    operation_id: str
    success_count: int
    error_count: int
    errors: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Edit:
    id: int
    operation_id: str | None
    photo_id: int | None
    path: str
    state: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    planned_at: str
    done_at: str | None
    undoable: bool


_edits: list[tuple[Library, Edit]] = []


def _write(
    library: Library, photo_id: int, rating: int | None, operation_id: str | None
) -> RatedPhoto:
    with library.database.transaction() as connection:
        photo = catalog.get_photo(connection, photo_id)
        if photo.missing_since:
            raise EditRefusedError(f"{photo.current_path} is not there now.")
        kept_in = "file" if rating is not None else None
        if photo.rating == rating:
            return RatedPhoto(photo_id, rating, rating == 5, photo.kept_in, None)
        connection.execute(
            "UPDATE photos SET rating = ?, kept_in = ? WHERE id = ?", (rating, kept_in, photo_id)
        )
    edit = Edit(
        *(len(_edits) + 1, operation_id, photo_id, photo.current_path, "done"),
        {"rating": photo.rating, "kept_in": photo.kept_in},
        {"rating": rating, "kept_in": kept_in},
        *("2026-01-01T00:00:00+00:00", "2026-01-01T00:00:01+00:00", True),
    )
    _edits.append((library, edit))
    return RatedPhoto(photo_id, rating, rating == 5, kept_in, edit.id)


def rate_photo(library: Library, photo_id: int, rating: int | None) -> RatedPhoto:
    with library.database.reading() as connection:
        photo = catalog.get_photo(connection, photo_id)
    if rating is None:
        rating = 0 if photo.favorited else 5
    return _write(library, photo_id, rating or None, None)


def start_rating(library: Library, photo_ids: Sequence[int], rating: int) -> str:
    def deed(context: OperationContext) -> dict[str, Any]:
        errors = []
        for photo_id in photo_ids:
            try:
                _write(library, photo_id, rating or None, context.operation_id)
            except LibraryError as error:
                errors.append([photo_id, error.message])
        return {"success_count": len(photo_ids) - len(errors), "errors": errors}

    return library.runner.start(OperationType.UNDO_EDITS, deed)


def rate_photos(library: Library, photo_ids: Sequence[int], rating: int) -> RatingReport:
    operation_id = start_rating(library, photo_ids, rating)
    report = library.runner.wait(operation_id, timeout=30).report
    assert report
    errors = tuple((photo_id, words) for photo_id, words in report["errors"])
    return RatingReport(operation_id, report["success_count"], len(errors), errors)


def list_edits(library: Library, *, photo_id: int | None = None, limit: int = 50) -> list[Edit]:
    found = [
        edit for owner, edit in _edits if owner is library and photo_id in (None, edit.photo_id)
    ]
    return found[::-1][:limit]


def _undo(library: Library, edit: Edit, operation_id: str | None) -> RatedPhoto:
    assert edit.photo_id is not None
    if not edit.undoable:
        raise EditRefusedError(f"Edit {edit.id} is undone already.")
    _edits[edit.id - 1] = (library, replace(edit, undoable=False))
    return _write(library, edit.photo_id, edit.before["rating"], operation_id)


def undo_edit(library: Library, edit_id: int) -> RatedPhoto:
    for edit in list_edits(library, limit=10**6):
        if edit.id == edit_id:
            return _undo(library, edit, None)
    raise NotFoundError(f"There is no edit {edit_id} in this library.")


def start_undo(library: Library, operation_id: str) -> str:
    library.get_operation(operation_id)
    edits = [
        edit
        for edit in list_edits(library, limit=10**6)
        if edit.operation_id == operation_id and edit.undoable
    ]

    def deed(context: OperationContext) -> dict[str, Any]:
        for edit in edits:
            _undo(library, edit, context.operation_id)
        return {"undone": len(edits)}

    return library.runner.start(OperationType.UNDO_EDITS, deed)


def install(patch: pytest.MonkeyPatch) -> None:
    """Give every `Library` these methods."""
    for method in (rate_photo, start_rating, rate_photos, list_edits, undo_edit, start_undo):
        patch.setattr(Library, method.__name__, method, raising=False)
