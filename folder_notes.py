"""What an index notes of folders, so that a quick one reads only those that changed.

A folder is passed over only where its stamps are the noted ones, it had been left alone for a
while when they were taken, every photo in it has a row that needs no second look, and this
program reads photos as it did then.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections import defaultdict
from collections.abc import Collection

import catalog
from file_operations import FolderNotes, FolderScan, FolderStamp
from media_types import MEDIA_SUFFIXES


def name_readers(sure_versions: Collection[int]) -> str:
    """What rows and formats this program settles for: with another one, folders are read again."""
    suffixes = zlib.crc32(" ".join(sorted(MEDIA_SUFFIXES)).encode())
    return f"{suffixes:08x}:{','.join(map(str, sorted(sure_versions)))}"


def read_notes(
    connection: sqlite3.Connection, sure_versions: Collection[int] | None
) -> FolderNotes:
    """What the last complete index noted; of one with other readers, the names alone.

    sure_versions: as `FileIndexer` has them; None for no notes, so that every folder is read.
    """
    if sure_versions is None:
        return FolderNotes()
    folders = catalog.list_folders(connection, name_readers(sure_versions))
    children: dict[str, list[str]] = defaultdict(list)
    for path in folders:
        if path:
            children[path.rpartition("/")[0]].append(path)
    stamps = {path: FolderStamp(*stamp) for path, stamp in folders.items() if stamp}
    return FolderNotes(children, stamps)


def write_notes(
    connection: sqlite3.Connection,
    scan: FolderScan,
    unsettled: Collection[str],
    sure_versions: Collection[int],
) -> None:
    """Note the folders of a walk whose rows are written. unsettled: files without such a row."""
    # Of a folder that could not be entered the one above it has to tell again.
    doubtful = {path.rpartition("/")[0] for path in (*unsettled, *scan.unreadable_folders)}
    noted = (scan.settled | scan.unchanged) & scan.folders.keys()
    readers = name_readers(sure_versions)
    catalog.replace_folders(connection, scan.folders, noted - doubtful, readers)


def is_noted(
    connection: sqlite3.Connection, scan: FolderScan, sure_versions: Collection[int]
) -> bool:
    """Whether every folder is noted as it is: since then no file came, left or got another name."""
    noted = catalog.list_folders(connection, name_readers(sure_versions))
    return not scan.unreadable_folders and noted == scan.folders


def is_as_noted(scan: FolderScan, notes: FolderNotes) -> bool:
    """Whether no folder was read, none is new, and none is gone."""
    listed = sum(map(len, notes.children.values()))
    return len(scan.unchanged) == len(scan.folders) == listed + 1 and not scan.unreadable_folders
