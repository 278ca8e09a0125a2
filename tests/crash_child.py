"""What the crash tests run and kill: one deed of a small library, in a process of its own.

    python crash_child.py index|rebuild|backup|naive ROOT DATA

Ends with 0 when it was done and with 2 when it was refused with a sentence.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]


def main(deed: str, root: Path, data: Path) -> int:
    import hash_cache
    from errors import LibraryError
    from media_workers import WorkerPool

    hash_cache.UNTRUSTED_NS = 0  # type: ignore[misc]
    try:
        with WorkerPool(workers=1, memory_mb=1024, file_timeout_s=20) as pool:
            _perform(deed, root, data, pool)
    except (LibraryError, sqlite3.OperationalError) as error:
        # The second is what the operation runner ends an operation with as well.
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _perform(deed: str, root: Path, data: Path, pool: object) -> None:
    from rebuild_box import DATABASE, opened

    from backups import make_backup
    from media_workers import WorkerPool

    assert isinstance(pool, WorkerPool)
    if deed == "naive":
        _swap_naively(data / DATABASE)
        return
    with opened(root, data, pool) as box:
        if deed == "index":
            box.index()
        elif deed == "rebuild":
            box.rebuild()
        else:
            make_backup(data / DATABASE, data / "backups", "test")


def _swap_naively(path: Path) -> None:
    """The swap nobody should write: a new database copied over one whose WAL is in use."""
    import db

    new = path.with_name("new.part")
    with sqlite3.connect(path) as live:
        live.execute("VACUUM INTO ?", [str(new)])
    database = db.open_database(path)
    with database.transaction() as connection:
        # Stays in the WAL, which is replayed onto whatever file has the name.
        connection.execute("UPDATE photos SET width = 7")
    os.rename(path, path.with_name("old.part"))
    shutil.copyfile(new, path)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
