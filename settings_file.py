"""settings.toml, changed by the page: the values, and nothing else that a person wrote there."""

from __future__ import annotations

import errno
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from errors import DiskFullError, InvalidRequestError, NotWritableError
from settings_values import change_toml
from whole_file import replace_file

_NEW_MODE: Final = 0o600
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def change_settings(path: Path, changes: Mapping[str, Any]) -> None:
    """Give settings other values in the file at `path`, as `change_toml`; it may not be there yet.

    Raises `InvalidRequestError` for a file that cannot be changed so, `NotWritableError` and
    `DiskFullError`; the file is then as it was.
    """
    try:
        before, mode = path.read_text(encoding="utf-8"), stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        before, mode = "", _NEW_MODE
    except (OSError, ValueError) as error:
        raise InvalidRequestError(f"{path} cannot be read: {error}.") from error
    try:
        after = change_toml(before, changes)
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{path}: {error.message} Nothing was changed.") from error
    if after == before:
        return
    try:
        # A link is what somebody made on purpose: the file that it leads to is changed.
        replace_file(path.resolve(), after.encode(), mode)
    except OSError as error:
        kind = DiskFullError if error.errno in _NO_ROOM else NotWritableError
        raise kind(f"{path} cannot be written: {error.strerror}. Nothing was changed.") from error
