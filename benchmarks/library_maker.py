"""Makes libraries to measure with, and keeps them for the next time.

The same number of files of the same size is the same library; 10,000 small files take some
seconds, and 100,000 tiny ones half a minute.
"""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

from library_pictures import make_file

BATCH: Final = 250
VERSION: Final = 2  # of the files; another number makes them anew
MARKER: Final = ".made"


def make_library(folder: Path, size: str, count: int) -> Path:
    """`count` files of a size below `folder`, in a folder of their own that is kept."""
    target = folder / f"{size}-{count}-v{VERSION}"
    if (target / MARKER).exists():
        return target
    if target.exists():
        shutil.rmtree(target)  # a run that was stopped left it half made
    firsts = range(0, count, BATCH)
    lasts = [min(first + BATCH, count) for first in firsts]
    if len(firsts) == 1:
        write_files(target, size, 0, count)
    else:
        with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
            calls = len(firsts)
            # list() so that the error of a worker is raised here.
            list(pool.map(write_files, [target] * calls, [size] * calls, firsts, lasts))
    (target / MARKER).write_text(json.dumps({"files": count}))
    return target


def write_files(target: Path, size: str, first: int, last: int) -> None:
    folders = set()
    for number in range(first, last):
        place, data = make_file(number, size)
        path = target / place
        if path.parent not in folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            folders.add(path.parent)
        path.write_bytes(data)
