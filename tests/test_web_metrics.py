"""web/metrics: what Prometheus reads of the library and its requests."""

from __future__ import annotations

import dataclasses
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pictures import make_jpeg
from prometheus_client.parser import text_string_to_metric_families

from app import create_app
from db import Database
from library import Library, open_library
from operation_state import OperationType
from settings import load_settings

PASSWORD = "correct horse"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def opened(tmp_path: Path, home: Path) -> Iterator[Library]:
    for number in range(3):
        make_jpeg(home / f"photos/{number}.jpg", number, date="2019:07:14 18:03:22", rating=5)
    opened = open_library(load_settings(home / "photos"))
    opened.runner.wait(opened.start_update_index(), timeout=30)
    yield opened
    opened.close()


@pytest.fixture
def app(opened: Library) -> Flask:
    return create_app(library=opened)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def look(client: FlaskClient) -> Samples:
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == "text/plain"
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def find(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"lightkeep_{name}", tuple(sorted(labels.items()))]


def test_it_tells_of_photos_and_operations(client: FlaskClient, opened: Library) -> None:
    (opened.settings.library / "2.jpg").unlink()
    opened.runner.wait(opened.start_update_index(), timeout=30)
    samples = look(client)
    assert find(samples, "photos") == find(samples, "photos_favorite") == 2
    assert find(samples, "photos_missing") == 1
    assert find(samples, "operations", type="update_index", status="completed") == 2


def test_it_tells_what_the_last_run_took_by_phase(client: FlaskClient, opened: Library) -> None:
    samples = look(client)
    for phase in ("walk", "read", "hash", "tags"):
        assert find(samples, "last_run_files", type="update_index", phase=phase) == 3, phase
        assert find(samples, "last_run_seconds", type="update_index", phase=phase) >= 0
    size = sum(path.stat().st_size for path in opened.settings.library.glob("*.jpg"))
    assert find(samples, "last_run_bytes", type="update_index", phase="hash") == size
    assert find(samples, "last_run_files_per_second", type="update_index", phase="read") > 0
    assert find(samples, "last_run_calls", type="update_index", phase="database") > 0
    opened.runner.wait(opened.start_update_index(), timeout=30)
    assert find(look(client), "last_run_files", type="update_index", phase="read") == 0


def test_counts_of_the_cache_do_not_go_back_with_the_next_index(
    client: FlaskClient, opened: Library
) -> None:
    assert find(look(client), "hash_cache_misses_total") == 3
    opened.runner.wait(opened.start_update_index(), timeout=30)
    samples = look(client)
    assert find(samples, "hash_cache_misses_total") == 3
    assert find(samples, "hash_cache_hits_total", level="row") == 3


def test_it_tells_of_workers_pictures_and_exiftool(client: FlaskClient, opened: Library) -> None:
    assert client.get("/api/photo/1/thumbnail").status_code == 200
    assert client.get("/api/photo/1/thumbnail").status_code == 200
    samples = look(client)
    assert find(samples, "workers", state="most") == opened.pool.workers
    assert 1 <= find(samples, "workers", state="started") <= opened.pool.workers
    assert find(samples, "worker_queue") >= 0
    assert find(samples, "thumbnails_served_total") == 2
    assert find(samples, "thumbnails_drawn_total") >= 1
    assert find(samples, "thumbnails_drawing_seconds_total") > 0
    assert find(samples, "exiftool_calls_total") == find(samples, "exiftool_restarts_total") == 0


def test_requests_are_counted_by_route_and_status(client: FlaskClient) -> None:
    for address in ("/api/photo/1", "/api/photo/2", "/api/photo/987", "/nowhere", "/elsewhere/x"):
        client.get(address)
    client.open("/", method="BREW")
    samples = look(client)
    route = "/api/photo/<int:photo_id>"
    assert find(samples, "http_requests_total", route=route, method="GET", status="200") == 2
    assert find(samples, "http_requests_total", route=route, method="GET", status="404") == 1
    assert find(samples, "http_requests_total", route="(none)", method="GET", status="404") == 2
    refused = {"route": "(none)", "method": "(other)", "status": "405"}
    assert find(samples, "http_requests_total", **refused) == 1
    assert find(samples, "http_request_seconds_count", route=route) == 3
    assert find(samples, "http_request_seconds_bucket", route=route, le="+Inf") == 3
    assert find(samples, "http_request_seconds_sum", route=route) > 0


def test_two_applications_count_for_themselves(opened: Library) -> None:
    first, second = (create_app(library=opened).test_client() for _ in range(2))
    first.get("/api/photo/1")
    look(first)
    route = ("route", "/api/photo/<int:photo_id>")
    assert [name for name, labels in look(first) if route in labels]
    assert not [name for name, labels in look(second) if route in labels]


def test_looking_changes_nothing(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    looking, write = threading.get_ident(), Database.transaction

    def refuse_here(database: Database) -> AbstractContextManager[sqlite3.Connection]:
        assert threading.get_ident() != looking  # colors of pictures may come meanwhile
        return write(database)

    monkeypatch.setattr(Database, "transaction", refuse_here)
    look(client)
    look(client)


def test_it_answers_while_an_operation_runs(client: FlaskClient, opened: Library) -> None:
    release = threading.Event()

    def deed(_: object) -> dict[str, object]:
        release.wait(10)
        return {}

    operation_id = opened.runner.start(OperationType.UPDATE_INDEX, deed)
    try:
        for _ in range(100):
            samples = look(client)
            running = ("lightkeep_operations", (("status", "running"), ("type", "update_index")))
            if samples.get(running) == 1:
                break
        assert samples[running] == 1
    finally:
        release.set()
        opened.runner.wait(operation_id, timeout=10)


def test_with_a_password_a_token_or_a_session_is_needed(app: Flask, opened: Library) -> None:
    opened.accounts.set_password(PASSWORD)
    token = opened.accounts.add_token("prometheus")
    client = app.test_client()
    accept = {"Accept": "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"}
    refused = client.get("/metrics", headers=accept)
    assert (refused.status_code, refused.mimetype) == (401, "application/json")
    assert "lightkeep_" not in refused.text
    bearer = {"Authorization": f"Bearer {token}"}
    assert "lightkeep_photos 3.0" in client.get("/metrics", headers=accept | bearer).text
    wrong = {"Authorization": "Bearer x"}
    assert client.get("/metrics", headers=accept | wrong).status_code == 401


def test_beyond_this_machine_nothing_is_told_without_a_password(
    app: Flask, opened: Library
) -> None:
    opened.settings = dataclasses.replace(opened.settings, host="0.0.0.0")
    assert app.test_client().get("/metrics").status_code == 403
