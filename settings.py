"""One frozen `Settings`: where the library is, and what the person chose.

Order of precedence: command line, environment (`LIGHTKEEP_…`), `settings.toml` in the
library's own folder, built-in default.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, time
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any, Final
from zoneinfo import TZPATH, ZoneInfo, ZoneInfoNotFoundError, available_timezones

from errors import InvalidRequestError

LIBRARY_DIR: Final = ".library"
SETTINGS_NAME: Final = "settings.toml"
DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 5001
_MOST: Final = {
    "workers": 64,
    "worker_memory_mb": 1 << 20,
    "file_timeout_s": 86_400,
    "trash_days": 36_500,
    "index_every_min": 10_080,
    "verify_weekly_min": 1_440,
}
_MAY_BE_ZERO: Final = frozenset({"index_every_min", "verify_weekly_min", "trash_days"})
_OFF: Final = "off"
DEFAULT_FULL_INDEX_AT: Final = time(2, 30)
LOOPBACK_NAME: Final = "localhost"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set. Keys of `settings.toml` are the names below `port`.

    library: the folder with the photos, absolute.
    data_dir: what the app owns, absolute; `LIBRARY/.library` unless told otherwise.
    allowed_hosts: further names under which a browser may reach the page (no port).
    workers: child processes that read and decode photos.
    worker_memory_mb: address space of one of them; a picture that needs more is reported.
    file_timeout_s: how long one file may take before its worker is ended.
    time_zone: where films were taken that say their date in UTC alone, `Europe/Berlin`; the
        machine's own unless told otherwise. Another one dates them anew with the next index.
    json_logs: whether the log of `serve` is JSON, a line an event.
    index_every_min: how often `serve` looks for changed folders; 0 for never.
    full_index_at: when it looks at all of them each day, by `time_zone`; None for never.
    verify_weekly_min: for how long it verifies files each week; 0 for not at all.
    daily_backup: whether a library that is open gets a backup each day.
    import_roots: folders that the page may import from, absolute; a terminal may from any.
    trash_days: after how many days what lies in the trash is deleted for good; 0 for never.
    """

    library: Path
    data_dir: Path
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    allowed_hosts: tuple[str, ...] = ()
    workers: int = field(default_factory=lambda: min(8, max(2, os.cpu_count() or 1)))
    worker_memory_mb: int = 1024
    file_timeout_s: float = 60.0
    time_zone: ZoneInfo = field(default_factory=lambda: find_machine_zone())
    json_logs: bool = False
    index_every_min: int = 15
    full_index_at: time | None = DEFAULT_FULL_INDEX_AT
    verify_weekly_min: int = 60
    daily_backup: bool = True
    import_roots: tuple[Path, ...] = ()
    trash_days: int = 0

    @property
    def database_path(self) -> Path:
        return self.data_dir / "photo_library.db"

    def name_command(self, verb: str) -> str:
        """What a person types to do something with this library: `./lightkeep VERB LIBRARY`."""
        words = ["./lightkeep", verb, str(self.library)]
        if self.data_dir != self.library / LIBRARY_DIR:
            words += ["--data-dir", str(self.data_dir)]
        return shlex.join(words)


def load_settings(
    library: Path,
    *,
    data_dir: Path | None = None,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """The library's settings. Raises `InvalidRequestError` for a bad settings.toml."""
    root = Path(os.path.abspath(library.expanduser()))
    chosen_data_dir = data_dir or environment.get("LIGHTKEEP_DATA_DIR")
    data = (
        Path(os.path.abspath(Path(chosen_data_dir).expanduser()))
        if chosen_data_dir
        else root / LIBRARY_DIR
    )
    values = _read_toml(data / SETTINGS_NAME)
    named = environment.get("LIGHTKEEP_ALLOWED_HOSTS", "").split(",")
    hosts = tuple(name.strip() for name in named if name.strip())
    values["allowed_hosts"] = (*values.get("allowed_hosts", ()), *hosts)
    return Settings(root, data, host, port, **values)


_KINDS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "allowed_hosts": list,
    "workers": int,
    "worker_memory_mb": int,
    "file_timeout_s": (int, float),
    "time_zone": str,
    "import_roots": list,
    "trash_days": int,
    "json_logs": bool,
    "index_every_min": int,
    "full_index_at": str,
    "verify_weekly_min": int,
    "daily_backup": bool,
}
assert _KINDS.keys() <= {known.name for known in fields(Settings)}


def _check_value(key: str, value: Any, path: Path) -> None:
    """Raise `InvalidRequestError` for a key there is not, and a value that cannot be its own."""
    if key not in _KINDS:
        raise InvalidRequestError(
            f"{path}: there is no setting {key!r}; there are {', '.join(_KINDS)}."
        )
    kind = _KINDS[key]
    # To Python true is a number, to a person it is none.
    if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
        raise InvalidRequestError(f"{path}: {key} has a value of the wrong kind: {value!r}.")
    if key in _MOST:
        _check_range(key, value, path)


def _check_range(key: str, value: Any, path: Path) -> None:
    if value == 0 and key in _MAY_BE_ZERO:
        return
    # Not a number is neither below nor above anything.
    if not 0 < value <= _MOST[key]:
        least = "from 0 to" if key in _MAY_BE_ZERO else "above 0 and at most"
        raise InvalidRequestError(f"{path}: {key} must be {least} {_MOST[key]}.")


def _read_toml(path: Path) -> dict[str, Any]:
    """The chosen values in settings.toml, checked; an absent file chooses nothing."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise InvalidRequestError(f"{path} cannot be read as TOML: {error}.") from error
    for key, value in values.items():
        _check_value(key, value, path)
    if "allowed_hosts" in values:
        values["allowed_hosts"] = _read_hosts(values["allowed_hosts"], path)
    if "import_roots" in values:
        values["import_roots"] = _read_roots(values["import_roots"], path)
    if "time_zone" in values:
        values["time_zone"] = _find_zone(values["time_zone"], path)
    if "full_index_at" in values:
        values["full_index_at"] = _read_time(values["full_index_at"], path)
    return values


def _read_time(text: str, path: Path) -> time | None:
    """`02:30` as a time of day, `off` as None."""
    if text == _OFF:
        return None
    try:
        return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007  a time of day has no zone
    except ValueError as error:
        raise InvalidRequestError(
            f"{path}: full_index_at is a time as 02:30, or {_OFF}; not {text!r}."
        ) from error


def _read_hosts(names: list[object], path: Path) -> tuple[str, ...]:
    if not all(isinstance(name, str) for name in names):
        raise InvalidRequestError(f"{path}: allowed_hosts must be a list of names.")
    return tuple(map(str, names))


def _read_roots(folders: list[object], path: Path) -> tuple[Path, ...]:
    for folder in folders:
        if not isinstance(folder, str) or not os.path.isabs(folder) or "\0" in folder:
            raise InvalidRequestError(f"{path}: import_roots must be a list of absolute folders.")
    return tuple(Path(os.path.normpath(str(folder))) for folder in folders)


def _find_zone(name: str, path: Path) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidRequestError(
            f"{path}: there is no time_zone {name!r}; it is written as Europe/Berlin."
        ) from error


def _find_zone_of_clock() -> str | None:
    """The name of the zone in /etc/localtime where that is a copy, as containers mount it."""
    try:
        rules = Path("/etc/localtime").read_bytes()
    except OSError:
        return None
    for name in ("UTC", *sorted(available_timezones())):
        for folder in TZPATH:
            with contextlib.suppress(OSError):
                if Path(folder, name).read_bytes() == rules:
                    return name
    return None


def is_loopback(host: str) -> bool:
    """Whether a name or an address stands for this machine alone."""
    if host == LOOPBACK_NAME:
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    inner = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (inner or address).is_loopback


def find_machine_zone() -> ZoneInfo:
    """The zone of this machine's clock; UTC where that is not to be told."""
    import tzlocal  # late: migrate_db runs without any package

    try:
        return ZoneInfo(tzlocal.get_localzone_name() or _find_zone_of_clock() or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
