"""What the pages count over all photos, kept for as long as nothing was written.

Counting 100,000 photos by month takes a tenth of a second, and every page of the grid wants it.
A value is made from a snapshot that is no older than the version it is kept under, so what
comes from here is never older than the last commit before it was asked for.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

import photo_listing
from db import Database
from filter_choices import Choices, list_choices
from photo_filter import PhotoFilter
from photo_listing import Counts, Month

T = TypeVar("T")

MOST_VALUES: Final = 200
"""Of views that differ by the words of a search there is no end; the oldest goes first."""


class ListingCache:
    """Months and counts of one library. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._version: int | None = None
        self._values: dict[object, Any] = {}

    def list_months(self, photo_filter: PhotoFilter) -> list[Month]:
        """As `photo_listing.list_months`; the list is the caller's own."""
        return list(
            self._get(
                ("months", photo_filter),
                lambda connection: photo_listing.list_months(connection, photo_filter),
            )
        )

    def count_photos(self) -> Counts:
        """As `photo_listing.count_photos`."""
        return self._get("counts", photo_listing.count_photos)

    def count_listed(self, photo_filter: PhotoFilter) -> int:
        """As `photo_listing.count_listed`."""
        return self._get(
            ("listed", photo_filter),
            lambda connection: photo_listing.count_listed(connection, photo_filter),
        )

    def list_choices(self) -> Choices:
        """As `filter_choices.list_choices`."""
        return self._get("choices", list_choices)

    def _get(self, key: object, count: Callable[[sqlite3.Connection], T]) -> T:
        version = self._database.data_version()
        with self._lock:
            if version != self._version:
                self._values.clear()
                self._version = version
            if key in self._values:
                kept: T = self._values[key]
                return kept
        # On a connection of its own: the caller's snapshot may be older than the version.
        with self._database.reading() as connection:
            value = count(connection)
        with self._lock:
            if version == self._version:
                if len(self._values) >= MOST_VALUES:
                    del self._values[next(iter(self._values))]
                self._values[key] = value
        return value
