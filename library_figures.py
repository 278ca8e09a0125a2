"""What can be measured of a library while it is open, all at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import operation_state
from db import Database
from exiftool_process import ExifTool
from hash_cache import CacheStatistics, HashCache
from listing_cache import ListingCache
from media_workers import PoolFigures, WorkerPool
from operation_state import Operation
from photo_listing import Counts
from thumbnails import ThumbnailFigures, ThumbnailStore


@dataclass(frozen=True, slots=True)
class LibraryFigures:
    """Counts since the library was opened, and what its tables say.

    operations: how many there are, by type and status. last_runs: the newest operation of each
    type that was begun. exiftool_calls, exiftool_restarts: of the one that all share; workers
    that draw RAW have their own.
    """

    photos: Counts
    operations: Mapping[tuple[str, str], int]
    last_runs: tuple[Operation, ...]
    cache: CacheStatistics
    pool: PoolFigures
    thumbnails: ThumbnailFigures
    exiftool_calls: int
    exiftool_restarts: int

    def list_last_metrics(self) -> list[tuple[str, dict[str, Any]]]:
        """Type and `performance_metrics` of the last runs."""
        return [(one.operation_type, one.metrics) for one in self.last_runs]


def measure(
    database: Database,
    listing: ListingCache,
    cache: HashCache,
    pool: WorkerPool,
    thumbnails: ThumbnailStore,
    exiftool: ExifTool | None,
) -> LibraryFigures:
    """The figures of a library with these parts; nothing is written."""
    with database.reading() as connection:
        operations = operation_state.count_operations(connection)
        last_runs = operation_state.list_last_of_each_type(connection)
    return LibraryFigures(
        photos=listing.count_photos(),
        operations=operations,
        last_runs=tuple(last_runs),
        cache=cache.totals,
        pool=pool.figures,
        thumbnails=thumbnails.figures,
        exiftool_calls=exiftool.calls if exiftool else 0,
        exiftool_restarts=exiftool.restarts if exiftool else 0,
    )
