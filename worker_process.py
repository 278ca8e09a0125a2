"""What runs inside a worker process: jobs from a pipe, under limits of memory and time.

The parent's side is media_workers.
"""

from __future__ import annotations

import ctypes
import math
import os
import pickle
import resource
import signal
import struct
import sys
import time
import traceback
import warnings
from multiprocessing.connection import Connection
from typing import Final

from errors import LibraryError

TIMEOUT: Final = struct.Struct("<d")
"""Seconds that a job may take, in front of its payload."""

_CPU_SLACK_S: Final = 5
_MAX_OPEN_FILES: Final = 128
_MAX_FILE_BYTES: Final = 16 << 20  # answers come back by pipe: a worker has no file to write
_NICENESS: Final = 5  # pages are served before pictures are read
_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


def serve_jobs(descriptor: int, parent: int, memory_mb: int) -> None:
    """What a worker process does: jobs from the pipe until the parent closes it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")  # what is wrong with a file is said in its report
    _die_with_parent(parent)
    _limit_resources(memory_mb)
    connection = Connection(descriptor)
    connection.send_bytes(b"ready")
    while True:
        try:
            message = connection.recv_bytes()
        except (EOFError, OSError):
            return
        (timeout_s,) = TIMEOUT.unpack_from(message)
        _limit_cpu(timeout_s)
        connection.send_bytes(_perform_packed(message[TIMEOUT.size :]))


def _perform_packed(payload: bytes) -> bytes:
    """The job loop's step: whatever the function raises goes back to the caller."""
    try:
        function, args = pickle.loads(payload)  # noqa: S301  from our own parent
        return pickle.dumps((True, function(*args)), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        if isinstance(error, LibraryError | MemoryError):
            return pickle.dumps((False, error))
        error.add_note("In a worker:\n" + "".join(traceback.format_exception(error)))
        return _pack_error(error)


def _pack_error(error: Exception) -> bytes:
    """The error itself where it survives pickling both ways, else its name and words."""
    try:
        packed = pickle.dumps((False, error))
        pickle.loads(packed)  # noqa: S301  packed in the line above
    except (pickle.PicklingError, TypeError, AttributeError, ValueError):
        return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
    return packed


def _die_with_parent(parent: int) -> None:
    """Even in the midst of a decoder that hangs. Elsewhere than on Linux: when idle."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        sys.exit(1)


def _limit_resources(memory_mb: int) -> None:
    os.nice(_NICENESS)
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, _MAX_FILE_BYTES),
        (resource.RLIMIT_NOFILE, _MAX_OPEN_FILES),
        (resource.RLIMIT_AS, _address_space_bytes() + (memory_mb << 20)),
    ):
        hard = resource.getrlimit(limit)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))


def _address_space_bytes() -> int:
    """What this process takes already; 0 where /proc does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def _limit_cpu(timeout_s: float) -> None:
    """A backstop to the parent's clock: processor time for this job, all threads together.

    The kernel counts from the start of the process, so the limit moves with every job.
    """
    job_s = math.ceil(timeout_s) * (os.cpu_count() or 1) + _CPU_SLACK_S
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = int(time.process_time()) + job_s
    soft = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
