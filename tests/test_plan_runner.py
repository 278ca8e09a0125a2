"""plan_runner: plans in the background, how far they are, and how they end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from errors import NotFoundError, SourceGoneError
from import_plan import ImportPlan
from plan_runner import KEPT, PlanRunner

SOON_S = 10


@dataclass(slots=True)
class Desk:
    """Makes plans that wait until they are let go."""

    made: list[str] = field(default_factory=list)
    go: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def make(
        self, sources: Sequence[str], upload: str | None, tell: Callable[[int, int | None], None]
    ) -> ImportPlan:
        try:
            tell(3, 7)
            self.begun.set()
            while not self.go.wait(0.01):
                tell(3, 7)
            if "gone" in sources:
                raise SourceGoneError("It is gone.")
            self.made.append(str(upload))
            return ImportPlan(unsupported={".txt": len(self.made)})
        finally:
            self.ended.set()


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def runner(desk: Desk) -> Iterator[PlanRunner]:
    runner = PlanRunner(desk.make)
    yield runner
    runner.close()


def test_it_says_how_far_it_is_and_then_what_it_found(runner: PlanRunner, desk: Desk) -> None:
    plan_id = runner.start(["/card"], None)
    assert desk.begun.wait(SOON_S)
    progress = runner.find(plan_id)
    assert (progress.done, progress.total, progress.plan) == (3, 7, None)
    assert (progress.sources, progress.upload) == (("/card",), None)
    desk.go.set()
    plan = runner.find(plan_id, SOON_S).plan
    assert plan is not None
    assert plan["unsupported"] == 1


def test_the_same_plan_is_not_made_twice_at_a_time(runner: PlanRunner, desk: Desk) -> None:
    first = runner.start(["/card"], None)
    assert runner.start(["/card"], None) == first
    assert runner.start(["/card"], "upload") != first
    desk.go.set()
    runner.find(first, SOON_S)
    assert runner.start(["/card"], None) != first  # what is new may be another thing by now


def test_a_stopped_one_ends_and_is_gone(runner: PlanRunner, desk: Desk) -> None:
    plan_id = runner.start(["/card"], None)
    assert desk.begun.wait(SOON_S)
    runner.stop(plan_id)
    assert desk.ended.wait(SOON_S)
    with pytest.raises(NotFoundError):
        runner.find(plan_id)
    runner.stop(plan_id)
    assert desk.made == []


def test_what_ends_a_plan_is_told(runner: PlanRunner, desk: Desk) -> None:
    desk.go.set()
    plan_id = runner.start(["gone"], None)
    with pytest.raises(SourceGoneError):
        runner.find(plan_id, SOON_S)


def test_only_the_last_few_are_kept(runner: PlanRunner, desk: Desk) -> None:
    desk.go.set()
    ids = [runner.start(["/card"], str(number)) for number in range(KEPT + 1)]
    assert runner.find(ids[-1], SOON_S).plan
    with pytest.raises(NotFoundError):
        runner.find(ids[0])
    assert runner.find(ids[1]).plan


def test_closed_it_waits_for_nothing(runner: PlanRunner, desk: Desk) -> None:
    runner.start(["/card"], None)
    waiting = runner.start(["/other"], None)
    assert desk.begun.wait(SOON_S)
    runner.close()
    assert desk.ended.is_set()
    assert desk.made == []
    with pytest.raises(NotFoundError):
        runner.find(waiting)
