"""daily_backup: a backup a day, made while nobody waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import daily_backup
from backups import list_backups
from daily_backup import DailyBackup
from db import open_database
from errors import DiskFullError

PATIENCE_S = 10.0


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "photo_library.db"
    open_database(path).close()
    return path


def wait_for(condition: Callable[[], object]) -> None:
    ends = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_a_day_without_a_backup_gets_one_and_only_one(database: Path) -> None:
    folder = database.parent / "backups"
    for _ in range(2):
        daily = DailyBackup(database, folder, lambda: True, every_s=0.01)
        wait_for(lambda: list_backups(folder))
        time.sleep(0.1)
        daily.close()
    assert [backup.reason for backup in list_backups(folder)] == ["daily"]


def test_an_empty_library_has_its_backup_once_it_holds_photos(database: Path) -> None:
    folder = database.parent / "backups"
    holds_photos = threading.Event()
    daily = DailyBackup(database, folder, holds_photos.is_set, every_s=0.01)
    time.sleep(0.1)
    assert list_backups(folder) == []
    holds_photos.set()
    wait_for(lambda: list_backups(folder))
    daily.close()


def test_a_backup_that_could_not_be_made_is_said_and_tried_again(
    database: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = database.parent / "backups"
    make, tries = daily_backup.back_up_now, []

    def fail_first(*words: object) -> object:
        tries.append(words)
        if len(tries) == 1:
            raise DiskFullError("The disk is full.")
        return make(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(daily_backup, "back_up_now", fail_first)
    daily = DailyBackup(database, folder, lambda: True, every_s=0.01)
    wait_for(lambda: list_backups(folder))
    daily.close()
    assert "The disk is full." in caplog.text


def test_closing_does_not_wait_for_the_next_look(database: Path) -> None:
    began = time.monotonic()
    DailyBackup(database, database.parent / "backups", lambda: False, every_s=3600).close()
    assert time.monotonic() - began < PATIENCE_S
