"""doctor_places: what facts of a machine mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from doctor_finding import Level
from doctor_places import (
    format_age,
    format_bytes,
    judge_backups,
    judge_clock,
    judge_data_access,
    judge_file_system,
    judge_journal,
    judge_library_access,
    judge_open_files,
    judge_settings,
    judge_space,
    read_change,
)

FOLDER = Path("/data")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_network_file_system_is_trouble_and_says_data_dir() -> None:
    finding = judge_file_system(FOLDER, "cifs", network=True, container=False)
    assert finding.level == Level.TROUBLE
    assert "--data-dir" in finding.remedy


def test_a_container_without_a_volume_loses_its_data() -> None:
    def level(kind: str, *, container: bool) -> Level:
        return judge_file_system(FOLDER, kind, network=False, container=container).level

    assert level("overlay", container=True) == Level.TROUBLE
    assert level("ext4", container=True) == Level.OK
    assert level("overlay", container=False) == Level.OK


@pytest.mark.parametrize(
    ("free", "level"),
    [(99_999_999, Level.TROUBLE), (4 * 10**9, Level.ADVICE), (6 * 10**9, Level.OK)],
)
def test_room_is_judged_by_what_may_be_needed(free: int, level: Level) -> None:
    assert judge_space("Room", FOLDER, free, 5 * 10**9, "a backup").level == level


def test_photos_that_are_read_only_are_advice_and_data_that_is_are_trouble() -> None:
    assert judge_library_access(FOLDER, writable=False).level == Level.ADVICE
    assert judge_library_access(FOLDER, writable=True).level == Level.OK
    assert judge_data_access(FOLDER, there=True, writable=False).level == Level.TROUBLE
    assert "will be made" in judge_data_access(FOLDER, there=False, writable=True).sentence


@pytest.mark.parametrize(
    ("now", "change", "backup", "level"),
    [
        (NOW, None, None, Level.OK),
        (NOW, NOW - HOUR, NOW - HOUR, Level.OK),
        (NOW, NOW + timedelta(minutes=5), None, Level.OK),
        (NOW, NOW + HOUR, None, Level.TROUBLE),
        (NOW, None, NOW + HOUR, Level.TROUBLE),
        (datetime(1970, 1, 1, tzinfo=UTC), None, None, Level.TROUBLE),
        (datetime(2101, 1, 1, tzinfo=UTC), None, None, Level.TROUBLE),
    ],
)
def test_a_clock_is_held_to_the_newest_file_and_backup(
    now: datetime, change: datetime | None, backup: datetime | None, level: Level
) -> None:
    finding = judge_clock(now, change, backup)
    assert finding.level == level
    assert bool(finding.remedy) is (level != Level.OK)


@pytest.mark.parametrize(
    ("newest", "damage", "photos", "level"),
    [
        (None, None, 0, Level.OK),
        (None, None, 3, Level.ADVICE),
        (NOW - 26 * HOUR, None, 3, Level.OK),
        (NOW - 80 * HOUR, None, 3, Level.ADVICE),
        (NOW - HOUR, "other bytes", 3, Level.TROUBLE),
    ],
)
def test_a_backup_is_judged_by_age_and_soundness(
    newest: datetime | None, damage: str | None, photos: int, level: Level
) -> None:
    assert judge_backups(newest, damage, photos, NOW).level == level


def test_a_journal_other_than_wal_and_few_open_files_are_advice() -> None:
    assert judge_journal("wal").level == Level.OK
    assert judge_journal("delete").level == Level.ADVICE
    assert judge_open_files(256).level == Level.ADVICE
    assert judge_open_files(1024).level == Level.OK


def list_settings(**changed: object) -> list[tuple[Level, str]]:
    chosen: dict[str, object] = {
        "unread": None,
        "workers": (2, 2),
        "memory_mb": (1024, 4000),
        "allowed_hosts": (),
        "has_password": True,
        "environment": {},
    }
    found = judge_settings(**(chosen | changed))  # type: ignore[arg-type]
    return [(one.level, one.sentence) for one in found]


def test_settings_that_apply_are_not_mentioned() -> None:
    assert list_settings() == []
    assert list_settings(memory_mb=(1024, None)) == []
    assert list_settings(allowed_hosts=("nas.local", "192.168.1.5", "[::1]")) == []


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"unread": Path("/photos/.library/settings.toml")}, "is not read"),
        ({"workers": (9, 2)}, "9, on a machine with 2"),
        ({"memory_mb": (8000, 4000)}, "4,000 MB"),
        ({"allowed_hosts": ("https://nas.local",)}, "no browser asks"),
        ({"allowed_hosts": ("nas.local:5001",)}, "no browser asks"),
        ({"environment": {"LIGHTKEEP_PORT": "80"}}, "LIGHTKEEP_PORT"),
    ],
)
def test_a_setting_that_does_not_apply_is_advice(changed: dict[str, object], word: str) -> None:
    [(level, sentence)] = list_settings(**changed)
    assert level == Level.ADVICE
    assert word in sentence


def test_a_proxy_without_a_password_is_trouble() -> None:
    [(level, sentence)] = list_settings(allowed_hosts=("nas.local",), has_password=False)
    assert level == Level.TROUBLE
    assert "no password" in sentence


def test_sizes_and_ages_are_said_in_units_of_people() -> None:
    assert [format_bytes(n) for n in (1_500_000_000_000, 2_500_000_000, 7_000_000, 900)] == [
        *("1.5 TB", "2.5 GB", "7.0 MB", "0 kB")
    ]
    ages = [timedelta(seconds=-5), timedelta(minutes=1), timedelta(hours=5), timedelta(days=3)]
    assert [format_age(age) for age in ages] == ["0 minutes", "1 minute", "5 hours", "3 days"]


def test_a_change_time_out_of_range_is_none() -> None:
    assert read_change(None) is None
    assert read_change(2**62 * 1000) is None
    assert read_change(0) == datetime(1970, 1, 1, tzinfo=UTC)
