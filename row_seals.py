"""Seals: which facts the index itself read, so that a rebuild need not read them again.

A row's facts follow from the bytes of its file, its sidecar and the reader. Of each record the
index read, a digest of all these is kept. A rebuild takes the facts of an unchanged file from
its old row only where their seal is there; a row that anything but the index changed has none,
and its file is read. An old seal does no harm: the same bytes say the same again.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Final

import catalog
from catalog import PhotoRecord

_NAMED_BY_FILE: Final = ("filename", "none")
# Where a file lies and what the disk says of it changes without its facts.
_NOT_SEALED: Final = frozenset(
    {"original_filename", "current_path", "mtime_ns", "ctime_ns", "inode", "sidecar_path"}
)
_SEALED: Final = tuple(field.name for field in fields(PhotoRecord) if field.name not in _NOT_SEALED)
_SEAL_BYTES: Final = 16
_ASKED: Final = 500


def make_seal(record: PhotoRecord) -> bytes:
    """The digest of what the record says and follows from; a `Photo` gives that of its record."""
    values = [getattr(record, name) for name in _SEALED]
    name = record.original_filename if record.date_source in _NAMED_BY_FILE else None
    has_sidecar = record.sidecar_path is not None
    text = repr((*values, name, has_sidecar))
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=_SEAL_BYTES).digest()


def keep_seals(connection: sqlite3.Connection, records: Iterable[PhotoRecord]) -> None:
    """Remember that the index read these records, inside the caller's transaction."""
    connection.executemany(
        "INSERT OR IGNORE INTO fact_seals (seal) VALUES (?)",
        [(make_seal(record),) for record in records],
    )


def list_sealed(connection: sqlite3.Connection, records: Sequence[PhotoRecord]) -> set[str]:
    """The paths of those records of which the index read exactly this."""
    seals = {record.current_path: make_seal(record) for record in records}
    asked = list(seals.values())
    there: set[bytes] = set()
    for start in range(0, len(asked), _ASKED):
        some = asked[start : start + _ASKED]
        marks = ", ".join("?" * len(some))
        rows = connection.execute(
            f"SELECT seal FROM fact_seals WHERE seal IN ({marks})",  # noqa: S608  marks only
            some,
        )
        there.update(row[0] for row in rows)
    return {path for path, seal in seals.items() if seal in there}


def delete_unsealed(connection: sqlite3.Connection) -> int:
    """Delete every row that the index did not read, or that is missing; how many."""
    photos = list(catalog.iterate_photos(connection))
    present = [photo for photo in photos if photo.missing_since is None]
    sealed = list_sealed(connection, present)
    doubtful = [
        (photo.id,)
        for photo in photos
        if photo.missing_since is not None or photo.current_path not in sealed
    ]
    connection.executemany("DELETE FROM photos WHERE id = ?", doubtful)
    return len(doubtful)
