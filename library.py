"""Opens a library: its folder, lock, database, workers, runner. Everyone gets theirs from here."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

import operation_state
import photo_listing
import write_journal
from accounts import Accounts
from backups import Backup
from beside_store import FOLDER as BESIDE_FOLDER
from beside_store import BesideStore
from catalog import Photo
from daily_backup import DailyBackup, back_up_now, rotate_now
from db import (
    open_database,
)
from db_rebuild import Rebuilder
from edit_recovery import EditParts, EditPlaces
from errors import (
    EditRefusedError,
    InvalidRequestError,
    NotFoundError,
)
from exiftool_process import ExifTool, find_exiftool
from favorites import Favorites, RatedPhoto, RatingReport
from file_edits import FileEdits
from file_indexer import FileIndexer
from file_opening import OpenedFile, open_inside
from hash_cache import HashCache
from library_location import (
    BACKUPS_DIR,
    check_folder,
    make_data_dir,
    take_lock,
)
from library_marker import LibraryMemory, mark, refuse_unmounted
from library_sync import Indexer
from media_workers import Priority, WorkerPool
from migrate_db import take_over
from operation_parameters import PARAMETERS, check_parameters, known_type
from operation_progress import Progress
from operation_runner import Deed, OperationContext, OperationRunner, OperationStopped
from operation_state import Operation, OperationStatus, OperationType
from photo_listing import PhotoFilter
from settings import Settings
from thumbnails import ThumbnailSource, ThumbnailStore
from verification import Verifier
from write_journal import Edit

_PREPARED_PHOTOS: Final = 500
_LISTED_OPERATIONS: Final = 50
_WAIT_FOR_EDITS_S: Final = 60.0

logger = logging.getLogger(__name__)


class Library:
    """An opened library: the parts that work on it, joined."""

    def __init__(self, settings: Settings, lock: IO[str], markers: Sequence[Path]) -> None:
        self.settings = settings
        self.accounts = Accounts(settings.data_dir)
        self._lock = lock
        self.database = open_database(settings.database_path)
        with self.database.transaction() as connection:
            operation_state.pause_interrupted(connection)
            operation_state.cleanup_operations(connection)
        self.pool = make_pool(settings)
        self._exiftool = make_exiftool()
        self.thumbnails = ThumbnailStore(
            settings.data_dir / "thumbnails", self.pool, settings.library
        )
        self.runner = OperationRunner(self.database)
        self._cache = HashCache(self.database)
        self._beside = BesideStore(settings.data_dir / BESIDE_FOLDER)
        edits = FileEdits(
            EditParts(
                places=EditPlaces(settings.library, self._beside),
                database=self.database,
                pool=self.pool,
                cache=self._cache,
                exiftool=self._find_exiftool,
                indexer=self._make_file_indexer,
            )
        )
        self.favorites = Favorites(self.database, edits)
        self.conflicts = edits.finish_interrupted()
        self._markers = tuple(markers)
        self._daily_backup = DailyBackup(
            settings.database_path, settings.data_dir / BACKUPS_DIR, self._has_photos
        )

    def _has_photos(self) -> bool:
        with self.database.reading() as connection:
            counts = photo_listing.count_photos(connection)
        return bool(counts.photos or counts.missing)

    @property
    def name(self) -> str:
        return self.settings.library.name or str(self.settings.library)

    @property
    def has_exiftool(self) -> bool:
        """Whether there is an ExifTool; the next index uses one that was installed since."""
        return self._exiftool is not None or find_exiftool() is not None

    def _find_exiftool(self) -> ExifTool | None:
        if self._exiftool is None and (executable := find_exiftool()):
            self._exiftool = ExifTool(executable)
        return self._exiftool

    def _make_indexer(self) -> Indexer:
        return Indexer(
            root=self.settings.library,
            database=self.database,
            pool=self.pool,
            exiftool=self._find_exiftool(),
            cache=self._cache,
            time_zone=self.settings.time_zone,
            markers=self._markers,
            skip=(self.settings.data_dir,),
            beside=self._beside,
        )

    def _make_file_indexer(self) -> FileIndexer:
        """Reads a few files for whom a person waits."""
        return FileIndexer(
            self.settings.library,
            self.pool,
            self._find_exiftool(),
            self._cache,
            self.settings.time_zone,
            self._beside,
            priority=Priority.VIEW,
        )

    def start_update_index(self, *, accept_missing: bool = False) -> str:
        """Start Update Index; the id of its operation. Raises `BusyError` where one runs."""
        return self.start_operation(OperationType.UPDATE_INDEX, {"accept_missing": accept_missing})

    def start_operation(
        self, operation_type: OperationType, parameters: Mapping[str, Any] | None = None
    ) -> str:
        """Start a long operation; its id.

        Raises `BusyError` where one runs, and `InvalidRequestError` for parameters that this
        operation does not take.
        """
        chosen = dict(parameters or {})
        check_parameters(operation_type, chosen)
        return self.runner.start(operation_type, self._make_deed(operation_type, chosen), chosen)

    def resume_operation(self, operation_id: str) -> str:
        """Go on with an interrupted operation, under its id.

        Raises `NotFoundError`, `BusyError`, and `InvalidRequestError` for what has ended.
        """
        operation = self.get_operation(operation_id)
        deed = self._make_deed(known_type(operation), operation.parameters)
        return self.runner.resume(operation, deed)

    def start_over(self, operation_id: str) -> str:
        """Discard an interrupted operation, and start the same from the beginning; the new id.

        Raises as `resume_operation`; then the interrupted one is kept.
        """
        operation = self.get_operation(operation_id)
        operation_type = known_type(operation)
        self.runner.refuse_if_busy(operation_type)
        parameters = {
            name: value
            for name, value in operation.parameters.items()
            if name in PARAMETERS[operation_type]
        }
        self.discard_operation(operation_id)
        return self.start_operation(operation_type, parameters)

    def discard_operation(self, operation_id: str) -> None:
        """Give up an interrupted operation. What it has done so far stays, and is no harm."""
        operation = self.get_operation(operation_id)
        if operation.operation_id not in {one.operation_id for one in self.list_interrupted()}:
            status = operation.status.value
            raise InvalidRequestError(f"Operation {operation_id} is {status}: not to be discarded.")
        self.cancel_operation(operation_id)

    def cancel_operation(self, operation_id: str) -> None:
        """Ask what runs to stop for good, and discard what is interrupted; see the runner."""
        operation = self.get_operation(operation_id)
        self.runner.cancel(operation_id)
        # What runs now may be a rebuild that builds on what the interrupted one left.
        idle = self.runner.current() is None
        if operation.operation_type == OperationType.REBUILD_DATABASE and idle:
            self._make_rebuilder().discard_work()

    def list_interrupted(self) -> list[Operation]:
        """Operations that can be resumed, the last one started first; those of an older app not."""
        known = {one.value for one in PARAMETERS}
        return [one for one in self.runner.list_interrupted() if one.operation_type in known]

    def get_operation(self, operation_id: str) -> Operation:
        """The row of an operation. Raises `NotFoundError`."""
        with self.database.reading() as connection:
            return operation_state.get_operation(connection, operation_id)

    def _make_deed(self, operation_type: OperationType, parameters: Mapping[str, Any]) -> Deed:
        accept_missing = bool(parameters.get("accept_missing", False))

        def update_index(context: OperationContext) -> dict[str, Any]:
            report = self._make_indexer().update(context, accept_missing=accept_missing)
            self._supersede(OperationType.UPDATE_INDEX)
            self._prepare_newest()
            return report.as_dict()

        def rebuild(context: OperationContext) -> dict[str, Any]:
            rebuilder = self._make_rebuilder()
            try:
                report = rebuilder.rebuild(context, accept_missing=accept_missing)
            except OperationStopped as stopped:
                if stopped.status == OperationStatus.CANCELLED:
                    rebuilder.discard_work()
                raise
            self._supersede(OperationType.UPDATE_INDEX, OperationType.REBUILD_DATABASE)
            rotate_now(self.settings.data_dir / BACKUPS_DIR)
            return report.as_dict()

        def verify(context: OperationContext) -> dict[str, Any]:
            verifier = Verifier(self.settings.library, self.database, self.pool, self._markers)
            report = verifier.verify(context, budget_s=parameters.get("budget_s"))
            if report.complete:
                self._supersede(OperationType.VERIFY_LIBRARY)
            return report.as_dict()

        def rate(context: OperationContext) -> dict[str, Any]:
            return self.favorites.rate_many(context, parameters["photo_ids"], parameters["rating"])

        def undo(context: OperationContext) -> dict[str, Any]:
            return self.favorites.undo_many(context, parameters["operation_id"])

        return {
            OperationType.UPDATE_INDEX: update_index,
            OperationType.REBUILD_DATABASE: rebuild,
            OperationType.VERIFY_LIBRARY: verify,
            OperationType.RATE_PHOTOS: rate,
            OperationType.KEEP_RATINGS: self.favorites.keep_many,
            OperationType.UNDO_EDITS: undo,
        }[operation_type]

    # -- ratings -------------------------------------------------------------------------------

    def rate_photo(self, photo_id: int, rating: int | None) -> RatedPhoto:
        """Give one photo a rating of 1 to 5, 0 for none; None toggles favorite.

        Raises `NotFoundError`, and `EditRefusedError` with the reason.
        """
        if rating is None:
            return self.favorites.toggle(photo_id)
        return self.favorites.rate(photo_id, rating)

    def start_rating(self, photo_ids: Sequence[int], rating: int) -> str:
        """Start rating many photos, as soon as what edits photos now has ended; the id."""
        return self._start_edits(
            OperationType.RATE_PHOTOS, {"photo_ids": list(photo_ids), "rating": rating}
        )

    def rate_photos(self, photo_ids: Sequence[int], rating: int) -> RatingReport:
        """Rate many photos, and wait for it; trouble with one of them is in the report."""
        operation_id = self.start_rating(photo_ids, rating)
        progress = self.runner.wait(operation_id)
        if progress.status != OperationStatus.COMPLETED or progress.report is None:
            raise EditRefusedError(progress.message or f"The rating was {progress.status}.")
        errors = [(one["photo_id"], one["error"]) for one in progress.report["errors"]]
        counts = progress.report["success_count"], progress.report["error_count"]
        return RatingReport(operation_id, *counts, tuple(errors))

    def start_keeping_ratings(self) -> str:
        """Start writing into the files what only the database knows; the operation's id."""
        return self._start_edits(OperationType.KEEP_RATINGS, {})

    def list_edits(self, *, photo_id: int | None = None, limit: int = 50) -> list[Edit]:
        """The newest edits of all photos or of one, the last first."""
        with self.database.reading() as connection:
            return write_journal.list_edits(connection, photo_id=photo_id, limit=limit)

    def undo_edit(self, edit_id: int) -> RatedPhoto:
        """Take one edit back. Raises `NotFoundError`, `EditRefusedError`."""
        return self.favorites.undo(edit_id)

    def start_undo(self, operation_id: str) -> str:
        """Start taking back all that an operation did to photos; the id of the new one."""
        with self.database.reading() as connection:
            operation_state.get_operation(connection, operation_id)
            if not write_journal.list_edits_of_operation(connection, operation_id):
                raise EditRefusedError(f"Operation {operation_id} has edited no photo.")
        return self._start_edits(OperationType.UNDO_EDITS, {"operation_id": operation_id})

    def _start_edits(self, operation_type: OperationType, parameters: Mapping[str, Any]) -> str:
        """Start an operation of `EDITS`, after the one that runs. Raises `BusyError` in the end."""
        deadline = time.monotonic() + _WAIT_FOR_EDITS_S
        while (running := self.runner.current(edits=True)) and time.monotonic() < deadline:
            self.runner.wait(running.operation_id, deadline - time.monotonic())
        return self.start_operation(operation_type, parameters)

    def _supersede(self, *operation_types: OperationType) -> None:
        """What was interrupted before is done by what was completed now."""
        with self.database.transaction() as connection:
            for operation_type in operation_types:
                operation_state.supersede(connection, operation_type)

    def _make_rebuilder(self) -> Rebuilder:
        return Rebuilder(
            root=self.settings.library,
            database=self.database,
            data_dir=self.settings.data_dir,
            pool=self.pool,
            exiftool=self._find_exiftool(),
            cache=self._cache,
            time_zone=self.settings.time_zone,
            markers=self._markers,
            skip=(self.settings.data_dir,),
        )

    def back_up(self, reason: str) -> Backup:
        """A verified backup now; old ones make room. Raises `LibraryError`."""
        return back_up_now(
            self.settings.database_path, self.settings.data_dir / BACKUPS_DIR, reason
        )

    def list_operations(self, limit: int = _LISTED_OPERATIONS) -> list[Progress]:
        """The newest operations, the latest first."""
        with self.database.reading() as connection:
            operations = operation_state.list_operations(connection, limit)
        return [self.runner.progress(operation.operation_id) for operation in operations]

    def list_rows(self) -> list[Operation]:
        """The rows of the newest operations, the latest first."""
        with self.database.reading() as connection:
            return operation_state.list_operations(connection, _LISTED_OPERATIONS)

    def find_last_index(self) -> str | None:
        """When an index was last completed, ISO 8601 in UTC."""
        with self.database.reading() as connection:
            for operation in operation_state.list_operations(connection, _LISTED_OPERATIONS):
                completed = operation.status == OperationStatus.COMPLETED
                if completed and operation.operation_type == OperationType.UPDATE_INDEX:
                    return operation.updated_at
        return None

    def _prepare_newest(self) -> None:
        """Draw what the page shows first before somebody opens it."""
        with self.database.reading() as connection:
            page = photo_listing.list_photos(
                connection, cursor=None, limit=_PREPARED_PHOTOS, photo_filter=PhotoFilter()
            )
        self.prepare_thumbnails(page.photos)

    def prepare_thumbnails(self, photos: Iterable[Photo]) -> None:
        """Have the small pictures of these photos drawn ahead of need."""
        self.thumbnails.prepare(thumbnail_source(photo) for photo in photos)

    def thumbnail(self, photo: Photo, size: int) -> Path:
        """The file of a small picture, drawn where there is none. Raises `PictureError`."""
        return self.thumbnails.get(thumbnail_source(photo), size)

    def open_photo(self, photo: Photo) -> OpenedFile:
        """The file of a photo, open. Raises `NotFoundError` where no such file lies inside."""
        try:
            return open_inside(self.settings.library, photo.current_path)
        except PermissionError as error:
            raise NotFoundError(
                f"{photo.current_path} cannot be read: {error.strerror}."
            ) from error
        except OSError as error:
            # A folder of the path may have become a link to somewhere else since the index.
            raise NotFoundError(
                f"{photo.current_path} is not there now. Its row is kept; an index "
                "finds the file again when it comes back or has moved."
            ) from error

    def close(self) -> None:
        """Pause what runs, end the workers, close the database, let go of the lock."""
        self.runner.close()
        self._daily_backup.close()
        self.thumbnails.close()
        self.pool.close()
        if self._exiftool:
            self._exiftool.close()
        self.database.close()
        self._lock.close()


def thumbnail_source(photo: Photo) -> ThumbnailSource:
    return ThumbnailSource(
        photo.current_path,
        photo.file_type,
        photo.media_hash,
        photo.orientation,
        (photo.file_size, photo.mtime_ns, photo.ctime_ns),
    )


def make_pool(settings: Settings) -> WorkerPool:
    return WorkerPool(
        workers=settings.workers,
        memory_mb=settings.worker_memory_mb,
        file_timeout_s=settings.file_timeout_s,
    )


def make_exiftool() -> ExifTool | None:
    executable = find_exiftool()
    if executable is None:
        logger.warning(
            "ExifTool was not found: photos are read by the fast reader alone, RAW is not shown, "
            "and a few unusual files stay without their date or rating. Install it (Debian: "
            "apt-get install libimage-exiftool-perl); the next index finds it."
        )
        return None
    return ExifTool(executable)


# -- opening -----------------------------------------------------------------------------------


def open_library(settings: Settings, *, accept_missing: bool = False) -> Library:
    """Open a library for writing, and make it one where it is not yet.

    `accept_missing`: the person said that a known library without its marker starts anew.
    Raises a `LibraryError` with a sentence for every folder or database that will not do.
    """
    check_folder(settings.library)
    memory = LibraryMemory()
    if not accept_missing:
        refuse_unmounted(settings, memory)
    make_data_dir(settings.data_dir, settings.library)
    lock = take_lock(settings.data_dir)
    try:
        library_id, markers = mark(settings, memory)
        memory.remember(settings.library, library_id)
        take_over(settings.library, settings.data_dir, report=logger.warning)
        return Library(settings, lock, markers)
    except BaseException:
        lock.close()
        raise
