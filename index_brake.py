"""Stops an index that would take a share that is not mounted for an emptied library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from errors import BrakeError

BRAKE_FILES: Final = 20
BRAKE_SHARE: Final = 0.2


@dataclass(frozen=True, slots=True)
class Brake:
    """Stops an index before it takes a share that is not mounted for an emptied library."""

    released: bool

    def check_markers(self, markers: Sequence[Path]) -> None:
        gone = next((marker for marker in markers if not marker.is_file()), None)
        if gone is not None:
            self._stop(f"{gone}, which marks the library, is not there. Is the disk mounted?")

    def check_root(self, found: int, present: int) -> None:
        if present and not found:
            self._stop(f"The library is empty, where {present:,} photos were. Is the disk mounted?")

    def check_vanished(self, vanished: int, present: int) -> None:
        if vanished > BRAKE_FILES and vanished > BRAKE_SHARE * present:
            self._stop(f"{vanished:,} of {present:,} photos vanished at once.")

    def _stop(self, sentence: str) -> None:
        if not self.released:
            raise BrakeError(
                f"{sentence} Nothing was changed. If that is what you want, accept the missing "
                "photos: their rows are kept, and come back with the files."
            )
