"""Which rows are companions of others: found by `photo_pairs`, kept in the table `companions`."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from typing import Final

import catalog
from photo_pairs import PairFile, find_companions

_MANY_FOLDERS: Final = 200
"""From here on one look at all rows is sooner done."""


def pair_photos(connection: sqlite3.Connection) -> None:
    """Note anew which rows are companions of others, from the rows as they are now."""
    companions = find_companions(lambda: map(PairFile._make, catalog.list_pair_facts(connection)))
    catalog.replace_companions(connection, companions)


def pair_folders(connection: sqlite3.Connection, folders: Collection[str]) -> None:
    """The same below these folders alone, which is done sooner; "" is the library itself."""
    if "" in folders or len(folders) > _MANY_FOLDERS:
        return pair_photos(connection)
    files = {
        facts[0]: PairFile(*facts)
        for folder in folders
        for facts in catalog.list_pair_facts(connection, folder)
    }
    return catalog.replace_companions(connection, find_companions(files.values), files)
