"""The colors of pictures, kept so that a cell shows them before its picture has come.

What is new waits in memory and is written some at a time: each commit has the months of the
pages counted anew. What a crash loses is read again from the small pictures.
"""

from __future__ import annotations

import json
import logging
import re
import sqlite3
import threading
from collections.abc import Iterable
from typing import Final

from db import Database
from errors import LibraryError

MOST_WAITING: Final = 64
"""Beyond it whoever draws pictures in the background should write (`is_due`)."""
_COLORS: Final = re.compile(r"[0-9a-f]{18}")

log = logging.getLogger(__name__)


class PictureColors:
    """Colors by the key of a picture: `rrggbb` of its top, middle and bottom. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._waiting: dict[str, str] = {}

    def find(self, keys: Iterable[str]) -> dict[str, str]:
        """The colors of those of these pictures of which they are known."""
        wanted = list(dict.fromkeys(keys))
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT picture, colors FROM picture_colors"
                " WHERE picture IN (SELECT value FROM json_each(?))",
                [json.dumps(wanted)],
            )
            # They become CSS: whatever else stands there is left out.
            found = {picture: colors for picture, colors in rows if _COLORS.fullmatch(colors)}
        with self._lock:
            return found | {key: self._waiting[key] for key in wanted if key in self._waiting}

    def has(self, key: str) -> bool:
        """Whether they are known; also where that cannot be told now."""
        try:
            return bool(self.find([key]))
        except sqlite3.Error as error:
            log.warning("the colors of pictures cannot be read: %s", error)
            return True

    def note(self, key: str, colors: str) -> None:
        """Keep these colors; they are written with the next `flush`."""
        with self._lock:
            self._waiting[key] = colors

    @property
    def is_due(self) -> bool:
        """Whether enough wait for `flush` to be worth a commit."""
        with self._lock:
            return len(self._waiting) >= MOST_WAITING

    def flush(self) -> None:
        """Write what waits. Colors are no reason to fail: without a disk they are left out."""
        with self._lock:
            batch, self._waiting = self._waiting, {}
        if not batch:
            return
        try:
            with self._database.transaction() as connection:
                connection.executemany(
                    "INSERT INTO picture_colors (picture, colors) VALUES (?, ?)"
                    " ON CONFLICT (picture) DO UPDATE SET colors = excluded.colors",
                    batch.items(),
                )
        except (sqlite3.Error, LibraryError) as error:
            log.warning("the colors of %d pictures are not kept: %s", len(batch), error)
