"""Which files are one photo to a person: Live Photos, and RAW beside the camera's own JPEG.

Pure. One of a pair leads, and is what the grid shows; the others are its companions.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from media_types import Kind, kind_of

LIVE_SECONDS: Final = 6.0
"""A Live Photo's film has about 3 s; a longer one of the same name is a film of its own."""

_LIVE_FILMS: Final = frozenset({"mov", "mp4"})
_LIVE_LEADERS: Final = ("heic", "jpeg")
_RAW_LEADERS: Final = ("jpeg", "heic")
_LEADERS: Final = frozenset({*_LIVE_LEADERS, *_RAW_LEADERS})
# iPhones name the H.264 copy or the HEVC original of a Live Photo's film so.
_FILM_MARK: Final = re.compile(r"_hevc$")


class PairFile(NamedTuple):
    """What a row says to the question whether it belongs to another."""

    id: int
    path: str
    file_type: str
    duration_s: float | None


def find_companions(list_files: Callable[[], Iterable[PairFile]]) -> dict[int, int]:
    """The id of the leader of every file that is not shown by itself.

    Files of a pair lie in one folder and have one name but for the suffix, in any case.
    list_files: asked twice, so that files without a namesake need not be held.
    """
    followers = [file for file in list_files() if _may_follow(file)]
    # Most photos have no namesake; that is sooner seen of whole paths, in whatever case.
    stems = {_stem(file) for file in followers}
    namesakes = {stem.casefold() for stem in stems | {_FILM_MARK.sub("", stem) for stem in stems}}
    groups: dict[str, list[PairFile]] = defaultdict(list)
    for file in list_files() if namesakes else ():
        named_so = file.path[: file.path.rfind(".")].casefold() in namesakes
        if named_so and file.file_type in _LEADERS:
            groups[_stem(file)].append(file)
    pairs = {}
    for file in followers:
        stem = _stem(file)
        leader = _find_leader_of(file, groups.get(stem, []))
        if leader is None and _FILM_MARK.search(stem):
            leader = _find_leader_of(file, groups.get(_FILM_MARK.sub("", stem), []))
        if leader:
            pairs[file.id] = leader.id
    return pairs


def _may_follow(file: PairFile) -> bool:
    """Whether this could be a companion, were its leader there."""
    if file.file_type in _LIVE_FILMS:
        return _is_short(file)
    return file.file_type not in _LEADERS and kind_of(file.file_type) == Kind.RAW


def _stem(file: PairFile) -> str:
    folder, slash, name = file.path.rpartition("/")
    return f"{folder}{slash}{name.rpartition('.')[0].casefold()}"


def _find_leader_of(file: PairFile, group: Sequence[PairFile]) -> PairFile | None:
    live = file.file_type in _LIVE_FILMS
    return _find_leader(group, _LIVE_LEADERS if live else _RAW_LEADERS)


def _find_leader(group: Sequence[PairFile], file_types: Sequence[str]) -> PairFile | None:
    """The first by type, then by path."""
    candidates = [file for file in group if file.file_type in file_types]
    return min(
        candidates, key=lambda file: (file_types.index(file.file_type), file.path), default=None
    )


def _is_short(file: PairFile) -> bool:
    return file.duration_s is not None and file.duration_s <= LIVE_SECONDS
