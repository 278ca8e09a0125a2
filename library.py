"""Opens a library: its folder, lock, database, workers, runner. Everyone gets theirs from here."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import tempfile
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

import catalog
import operation_state
from catalog import Photo, PhotoFilter
from db import (
    Database,
    check_version,
    is_unmade,
    open_database,
    refuse_network_file_system,
)
from errors import (
    InvalidRequestError,
    LibraryInUseError,
    LibraryNotFoundError,
    NotFoundError,
)
from exiftool_process import ExifTool, find_exiftool
from hash_cache import HashCache
from library_marker import LibraryMemory, list_markers, mark, refuse_unmounted
from library_sync import Indexer, IndexObserver, IndexReport
from media_types import is_media_name
from media_workers import WorkerPool
from operation_progress import Progress
from operation_runner import OperationContext, OperationRunner
from operation_state import OperationStatus, OperationType
from sample_library import make_sample_library
from settings import Settings
from thumbnails import ThumbnailSource, ThumbnailStore

LOCK_NAME: Final = "lock"
_PREPARED_PHOTOS: Final = 500
_LISTED_OPERATIONS: Final = 50

logger = logging.getLogger(__name__)


class Library:
    """An opened library: the parts that work on it, joined."""

    def __init__(self, settings: Settings, lock: IO[str], markers: Sequence[Path]) -> None:
        self.settings = settings
        self._lock = lock
        self.database = open_database(settings.database_path)
        with self.database.transaction() as connection:
            operation_state.pause_interrupted(connection)
            operation_state.cleanup_operations(connection)
        self.pool = _make_pool(settings)
        self._exiftool = _make_exiftool()
        self.thumbnails = ThumbnailStore(
            settings.data_dir / "thumbnails", self.pool, settings.library
        )
        self.runner = OperationRunner(self.database)
        self._cache = HashCache(self.database)
        self._markers = tuple(markers)

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
        )

    def start_update_index(self, *, accept_missing: bool = False) -> str:
        """Start Update Index; the id of its operation. Raises `BusyError` where one runs."""

        def deed(context: OperationContext) -> dict[str, Any]:
            report = self._make_indexer().update(context, accept_missing=accept_missing)
            with self.database.transaction() as connection:
                operation_state.supersede(connection, OperationType.UPDATE_INDEX)
            self._prepare_newest()
            return report.as_dict()

        return self.runner.start(
            OperationType.UPDATE_INDEX, deed, {"accept_missing": accept_missing}
        )

    def list_operations(self, limit: int = _LISTED_OPERATIONS) -> list[Progress]:
        """The newest operations, the latest first."""
        with self.database.reading() as connection:
            operations = operation_state.list_operations(connection, limit)
        return [self.runner.progress(operation.operation_id) for operation in operations]

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
            page = catalog.list_photos(
                connection, cursor=None, limit=_PREPARED_PHOTOS, photo_filter=PhotoFilter()
            )
        self.prepare_thumbnails(page.photos)

    def prepare_thumbnails(self, photos: Iterable[Photo]) -> None:
        """Have the small pictures of these photos drawn ahead of need."""
        self.thumbnails.prepare(thumbnail_source(photo) for photo in photos)

    def thumbnail(self, photo: Photo, size: int) -> Path:
        """The file of a small picture, drawn where there is none. Raises `PictureError`."""
        return self.thumbnails.get(thumbnail_source(photo), size)

    def photo_file(self, photo: Photo) -> Path:
        """The absolute path of a photo. Raises `NotFoundError` where no such file lies inside."""
        root = os.path.realpath(self.settings.library)
        path = os.path.join(root, photo.current_path)
        # A folder of the path may have become a link to somewhere else since the index.
        inside = os.path.realpath(path) == os.path.normpath(path)
        if not inside or not os.path.isfile(path):
            raise NotFoundError(
                f"{photo.current_path} is not there now. Its row is kept; an index "
                "finds the file again when it comes back or has moved."
            )
        return Path(path)

    def close(self) -> None:
        """Pause what runs, end the workers, close the database, let go of the lock."""
        self.runner.close()
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


def _make_pool(settings: Settings) -> WorkerPool:
    return WorkerPool(
        workers=settings.workers,
        memory_mb=settings.worker_memory_mb,
        file_timeout_s=settings.file_timeout_s,
    )


def _make_exiftool() -> ExifTool | None:
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
    _make_data_dir(settings)
    lock = _take_lock(settings.data_dir / LOCK_NAME)
    try:
        library_id, markers = mark(settings, memory)
        memory.remember(settings.library, library_id)
        return Library(settings, lock, markers)
    except BaseException:
        lock.close()
        raise


def open_for_reading(settings: Settings) -> Database:
    """The database of an indexed library, to read; works while another process writes."""
    check_folder(settings.library)
    path = settings.database_path
    if not path.is_file() or is_unmade(path):
        refuse_unmounted(settings, LibraryMemory())
        raise LibraryNotFoundError(
            f"{settings.library} has no index yet. Make one: ./lightkeep index {settings.library}"
        )
    refuse_network_file_system(path.parent)
    check_version(path)
    return Database(path, read_only=True)


def plan_update_index(
    settings: Settings, observer: IndexObserver, *, accept_missing: bool = False
) -> IndexReport:
    """What an index would change; nothing is written, and no lock is needed."""
    check_folder(settings.library)
    with contextlib.ExitStack() as stack:
        if not settings.database_path.is_file():
            if not accept_missing:
                refuse_unmounted(settings, LibraryMemory())
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="lightkeep-"))
            database = open_database(Path(folder) / settings.database_path.name)
        else:
            database = open_for_reading(settings)
        stack.callback(database.close)
        exiftool = _make_exiftool()
        if exiftool:
            stack.callback(exiftool.close)
        indexer = Indexer(
            root=settings.library,
            database=database,
            pool=stack.enter_context(_make_pool(settings)),
            exiftool=exiftool,
            cache=HashCache(database),
            time_zone=settings.time_zone,
            markers=tuple(list_markers(settings)),
            skip=(settings.data_dir,),
        )
        return indexer.update(observer, accept_missing=accept_missing, dry_run=True)


def check_folder(folder: Path) -> None:
    """Raise `LibraryNotFoundError` unless this is a folder that can be listed."""
    if not folder.exists():
        raise LibraryNotFoundError(f"There is no folder {folder}.")
    if not folder.is_dir():
        raise LibraryNotFoundError(f"{folder} is a file, not a folder of photos.")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise LibraryNotFoundError(
            f"{folder} cannot be read by this user. Give the user that runs Lightkeep the right to "
            "list it."
        )


def _make_data_dir(settings: Settings) -> None:
    folder = settings.data_dir
    if folder.resolve() == settings.library.resolve():
        raise InvalidRequestError(
            f"{folder} is the library itself: what Lightkeep keeps would lie among the photos. "
            "Choose another --data-dir, or none."
        )
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    refuse_network_file_system(existing)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidRequestError(
            f"{folder} cannot be made: {error.strerror}. Where the photos are read-only, keep "
            "what Lightkeep writes elsewhere: --data-dir DIR."
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InvalidRequestError(
            f"{folder} cannot be written to. Choose another place with --data-dir DIR."
        )


def _take_lock(path: Path) -> IO[str]:
    """The library's writing lock, held until the file is closed, also by a crash (flock(2))."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    lock = os.fdopen(descriptor, "r+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = lock.read().strip() or "another process"
        lock.close()
        raise LibraryInUseError(
            f"The library is in use by {holder}. Stop that one first, or try again later."
        ) from error
    lock.truncate(0)
    since = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    lock.write(f"Lightkeep, process {os.getpid()} on {os.uname().nodename}, since {since}")
    lock.flush()
    return lock


def _contains_photos(folder: Path) -> bool:
    """Whether a photo lies anywhere in the tree; hidden folders are not looked at."""
    for _, folders, names in os.walk(folder):
        if any(is_media_name(name) and not name.startswith(".") for name in names):
            return True
        folders[:] = [name for name in folders if not name.startswith(".")]
    return False


def choose_library() -> Path:
    """The library of a start that names none: `$LIGHTKEEP_LIBRARY`, `~/Pictures`, a sample."""
    chosen = os.environ.get("LIGHTKEEP_LIBRARY")
    if chosen:
        return Path(chosen).expanduser()
    pictures = Path.home() / "Pictures"
    if pictures.is_dir() and _contains_photos(pictures):
        return pictures
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return make_sample_library(Path(data) / "lightkeep" / "sample")
