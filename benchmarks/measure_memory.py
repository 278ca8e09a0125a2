"""Memory of all processes of an index: their own, and their share of what they have together."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from outcomes import Kind, Mark, Outcome
from workshop import PROGRAM, MeasureError, Workshop, list_files

SAMPLE_EVERY_S: Final = 0.2
MB: Final = 1_000_000


def measure_memory(workshop: Workshop) -> Iterator[Outcome]:
    """The most during a first index of many files, and during one of a tenth of them."""
    if not os.path.exists("/proc/self/smaps_rollup"):
        missing = "this system has no /proc/*/smaps_rollup"
        yield Outcome("memory of an index", "MB", missing=missing)
        return
    peaks, counts = [], []
    for count in (workshop.fewer, workshop.many):
        library = workshop.make_library("tiny", count)
        counts.append(len(list_files(library)))
        with workshop.room() as data_dir:
            peaks.append(_index_and_watch(workshop, library, data_dir))
    name = f"memory of an index, {counts[1]:,} files, most at a time"
    yield Outcome(name, "MB", (peaks[1] / MB,), marks=(Mark(Kind.AT_MOST, 300),))
    added = (peaks[1] - peaks[0]) / (counts[1] - counts[0])
    name = f"memory that a file adds, from {counts[0]:,} on"
    yield Outcome(name, "bytes", (added,), marks=(Mark(Kind.AT_MOST, 500),))


def _index_and_watch(workshop: Workshop, library: Path, data_dir: Path) -> int:
    """The most bytes (PSS) of the process and its children together, while it indexes."""
    process = subprocess.Popen(
        [*PROGRAM, "--data-dir", str(data_dir), "index", str(library), "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=workshop.environment,
    )
    ended, peak = threading.Event(), 0

    def watch() -> None:
        nonlocal peak
        while not ended.wait(SAMPLE_EVERY_S):
            peak = max(peak, sum(map(read_pss, list_family(process.pid))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        status = process.wait()
    finally:
        ended.set()
        watcher.join()
    if status not in (0, 1) or not peak:
        raise MeasureError(f"The index ended with exit status {status}; memory: {peak} bytes.")
    return peak


def list_family(pid: int) -> list[int]:
    """A process and all that come from it."""
    family = [pid]
    for member in family:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{member}/task"):
                children = Path(f"/proc/{member}/task/{task}/children").read_text().split()
                family += map(int, children)
    return family


def read_pss(pid: int) -> int:
    """The memory of a process in bytes: its own, and its share of what it has with others; 0 where
    it is gone.
    """
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
