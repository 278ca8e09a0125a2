"""A small library whose photos tests put into the trash, opened as the program opens it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edit_box import EditBox

import photo_listing
import trash_rows
from operation_progress import Progress
from photo_filter import PhotoFilter
from trash_rows import TrashEntry


def run(box: EditBox, operation_id: str) -> dict[str, Any]:
    """The report of an operation that was completed."""
    progress = wait(box, operation_id)
    assert progress.status == "completed", progress.message
    assert progress.report is not None
    return progress.report


def wait(box: EditBox, operation_id: str) -> Progress:
    return box.library.runner.wait(operation_id, timeout=60)


def trash(box: EditBox, *paths: str, **options: bool) -> dict[str, Any]:
    ids = [box.photo(path).id for path in paths]
    return run(box, box.library.start_trash(ids, **options))


def entries(box: EditBox) -> dict[str, TrashEntry]:
    """What lies in the trash, by the path that it had."""
    with box.library.database.reading() as connection:
        return {one.original_path: one for one in trash_rows.list_entries(connection)}


def restore(box: EditBox, *paths: str) -> dict[str, Any]:
    ids = [entries(box)[path].id for path in paths]
    return run(box, box.library.start_restore(entry_ids=ids))


def columns(box: EditBox, path: str) -> dict[str, Any]:
    """The row of a photo but for what the disk says of its file."""
    photo = box.photo(path)
    left_out = ("ctime_ns", "inode")
    return {name: getattr(photo, name) for name in _names(photo) if name not in left_out}


def _names(photo: object) -> list[str]:
    return [name for kind in type(photo).__mro__ for name in getattr(kind, "__slots__", ())]


def months(box: EditBox) -> dict[str, int]:
    with box.library.database.reading() as connection:
        return {one.key: one.count for one in photo_listing.list_months(connection, PhotoFilter())}


def trash_folder(box: EditBox) -> Path:
    return box.root / ".library" / "trash"


def in_trash(box: EditBox) -> list[str]:
    folder = trash_folder(box)
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def read_note(path: Path) -> dict[str, Any]:
    said = json.loads(path.read_text())
    assert isinstance(said, dict)
    return said
