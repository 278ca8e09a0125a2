"""What this app is about to change in photo files, has changed, and the values before.

Rows of `write_journal`; paths are relative to the library. States: `planned`, `prepared`
(the new bytes are known and about to take the file's place), `done`, `conflict`.
"""

from __future__ import annotations

import sqlite3


def has_written(connection: sqlite3.Connection, path: str, content_hash: str) -> bool:
    """Whether this app itself put these exact bytes at `path`.

    A prepared entry counts as well: its bytes may be in place, and its end not yet noted.
    """
    found = connection.execute(
        "SELECT 1 FROM write_journal WHERE path = ? AND content_hash_after = ?"
        " AND state IN ('done', 'prepared') LIMIT 1",
        (path, content_hash),
    ).fetchone()
    return found is not None
