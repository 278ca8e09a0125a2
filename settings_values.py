"""Pure: what each setting may be, as TOML, the environment or a form say it, and back to TOML."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from datetime import datetime, time
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from errors import InvalidRequestError

MOST: Final[Mapping[str, int]] = {
    "workers": 64,
    "worker_memory_mb": 1 << 20,
    "file_timeout_s": 86_400,
    "trash_days": 36_500,
    "index_every_min": 10_080,
    "verify_weekly_min": 1_440,
}
"""The largest value of each setting that is a number."""

KINDS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "allowed_hosts": list,
    "workers": int,
    "worker_memory_mb": int,
    "file_timeout_s": (int, float),
    "time_zone": str,
    "json_logs": bool,
    "index_every_min": int,
    "full_index_at": str,
    "verify_weekly_min": int,
    "daily_backup": bool,
    "import_roots": list,
    "trash_days": int,
    "write_policy": str,
    "draw_ahead": bool,
    "language": str,
}
"""What each setting is in settings.toml."""

OFF: Final = "off"
BROWSER_LANGUAGE: Final = "browser"
LANGUAGES: Final = ("en", "de")
"""What the page can be read in."""
_MAY_BE_ZERO: Final = frozenset({"index_every_min", "verify_weekly_min", "trash_days"})
_WORDS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NAMED: Final = re.compile(r"\s*\"?([A-Za-z_]+)\"?\s*=")


class WritePolicy(StrEnum):
    """Where a rating or a date that a person gives is written.

    FILE: into the photo's own file, and into a sidecar where that cannot hold it. SIDECAR: into
    a sidecar, never into the photo. BOTH: into the file, and into a sidecar as well.
    """

    FILE = "file"
    SIDECAR = "sidecar"
    BOTH = "both"


def make_value(key: str, raw: Any) -> Any:
    """A value of settings.toml as `Settings` has it.

    Raises `InvalidRequestError` for a key there is not, and a value that cannot be its own.
    """
    if key not in KINDS:
        raise InvalidRequestError(f"there is no setting {key!r}; there are {', '.join(KINDS)}.")
    kind = KINDS[key]
    # To Python true is a number, to a person it is none.
    if not isinstance(raw, kind) or isinstance(raw, bool) != (kind is bool):
        raise InvalidRequestError(f"{key} has a value of the wrong kind: {raw!r}.")
    if key in MOST:
        _check_range(key, raw)
    maker = _MAKERS.get(key)
    return maker(raw) if maker else raw


def read_words(key: str, text: str) -> Any:
    """A value that the environment or a form says in words. Raises as `make_value`.

    Folders stand apart by colons.
    """
    text = text.strip()
    kind = KINDS[key]
    if kind is bool and text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if kind is int and re.fullmatch("[0-9]{1,9}", text):
        return make_value(key, int(text))
    if kind is list:
        return make_value(key, [one.strip() for one in text.split(":") if one.strip()])
    return make_value(key, text)


def _check_range(key: str, value: Any) -> None:
    if value == 0 and key in _MAY_BE_ZERO:
        return
    # Not a number is neither below nor above anything.
    if not 0 < value <= MOST[key]:
        least = "from 0 to" if key in _MAY_BE_ZERO else "above 0 and at most"
        raise InvalidRequestError(f"{key} must be {least} {MOST[key]}.")


def _make_time(text: str) -> time | None:
    """`02:30` as a time of day, `off` as None."""
    if text == OFF:
        return None
    try:
        return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007  a time of day has no zone
    except ValueError as error:
        raise InvalidRequestError(
            f"full_index_at is a time as 02:30, or {OFF}; not {text!r}."
        ) from error


def _make_hosts(names: list[object]) -> tuple[str, ...]:
    if not all(isinstance(name, str) for name in names):
        raise InvalidRequestError("allowed_hosts must be a list of names.")
    return tuple(map(str, names))


def _make_roots(folders: list[object]) -> tuple[Path, ...]:
    for folder in folders:
        if not isinstance(folder, str) or not os.path.isabs(folder) or "\0" in folder:
            raise InvalidRequestError("import_roots must be a list of absolute folders.")
    return tuple(dict.fromkeys(Path(os.path.normpath(str(folder))) for folder in folders))


def _make_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidRequestError(
            f"there is no time_zone {name!r}; it is written as Europe/Berlin."
        ) from error


def _make_policy(name: str) -> WritePolicy:
    try:
        return WritePolicy(name)
    except ValueError as error:
        raise InvalidRequestError(
            f"write_policy is {', '.join(WritePolicy)}; not {name!r}."
        ) from error


def _make_language(name: str) -> str:
    if name not in (BROWSER_LANGUAGE, *LANGUAGES):
        raise InvalidRequestError(
            f"language is {BROWSER_LANGUAGE}, {' or '.join(LANGUAGES)}; not {name!r}."
        )
    return name


_MAKERS: Final[Mapping[str, Any]] = {
    "allowed_hosts": _make_hosts,
    "import_roots": _make_roots,
    "time_zone": _make_zone,
    "full_index_at": _make_time,
    "write_policy": _make_policy,
    "language": _make_language,
}


# -- back to TOML --------------------------------------------------------------------------------


def change_toml(text: str, changes: Mapping[str, Any]) -> str:
    """The text of a settings.toml with other values; what else stands there stays as it is.

    changes: values as `Settings` has them, None to leave the setting to what is built in
    (of `full_index_at` it is `off`). Raises `InvalidRequestError` where that cannot be done.
    """
    wanted = {key: _make_raw(key, value) for key, value in changes.items()}
    lines = text.splitlines(keepends=True)
    kept: list[str] = []
    written: set[str] = set()
    number = 0
    while number < len(lines):
        named = _NAMED.match(lines[number])
        key = named[1] if named else None
        end = _find_end(lines, number) if key in wanted else number + 1
        if key not in wanted:
            kept += lines[number:end]
        elif wanted[key] is not None:
            kept.append(_write_line(key, wanted[key]))
            written.add(key)
        number = end
    if kept and not kept[-1].endswith("\n"):
        kept[-1] += "\n"
    added = [key for key, raw in wanted.items() if raw is not None and key not in written]
    changed = "".join([*kept, *(_write_line(key, wanted[key]) for key in added)])
    _check_changed(text, changed, wanted)
    return changed


def _make_raw(key: str, value: Any) -> Any:
    """A value as TOML has it, None for none."""
    if isinstance(value, time):
        return f"{value:%H:%M}"
    if value is None and key == "full_index_at":
        return OFF
    if isinstance(value, tuple):
        return [str(one) for one in value]
    if isinstance(value, (ZoneInfo, StrEnum)):
        return str(value)
    return value


def _write_line(key: str, raw: Any) -> str:
    # JSON's strings, numbers, lists and words are TOML's as well, but for the control character
    # that JSON leaves as it is.
    return f"{key} = {json.dumps(raw, ensure_ascii=False)}\n".replace("\x7f", "\\u007f")


def _find_end(lines: list[str], begin: int) -> int:
    """The line behind a value that begins in line `begin`: lists may go over many."""
    for end in range(begin + 1, len(lines) + 1):
        try:
            tomllib.loads("".join(lines[begin:end]))
        except ValueError:
            continue
        return end
    return begin + 1


def _check_changed(before: str, after: str, wanted: Mapping[str, Any]) -> None:
    """Raise `InvalidRequestError` where not just the wanted values would be others."""
    try:
        expected = {**tomllib.loads(before), **wanted}
        same = tomllib.loads(after) == {k: v for k, v in expected.items() if v is not None}
    except ValueError as error:
        raise InvalidRequestError(f"it cannot be read as TOML: {error}.") from error
    if not same:
        raise InvalidRequestError("it is written in a way that can be changed by hand alone.")
