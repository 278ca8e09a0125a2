"""accounts_file: written whole, read strictly."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from accounts_file import (
    ACCOUNTS_NAME,
    NOTHING,
    Book,
    Session,
    Token,
    find_stamps,
    hold_book,
    read_book,
    write_book,
)
from errors import AccountsError

HASH = "scrypt:32768:8:1$salt$0123abcd"
BOOK = Book(HASH, (Session("a" * 64, 5),), (Token("phone", "b" * 64, "2026-01-02T03:04:05+00:00"),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ACCOUNTS_NAME


def test_what_is_written_is_read_again_and_is_for_its_owner_only(path: Path) -> None:
    path.write_text("old")
    path.chmod(0o666)
    before = os.umask(0)
    try:
        write_book(path, BOOK)
    finally:
        os.umask(before)
    assert read_book(path) == (find_stamps(path), BOOK)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == [ACCOUNTS_NAME]


def test_where_there_is_no_file_there_is_nothing(path: Path) -> None:
    assert find_stamps(path) is None
    assert read_book(path) == (None, NOTHING)


def damage(**changes: Any) -> str:
    whole = {
        "version": 1,
        "password": HASH,
        "sessions": [{"hash": "a" * 64, "used_at": 5}],
        "tokens": [{"name": "phone", "hash": "b" * 64, "created_at": "2026-01-02T03:04:05+00:00"}],
    }
    return json.dumps(whole | changes)


DAMAGED = {
    "empty": "",
    "half": damage()[:100],
    "no JSON": "\0" * 100,
    "list": "[]",
    "null": "null",
    "nothing inside": "{}",
    "newer": damage(version=2),
    "no version": damage(version=None),
    "empty password": damage(password=""),
    "plain password": damage(password="correct horse"),
    "weaker hash": damage(password="plain$$correct horse"),
    "pbkdf2": damage(password="pbkdf2:sha256:1$salt$0123"),
    "number for a password": damage(password=0),
    "false for a password": damage(password=False),
    "sessions are none": damage(sessions=None),
    "session without hash": damage(sessions=[{"used_at": 5}]),
    "session with an empty hash": damage(sessions=[{"hash": "", "used_at": 5}]),
    "session of no time": damage(sessions=[{"hash": "a" * 64, "used_at": True}]),
    "token is a word": damage(tokens=["phone"]),
    "token without name": damage(tokens=[{"hash": "b" * 64, "created_at": "2026-01-02"}]),
    "token of no date": damage(tokens=[{"name": "x", "hash": "b" * 64, "created_at": "never"}]),
    "deep": "[" * 100_000,
    "endless": damage() + " " * (2 << 20),
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED.keys())
def test_what_is_damaged_is_refused_and_says_no_place(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(AccountsError) as caught:
        read_book(path)
    assert caught.value.status == 503
    assert "is damaged" in caught.value.message
    assert str(path.parent) not in caught.value.message


def test_the_text_that_the_damaged_ones_are_made_from_is_whole(path: Path) -> None:
    path.write_text(damage())
    assert read_book(path)[1] == BOOK


def test_what_is_no_file_is_refused(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(AccountsError):
        read_book(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(AccountsError):
        read_book(path)


def test_a_link_is_not_followed(path: Path) -> None:
    write_book(path, BOOK)
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")
    with pytest.raises(AccountsError, match="cannot be read"):
        read_book(path)


def test_a_folder_that_is_none_is_refused_and_not_taken_for_an_empty_one(path: Path) -> None:
    path.parent.joinpath("file").write_text("")
    for ask in (read_book, find_stamps):
        with pytest.raises(AccountsError, match="cannot be read"):
            ask(path.parent / "file" / ACCOUNTS_NAME)


@pytest.mark.parametrize("step", ["fsync", "replace", "fchmod"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    write_book(path, BOOK)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"accounts_file.os.{step}", fail)
    with pytest.raises(AccountsError, match="No space left on device"):
        write_book(path, NOTHING)
    assert read_book(path)[1] == BOOK
    assert os.listdir(path.parent) == [ACCOUNTS_NAME]


def test_what_a_killed_process_left_half_written_is_no_obstacle(path: Path) -> None:
    path.with_name(f".{ACCOUNTS_NAME}.tmp").write_text("half")
    write_book(path, BOOK)
    assert read_book(path)[1] == BOOK


def test_one_holds_the_book_at_a_time(path: Path) -> None:
    order = []

    def wait_for_it() -> None:
        with hold_book(path):
            order.append("second")

    with hold_book(path):
        waiting = threading.Thread(target=wait_for_it)
        waiting.start()
        waiting.join(0.2)
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]


def test_a_lock_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(AccountsError, match="cannot be written"),
        hold_book(tmp_path / "nowhere" / ACCOUNTS_NAME),
    ):
        pass
