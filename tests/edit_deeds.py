"""The edits that the crash tests disturb, each of which may be done again."""

from __future__ import annotations

from pathlib import Path

from pictures import make_jpeg
from PIL import Image

import catalog
import operation_state
import write_journal
from catalog import Photo
from date_edit import DateMode
from errors import EditRefusedError
from library import Library
from operation_state import OperationType

STARRED = "a.jpg"
WITH_SIDECAR = "b.bmp"
NEIGHBOR = "c.jpg"
BULK = 11


def make_library(root: Path) -> None:
    """A dozen JPEGs, one of them rated 4, and one file that can hold no rating."""
    make_jpeg(root / STARRED, 1, date="2019:07:14 18:03:22", rating=4)
    make_jpeg(root / NEIGHBOR, 2)
    Image.new("RGB", (12, 8), "teal").save(root / WITH_SIDECAR)
    for number in range(BULK):
        make_jpeg(root / f"many/{number:02}.jpg", 10 + number)


def perform(library: Library, deed: str) -> None:
    """Do it, or, where it was done before, nothing."""
    if deed == "star":
        library.rate_photo(find_photo(library, STARRED).id, 5)
    elif deed == "sidecar":
        library.rate_photo(find_photo(library, WITH_SIDECAR).id, 5)
    elif deed == "unstar":
        if find_photo(library, STARRED).favorited:
            library.rate_photo(find_photo(library, STARRED).id, None)
    elif deed == "undo":
        with library.database.reading() as connection:
            photo_id = find_photo(library, WITH_SIDECAR).id
            last = write_journal.find_last_edit(connection, photo_id)
        if last and last.after.rating == 5:
            library.undo_edit(last.id)
    elif deed == "bulk":
        with library.database.reading() as connection:
            photos = list(catalog.iterate_photos(connection))
        report = library.rate_photos(
            [p.id for p in photos if p.current_path not in (STARRED, NEIGHBOR)], 5
        )
        if report.error_count:
            raise EditRefusedError(str(report.errors))
    elif deed in ("to_day", "from_day"):
        move_to_day(library, back=deed == "from_day")
    else:
        _write_in_place(library)


def find_photo(library: Library, path: str) -> Photo:
    with library.database.reading() as connection:
        (photo,) = [
            one
            for one in catalog.iterate_photos(connection)
            if one.current_path == path and one.missing_since is None
        ]
    return photo


def _write_in_place(library: Library) -> None:
    """The write nobody should make: into the file itself, and the row at another time."""
    path = library.settings.library / STARRED
    exiftool = library.exiftool.find()
    assert exiftool
    copy = path.with_name("copy.lightkeep-tmp")
    exiftool.write_copy(str(path), str(copy), {"XMP-xmp:Rating": 5})
    data = copy.read_bytes()
    copy.unlink()
    with path.open("wb", buffering=0) as file:
        for start in range(0, len(data), 256):
            file.write(data[start : start + 256])
    with library.database.transaction() as connection:
        connection.execute("UPDATE photos SET rating = 5 WHERE current_path = ?", [STARRED])


def move_to_day(library: Library, *, back: bool) -> None:
    """Change the date of all photos and move them, or take that back; resumed if cut off."""
    kind = OperationType.UNDO_EDITS if back else OperationType.UPDATE_DATE
    with library.database.reading() as connection:
        operations = operation_state.list_operations(connection)
        photo_ids = [photo.id for photo in catalog.iterate_photos(connection)]
    left = [one for one in operations if one.operation_type == kind]
    if left and left[0].status == "completed":
        return
    if left:
        started = library.resume_operation(left[0].operation_id)
    elif back:
        changes = [one for one in operations if one.operation_type == OperationType.UPDATE_DATE]
        started = library.start_undo(changes[0].operation_id)
    else:
        started = library.start_dates(
            photo_ids, DateMode.SAME, "2020-01-02 12:00:00", move_files=True
        )
    progress = library.runner.wait(started, timeout=60)
    report = progress.report or {}
    if progress.status != "completed" or report.get("error_count"):
        raise EditRefusedError(f"{progress.status}: {progress.message} {report}")
