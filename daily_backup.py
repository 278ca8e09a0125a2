"""A backup a day for as long as a library is open, in a thread of its own."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from backups import Backup, is_due, make_backup, rotate
from errors import LibraryError

LOOK_EVERY_S: Final = 3600.0

logger = logging.getLogger(__name__)


class DailyBackup:
    """Looks when the library is opened, and every hour from then on, whether one is due.

    is_wanted: whether the database holds anything yet that a backup could give back.
    """

    def __init__(
        self,
        database_path: Path,
        backups_dir: Path,
        is_wanted: Callable[[], bool],
        *,
        every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._database_path = database_path
        self._backups_dir = backups_dir
        self._is_wanted = is_wanted
        self._every_s = every_s
        self._closed = threading.Event()
        self._thread = threading.Thread(
            # Who ends without `close` must not wait for it.
            target=self._run,
            args=(is_wanted(),),
            name="daily-backup",
            daemon=True,
        )
        self._thread.start()

    def close(self) -> None:
        """Let the one that is being made be finished, and make no more."""
        self._closed.set()
        self._thread.join()

    def _run(self, wanted_at_once: bool) -> None:
        if not wanted_at_once:
            self._closed.wait(self._every_s)
        while not self._closed.is_set():
            # A disk that fails today may be mended tomorrow: the next look tries again.
            try:
                if is_due(self._backups_dir, datetime.now(UTC)) and self._is_wanted():
                    back_up_now(self._database_path, self._backups_dir, "daily")
            except (LibraryError, OSError, sqlite3.Error) as error:
                logger.warning("The daily backup could not be made: %s", error)
            self._closed.wait(self._every_s)


def back_up_now(database_path: Path, backups_dir: Path, reason: str) -> Backup:
    """A verified backup now; old ones make room. Raises `LibraryError`."""
    made = make_backup(database_path, backups_dir, reason)
    rotate_now(backups_dir)
    return made


def rotate_now(backups_dir: Path) -> None:
    """Let old backups make room."""
    rotate(backups_dir, datetime.now(UTC))
