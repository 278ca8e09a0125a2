"""accounts: the password, sessions and tokens, and who is let in with them."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import accounts as room
from accounts import SESSION_IDLE_S, Accounts
from errors import AccountsError, InvalidRequestError, NotFoundError, TooManyAttemptsError

PASSWORD = "correct horse"
DAY_S = 86_400


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(tmp_path: Path, clock: Clock) -> Accounts:
    accounts = Accounts(tmp_path, now=clock)
    accounts.set_password(PASSWORD)
    return accounts


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "accounts.json"


def sign_in(accounts: Accounts, password: str = PASSWORD, **more: str) -> str:
    key = accounts.sign_in(password, "10.0.0.1", **more)
    assert key is not None
    return key


def read(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text())
    return values


def test_without_a_file_there_is_no_password_and_nobody_signs_in(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path)
    assert not accounts.has_password()
    assert accounts.sign_in("", "10.0.0.1") is None
    assert os.listdir(tmp_path) == []


def test_the_right_password_opens_a_session_and_a_wrong_one_none(accounts: Accounts) -> None:
    assert accounts.has_password()
    assert accounts.use_session(sign_in(accounts))
    for wrong in ("", "correct hors", "Correct horse", "correct horse ", "x" * 100_000):
        assert accounts.sign_in(wrong, wrong[:5]) is None


def test_the_same_letters_are_the_same_password_however_they_are_typed(
    accounts: Accounts,
) -> None:
    accounts.set_password("Grüße aus Köln")
    assert accounts.sign_in("Gru\u0308\u00dfe aus Ko\u0308ln", "10.0.0.1")


@pytest.mark.parametrize("password", ["", "1234567", "x" * 1025, "surrogate \ud800"])
def test_a_password_that_will_not_do_changes_nothing(
    accounts: Accounts, path: Path, password: str
) -> None:
    before = path.read_bytes()
    with pytest.raises(InvalidRequestError):
        accounts.set_password(password)
    assert path.read_bytes() == before


def test_no_secret_stands_in_the_file(accounts: Accounts, path: Path) -> None:
    session, token = sign_in(accounts), accounts.add_token("phone")
    text = path.read_text()
    assert not [secret for secret in (PASSWORD, session, token) if secret in text]
    book = read(path)
    assert book["password"].startswith("scrypt:")
    assert book["sessions"][0]["hash"] == hashlib.sha256(session.encode()).hexdigest()
    assert book["tokens"][0]["hash"] == hashlib.sha256(token.encode()).hexdigest()


def test_every_key_is_another_one(accounts: Accounts) -> None:
    keys = {sign_in(accounts) for _ in range(3)} | {accounts.add_token(str(n)) for n in range(3)}
    assert len(keys) == 6
    assert {len(key) for key in keys} == {43}


def test_a_new_session_takes_the_place_of_the_one_the_browser_had(accounts: Accounts) -> None:
    other = sign_in(accounts)
    first = sign_in(accounts)
    second = sign_in(accounts, before=first)
    assert [accounts.use_session(key) for key in (other, first, second)] == [True, False, True]


def test_signing_out_ends_all_sessions_and_no_token(accounts: Accounts) -> None:
    keys, token = [sign_in(accounts), sign_in(accounts)], accounts.add_token("phone")
    accounts.end_sessions()
    assert not any(accounts.use_session(key) for key in keys)
    assert accounts.knows_token(token)


def test_a_new_password_ends_all_sessions_and_the_old_password(accounts: Accounts) -> None:
    key = sign_in(accounts)
    accounts.set_password("battery staple")
    assert not accounts.use_session(key)
    assert accounts.sign_in(PASSWORD, "10.0.0.1") is None
    assert sign_in(accounts, "battery staple")


def test_a_password_that_changes_while_it_is_checked_lets_nobody_in(
    accounts: Accounts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change_meanwhile(*_: object) -> bool:
        Accounts(tmp_path).set_password("battery staple")
        return True

    monkeypatch.setattr(room, "_is_password", change_meanwhile)
    assert accounts.sign_in(PASSWORD, "10.0.0.1") is None


def test_a_session_ends_when_nobody_used_it_for_thirty_days(
    accounts: Accounts, clock: Clock
) -> None:
    used, idle = sign_in(accounts), sign_in(accounts)
    for _ in range(3):
        clock.now += SESSION_IDLE_S - DAY_S
        assert accounts.use_session(used)
    assert not accounts.use_session(idle)
    clock.now += SESSION_IDLE_S + 1
    assert not accounts.use_session(used)


def test_use_is_noted_once_a_day_and_not_with_every_picture(
    accounts: Accounts, clock: Clock, path: Path
) -> None:
    key, before = sign_in(accounts), path.stat().st_ino
    for _ in range(20):
        clock.now += 60
        assert accounts.use_session(key)
    assert path.stat().st_ino == before
    clock.now += 2 * DAY_S
    assert accounts.use_session(key)
    assert read(path)["sessions"][0]["used_at"] == int(clock.now)


def test_a_full_disk_ends_no_session(
    accounts: Accounts, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = sign_in(accounts)
    clock.now += 2 * DAY_S

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("accounts_file.os.replace", fail)
    assert accounts.use_session(key)


def test_ended_and_surplus_sessions_leave_the_file(
    accounts: Accounts, clock: Clock, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_is_password", lambda *_: True)
    sign_in(accounts)
    clock.now += SESSION_IDLE_S + 1
    keys = []
    for _ in range(105):
        clock.now += 1
        keys.append(sign_in(accounts))
    assert len(read(path)["sessions"]) == 100
    assert not accounts.use_session(keys[0])
    assert accounts.use_session(keys[-1])


@pytest.mark.parametrize(
    "key", ["", "x", "\0" * 43, "x" * 43, "x" * 100_000, "é" * 43, "a" * 64, "{hash}"]
)
def test_what_is_no_key_opens_nothing(accounts: Accounts, path: Path, key: str) -> None:
    sign_in(accounts)
    accounts.add_token("phone")
    hashed = read(path)["sessions"][0]["hash"]
    assert not accounts.use_session(key.format(hash=hashed) if "{" in key else key)
    assert not accounts.knows_token(key)


def test_a_session_is_no_token_and_a_token_no_session(accounts: Accounts) -> None:
    session, token = sign_in(accounts), accounts.add_token("phone")
    assert accounts.knows_token(token)
    assert not accounts.knows_token(session)
    assert not accounts.use_session(token)


def test_a_token_has_a_name_of_its_own_and_can_be_revoked(accounts: Accounts, path: Path) -> None:
    phone, backup = accounts.add_token("phone"), accounts.add_token("backup")
    before = path.read_bytes()
    with pytest.raises(InvalidRequestError, match="There is a token 'phone' already"):
        accounts.add_token("phone")
    assert path.read_bytes() == before
    assert [token.name for token in accounts.list_tokens()] == ["phone", "backup"]
    assert accounts.list_tokens()[0].created_at == "2027-01-15T08:00:00+00:00"
    accounts.revoke_token("phone")
    assert (accounts.knows_token(phone), accounts.knows_token(backup)) == (False, True)
    with pytest.raises(NotFoundError):
        accounts.revoke_token("phone")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "\x1b[31m", "x" * 65])
def test_a_name_that_no_list_can_show_is_refused(accounts: Accounts, name: str) -> None:
    with pytest.raises(InvalidRequestError):
        accounts.add_token(name)


def test_another_process_is_noticed_at_once(accounts: Accounts, tmp_path: Path) -> None:
    key = sign_in(accounts)
    other = Accounts(tmp_path)
    token = other.add_token("phone")
    assert accounts.knows_token(token)
    other.set_password("battery staple")
    assert not accounts.use_session(key)
    assert sign_in(accounts, "battery staple")


def test_changes_of_many_at_once_are_all_kept(accounts: Accounts, tmp_path: Path) -> None:
    names = [f"{number:02}" for number in range(12)]
    threads = [
        threading.Thread(target=Accounts(tmp_path).add_token, args=(name,)) for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(token.name for token in accounts.list_tokens()) == names


# -- what is broken opens nothing ----------------------------------------------------------------


def test_damage_closes_everything(accounts: Accounts, path: Path) -> None:
    key, token = sign_in(accounts), accounts.add_token("phone")
    path.write_text("{")
    for ask in (
        accounts.has_password,
        accounts.list_tokens,
        accounts.end_sessions,
        lambda: accounts.use_session(key),
        lambda: accounts.knows_token(token),
        lambda: accounts.sign_in(PASSWORD, "10.0.0.1"),
        lambda: accounts.set_password("battery staple"),
        lambda: accounts.add_token("other"),
    ):
        with pytest.raises(AccountsError, match="is damaged"):
            ask()
    assert path.read_text() == "{"


@pytest.mark.parametrize("deed", ["removed", "emptied", "folder gone"])
def test_a_password_that_vanishes_while_it_runs_opens_nothing(
    accounts: Accounts, path: Path, deed: str
) -> None:
    key = sign_in(accounts)
    if deed == "removed":
        path.unlink()
    elif deed == "emptied":
        path.write_text(json.dumps({"version": 1, "password": None, "sessions": [], "tokens": []}))
    else:
        path.parent.rename(path.parent.with_name("unmounted"))
    for _ in range(2):
        with pytest.raises(AccountsError, match="is gone"):
            accounts.has_password()
        with pytest.raises(AccountsError, match="is gone"):
            accounts.use_session(key)
    if deed != "folder gone":
        Accounts(path.parent).set_password("battery staple")
        assert accounts.has_password()
        assert not accounts.use_session(key)


def test_a_hash_that_cannot_be_checked_is_no_wrong_password(accounts: Accounts, path: Path) -> None:
    book = read(path)
    book["password"] = "scrypt:7:8:1$salt$00"
    path.write_text(json.dumps(book))
    with pytest.raises(AccountsError, match="cannot be checked"):
        accounts.sign_in(PASSWORD, "10.0.0.1")


# -- guesses -------------------------------------------------------------------------------------


def test_after_some_wrong_passwords_even_the_right_one_waits_and_is_not_looked_at(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = []
    monkeypatch.setattr(room, "_is_password", lambda *_: checked.append(1))
    for _ in range(5):
        assert accounts.sign_in("wrong password", "10.0.0.1") is None
    with pytest.raises(TooManyAttemptsError) as caught:
        accounts.sign_in(PASSWORD, "10.0.0.1")
    assert caught.value.retry_after_s == 1
    assert caught.value.status == 429
    assert len(checked) == 5


def test_many_guesses_at_once_are_checked_in_turn_and_stopped_as_soon(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, most, checked, refused = 0, 0, 0, 0
    lock = threading.Lock()

    def check(*_: object) -> bool:
        nonlocal now, most, checked
        with lock:
            now, checked = now + 1, checked + 1
            most = max(most, now)
        time.sleep(0.02)
        with lock:
            now -= 1
        return False

    def guess() -> None:
        nonlocal refused
        try:
            accounts.sign_in("wrong password", "10.0.0.1")
        except TooManyAttemptsError:
            with lock:
                refused += 1

    monkeypatch.setattr(room, "_is_password", check)
    threads = [threading.Thread(target=guess) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, checked, refused) == (1, 5, 15)
