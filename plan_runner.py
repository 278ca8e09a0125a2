"""Plans of imports, made in the background: that of a full card takes minutes.

Only their figures are kept, of the last few, and in memory: a plan says what is true now.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Final

from errors import NotFoundError
from import_plan import ImportPlan

KEPT: Final = 8
AT_A_TIME: Final = 2
"""So that a few photos from a browser need not wait for the plan of a card."""

_GONE: Final = "This plan is gone: look again what is new."

Tell = Callable[[int, int | None], None]
MakePlan = Callable[[Sequence[str], str | None, Tell], ImportPlan]


@dataclass(frozen=True, slots=True)
class PlanProgress:
    """How far a plan is.

    done: files that were looked at, or found as long as total is not known.
    plan: what `ImportPlan.as_dict` says, once it is made.
    """

    plan_id: str
    sources: tuple[str, ...]
    upload: str | None
    done: int
    total: int | None
    plan: Mapping[str, Any] | None


@dataclass(slots=True)
class _Job:
    sources: tuple[str, ...]
    upload: str | None
    future: Future[dict[str, Any]] = field(default_factory=Future)
    counted: tuple[int, int | None] = (0, None)
    stopped: bool = False


class PlanRunner:
    """Makes plans. Thread-safe.

    make_plan: what makes one, of sources and an upload; it tells how far it is, and what that
    raises ends it.
    """

    def __init__(self, make_plan: MakePlan) -> None:
        self._make_plan = make_plan
        self._executor = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="plan")
        self._lock = threading.Lock()
        self._jobs: dict[str, _Job] = {}

    def start(self, sources: Sequence[str], upload: str | None) -> str:
        """Begin a plan; its id. One of the same that is under way goes on."""
        with self._lock:
            for plan_id, job in self._jobs.items():
                same = (job.sources, job.upload) == (tuple(sources), upload)
                if same and not job.stopped and not job.future.done():
                    return plan_id
            plan_id, job = secrets.token_hex(8), _Job(tuple(sources), upload)
            job.future = self._executor.submit(self._run, job)
            self._jobs[plan_id] = job
            for old in list(self._jobs)[:-KEPT]:
                self._jobs.pop(old).stopped = True
        return plan_id

    def find(self, plan_id: str, wait_s: float = 0) -> PlanProgress:
        """How far it is, or what it says, waiting so long for that.

        Raises `NotFoundError` for one that is not there any more, and what ended it.
        """
        with self._lock:
            job = self._jobs.get(plan_id)
        if job is None or job.stopped:
            raise NotFoundError(_GONE)
        wait([job.future], timeout=wait_s)
        try:
            plan = job.future.result() if job.future.done() else None
        except CancelledError:
            raise NotFoundError(_GONE) from None
        return PlanProgress(plan_id, job.sources, job.upload, *job.counted, plan)

    def stop(self, plan_id: str) -> None:
        """End a plan; one that is not there is none."""
        with self._lock:
            job = self._jobs.pop(plan_id, None)
        if job:
            job.stopped = True

    def close(self) -> None:
        """End all of them, and wait until they have."""
        with self._lock:
            for job in self._jobs.values():
                job.stopped = True
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _run(self, job: _Job) -> dict[str, Any]:
        def tell(done: int, total: int | None) -> None:
            if job.stopped:
                raise CancelledError
            job.counted = done, total

        tell(0, None)
        return self._make_plan(job.sources, job.upload, tell).as_dict()
