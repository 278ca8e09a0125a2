"""Names of imported photos in their folder: their own, or numbered where that is taken.

What belongs to one photo (its film, its RAW, their sidecars) is told by its name, so all of it
gets the same number, and a name counts as taken as soon as anything else has its stem.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from errors import CopyFailedError
from folder_scan import SIDECAR_SUFFIX
from media_types import is_media_name
from verified_copy import MOST_NAME_BYTES, remove_leftovers

_LAST_NUMBER: Final = 10_000
_PIECE_BYTES: Final = 1 << 20


class FolderNames:
    """The names that are taken in one folder of the library.

    in_rows: names that rows have there, whether or not their files are there now. owner: whose
    unfinished copies are removed.
    """

    def __init__(self, folder: str, in_rows: Iterable[str], owner: str) -> None:
        remove_leftovers(folder, owner)
        self._folder = folder
        self._taken: dict[str, set[str]] = defaultdict(set)
        for name in (*os.listdir(folder), *in_rows):
            self.add(name)

    def add(self, name: str) -> None:
        self._taken[stem_of(name).casefold()].add(name)

    def choose(
        self,
        names: Sequence[str],
        stem: str,
        *,
        sidecars: Mapping[str, str],
        beside: str | None = None,
    ) -> dict[str, str]:
        """A free name for each of `names`, all of which begin with `stem` or stand for themselves.

        sidecars: of `names` those that are sidecars, with the absolute path of each. beside: the
        stem of the photo in this folder that they belong to, which they take if they can.
        """
        for number in range(0 if beside else 1, _LAST_NUMBER):
            wanted = _rename(names, stem, beside or stem, number)
            if self._is_free(wanted, sidecars, exactly=number == 0):
                return wanted
        raise CopyFailedError(f"There are too many files named {stem} in its folder.")

    def _is_free(
        self, wanted: Mapping[str, str], sidecars: Mapping[str, str], *, exactly: bool
    ) -> bool:
        targets = {name.casefold() for name in wanted.values()}
        others = set().union(*(self._taken.get(stem_of(name).casefold(), ()) for name in targets))
        if exactly:
            others = {name for name in others if name.casefold() in targets}
        # Its own sidecar, which came before the import was interrupted.
        own = {
            target
            for name, target in wanted.items()
            if name in sidecars
            and target in others
            and same_bytes(sidecars[name], os.path.join(self._folder, target))
        }
        return not others - own


def _rename(names: Sequence[str], stem: str, wanted: str, number: int) -> dict[str, str]:
    mark = f" ({number})" if number > 1 else ""
    longest = max(len(os.fsencode(name)) - len(os.fsencode(stem)) for name in names)
    while len(os.fsencode(wanted + mark)) + longest > MOST_NAME_BYTES and len(wanted) > 1:
        wanted = wanted[:-1]
    renamed = {}
    for name in names:
        if name[: len(stem)].casefold() == stem.casefold():
            renamed[name] = f"{wanted}{mark}{name[len(stem) :]}"
        else:
            head, suffix = os.path.splitext(name)
            renamed[name] = f"{head}{mark}{suffix}"
    return renamed


def stem_of(name: str) -> str:
    """`IMG_1` of `IMG_1.jpg`, and of its sidecars `IMG_1.xmp` and `IMG_1.jpg.xmp`."""
    if name.lower().endswith(SIDECAR_SUFFIX):
        inner = name[: -len(SIDECAR_SUFFIX)]
        return os.path.splitext(inner)[0] if is_media_name(inner) else inner
    return os.path.splitext(name)[0]


def same_bytes(path: str, other: str) -> bool:
    """Whether two files hold the same; of one that cannot be read, no."""
    try:
        with open(path, "rb") as file, open(other, "rb") as second:
            if os.fstat(file.fileno()).st_size != os.fstat(second.fileno()).st_size:
                return False
            while piece := file.read(_PIECE_BYTES):
                if piece != second.read(_PIECE_BYTES):
                    return False
            return True
    except OSError:
        return False
