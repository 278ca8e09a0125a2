"""Files in the trash that the database does not know are found again by the notes beside them.

As after the database was deleted, or an old backup took its place. Nothing is removed by this.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import catalog
import move_rows
import trash_rows
from db import Database
from errors import EditRefusedError
from trash_files import TrashFiles, TrashPlace, find_regular
from trash_rows import TrashEntry

_log = logging.getLogger(__name__)


def adopt(files: TrashFiles, database: Database) -> int:
    """Take noted files back into the table that does not know them; how many."""
    with database.reading() as connection:
        known = move_rows.list_known_names(connection)
    adopted = 0
    folders = {files.folder(place): place for place in (TrashPlace.DATA, TrashPlace.LIBRARY)}
    for place in folders.values():
        for name, said in files.list_notes(place):
            entry = None if name in known else _read_note(files, place, name, said)
            if entry is not None:
                _adopt(files, database, entry)
                adopted += 1
    return adopted


def _read_note(
    files: TrashFiles, place: TrashPlace, name: str, said: dict[str, object]
) -> TrashEntry | None:
    """The entry that a note tells of; None where it does not fit the file."""
    names = ("original_path", "trash_filename", "deleted_at")
    if not all(isinstance(said.get(one), str) for one in names):
        return None
    data = said.get("photo")
    entry = trash_rows.make_entry(0, said, data if isinstance(data, dict) else {})
    found = find_regular(files.locate(place, name))
    fits = found is not None and found.st_size == entry.photo.file_size
    if entry.is_old or entry.trash_filename != name or not fits:
        return None
    return replace(entry, place=place, edits=())


def _adopt(files: TrashFiles, database: Database, entry: TrashEntry) -> None:
    try:
        in_place = find_regular(files.locate_photo(entry.original_path)) is not None
    except (OSError, EditRefusedError):
        in_place = False
    with database.transaction() as connection:
        entry = trash_rows.insert_entry(connection, entry)
        catalog.raise_sequence(connection, entry.photo.id)
        if not in_place and catalog.has_picture(connection, entry.photo):
            catalog.take_out(connection, entry.photo.id)
    _log.warning("%r was found in the trash again", entry.original_path)
