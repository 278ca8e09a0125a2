"""The parts of an opened library: database, workers, readers, and what is made of them."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from accounts import Accounts
from beside_store import FOLDER as BESIDE_FOLDER
from beside_store import BesideStore
from catalog import Photo
from db import (
    open_database,
)
from db_rebuild import Rebuilder
from edit_recovery import EditParts, EditPlaces
from errors import (
    NotFoundError,
)
from fact_reading import PhotoFacts, read_facts
from file_edits import FileEdits
from file_indexer import FileIndexer
from file_opening import OpenedFile, open_inside
from hash_cache import HashCache
from job_queue import Priority
from library_figures import LibraryFigures, measure
from library_sync import Indexer
from listing_cache import ListingCache
from media_workers import WorkerPool
from photo_import import PhotoImport
from picture_colors import PictureColors
from settings import Settings
from shared_exiftool import SharedExifTool
from thumbnails import ThumbnailSource, ThumbnailStore
from trash_files import TrashFiles
from trash_moves import TrashMoves
from trash_rows import TrashEntry
from upload_store import FOLDER as UPLOAD_FOLDER
from upload_store import UploadStore

_PREPARED_PHOTOS: Final = 500
_LISTED_OPERATIONS: Final = 50
_WAIT_FOR_EDITS_S: Final = 60.0

logger = logging.getLogger(__name__)


class LibraryParts:
    """What works on one library that is open for writing, joined."""

    def __init__(self, settings: Settings, markers: Sequence[Path]) -> None:
        self.settings = settings
        self.markers = tuple(markers)
        self.accounts = Accounts(settings.data_dir)
        self.database = open_database(settings.database_path)
        self.listing = ListingCache(self.database)
        self.pool = make_pool(settings)
        self.exiftool = SharedExifTool()
        self.colors = PictureColors(self.database)
        self.thumbnails = ThumbnailStore(
            settings.data_dir / "thumbnails", self.pool, settings.library, self.colors
        )
        self.cache = HashCache(self.database)
        self.beside = BesideStore(settings.data_dir / BESIDE_FOLDER)
        self.uploads = UploadStore(settings.data_dir / UPLOAD_FOLDER)
        self.uploads.clean()

    @property
    def name(self) -> str:
        return self.settings.library.name or str(self.settings.library)

    @property
    def has_exiftool(self) -> bool:
        """Whether there is an ExifTool; the next index uses one that was installed since."""
        return self.exiftool.find() is not None

    def make_indexer(self) -> Indexer:
        return Indexer(
            root=self.settings.library,
            database=self.database,
            pool=self.pool,
            exiftool=self.exiftool.find,
            cache=self.cache,
            time_zone=self.settings.time_zone,
            markers=self.markers,
            skip=(self.settings.data_dir,),
            beside=self.beside,
        )

    def make_file_indexer(self) -> FileIndexer:
        """Reads a few files for whom a person waits."""
        return FileIndexer(
            self.settings.library,
            self.pool,
            self.exiftool.find,
            self.cache,
            self.settings.time_zone,
            self.beside,
            priority=Priority.VIEW,
        )

    def make_rebuilder(self) -> Rebuilder:
        return Rebuilder(
            root=self.settings.library,
            database=self.database,
            data_dir=self.settings.data_dir,
            pool=self.pool,
            exiftool=self.exiftool.find,
            cache=self.cache,
            time_zone=self.settings.time_zone,
            markers=self.markers,
            skip=(self.settings.data_dir,),
        )

    def make_import(self) -> PhotoImport:
        """What imports photos."""
        indexer = self.make_indexer()

        def make_reader(check: Callable[[], None]) -> FileIndexer:
            return replace(self.make_file_indexer(), check=check, priority=Priority.WORK)

        return PhotoImport(
            self.settings.library,
            self.settings.data_dir,
            self.database,
            indexer,
            make_reader,
            self.uploads,
        )

    def make_edits(self) -> FileEdits:
        """What edits photo files."""
        return FileEdits(
            EditParts(
                places=EditPlaces(self.settings.library, self.beside),
                database=self.database,
                pool=self.pool,
                cache=self.cache,
                exiftool=self.exiftool.find,
                indexer=self.make_file_indexer,
                write_policy=lambda: self.settings.write_policy,
            )
        )

    def make_trash_moves(self) -> TrashMoves:
        """What moves photos into the trash and out of it."""
        return TrashMoves(
            files=TrashFiles(self.settings.library, self.settings.data_dir),
            database=self.database,
            pool=self.pool,
            cache=self.cache,
            indexer=self.make_file_indexer,
        )

    def prepare_thumbnails(self, photos: Iterable[Photo]) -> None:
        """Have the small pictures of these photos drawn ahead of need."""
        self.thumbnails.prepare(thumbnail_source(photo) for photo in photos)

    def find_colors(self, photos: Iterable[Photo]) -> dict[int, str]:
        """By id the colors of those photos of which they are known (`picture_colors`)."""
        keys = {photo.id: thumbnail_source(photo).key for photo in photos}
        colors = self.colors.find(keys.values())
        return {photo_id: colors[key] for photo_id, key in keys.items() if key in colors}

    def thumbnail(self, photo: Photo, size: int) -> Path:
        """The file of a small picture, drawn where there is none. Raises `PictureError`."""
        return self.thumbnails.get(thumbnail_source(photo), size)

    def read_facts(self, photo: Photo) -> PhotoFacts:
        """What the photo's file and its sidecar say beyond the row. Raises `NotFoundError`."""
        # They are there, and no link leads to them.
        self.open_photo(photo).file.close()
        with contextlib.suppress(NotFoundError):
            if photo.sidecar_path:
                self._open(photo.sidecar_path).file.close()
                return self._read_facts(photo)
        return self._read_facts(replace(photo, sidecar_path=None))

    def _read_facts(self, photo: Photo) -> PhotoFacts:
        return read_facts(self.settings.library, photo, self.exiftool.find(), self.pool)

    def open_photo(self, photo: Photo) -> OpenedFile:
        """The file of a photo, open. Raises `NotFoundError` where no such file lies inside."""
        return self._open(photo.current_path)

    def _open(self, path: str) -> OpenedFile:
        try:
            return open_inside(self.settings.library, path)
        except PermissionError as error:
            raise NotFoundError(f"{path} cannot be read: {error.strerror}.") from error
        except OSError as error:
            # A folder of the path may have become a link to somewhere else since the index.
            raise NotFoundError(
                f"{path} is not there now. Its row is kept; an index "
                "finds the file again when it comes back or has moved."
            ) from error

    def measure(self) -> LibraryFigures:
        """What can be measured of the library now; nothing is written."""
        return measure(
            self.database, self.listing, self.cache, self.pool, self.thumbnails, self.exiftool.begun
        )

    def close_parts(self) -> None:
        """End the workers, close the database."""
        self.thumbnails.close()
        self.pool.close()
        self.exiftool.close()
        self.database.close()


def thumbnail_source(photo: Photo) -> ThumbnailSource:
    return ThumbnailSource(
        photo.current_path,
        photo.file_type,
        photo.media_hash,
        photo.orientation,
        (photo.file_size, photo.mtime_ns, photo.ctime_ns),
    )


def trash_source(entry: TrashEntry, files: TrashFiles) -> ThumbnailSource:
    """The picture of a photo in the trash, where the store has it or can draw it."""
    photo = entry.photo
    path = files.folder(entry.place) / entry.trash_filename
    # An older app's entry says nothing of the picture: it is drawn under a key of its own.
    own = hashlib.sha256(f"{entry.trash_filename} {photo.file_size}".encode()).hexdigest()
    return ThumbnailSource(
        os.path.relpath(path, files.root),
        photo.file_type,
        photo.media_hash or f"trash:{own[:32]}",
        photo.orientation,
    )


def make_pool(settings: Settings) -> WorkerPool:
    return WorkerPool(
        workers=settings.workers,
        memory_mb=settings.worker_memory_mb,
        file_timeout_s=settings.file_timeout_s,
    )
