"""Workers and ExifTools that outlive their test, for those that ask the same of a new one.

A worker takes 0.22 s of processor time to start and an ExifTool 0.15 s, and most tests open a
library of their own. What is idle and well when a pool or an ExifTool is closed waits here for
the next. Tests of these processes themselves are marked `own_processes`.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from typing import Any

import pytest

import media_workers
from exiftool_process import ExifTool, find_exiftool
from exiftool_transport import StayOpenProcess
from worker_process import TIMEOUT

_OF_ONE_TEST = ("HOME", "PWD", "XDG_", "PYTEST_", "LIGHTKEEP_DATA_DIR", "LIGHTKEEP_LIBRARY")
_MOST = 3  # of a kind: what a test leaves beyond that is ended
_SMALL_BYTES = 300 << 20


class WarmProcesses:
    """What waits, by all that it was started with."""

    def __init__(self) -> None:
        # The kernel ends a child with the thread that started it (PR_SET_PDEATHSIG).
        self._starter = ThreadPoolExecutor(1)
        self._workers: dict[object, list[media_workers._Child]] = defaultdict(list)
        self._exiftools: dict[object, list[subprocess.Popen[bytes]]] = defaultdict(list)
        self._start_child = media_workers._start_child
        self._close_worker = media_workers._Worker.close
        self._real_exiftool = find_exiftool()
        self._run_exiftool = StayOpenProcess.run
        self._close_exiftool = ExifTool.close

    @contextmanager
    def used(self) -> Iterator[None]:
        """While this lasts, pools and ExifTools take from here and give back."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(media_workers, "_start_child", self.take_worker)
            patch.setattr(media_workers._Worker, "close", lambda worker: self.end_worker(worker))
            patch.setattr(StayOpenProcess, "run", lambda process: self.take_exiftool(process))
            patch.setattr(ExifTool, "close", lambda tool: self.end_exiftool(tool))
            yield

    def close(self) -> None:
        for child in chain.from_iterable(self._workers.values()):
            child.process.kill()
            child.process.wait()
            child.connection.close()
        for process in chain.from_iterable(self._exiftools.values()):
            process.kill()
            process.wait()
        self._starter.shutdown()

    # -- workers -------------------------------------------------------------------------------

    def take_worker(self, memory_mb: int) -> media_workers._Child:
        waiting = self._workers[_worker_key(memory_mb)]
        while waiting:
            child = waiting.pop()
            if child.process.poll() is None:
                return child
        return self._starter.submit(self._start_child, memory_mb).result()

    def end_worker(self, worker: media_workers._Worker) -> None:
        with worker._lock:
            child = worker._child
            waiting = self._workers[_worker_key(worker._memory_mb)]
            if child and worker._job is None and len(waiting) < _MOST and _is_well(child.process):
                worker._child = None
                # Its answer stands for the word that a new worker says when it is ready.
                job = pickle.dumps((abs, (1,)))
                child.connection.send_bytes(TIMEOUT.pack(20) + job)
                waiting.append(child)
        self._close_worker(worker)

    # -- ExifTools -----------------------------------------------------------------------------

    def take_exiftool(self, own: Any) -> None:
        waiting = self._exiftools[_exiftool_key(own._executable)]
        while waiting:
            process = waiting.pop()
            if process.poll() is None:
                own._process = process
                own._running = True
                own._ver = own.execute("-ver").strip()
                return
        self._starter.submit(self._run_exiftool, own).result()

    def end_exiftool(self, tool: ExifTool) -> None:
        try:
            tool._owner.submit(self._keep_exiftool, tool).result()
        except RuntimeError:  # closed before
            return
        self._close_exiftool(tool)

    def _keep_exiftool(self, tool: ExifTool) -> None:
        own: Any = tool._process
        if tool._executable != self._real_exiftool:
            return  # a stand-in that a test made
        waiting = self._exiftools[_exiftool_key(tool._executable)]
        if own and own.running and len(waiting) < _MOST and _is_well(own._process):
            waiting.append(own._process)
            own._process = None
            own._flag_running_false()
            tool._process = None


def _is_well(process: subprocess.Popen[bytes]) -> bool:
    """Whether it runs and has not grown: the next test may measure memory."""
    if process.poll() is not None:
        return False
    with open(f"/proc/{process.pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") < _SMALL_BYTES


def _worker_key(memory_mb: int) -> object:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(_OF_ONE_TEST)}
    return memory_mb, tuple(sys.path), tuple(sorted(environment.items()))


def _exiftool_key(executable: str) -> object:
    return executable, os.stat(executable).st_mtime_ns, os.environ.get("PATH")
