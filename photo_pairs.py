"""Which files are one photo to a person: Live Photos, and RAW beside the camera's own JPEG.

Pure. One of a pair leads, and is what the grid shows; the others are its companions.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from media_types import Kind, kind_of

LIVE_SECONDS: Final = 6.0
"""A Live Photo's film has about 3 s; a longer one of the same name is a film of its own."""

_LIVE_FILMS: Final = frozenset({"mov", "mp4"})
_LIVE_LEADERS: Final = ("heic", "jpeg")
_RAW_LEADERS: Final = ("jpeg", "heic")
# iPhones name the H.264 copy or the HEVC original of a Live Photo's film so.
_FILM_MARK: Final = re.compile(r"_hevc$")


@dataclass(frozen=True, slots=True)
class PairFile:
    """What a row says to the question whether it belongs to another."""

    id: int
    path: str
    file_type: str
    duration_s: float | None


def find_companions(files: Iterable[PairFile]) -> dict[int, int]:
    """The id of the leader of every file that is not shown by itself.

    Files of a pair lie in one folder and have one name but for the suffix, in any case.
    """
    groups: dict[str, list[PairFile]] = defaultdict(list)
    for file in files:
        groups[_stem(file)].append(file)
    pairs = {}
    for stem, group in groups.items():
        for file in group:
            leader = _find_leader_of(file, group)
            if leader is None and _FILM_MARK.search(stem):
                leader = _find_leader_of(file, groups.get(_FILM_MARK.sub("", stem), []))
            if leader:
                pairs[file.id] = leader.id
    return pairs


def _stem(file: PairFile) -> str:
    folder, slash, name = file.path.rpartition("/")
    return f"{folder}{slash}{name.rpartition('.')[0].casefold()}"


def _find_leader_of(file: PairFile, group: Sequence[PairFile]) -> PairFile | None:
    if kind_of(file.file_type) == Kind.RAW:
        return _find_leader(group, _RAW_LEADERS)
    if file.file_type in _LIVE_FILMS and _is_short(file):
        return _find_leader(group, _LIVE_LEADERS)
    return None


def _find_leader(group: Sequence[PairFile], file_types: Sequence[str]) -> PairFile | None:
    """The first by type, then by path."""
    candidates = [file for file in group if file.file_type in file_types]
    return min(
        candidates, key=lambda file: (file_types.index(file.file_type), file.path), default=None
    )


def _is_short(file: PairFile) -> bool:
    return file.duration_s is not None and file.duration_s <= LIVE_SECONDS
