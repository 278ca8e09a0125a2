"""A pool of child processes in which every foreign byte is parsed: hashes, tags, pixels.

A decoder that crashes, hangs or asks for too much memory costs one file, never the server.
Each worker is a fresh interpreter with its own pipe and its own thread in the parent. No
lock is shared between processes, so the death of one, at whatever moment, is only the end
of its pipe. Nothing is forked out of the threaded parent, and its main program is not
imported again by the children.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, wait
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection, Pipe
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from errors import LibraryError, WorkerCrashedError, WorkerTimeoutError
from job_queue import Job, JobQueue, Priority
from worker_process import TIMEOUT

A = TypeVar("A")
B = TypeVar("B")

DEFAULT_BATCH_SIZE: Final = 16
BATCHES_AHEAD: Final = 24
"""Batches that a worker has under way, so that it has work for as long as a commit takes (0.5 s):
with 2 the first index of 100,000 tiny files took 37 s, with 24 it takes 24 s.
"""
_BATCH_TIMEOUT_FILES: Final = 3  # a batch may take as long as this many of its slowest files
_BATCH_EXTRA_S: Final = 1.5
"""What a batch may take longer, after which it is full: a person who waits for a picture waits for
the batches under way, and 20 camera files on a slow disk are a second.
"""
_START_TIMEOUT_S: Final = 60.0
_CHECK_EVERY_S: Final = 0.25  # a cancel is to be felt within a second, however large a file is
_EXIT_TIMEOUT_S: Final = 5.0
_BOOT: Final = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from worker_process import serve_jobs
serve_jobs(*map(int, sys.argv[2:]))
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerFailure:
    """Why one item of a batch has no result, as a sentence."""

    reason: str


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """How many workers there may be, have a process now, are at a job; and how many jobs wait."""

    most: int
    started: int
    busy: int
    queued: int


class WorkerPool:
    """`workers` child processes, each started when it is first needed. Thread-safe.

    memory_mb: address space that a worker may add to what the bare interpreter takes.
    file_timeout_s: how long a call may run when it names no time of its own. Waiting for
        a free worker does not count.
    """

    def __init__(self, *, workers: int, memory_mb: int, file_timeout_s: float) -> None:
        self.workers = workers
        self.file_timeout_s = file_timeout_s
        self._queue = JobQueue()
        self._workers = [_Worker(self._queue, memory_mb) for _ in range(workers)]

    @property
    def figures(self) -> PoolFigures:
        states = [worker.state for worker in self._workers]
        started, busy = (sum(flags) for flags in zip(*states, strict=True))
        return PoolFigures(self.workers, started, busy, len(self._queue))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def run(
        self,
        function: Callable[..., B],
        *args: object,
        timeout_s: float | None = None,
        priority: Priority = Priority.VIEW,
    ) -> B:
        """The result of `function(*args)` in a worker; function, args and result are pickled.

        Raises `WorkerTimeoutError`, `WorkerCrashedError`, what the function raised, or
        `CancelledError` when the pool is closed meanwhile. Interrupting the caller
        (Ctrl-C) ends the call as well.
        """
        job = self._start(function, args, timeout_s, priority)
        try:
            result: B = job.future.result()
        finally:
            self._stop(job)
        return result

    def submit(
        self,
        function: Callable[..., B],
        *args: object,
        timeout_s: float | None = None,
        priority: Priority = Priority.WORK,
    ) -> Future[B]:
        """As `run`, without waiting. Cancelling the future helps only before it runs."""
        return self._start(function, args, timeout_s, priority).future

    def map_batches(
        self,
        function: Callable[[Sequence[A]], Sequence[B]],
        items: Iterable[A],
        *,
        batch_size: int = DEFAULT_BATCH_SIZE,
        priority: Priority = Priority.WORK,
        extra_s: Callable[[A], float] = lambda _: 0.0,
        check: Callable[[], None] = lambda: None,
    ) -> Generator[tuple[A, B | WorkerFailure], None, None]:
        """Each item, in order, with what `function([item, …])` gave for it.

        At most `BATCHES_AHEAD` a worker are under way, so neither the items nor the results
        pile up. A batch that raises, crashes its worker or takes too long is repeated item
        by item, so that only the guilty item gets a `WorkerFailure`. An item may take
        `extra_s` of it longer than others; of those that may a batch holds few. `check` is
        called now and then while a batch is waited for; what it raises, and closing the
        generator, ends what is under way. Closing the pool raises `CancelledError` here.
        """
        source = iter(items)
        under_way: deque[tuple[list[A], Job]] = deque()

        def fill() -> None:
            while len(under_way) < BATCHES_AHEAD * self.workers:
                batch = _take_batch(source, batch_size, extra_s)
                if not batch:
                    return
                under_way.append((batch, self._start_batch(function, batch, priority, extra_s)))

        try:
            fill()
            while under_way:
                batch, job = under_way[0]
                results = _wait_for(job, len(batch), check)
                under_way.popleft()
                fill()  # before the caller takes its time over the results
                if not isinstance(results, WorkerFailure):
                    yield from zip(batch, results, strict=True)
                elif len(batch) == 1:
                    yield batch[0], results
                else:
                    log.info("repeating a batch of %d singly: %s", len(batch), results.reason)
                    singly = self._map_singly(function, batch, priority, extra_s, check)
                    yield from zip(batch, singly, strict=True)
        finally:
            for _, job in under_way:
                self._stop(job)

    def close(self) -> None:
        """End every worker at once. Calls that wait or run are cancelled."""
        self._queue.close()
        for worker in self._workers:
            worker.close()

    def _map_singly(
        self,
        function: Callable[[Sequence[A]], Sequence[B]],
        batch: Sequence[A],
        priority: Priority,
        extra_s: Callable[[A], float],
        check: Callable[[], None],
    ) -> list[B | WorkerFailure]:
        jobs = [self._start_batch(function, [item], priority, extra_s) for item in batch]
        try:
            answers = [_wait_for(job, 1, check) for job in jobs]
        finally:
            for job in jobs:
                self._stop(job)
        return [answer if isinstance(answer, WorkerFailure) else answer[0] for answer in answers]

    def _start_batch(
        self,
        function: Callable[[Sequence[A]], Sequence[B]],
        batch: Sequence[A],
        priority: Priority,
        extra_s: Callable[[A], float],
    ) -> Job:
        timeout_s = self.file_timeout_s * min(len(batch), _BATCH_TIMEOUT_FILES)
        timeout_s += sum(map(extra_s, batch))
        return self._start(function, (batch,), timeout_s, priority)

    def _start(
        self,
        function: Callable[..., object],
        args: tuple[object, ...],
        timeout_s: float | None,
        priority: Priority,
    ) -> Job:
        payload = pickle.dumps((function, args), pickle.HIGHEST_PROTOCOL)
        job = Job(payload, self.file_timeout_s if timeout_s is None else timeout_s)
        self._queue.put(job, priority)
        return job

    def _stop(self, job: Job) -> None:
        """Take back a job that nobody waits for; no effect on one that is done."""
        if not job.future.done() and not job.future.cancel():
            for worker in self._workers:
                worker.stop(job)


def _take_batch(source: Iterator[A], most: int, extra_s: Callable[[A], float]) -> list[A]:
    """The next items: so many, or fewer of those that take long."""
    batch: list[A] = []
    long_s = 0.0
    for item in islice(source, most):
        batch.append(item)
        long_s += extra_s(item)
        if long_s >= _BATCH_EXTRA_S:
            break
    return batch


def _wait_for(job: Job, length: int, check: Callable[[], None]) -> list[Any] | WorkerFailure:
    while not wait([job.future], _CHECK_EVERY_S).done:
        check()
    error = job.future.exception()
    if isinstance(error, LibraryError):
        return WorkerFailure(error.message)
    if error is not None:
        return WorkerFailure(f"Reading it failed ({type(error).__name__}: {error}).")
    results: list[Any] = job.future.result()
    if len(results) != length:
        return WorkerFailure(f"The reader answered {len(results)} times for {length} files.")
    return results


class _Worker:
    """A thread of the parent, and the child process that it keeps, feeds and replaces.

    The thread lives as long as the pool: the kernel ends a child when the *thread* that
    started it ends (PR_SET_PDEATHSIG).
    """

    def __init__(self, queue: JobQueue, memory_mb: int) -> None:
        self._queue = queue
        self._memory_mb = memory_mb
        self._lock = threading.Lock()  # over those below, so that a kill hits its job only
        self._child: _Child | None = None
        self._job: Job | None = None
        self._stopped = False
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="media-worker", daemon=True)
        self._thread.start()

    @property
    def state(self) -> tuple[bool, bool]:
        """Whether it has a child, and whether that is at a job."""
        with self._lock:
            return self._child is not None, self._job is not None

    def stop(self, job: Job) -> None:
        """End the child if it is at this job."""
        with self._lock:
            if self._job is job:
                self._stopped = True
                if self._child is not None:
                    self._child.process.kill()

    def close(self) -> None:
        """End the child and the thread. The queue is closed already."""
        with self._lock:
            self._closed = self._stopped = True
            if self._child is not None:
                self._child.process.kill()
        self._thread.join()

    def _work(self) -> None:
        while (job := self._queue.take()) is not None:
            with self._lock:
                self._job, self._stopped = job, self._closed
            spoiled = False
            try:
                answer = self._perform(job)
            except Exception as error:  # an answer that does not unpickle must not end the thread
                answer, spoiled = error, True
            with self._lock:
                self._job = None
                stopped = self._stopped
            if stopped or spoiled or isinstance(answer, WorkerTimeoutError | WorkerCrashedError):
                self._discard_child()
            if stopped:
                job.future.set_exception(CancelledError())
            elif isinstance(answer, BaseException):
                job.future.set_exception(answer)
            else:
                job.future.set_result(answer[0])
        self._discard_child()

    def _perform(self, job: Job) -> tuple[Any] | BaseException:
        """The result as a tuple of one, or the error that takes its place."""
        try:
            connection = self._ready_child().connection
            connection.send_bytes(TIMEOUT.pack(job.timeout_s) + job.payload)
            if not connection.poll(job.timeout_s):
                return WorkerTimeoutError(f"Reading it took longer than {job.timeout_s:g} s.")
            good, value = pickle.loads(connection.recv_bytes())  # noqa: S301  our own child
        except (EOFError, OSError):
            return WorkerCrashedError(self._cause_of_death())
        if good:
            return (value,)
        if isinstance(value, MemoryError):
            return WorkerCrashedError("Reading it needs more memory than a worker may have.")
        error: BaseException = value
        return error

    def _ready_child(self) -> _Child:
        """The child, started if there is none or if it died while it had nothing to do."""
        if self._child is not None and self._child.process.poll() is not None:
            self._discard_child()
        if self._child is None:
            child = _start_child(self._memory_mb)
            with self._lock:
                self._child = child
                if self._stopped:
                    child.process.kill()
            if not child.connection.poll(_START_TIMEOUT_S):
                child.process.kill()
            child.connection.recv_bytes()
        return self._child

    def _cause_of_death(self) -> str:
        if self._child is None:
            return "A worker process could not be started."
        try:
            status = self._child.process.wait(_EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return "Reading it broke the connection to its worker."
        if status >= 0:
            return f"Reading it ended its worker (exit status {status})."
        if -status == signal.SIGXCPU:
            return "Reading it took too much processor time."
        return f"Reading it crashed its worker ({signal.Signals(-status).name})."

    def _discard_child(self) -> None:
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.process.kill()
            child.process.wait()
            child.connection.close()


@dataclass(frozen=True, slots=True)
class _Child:
    process: subprocess.Popen[bytes]
    connection: Connection


def _start_child(memory_mb: int) -> _Child:
    """A fresh interpreter at the other end of a pipe; it says one word when it is ready."""
    ours, theirs = Pipe()
    try:
        process = subprocess.Popen(  # noqa: S603  our own interpreter, no shell
            [
                sys.executable,
                "-c",
                _BOOT,
                json.dumps(sys.path),
                *map(str, (theirs.fileno(), os.getpid(), memory_mb)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # the parent's may have to be nothing but JSON
            pass_fds=[theirs.fileno()],
            env={**os.environ, "MALLOC_ARENA_MAX": "2"},  # else each decoder thread reserves 64 MB
            process_group=0,  # Ctrl-C in the terminal is for the parent alone
        )
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return _Child(process, ours)
