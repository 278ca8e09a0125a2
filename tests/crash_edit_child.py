"""What the crash tests of edits run and kill: one deed, in a process of its own.

    python crash_edit_child.py open|star|sidecar|unstar|undo|bulk|naive ROOT

Ends with 0 when it was done and with 2 when it was refused with a sentence. `open` ends where
the deeds begin, so that the calls before them can be told apart.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]


def main(deed: str, root: Path) -> int:
    import dataclasses

    from edit_deeds import perform

    from errors import LibraryError
    from library import open_library
    from settings import load_settings

    try:
        library = open_library(dataclasses.replace(load_settings(root), workers=1))
        # Found before the deed: it starts a process, which has calls of its own.
        assert library.exiftool.find()
        if deed == "open":
            os._exit(0)
        try:
            perform(library, deed)
        finally:
            library.close()
    except (LibraryError, sqlite3.OperationalError) as error:
        # The second is what the terminal makes a sentence of as well.
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
