"""The jobs that wait for workers: by priority, then in the order they came."""

from __future__ import annotations

import heapq
import threading
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count
from typing import Any


class Priority(IntEnum):
    """Which job a free worker takes first; what runs is not interrupted."""

    VIEW = 0  # a person is waiting
    WORK = 1  # an operation is under way
    AHEAD = 2  # nobody has asked yet


@dataclass(slots=True, eq=False)
class Job:
    """A call on its way through the pool."""

    payload: bytes
    timeout_s: float
    future: Future[Any] = field(default_factory=Future)


class JobQueue:
    """What workers take their jobs from. Thread-safe."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._jobs: list[tuple[Priority, int, Job]] = []
        self._sequence = count()
        self._closed = False

    def __len__(self) -> int:
        with self._condition:
            return sum(not job.future.cancelled() for _, _, job in self._jobs)

    def put(self, job: Job, priority: Priority) -> None:
        with self._condition:
            if self._closed:
                raise CancelledError("the pool of workers is closed")
            heapq.heappush(self._jobs, (priority, next(self._sequence), job))
            self._condition.notify()

    def take(self) -> Job | None:
        """The next job that is still wanted; None once the queue is closed."""
        with self._condition:
            while not self._closed:
                while self._jobs:
                    job = heapq.heappop(self._jobs)[2]
                    if job.future.set_running_or_notify_cancel():
                        return job
                self._condition.wait()
            return None

    def close(self) -> None:
        with self._condition:
            self._closed = True
            for _, _, job in self._jobs:
                job.future.cancel()
            self._jobs.clear()
            self._condition.notify_all()
