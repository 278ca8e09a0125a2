"""Doctor: looks at all that a library needs, beside a running server too, and changes nothing."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import photo_listing
from accounts import Accounts
from backups import list_backups, verify_backup
from catalog import find_newest_change
from closed_library import open_for_reading
from db import NETWORK_FILE_SYSTEMS, check_quickly, find_file_system, read_journal_mode
from doctor_finding import Finding, advice, ok, trouble
from doctor_places import (
    LITTLE_BYTES,
    judge_backups,
    judge_clock,
    judge_data_access,
    judge_file_system,
    judge_journal,
    judge_library_access,
    judge_open_files,
    judge_settings,
    judge_space,
    judge_zone,
    read_change,
)
from doctor_programs import examine_programs
from errors import InvalidRequestError, LibraryError, LibraryNotFoundError, LibraryNotMountedError
from library_location import BACKUPS_DIR, check_folder, find_data_dir, is_held, make_absolute
from library_marker import LibraryMemory, list_markers, read_library_id, refuse_unmounted
from settings import LIBRARY_DIR, SETTINGS_NAME, Settings, load_settings

_CONTAINER_MARKS: Final = (Path("/.dockerenv"), Path("/run/.containerenv"))
_BEGIN_INDEX: Final = "Make one: ./lightkeep index LIBRARY, or ./lightkeep serve LIBRARY."


def examine(
    library: Path,
    data_dir: Path | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
    now: datetime | None = None,
) -> list[Finding]:
    """Everything there is to say of a library and the machine below it, in a fixed order.

    Raises `LibraryNotFoundError` where there is no such folder.
    """
    check_folder(make_absolute(library))
    settings, wrong = _read_settings(library, data_dir, environment)
    moment = now or datetime.now(UTC)
    return [
        *examine_programs(),
        *_examine_disks(settings),
        *_examine_marker(settings),
        *_examine_database(settings, moment),
        judge_zone(str(settings.time_zone)),
        judge_open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        *wrong,
        *_examine_settings(settings, environment, is_sound=not wrong),
    ]


def _read_settings(
    library: Path, data_dir: Path | None, environment: Mapping[str, str]
) -> tuple[Settings, list[Finding]]:
    """The settings, or those that are built in where settings.toml is refused."""
    try:
        return load_settings(library, data_dir=data_dir, environment=environment), []
    except InvalidRequestError as error:
        root = make_absolute(library)
        settings = Settings(root, find_data_dir(root, data_dir, environment))
        remedy = "Mend it; docs/settings.md has every key. Lightkeep does not start until then."
        return settings, [trouble("Settings", error.message, remedy)]


def _examine_disks(settings: Settings) -> Iterator[Finding]:
    data = settings.data_dir
    existing = next(folder for folder in (data, *data.parents) if folder.exists())
    kind = find_file_system(existing)
    in_container = any(mark.exists() for mark in _CONTAINER_MARKS)
    network = kind in NETWORK_FILE_SYSTEMS
    yield judge_file_system(data, kind, network=network, container=in_container)
    writable = os.access(existing, os.W_OK | os.X_OK)
    yield judge_data_access(data, there=data.exists(), writable=writable)
    # A rebuild makes a second database and a backup beside the first one.
    needed = max(LITTLE_BYTES, 3 * _size_of(settings.database_path))
    free = shutil.disk_usage(existing).free
    yield judge_space("Room for data", data, free, needed, "a backup or a rebuild")
    can_write = os.access(settings.library, os.W_OK | os.X_OK)
    yield judge_library_access(settings.library, writable=can_write)
    if can_write:
        free = shutil.disk_usage(settings.library).free
        purpose = "an edit, which first makes a copy of the photo,"
        yield judge_space("Room for photos", settings.library, free, LITTLE_BYTES, purpose)


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _examine_marker(settings: Settings) -> Iterator[Finding]:
    subject = "Marker"
    memory = LibraryMemory()
    try:
        refuse_unmounted(settings, memory)
        known = read_library_id(settings, memory)
    except LibraryNotMountedError as error:
        yield trouble(subject, error.message, "Mount the disk or share, then start again.")
        return
    except InvalidRequestError as error:
        yield trouble(subject, error.message, "See what the sentence says.")
        return
    if known is None:
        yield ok(subject, "None yet: this folder is no library until it is first indexed.")
        return
    places = list(list_markers(settings))
    in_root = settings.library / LIBRARY_DIR in {place.parent for place in places}
    if not in_root:
        yield advice(
            subject,
            "There is none among the photos, so an unmounted share is told from an emptied "
            "library by its being empty alone.",
            f"Where {settings.library} can be written to, the next start puts one there.",
        )
        return
    yield ok(subject, f"It is there, so a share that is not mounted is noticed ({places[-1]}).")


def _examine_database(settings: Settings, now: datetime) -> Iterator[Finding]:
    change, photos = None, 0
    try:
        database = open_for_reading(settings)
    except LibraryNotFoundError:
        yield advice("Database", "There is no index yet.", _BEGIN_INDEX)
    except LibraryNotMountedError:
        pass  # the marker says it
    except LibraryError as error:
        yield trouble("Database", error.message, "See what the sentence says.")
    else:
        try:
            with database.reading() as connection:
                damage = check_quickly(connection)
                mode = read_journal_mode(connection)
                counts = photo_listing.count_photos(connection)
                change = read_change(find_newest_change(connection))
            photos = counts.photos + counts.missing
            yield _judge_database(settings, damage, counts.photos, counts.missing)
            yield judge_journal(mode)
        except sqlite3.Error as error:
            yield _judge_database(settings, str(error), 0, 0)
        finally:
            database.close()
    backups = list_backups(settings.data_dir / BACKUPS_DIR)
    newest = backups[-1] if backups else None
    damage = verify_backup(newest) if newest else None
    made_at = newest.made_at if newest else None
    yield judge_backups(made_at, damage, photos, now)
    yield judge_clock(now.astimezone(settings.time_zone), change, made_at)


def _judge_database(settings: Settings, damage: str | None, photos: int, missing: int) -> Finding:
    if damage:
        return trouble(
            "Database",
            f"It is damaged: {damage}.",
            f"Stop Lightkeep, then: {settings.name_command('recover')}",
        )
    served = " Lightkeep has it open." if is_held(settings.data_dir) else ""
    gone = f", {missing:,} of them missing" if missing else ""
    known = photos + missing
    words = f"{known:,} photo{'' if known == 1 else 's'}"
    return ok("Database", f"It is sound, and knows {words}{gone}.{served}")


def _examine_settings(
    settings: Settings, environment: Mapping[str, str], *, is_sound: bool
) -> Iterator[Finding]:
    try:
        has_password = Accounts(settings.data_dir).has_password()
    except LibraryError as error:
        yield trouble("Password", error.message, "Nobody is let in until then.")
        has_password = True
    else:
        who = "is set" if has_password else "is not set: Lightkeep answers this machine alone"
        yield ok("Password", f"A password {who}.")
    hidden = settings.library / LIBRARY_DIR / SETTINGS_NAME
    unread = hidden if hidden.is_file() and hidden.parent != settings.data_dir else None
    found = list(
        judge_settings(
            unread=unread,
            workers=(settings.workers, os.cpu_count() or 1),
            memory_mb=(settings.worker_memory_mb, _read_memory_mb()),
            allowed_hosts=settings.allowed_hosts,
            has_password=has_password,
            environment=environment,
        )
    )
    yield from found
    if is_sound and not found:
        yield ok("Settings", "Every setting applies.")


def _read_memory_mb() -> int | None:
    """The machine's memory in MB (10**6 bytes), None where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 10**6
    except (ValueError, OSError):
        return None
