"""Values of older databases as this version writes them: paths, dates, hashes, numbers.

SQLite lets any value stand in any column, and old apps made use of it. Pure: nothing here
reads or writes.
"""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Collection
from datetime import datetime
from typing import Final

from media_types import MEDIA_TYPES

_INT64: Final = 2**63


def decode_text(value: bytes) -> str:
    """Text as SQLite gives it; bytes that are no UTF-8 are shown, for nothing else can be kept."""
    return value.decode("utf-8", "backslashreplace")


def make_text(value: object) -> str:
    if isinstance(value, bytes):
        return decode_text(value)
    return "" if value is None else str(value)


def find_whole(value: object) -> int | None:
    """`1200`, `1200.0`, `"1200"` and `b"1200"` as 1200, None for what is no number."""
    if isinstance(value, int):
        return value
    words = make_text(value).strip()
    try:
        number = float(words)
    except ValueError:
        return None
    if not math.isfinite(number) or abs(number) >= _INT64:
        return None
    # A float of 17 digits is no longer the number that was written.
    return int(words) if re.fullmatch("[+-]?[0-9]{1,18}", words) else int(number)


def find_relative_path(path: str, roots: Collection[str]) -> str | None:
    """A path of an old row as this version writes it; None where it is not in the library.

    roots: the library's folder, absolute, by each of its names.
    """
    if posixpath.isabs(path):
        path = posixpath.normpath("/" + path.lstrip("/"))
        for root in roots:
            if path.startswith(root.rstrip("/") + "/"):
                return path[len(root.rstrip("/")) + 1 :]
        return None
    path = posixpath.normpath(path)
    return None if path == "." or path.split("/")[0] == ".." else path


_DATE: Final = re.compile(
    r"([0-9]{4})[:-]([0-9]{2})[:-]([0-9]{2})"
    r"(?:[ T]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]+)?)?)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})?"
)


def parse_date(value: object) -> tuple[str | None, str | None]:
    """`2019:07:14 18:03:22` as `2019-07-14T18:03:22`, and the offset where one is given."""
    match = _DATE.fullmatch(make_text(value).strip())
    if match is None:
        return None, None
    try:
        moment = datetime(*(int(part or 0) for part in match.groups()[:6]))  # type: ignore[arg-type]  # noqa: DTZ001  the camera's clock
    except ValueError:
        return None, None
    offset = "+00:00" if match[7] == "Z" else match[7]
    return moment.isoformat(), offset


def make_hash(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) and len(value) == 32 else make_text(value)
    text = text.strip()
    return text.lower() if re.fullmatch("[0-9a-fA-F]+", text) else text


_TYPES: Final = {
    suffix: media_type.name for media_type in MEDIA_TYPES.values() for suffix in media_type.suffixes
}


def make_file_type(word: str, path: str) -> str:
    """The name of a format; old apps wrote suffixes, in any case, or `photo` and `video`."""
    word = word.strip().lower().removeprefix(".")
    suffix = path[path.rfind(".") :].lower()
    return word if word in MEDIA_TYPES else _TYPES.get(f".{word}") or _TYPES.get(suffix) or word
