"""What the crash tests of the trash run and kill: one deed of a small library.

    python trash_crash_child.py trash|restore|purge ROOT DATA

The deed is done photo by photo, without the threads of an operation, so that each run makes the
same calls. Ends with 0 when it was done and with 2 when it was refused with a sentence.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]


def main(deed: str, root: Path, data: Path) -> int:
    import sqlite3

    from trash_crash_box import open_trash

    from errors import LibraryError

    status = 0
    try:
        with open_trash(root, data) as box:
            for key in box.list_photos() if deed == "trash" else box.list_entries():
                try:
                    box.perform(deed, key)
                except LibraryError as error:
                    sys.stderr.write(f"{error}\n")
                    status = 2
    except (LibraryError, sqlite3.OperationalError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
