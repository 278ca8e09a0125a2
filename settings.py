"""One frozen `Settings`: where the library is, and what the person chose.

Order of precedence: command line, environment (`LIGHTKEEP_…`), `settings.toml` in the
library's own folder, built-in default.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import time
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any, Final
from zoneinfo import TZPATH, ZoneInfo, ZoneInfoNotFoundError, available_timezones

from errors import InvalidRequestError
from settings_values import BROWSER_LANGUAGE, KINDS, WritePolicy, make_value, read_words

LIBRARY_DIR: Final = ".library"
SETTINGS_NAME: Final = "settings.toml"
DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 5001
DEFAULT_FULL_INDEX_AT: Final = time(2, 30)
LOOPBACK_NAME: Final = "localhost"
VARIABLES: Final[Mapping[str, str]] = {
    "time_zone": "LIGHTKEEP_TIME_ZONE",
    "write_policy": "LIGHTKEEP_WRITE_POLICY",
    "import_roots": "LIGHTKEEP_IMPORT_ROOTS",
    "trash_days": "LIGHTKEEP_TRASH_DAYS",
    "draw_ahead": "LIGHTKEEP_DRAW_AHEAD",
    "language": "LIGHTKEEP_LANGUAGE",
    "index_every_min": "LIGHTKEEP_INDEX_EVERY_MIN",
    "full_index_at": "LIGHTKEEP_FULL_INDEX_AT",
    "verify_weekly_min": "LIGHTKEEP_VERIFY_WEEKLY_MIN",
    "daily_backup": "LIGHTKEEP_DAILY_BACKUP",
}
"""What the page can set, and the variable that sets it for good."""


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
    write_policy: where ratings and dates are written.
    draw_ahead: whether the newest photos are drawn small before somebody opens the page.
    language: of the page, by its code; `browser` for the one that each browser asks for.
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
    write_policy: WritePolicy = WritePolicy.FILE
    draw_ahead: bool = True
    language: str = BROWSER_LANGUAGE

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
    """The library's settings. Raises `InvalidRequestError` for one that cannot be."""
    root = Path(os.path.abspath(library.expanduser()))
    chosen_data_dir = data_dir or environment.get("LIGHTKEEP_DATA_DIR")
    data = (
        Path(os.path.abspath(Path(chosen_data_dir).expanduser()))
        if chosen_data_dir
        else root / LIBRARY_DIR
    )
    values = _read_toml(data / SETTINGS_NAME) | _read_environment(environment)
    named = environment.get("LIGHTKEEP_ALLOWED_HOSTS", "").split(",")
    hosts = tuple(name.strip() for name in named if name.strip())
    values["allowed_hosts"] = (*values.get("allowed_hosts", ()), *hosts)
    return Settings(root, data, host, port, **values)


assert KINDS.keys() <= {known.name for known in fields(Settings)}


def find_fixed(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The settings that the environment decides, each with the variable that does."""
    return {key: name for key, name in VARIABLES.items() if environment.get(name)}


def apply_changes(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """The settings with other values; a time zone of None is the machine's."""
    chosen = dict(changes)
    if "time_zone" in chosen and chosen["time_zone"] is None:
        chosen["time_zone"] = find_machine_zone()
    return replace(settings, **chosen)


def _read_toml(path: Path) -> dict[str, Any]:
    """The chosen values in settings.toml, checked; an absent file chooses nothing."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise InvalidRequestError(f"{path} cannot be read as TOML: {error}.") from error
    return {key: _explain(str(path), make_value, key, value) for key, value in values.items()}


def _read_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    return {
        key: _explain(name, read_words, key, environment[name])
        for key, name in find_fixed(environment).items()
    }


def _explain(place: str, read: Callable[[str, Any], Any], key: str, value: Any) -> Any:
    """What `read` makes of a value; trouble with it names the place where it stands."""
    try:
        return read(key, value)
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{place}: {error.message}") from error


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
