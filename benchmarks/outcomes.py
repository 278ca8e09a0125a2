"""What a measure gives: figures, those of its yardstick, and the marks to be reached."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Kind(Enum):
    """How a mark is read, and what is shown of it."""

    FASTER = "{:g} × as fast or more"
    WITHIN = "{:g} × its time or less"
    SAVES = "{:.0%} less time or more"
    AT_MOST = "{:g} {unit} or less"


@dataclass(frozen=True, slots=True)
class Mark:
    """What is to be reached. A ratio is that of a round, for whatever disturbs a machine disturbs
    both sides of it; of several rounds the median counts.
    """

    kind: Kind
    limit: float

    def describe(self, unit: str) -> str:
        return self.kind.value.format(self.limit, unit=unit)

    def measure(self, own: Sequence[float], yardstick: Sequence[float]) -> float | None:
        """The figure that is held against the limit; None without a yardstick that it needs."""
        if self.kind is Kind.AT_MOST:
            return statistics.median(own)
        pairs = list(zip(own, yardstick, strict=False))
        if not pairs:
            return None
        if self.kind is Kind.FASTER:
            return statistics.median(other / mine for mine, other in pairs)
        ratio = statistics.median(mine / other for mine, other in pairs)
        return 1 - ratio if self.kind is Kind.SAVES else ratio

    def is_reached(self, figure: float) -> bool:
        if self.kind in (Kind.FASTER, Kind.SAVES):
            return figure >= self.limit
        return figure <= self.limit


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row of the table.

    own, yardstick: figures of each round, in `unit`; less is better. missing: why there are none,
    or none of the yardstick. failure: what went wrong while it was measured. items: how many
    files or pictures a figure stands for, where a rate says more than a time.
    """

    name: str
    unit: str
    own: tuple[float, ...] = ()
    yardstick_name: str = ""
    yardstick: tuple[float, ...] = ()
    marks: tuple[Mark, ...] = ()
    missing: str | None = None
    failure: str | None = None
    items: int = 0

    @property
    def figures(self) -> list[tuple[Mark, float | None]]:
        """Each mark with the figure that is held against it."""
        return [
            (mark, mark.measure(self.own, self.yardstick) if self.own else None)
            for mark in self.marks
        ]

    @property
    def reached(self) -> bool | None:
        """Whether all marks are reached; None where that was not measured."""
        known = [figure is not None and mark.is_reached(figure) for mark, figure in self.figures]
        if self.failure or not known or any(figure is None for _, figure in self.figures):
            return None
        return all(known)

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "unit": self.unit,
            "items": self.items,
            "own": _sum_up(self.own),
            "yardstick": {"name": self.yardstick_name, **(_sum_up(self.yardstick) or {})}
            if self.yardstick_name
            else None,
            "marks": [
                {
                    "mark": mark.describe(self.unit),
                    "figure": figure and round(figure, 4),
                    "reached": None if figure is None else mark.is_reached(figure),
                }
                for mark, figure in self.figures
            ],
            "reached": self.reached,
            "missing": self.missing,
            "failure": self.failure,
        }


def _sum_up(values: Sequence[float]) -> dict[str, Any] | None:
    if not values:
        return None
    return {
        "median": round(statistics.median(values), 4),
        "least": round(min(values), 4),
        "most": round(max(values), 4),
        "values": [round(value, 4) for value in values],
    }


@dataclass(slots=True)
class Turns:
    """Figures as they come, in turn: one's own and the yardstick's of each round."""

    own: list[float] = field(default_factory=list)
    yardstick: list[float] = field(default_factory=list)

    def give(
        self,
        name: str,
        unit: str,
        *marks: Mark,
        yardstick: str = "",
        missing: str | None = None,
        failure: str | None = None,
        items: int = 0,
    ) -> Outcome:
        own, other = tuple(self.own), tuple(self.yardstick)
        return Outcome(name, unit, own, yardstick, other, marks, missing, failure, items)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies, one of them."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
