"""Where a library and its data lie, and who holds them: folders, the lock, the choice.

The standard library is enough for all of this: `migrate_db.py` runs before anything is
installed.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Final

from db import refuse_network_file_system
from errors import InvalidRequestError, LibraryInUseError, LibraryNotFoundError
from media_types import is_media_name
from settings import LIBRARY_DIR

DATABASE_NAME: Final = "photo_library.db"
BACKUPS_DIR: Final = "backups"
LOCK_NAME: Final = "lock"
_LOCK_TRIES: Final = 2
_LOCK_PAUSE_S: Final = 0.05


def make_absolute(path: Path) -> Path:
    """Absolute, `~` resolved; links stay, since a person knows the folder by that name."""
    return Path(os.path.abspath(path.expanduser()))


def find_data_dir(
    library: Path, data_dir: Path | None = None, environment: Mapping[str, str] = os.environ
) -> Path:
    """What the app owns of this library: as told, `$LIGHTKEEP_DATA_DIR`, `LIBRARY/.library`."""
    chosen = data_dir or environment.get("LIGHTKEEP_DATA_DIR")
    return make_absolute(Path(chosen)) if chosen else make_absolute(library) / LIBRARY_DIR


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


def make_data_dir(folder: Path, library: Path) -> None:
    """Make the data folder where there is none. Raises a `LibraryError` where it will not do."""
    if folder.resolve() == library.resolve():
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


def take_lock(data_dir: Path) -> IO[str]:
    """The library's writing lock, held until the file is closed, also by a crash (flock(2)).

    Raises `LibraryInUseError`, which says who holds it.
    """
    path = data_dir / LOCK_NAME
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    lock = os.fdopen(descriptor, "r+", encoding="utf-8")
    try:
        _lock_now(lock)
    except BlockingIOError as error:
        holder = lock.read().strip() or "another process"
        lock.close()
        raise LibraryInUseError(
            f"The library is in use by {holder}. Stop that one first, or try again later."
        ) from error
    since = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    holder = f"Lightkeep, process {os.getpid()} on {os.uname().nodename}, since {since}"
    # On a full disk it is held all the same, only without saying by whom.
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)
    return lock


def _lock_now(lock: IO[str]) -> None:
    """Raise `BlockingIOError` where another holds it, and does not only look (`is_held`)."""
    for _ in range(_LOCK_TRIES):
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(_LOCK_PAUSE_S)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_held(data_dir: Path) -> bool:
    """Whether a process writes to the library now. Takes the lock for a moment to find out."""
    try:
        with open(data_dir / LOCK_NAME, encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no lock was ever made, or it is not for us to open
        return False
    return False


def find_library(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The library of a start that names none: `$LIGHTKEEP_LIBRARY`, `~/Pictures` with photos.

    None where there is neither: such a start is served the sample (`sample_folder`).
    """
    chosen = environment.get("LIGHTKEEP_LIBRARY")
    if chosen:
        return Path(chosen).expanduser()
    pictures = Path.home() / "Pictures"
    return pictures if pictures.is_dir() and contains_photos(pictures) else None


def sample_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the sample library lies, or would."""
    data = environment.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "lightkeep" / "sample"


def contains_photos(folder: Path) -> bool:
    """Whether a photo lies anywhere in the tree; hidden folders are not looked at."""
    for _, folders, names in os.walk(folder):
        if any(is_media_name(name) and not name.startswith(".") for name in names):
            return True
        folders[:] = [name for name in folders if not name.startswith(".")]
    return False
