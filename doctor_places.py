"""Pure: what the facts of a machine mean for a library: disks, rights, clock, limits, settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from doctor_finding import Finding, advice, ok, trouble

_GB: Final = 10**9
LITTLE_BYTES: Final = 1 * _GB
NO_ROOM_BYTES: Final = 100 * 10**6
FEW_FILES: Final = 512
OLD_BACKUP: Final = timedelta(days=3)
_FIRST_YEAR: Final = 2026
_LAST_YEAR: Final = 2100
_CLOCK_SLACK: Final = timedelta(minutes=10)
"""A file server's clock and this machine's may differ by so much."""


def judge_file_system(folder: Path, kind: str | None, *, network: bool, container: bool) -> Finding:
    """kind: the file system under the database; container: whether this runs inside one."""
    subject = "Database's disk"
    if network:
        return trouble(
            subject,
            f"{folder} lies on a network file system ({kind}), where a database loses data.",
            "Keep the database on a disk of this machine: --data-dir DIR, or LIGHTKEEP_DATA_DIR. "
            "The photos can stay where they are.",
        )
    if container and kind == "overlay":
        return trouble(
            subject,
            f"{folder} lies inside the container, and is gone when that is made anew.",
            "Mount a volume there; compose.yaml shows how.",
        )
    return ok(subject, f"{folder} lies on a disk of this machine ({kind or 'of unknown kind'}).")


def judge_space(subject: str, folder: Path, free: int, needed: int, purpose: str) -> Finding:
    """free, needed: bytes; purpose: what the room is needed for."""
    words = f"{folder} has {format_bytes(free)} left"
    if free < NO_ROOM_BYTES:
        return trouble(subject, f"{words}; {purpose} will fail.", "Make room.")
    if free < needed:
        return advice(
            subject, f"{words}; {purpose} may need {format_bytes(needed)}.", "Make room soon."
        )
    return ok(subject, f"{words}.")


def judge_library_access(folder: Path, *, writable: bool) -> Finding:
    if writable:
        return ok("Photos", f"{folder} can be read and written.")
    return advice(
        "Photos",
        f"{folder} can be read but not written: ratings and dates are kept beside the library.",
        "To keep them in the photos, give the user that runs Lightkeep the right to write there.",
    )


def judge_data_access(folder: Path, *, there: bool, writable: bool) -> Finding:
    """there: whether the folder exists; else `writable` is that of the folder it is made in."""
    if not writable:
        return trouble(
            "Data",
            f"{folder} cannot be written by this user.",
            "Give the user that runs Lightkeep the right to write there, or choose another place "
            "with --data-dir DIR.",
        )
    return ok("Data", f"{folder} {'can be written' if there else 'will be made'}.")


def judge_clock(
    now: datetime, newest_change: datetime | None, newest_backup: datetime | None
) -> Finding:
    """newest_change: the latest change of a photo's file as its disk says. All of them aware."""
    remedy = "Set the clock, or let the system set it (timedatectl set-ntp true)."
    said = f"The clock says {now:%Y-%m-%d %H:%M %Z}"
    if not _FIRST_YEAR <= now.year <= _LAST_YEAR:
        return trouble("Clock", f"{said}, which cannot be.", remedy)
    for moment, what in ((newest_change, "photo was changed"), (newest_backup, "backup was made")):
        if moment is not None and moment > now + _CLOCK_SLACK:
            later = f"{moment.astimezone(now.tzinfo):%Y-%m-%d %H:%M}"
            return trouble("Clock", f"{said}, but a {what} at {later}.", remedy)
    return ok("Clock", f"{said}.")


def judge_zone(zone: str) -> Finding:
    return ok(
        "Time zone",
        f"{zone}: videos are dated by it. Another one is set by time_zone in settings.toml.",
    )


def judge_open_files(limit: int) -> Finding:
    if limit < FEW_FILES:
        return advice(
            "Open files",
            f"This user's programs may open {limit} files at once; Lightkeep may need {FEW_FILES}.",
            f"Raise the limit: ulimit -n {FEW_FILES * 2}, or LimitNOFILE= of the service.",
        )
    return ok("Open files", f"Up to {limit:,} at once.")


def judge_backups(
    newest: datetime | None, damage: str | None, photos: int, now: datetime
) -> Finding:
    """damage: what is wrong with the newest one; photos: how many a backup would hold."""
    by_hand = "Make one: ./lightkeep backup LIBRARY. While it serves, Lightkeep makes one a day."
    if newest is None:
        if not photos:
            return ok("Backup", "None is needed yet: there are no photos in the index.")
        return advice("Backup", "There is no backup of the database.", by_hand)
    if damage:
        return trouble("Backup", f"The newest backup is not sound: {damage}", by_hand)
    age = now - newest
    words = f"The newest one is sound, and {format_age(age)} old."
    return advice("Backup", words, by_hand) if age > OLD_BACKUP else ok("Backup", words)


def judge_journal(mode: str) -> Finding:
    if mode != "wal":
        return advice(
            "Journal",
            f"The database keeps its journal in mode {mode}, not WAL: pages wait for writes.",
            "Start ./lightkeep serve once; it sets WAL. Where that fails, the disk does not "
            "offer shared memory: choose another place with --data-dir DIR.",
        )
    return ok("Journal", "WAL works.")


def judge_settings(
    *,
    unread: Path | None,
    workers: tuple[int, int],
    memory_mb: tuple[int, int | None],
    allowed_hosts: Sequence[str],
    has_password: bool,
    environment: Mapping[str, str],
) -> Iterator[Finding]:
    """Settings that say something which does not, or not wisely, apply here.

    unread: a settings.toml that another data folder hides; workers: as set, and processors;
    memory_mb: what one worker may take, and the machine's.
    """
    if unread:
        yield advice(
            "Settings",
            f"{unread} is not read: with --data-dir the settings lie in that folder.",
            "Move it there, or remove it.",
        )
    if workers[0] > 2 * workers[1]:
        yield advice(
            "Settings",
            f"workers is {workers[0]}, on a machine with {workers[1]} processors.",
            f"Set it to {workers[1]}, or leave it out.",
        )
    if memory_mb[1] is not None and memory_mb[0] > memory_mb[1]:
        yield advice(
            "Settings",
            f"worker_memory_mb is {memory_mb[0]:,}, but the machine has {memory_mb[1]:,} MB.",
            "Set it lower, so that a huge picture is reported and does not fill the memory.",
        )
    for name in allowed_hosts:
        if "/" in name or (name.count(":") == 1 and not name.startswith("[")):
            yield advice(
                "Settings",
                f"allowed_hosts has {name!r}, which no browser asks for.",
                "Name the host alone, without https:// and without a port.",
            )
    if allowed_hosts and not has_password:
        yield trouble(
            "Settings",
            "allowed_hosts names a proxy's hosts, but there is no password: whoever reaches the "
            "proxy sees the photos.",
            "Set one: ./lightkeep password LIBRARY.",
        )
    if "LIGHTKEEP_PORT" in environment:
        yield advice(
            "Settings",
            "LIGHTKEEP_PORT counts for python3 app.py alone.",
            "With ./lightkeep serve, give --port.",
        )


def format_bytes(count: int) -> str:
    """`1500000000` as 1.5 GB, as disks are sold."""
    for size, unit in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB")):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count // 1000:,} kB"


def format_age(age: timedelta) -> str:
    """In the largest whole unit: `3 days`, `5 hours`, `12 minutes`."""
    minutes = max(0, int(age.total_seconds() // 60))
    for size, word in ((24 * 60, "day"), (60, "hour"), (1, "minute")):
        if minutes >= size or size == 1:
            count = minutes // size
            return f"{count:,} {word}{'' if count == 1 else 's'}"
    raise AssertionError("an age has minutes")


def read_change(ctime_ns: int | None) -> datetime | None:
    """A `ctime_ns` as a moment, None where there is none or it is out of range."""
    if ctime_ns is None:
        return None
    try:
        return datetime.fromtimestamp(ctime_ns / 10**9, UTC)
    except (OverflowError, ValueError, OSError):
        return None
