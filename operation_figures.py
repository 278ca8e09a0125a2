"""How fast an operation is: its phases, the work inside them, and how far it was when.

`as_dict` is what `performance_metrics` of its row holds: {phase: {"files", "bytes", "seconds",
"cache_hits", "files_per_s"}}, the same of each kind of work (`work_meter.KINDS`, with "calls"
for "cache_hits"), and "samples": [[seconds since the run began, phase, files done], …].
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from work_meter import KINDS, WorkMeter

SAMPLES: Final = "samples"
MOST_SAMPLES: Final = 160
_FIRST_EVERY_S: Final = 0.1
_PHASE_FIELDS: Final = ("files", "bytes", "cache_hits", "seconds")

Sample = tuple[float, str, int]
"""Seconds since the run began, phase, files done in it."""


@dataclass(slots=True)
class _Phase:
    """What one phase did; `seconds` of its runs that are over."""

    files: int = 0
    bytes: int = 0
    cache_hits: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class OperationFigures:
    """Counted by the thread that does the work; `work` is lent to those it waits for."""

    clock: Callable[[], float] = time.monotonic
    work: WorkMeter = field(default_factory=WorkMeter)
    _phases: dict[str, _Phase] = field(default_factory=dict, init=False)
    _phase: str = field(default="", init=False)
    _phase_began: float = field(default=0.0, init=False)
    _run_began: float | None = field(default=None, init=False)
    _samples: list[Sample] = field(default_factory=list, init=False)
    _sample_every_s: float = field(default=_FIRST_EVERY_S, init=False)

    def restore(self, metrics: Mapping[str, Any]) -> None:
        """Go on from the row of an interrupted operation. Its samples are of that run alone."""
        for name, said in metrics.items():
            if not isinstance(said, dict):
                continue
            if name in KINDS:
                self.work.restore(name, said)
            else:
                self._phases[name] = _Phase(**{key: said.get(key) or 0 for key in _PHASE_FIELDS})

    def begin_phase(self, name: str, done: int = 0) -> None:
        """Begin a phase; one that is begun again counts on."""
        self.end_phase()
        self._phase, self._phase_began = name, self.clock()
        self._phases.setdefault(name, _Phase())
        if self._run_began is None:
            self._run_began = self._phase_began
        self._samples.append((round(self._phase_began - self._run_began, 3), name, done))

    def end_phase(self) -> None:
        """Stop the clock of the phase."""
        if self._phase:
            now = self.clock()
            self._phases[self._phase].seconds += now - self._phase_began
            self._phase_began = now

    def advance(self, files: int, size: int, cache_hits: int, done: int) -> None:
        """Count work of this phase, in which `done` files are done now."""
        phase = self._phases[self._phase]
        phase.files += files
        phase.bytes += size
        phase.cache_hits += cache_hits
        self._sample(done)

    def as_dict(self) -> dict[str, Any]:
        """Everything until now."""
        running_s = self.clock() - self._phase_began
        figures: dict[str, Any] = {
            name: _describe(phase, running_s if name == self._phase else 0.0)
            for name, phase in self._phases.items()
        }
        figures |= self.work.as_dict()
        if self._samples:
            figures[SAMPLES] = [list(sample) for sample in self._samples]
        return figures

    def _sample(self, done: int) -> None:
        assert self._run_began is not None
        seconds = round(self.clock() - self._run_began, 3)
        last_s, last_phase, _ = self._samples[-1]
        follows = len(self._samples) > 1 and self._samples[-2][1] == last_phase == self._phase
        # One that comes too soon replaces the last, so that the end of a phase is always told.
        if follows and last_s - self._samples[-2][0] < self._sample_every_s:
            self._samples.pop()
        self._samples.append((seconds, self._phase, done))
        if len(self._samples) > MOST_SAMPLES:
            self._thin()

    def _thin(self) -> None:
        """Every other one goes, but for the first and the last of each phase."""
        self._sample_every_s *= 2
        kept = self._samples
        self._samples = [
            sample
            for at, sample in enumerate(kept)
            if at % 2 == 0
            or at == len(kept) - 1
            or kept[at - 1][1] != sample[1]
            or kept[at + 1][1] != sample[1]
        ]


def _describe(phase: _Phase, running_s: float) -> dict[str, int | float]:
    seconds = phase.seconds + running_s
    return {
        "files": phase.files,
        "bytes": phase.bytes,
        "seconds": round(seconds, 3),
        "cache_hits": phase.cache_hits,
        "files_per_s": round(phase.files / seconds, 2) if seconds > 0 else 0.0,
    }


def list_phases(metrics: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The phases in `performance_metrics`, in the order they were begun."""
    return {
        name: said for name, said in metrics.items() if isinstance(said, dict) and name not in KINDS
    }


def list_work(metrics: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The kinds of work in `performance_metrics`."""
    return {kind: metrics[kind] for kind in KINDS if isinstance(metrics.get(kind), dict)}


def list_samples(metrics: Mapping[str, Any]) -> list[Sample]:
    """The samples in `performance_metrics`; none of an operation that an older version ran."""
    said = metrics.get(SAMPLES)
    return [(float(at), str(phase), int(done)) for at, phase, done in said or []]


def describe_figures(metrics: Mapping[str, Any], cache: Mapping[str, Any]) -> str:
    """All of it as one line for the log. cache: as in the report of an index, or empty."""
    parts = [_describe_one(name, said) for name, said in list_phases(metrics).items()]
    parts += [_describe_one(kind, said) for kind, said in list_work(metrics).items()]
    if "misses" in cache:
        hits = sum(int(cache.get(key, 0)) for key in ("row_hits", "memory_hits", "database_hits"))
        parts.append(f"cache: {hits} hits, {cache['misses']} misses")
    return "; ".join(parts)


def _describe_one(name: str, said: Mapping[str, Any]) -> str:
    words = (
        [f"{said.get('files') or 0} files"] if said.get("files") or not said.get("calls") else []
    )
    if said.get("calls"):
        words.append(f"{said['calls']} calls")
    if said.get("bytes"):
        words.append(f"{said['bytes'] / 1e6:.1f} MB")
    words.append(f"{said.get('seconds') or 0.0:.2f} s")
    if said.get("files") and said.get("files_per_s"):
        words.append(f"{said['files_per_s']:.0f} files/s")
    if said.get("cache_hits"):
        words.append(f"{said['cache_hits']} from the cache")
    return f"{name}: {', '.join(words)}"
