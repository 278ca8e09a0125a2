"""cli_access: the verbs `password` and `token`."""

from __future__ import annotations

import os
import pty
import re
import sys
from pathlib import Path

import pytest
from terminal_box import run

import cli
from accounts import Accounts
from library import open_library
from settings import load_settings

pytestmark = pytest.mark.usefixtures("home")

PASSWORD = "correct horse"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    return tmp_path / "photos"


def accounts_of(photos: Path) -> Accounts:
    return Accounts(photos / ".library")


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\nanother line\n"])
def test_a_password_is_one_line_of_standard_input(photos: Path, end: bytes) -> None:
    result = run("password", photos, said="größer als acht".encode() + end)
    assert result.returncode == 0, result.stderr
    assert "größer" not in result.stdout + result.stderr
    assert accounts_of(photos).sign_in("größer als acht", "") is not None


@pytest.mark.parametrize("said", [b"", b"\n", b"short\n", b"\xff" * 12 + b"\n", b"x" * 9000])
def test_a_password_that_will_not_do_is_refused_in_a_sentence(photos: Path, said: bytes) -> None:
    result = run("password", photos, said=said)
    assert result.returncode == 2
    assert "Nothing was changed." in result.stderr
    assert "Traceback" not in result.stderr
    assert not accounts_of(photos).has_password()


@pytest.mark.parametrize(
    ("again", "status", "sentence"),
    [(PASSWORD, 0, "is set"), ("correct house", 2, "not the same")],
)
def test_a_terminal_is_asked_twice_and_shows_nothing(
    photos: Path, again: str, status: int, sentence: str
) -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, cli.__file__, "password", str(photos)])
    shown = b""
    for prompt, answer in ((b"New password: ", PASSWORD), (b"The same again: ", again)):
        while not shown.endswith(prompt):
            shown += os.read(terminal, 1)
        os.write(terminal, answer.encode() + b"\n")
    try:
        while chunk := os.read(terminal, 1000):
            shown += chunk
    except OSError:
        pass  # the other end is closed
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == status
    assert sentence in shown.decode()
    assert PASSWORD not in shown.decode()
    assert accounts_of(photos).has_password() == (status == 0)


def test_a_token_stands_alone_on_standard_output_and_only_once(photos: Path) -> None:
    result = run("token", photos, "phone")
    assert result.returncode == 0
    assert re.fullmatch(r"[\w-]{43}\n", result.stdout)
    assert accounts_of(photos).knows_token(result.stdout.strip())
    again = run("token", photos, "phone")
    assert (again.returncode, again.stdout) == (2, "")
    assert "There is a token 'phone' already" in again.stderr


def test_tokens_are_listed_by_name_and_revoked(photos: Path) -> None:
    keys = [run("token", photos, name).stdout.strip() for name in ("phone", "backup")]
    listed = run("token", photos)
    assert [line.split("\t")[0] for line in listed.stdout.splitlines()] == ["phone", "backup"]
    assert not any(key in listed.stdout for key in keys)
    assert run("token", photos, "phone", "--revoke").returncode == 0
    known = [accounts_of(photos).knows_token(key) for key in keys]
    assert known == [False, True]
    for words in (("phone", "--revoke"), ("--revoke",)):
        result = run("token", photos, *words)
        assert (result.returncode, result.stdout) == (2, "")
        assert "token" in result.stderr


@pytest.mark.parametrize("place", ["before", "behind"])
def test_the_data_folder_can_be_elsewhere(photos: Path, tmp_path: Path, place: str) -> None:
    option = ("--data-dir", tmp_path / "data")
    for verb in (("password", photos), ("token", photos, "phone")):
        words = (*option, *verb) if place == "before" else (*verb, *option)
        assert run(*words, said=PASSWORD.encode()).returncode == 0
    assert Accounts(tmp_path / "data").sign_in(PASSWORD, "") is not None
    assert not accounts_of(photos).has_password()


def test_both_work_while_the_library_is_served_and_count_at_once(photos: Path) -> None:
    library = open_library(load_settings(photos))
    try:
        assert not library.accounts.has_password()
        assert run("password", photos, said=PASSWORD.encode()).returncode == 0
        assert library.accounts.has_password()
        assert library.accounts.knows_token(run("token", photos, "phone").stdout.strip())
    finally:
        library.close()


def test_a_folder_that_is_none_and_a_library_that_is_not_mounted_get_no_password(
    photos: Path,
) -> None:
    assert "There is no folder" in run("password", photos / "typo", said=b"12345678").stderr
    open_library(load_settings(photos)).close()
    (photos / ".library").rename(photos.parent / "aside")
    result = run("password", photos, said=PASSWORD.encode())
    assert result.returncode == 2
    assert "not mounted" in result.stderr
    assert list(photos.iterdir()) == []


def test_serving_others_needs_a_password_and_the_refusal_names_the_command(
    photos: Path, tmp_path: Path
) -> None:
    for host in ("0.0.0.0", "::", "", "192.168.1.5", "nas.local", "localhost.evil.com"):
        result = run("serve", photos, "--host", host, "--data-dir", tmp_path / "my data")
        assert result.returncode == 2, host
        command = f"./lightkeep password {photos} --data-dir '{tmp_path}/my data'"
        assert command in result.stderr
    assert not (tmp_path / "my data").exists()


def test_a_damaged_password_file_is_said_at_the_start_and_never_written_over(
    photos: Path,
) -> None:
    (photos / ".library").mkdir()
    (photos / ".library/accounts.json").write_text("{")
    for verb in ("serve", "password", "token"):
        result = run(verb, photos, said=PASSWORD.encode())
        assert result.returncode == 2
        assert "is damaged" in result.stderr
    assert (photos / ".library/accounts.json").read_text() == "{"
