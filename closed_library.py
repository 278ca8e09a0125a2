"""What can be done with a library without opening it for writing: read, plan, back up, recover."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from backups import Backup, find_newest_valid
from beside_store import FOLDER as BESIDE_FOLDER
from beside_store import BesideStore
from daily_backup import back_up_now
from db import Database, check_version, is_unmade, open_database, refuse_network_file_system
from db_recovery import RecoveryReport, recover
from errors import LibraryNotFoundError
from file_indexer import FileIndexer
from hash_cache import HashCache
from import_plan import ImportPlan
from library_location import (
    BACKUPS_DIR,
    check_folder,
    find_library,
    make_data_dir,
    sample_folder,
    take_lock,
)
from library_marker import LibraryMemory, list_markers, refuse_unmounted
from library_parts import make_pool
from library_sync import Indexer, IndexObserver, IndexReport
from photo_import import PhotoImport
from settings import Settings
from shared_exiftool import SharedExifTool
from upload_store import FOLDER as UPLOAD_FOLDER
from upload_store import UploadStore


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
    settings: Settings,
    observer: IndexObserver,
    *,
    accept_missing: bool = False,
    quick: bool = False,
) -> IndexReport:
    """What an index would change; nothing is written, and no lock is needed."""
    check_folder(settings.library)
    with contextlib.ExitStack() as stack:
        indexer = _make_indexer(settings, stack, accept_missing=accept_missing)
        return indexer.update(observer, accept_missing=accept_missing, dry_run=True, quick=quick)


def plan_import(
    settings: Settings, sources: Sequence[str], tell: Callable[[int, int | None], None]
) -> ImportPlan:
    """What an import would do, as far as the index knows; as `plan_update_index` else.

    Raises as `PhotoImport.plan`.
    """
    check_folder(settings.library)
    with contextlib.ExitStack() as stack:
        indexer = _make_indexer(settings, stack)

        def make_reader(check: Callable[[], None]) -> FileIndexer:
            return FileIndexer(
                indexer.root,
                indexer.pool,
                indexer.exiftool,
                indexer.cache,
                indexer.time_zone,
                indexer.beside,
                check=check,
            )

        uploads = UploadStore(settings.data_dir / UPLOAD_FOLDER)
        data_dir, database = settings.data_dir, indexer.database
        deed = PhotoImport(settings.library, data_dir, database, indexer, make_reader, uploads)
        return deed.plan(sources, remember=False, tell=tell)


def _make_indexer(
    settings: Settings, stack: contextlib.ExitStack, *, accept_missing: bool = False
) -> Indexer:
    """An indexer over the database as it is, or over an empty one; `stack` closes its parts."""
    if not settings.database_path.is_file():
        if not accept_missing:
            refuse_unmounted(settings, LibraryMemory())
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="lightkeep-"))
        database = open_database(Path(folder) / settings.database_path.name)
    else:
        database = open_for_reading(settings)
    stack.callback(database.close)
    exiftool = SharedExifTool()
    stack.callback(exiftool.close)
    return Indexer(
        root=settings.library,
        database=database,
        pool=stack.enter_context(make_pool(settings)),
        exiftool=exiftool.find,
        cache=HashCache(database),
        time_zone=settings.time_zone,
        markers=tuple(list_markers(settings)),
        skip=(settings.data_dir,),
        beside=BesideStore(settings.data_dir / BESIDE_FOLDER),
    )


def choose_library() -> Path:
    """The library of a start that names none: `$LIGHTKEEP_LIBRARY`, `~/Pictures`, a sample."""
    # Here, because every verb pays for what stands above.
    from sample_library import make_sample_library

    return find_library() or make_sample_library(sample_folder())


def back_up(settings: Settings) -> Backup:
    """A verified backup of a library that may be in use. Raises `LibraryError`."""
    open_for_reading(settings).close()
    return back_up_now(settings.database_path, settings.data_dir / BACKUPS_DIR, "by hand")


def find_backup(settings: Settings) -> Backup | None:
    """The backup that a recovery would restore."""
    return find_newest_valid(settings.data_dir / BACKUPS_DIR)


def recover_library(settings: Settings) -> RecoveryReport:
    """Give a library with a damaged database the newest sound backup; an index is to follow.

    Raises `LibraryInUseError`, and as `db_recovery.recover` does.
    """
    check_folder(settings.library)
    refuse_unmounted(settings, LibraryMemory())
    make_data_dir(settings.data_dir, settings.library)
    with take_lock(settings.data_dir):
        return recover(settings.data_dir)
