"""Figures as shapes: what the page of performance draws, in numbers that SVG takes.

Nothing here knows of HTML. Lengths are in percent of the drawing, so that it fits any screen;
words stand beside the drawing, where they keep their size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from operation_figures import Sample, list_phases, list_samples
from operation_state import Operation

KNOWN_PHASES: Final = frozenset(
    {"walk", "match", "read", "write", "verify", "edit", "check", "swap", "compare", "copy"}
)
"""Those that have a color of their own in static/css/performance.css."""

_FEWEST_SAMPLES: Final = 3
_TABLE_ROWS: Final = 10
_MANY_FILES: Final = 100


@dataclass(frozen=True, slots=True)
class Part:
    """One phase of a bar: from `left` on, `width` wide, both in percent."""

    phase: str
    left: float
    width: float
    seconds: float
    files: int
    files_per_s: float

    @property
    def color(self) -> str:
        return self.phase if self.phase in KNOWN_PHASES else "other"


@dataclass(frozen=True, slots=True)
class Bar:
    """One operation: the shares of its phases, of all its seconds."""

    operation: Operation
    seconds: float
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """Files a second between two moments, in seconds since the operation began."""

    begins_s: float
    ends_s: float
    files: int

    @property
    def files_per_s(self) -> float:
        return self.files / (self.ends_s - self.begins_s)


@dataclass(frozen=True, slots=True)
class RateChart:
    """How fast one phase of an operation was: a line through `points`, in percent from the top."""

    operation: Operation
    phase: str
    steps: tuple[Step, ...]

    @property
    def seconds(self) -> float:
        return self.steps[-1].ends_s - self.steps[0].begins_s

    @property
    def most(self) -> float:
        """Files a second at the upper edge."""
        return max(step.files_per_s for step in self.steps)

    @property
    def files(self) -> int:
        return sum(step.files for step in self.steps)

    @property
    def mean(self) -> float:
        return self.files / self.seconds

    @property
    def mean_y(self) -> float:
        return round(100 - 100 * self.mean / self.most, 2)

    @property
    def points(self) -> str:
        """Two points a step, so that each stands for the time it took."""
        return " ".join(f"{x:g},{y:g}" for step in self.steps for x, y in self._corners(step))

    @property
    def area(self) -> str:
        """The same, closed along the lower edge."""
        return f"0,100 {self.points} 100,100"

    @property
    def rows(self) -> list[Step]:
        """The same in few steps, for a table."""
        return list(_join(self.steps, -(-len(self.steps) // _TABLE_ROWS)))

    def _corners(self, step: Step) -> Iterator[tuple[float, float]]:
        y = round(100 - 100 * step.files_per_s / self.most, 2)
        for moment in (step.begins_s, step.ends_s):
            yield round(100 * (moment - self.steps[0].begins_s) / self.seconds, 2), y


def make_bar(operation: Operation) -> Bar | None:
    """The bar of an operation; None where it has no phase that took time."""
    phases = {
        name: said
        for name, said in list_phases(operation.metrics).items()
        if (said.get("seconds") or 0) > 0
    }
    seconds = sum(said["seconds"] for said in phases.values())
    if not seconds:
        return None
    parts, left = [], 0.0
    for name, said in phases.items():
        width = 100 * said["seconds"] / seconds
        parts.append(
            Part(
                name,
                round(left, 3),
                round(width, 3),
                said["seconds"],
                said.get("files") or 0,
                said.get("files_per_s") or 0.0,
            )
        )
        left += width
    return Bar(operation, seconds, tuple(parts))


def make_rate_chart(operation: Operation) -> RateChart | None:
    """The chart of the phase that took longest; None where too little is known of it."""
    samples = list_samples(operation.metrics)
    charts = []
    for phase in dict.fromkeys(sample[1] for sample in samples):
        steps = tuple(_list_steps([sample for sample in samples if sample[1] == phase]))
        if len(steps) >= _FEWEST_SAMPLES and any(step.files for step in steps):
            charts.append(RateChart(operation, phase, steps))
    return max(charts, key=lambda chart: chart.seconds, default=None)


def choose_chart(operations: Sequence[Operation]) -> RateChart | None:
    """Of the operation that runs, else of the newest that did many files, else of the newest."""
    charts = [chart for chart in map(make_rate_chart, operations) if chart]
    running = (chart for chart in charts if chart.operation.status.is_active)
    many = (chart for chart in charts if chart.files >= _MANY_FILES)
    return next(running, None) or next(many, None) or next(iter(charts), None)


def _list_steps(samples: Sequence[Sample]) -> Iterator[Step]:
    """From sample to sample; a phase that was begun again counts from nothing."""
    for before, after in pairwise(samples):
        files = after[2] - before[2]
        if after[0] > before[0] and files >= 0:
            yield Step(before[0], after[0], files)


def _join(steps: Sequence[Step], size: int) -> Iterator[Step]:
    for start in range(0, len(steps), size):
        some = steps[start : start + size]
        yield Step(some[0].begins_s, some[-1].ends_s, sum(step.files for step in some))
