"""log_output: one event a line, in two places, and no secret in either."""

from __future__ import annotations

import json
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import cli
import log_output
from accounts import Accounts
from log_output import ALREADY_SAID, JsonFormatter, LineFormatter, LogOutput, escape
from settings import load_settings

REPOSITORY = Path(log_output.__file__).parent
PASSWORD = "correct horse battery"
WRONG = "an incorrect staple"

logger = logging.getLogger("some_room")


@contextmanager
def logging_to(data_dir: Path | None, *, as_json: bool) -> Iterator[None]:
    output = LogOutput(as_json=as_json)
    try:
        if data_dir:
            output.keep_in(data_dir)
        yield
    finally:
        output.close()


def read_log(data_dir: Path) -> list[str]:
    return (data_dir / "logs" / "lightkeep.log").read_text().splitlines()


def test_an_event_is_one_line_of_json_also_with_a_traceback(tmp_path: Path) -> None:
    with logging_to(tmp_path, as_json=True):
        logger.warning("a name with\na new line: %s", "é")
        try:
            raise ValueError("two\nlines")
        except ValueError:
            logger.exception("it failed")
    plain, failed = map(json.loads, read_log(tmp_path))
    assert (plain["level"], plain["room"]) == ("warning", "some_room")
    assert plain["message"] == "a name with\na new line: é"
    assert plain["time"].endswith("+00:00")
    assert (failed["error"]["type"], failed["error"]["message"]) == ("ValueError", "two\nlines")
    assert "in test_an_event" in failed["error"]["traceback"]


def test_a_name_that_is_no_utf_8_is_a_line_all_the_same() -> None:
    record = logging.LogRecord("room", logging.INFO, "", 1, "bad name %s", ("\udcff",), None)
    line = JsonFormatter().format(record)
    assert line.isascii()
    assert json.loads(line)["message"] == "bad name \udcff"
    assert "\\udcff" in LineFormatter("%(message)s").format(record)


def test_a_plain_line_cannot_be_forged_by_a_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with logging_to(tmp_path, as_json=False):
        logger.warning("bad name: %s", "a.jpg\n2026-01-01 00:00:00 INFO app: all is well\x1b[2J")
    [line] = read_log(tmp_path)
    [shown] = capsys.readouterr().err.splitlines()
    assert "a.jpg\\n2026-01-01" in line
    assert "\x1b" not in line + shown
    assert shown.startswith("lightkeep: bad name: a.jpg\\n")


def test_what_was_said_before_the_library_was_open_is_in_the_file_once(tmp_path: Path) -> None:
    output = LogOutput(as_json=True)
    try:
        logger.info("early")
        output.keep_in(tmp_path)
        logger.info("late")
    finally:
        output.close()
    assert [json.loads(line)["message"] for line in read_log(tmp_path)] == ["early", "late"]


def test_what_the_terminal_has_said_is_no_plain_line_as_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with logging_to(tmp_path, as_json=False):
        logger.info("it shows the library", extra={ALREADY_SAID: True})
    assert capsys.readouterr().err == ""
    assert "it shows the library" in read_log(tmp_path)[0]


def test_the_file_makes_room_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_output, "FILE_BYTES", 1000)
    with logging_to(tmp_path, as_json=True):
        for number in range(200):
            logger.info("event %s", number)
    files = list((tmp_path / "logs").iterdir())
    assert len(files) == 1 + log_output.OLD_FILES
    assert all(file.stat().st_size <= 1000 for file in files)
    assert "event 199" in read_log(tmp_path)[-1]


def test_a_file_that_cannot_be_written_is_said_once_and_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").write_text("in the way")
    with logging_to(tmp_path, as_json=False):
        logger.warning("go on")
    said = capsys.readouterr().err
    assert "cannot be written" in said
    assert "lightkeep: go on" in said


def test_a_disk_that_fills_up_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    output = LogOutput(as_json=True)
    file = log_output._LogFile("/dev/full", maxBytes=0, encoding="utf-8")
    logging.getLogger().addHandler(file)
    try:
        logger.warning("one")
        logger.warning("two")
    finally:
        logging.getLogger().removeHandler(file)
        output.close()
    said = capsys.readouterr().err
    assert said.count("the log file cannot be written") == 1
    assert "two" in said


def test_closing_brings_back_what_was_before() -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), sys.excepthook, threading.excepthook)
    with logging_to(None, as_json=True):
        assert sys.excepthook is not before[2]
    assert (root.level, list(root.handlers), sys.excepthook, threading.excepthook) == before


@pytest.mark.parametrize("in_thread", [False, True])
def test_an_error_that_nobody_catches_is_one_line_of_json(in_thread: bool) -> None:
    fail = "t = threading.Thread(target=fail); t.start(); t.join()" if in_thread else "fail()"
    script = (
        "import threading\nfrom log_output import LogOutput\nLogOutput(as_json=True)\n"
        f"def fail(): raise KeyError('lost')\n{fail}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    [line] = done.stderr.splitlines()
    event = json.loads(line)
    assert (event["level"], event["error"]["type"]) == ("critical", "KeyError")
    assert "in fail" in event["error"]["traceback"]


def test_signs_that_steer_are_escaped_and_others_are_not() -> None:
    assert escape("Grüße 北京.jpg\t\u2028\x07") == "Grüße 北京.jpg\\t\\u2028\\x07"


# -- a server ------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def ask(
    port: int, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        return error.code


def wait_until_served(port: int) -> None:
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        try:
            ask(port, "/healthz")
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("it does not serve")


def test_a_server_logs_json_on_both_places_and_no_secret(tmp_path: Path, home: Path) -> None:
    photos = tmp_path / "photos"
    (photos / ".library").mkdir(parents=True)
    accounts = Accounts(load_settings(photos).data_dir)
    accounts.set_password(PASSWORD)
    token = accounts.add_token("test")
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, cli.__file__, "serve", str(photos), "--port", str(port), "--json-logs"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until_served(port)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        for chosen in (WRONG, PASSWORD):
            ask(port, "/login", f"password={chosen.replace(' ', '+')}".encode(), form)
        bearer = {"Authorization": f"Bearer {token}"}
        assert ask(port, "/api/photos", headers=bearer) == 200
        assert ask(port, f"/api/photos?token={token}") == 401
    finally:
        server.send_signal(signal.SIGTERM)
        printed, said = server.communicate(timeout=60)
    events: list[dict[str, Any]] = [json.loads(line) for line in said.splitlines()]
    messages = [event["message"] for event in events]
    assert printed == ""
    assert any("shows" in message for message in messages)
    assert any("a wrong password came from 127.0.0.1" in message for message in messages)
    assert messages[-1] == "Lightkeep has stopped"
    assert [json.loads(line)["message"] for line in read_log(photos / ".library")] == messages
    for secret in (PASSWORD, WRONG, token, PASSWORD.replace(" ", "+")):
        assert secret not in said


def test_json_logs_can_be_set_in_the_file(tmp_path: Path) -> None:
    (tmp_path / ".library").mkdir()
    (tmp_path / ".library" / "settings.toml").write_text("json_logs = true\n")
    assert load_settings(tmp_path).json_logs
