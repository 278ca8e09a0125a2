"""The API against its own document: thousands of requests, right and wrong, and what they give."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import schemathesis
from api_box import ask_from_this_machine, open_box
from flask import Flask
from hypothesis import strategies
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events

import catalog
from app import create_app
from catalog import Photo, describe_photo
from errors import EditRefusedError
from library import Library
from photo_filter import PhotoFilter
from photo_listing import list_photos

SEED = 20261123
EXAMPLES = 15
ACCEPTED = ["2xx", "3xx", "401", "403", "404", "409", "5xx"]
# A request may be well formed and still ask for what there is not.
ALSO_RIGHT = {
    "send_original": ["416"],  # a part beyond the end of the file
    "send_thumbnail": ["416", "422"],  # also of a photo whose file is not there
    "send_preview": ["416", "422"],
    "change_dates": ["400"],  # words that are no date
    "cancel_operation": ["400"],  # of an operation that has ended
    "answer_interrupted": ["400"],
    "start_operation": ["400"],  # an import of nothing, a plan of what has none
    "receive_files": ["400"],  # ids that do not go with the files, pieces that do not fit
    "merge_duplicates": ["400"],  # to keep and to trash the same photo
    "send_trashed_thumbnail": ["422"],
}


@dataclass
class Found:
    """What a run saw: failures in words, and the statuses of each operation."""

    failures: set[str] = field(default_factory=set)
    statuses: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    requests: int = 0


def fuzz(app: Flask, *, examples: int, only: str = ".*") -> Found:
    """All phases and all checks of schemathesis: examples, bounds, random data, chains of calls."""
    config = SchemathesisConfig.from_dict(
        {
            "seed": SEED,
            "continue-on-failure": True,
            "generation": {"max-examples": examples, "deterministic": True, "database": "none"},
            "operations": [
                {
                    "include-operation-id": name,
                    "checks": {"positive_data_acceptance": {"expected-statuses": ACCEPTED + more}},
                }
                for name, more in ALSO_RIGHT.items()
            ],
        }
    )
    schema = schemathesis.openapi.from_wsgi(
        "/api/openapi.json", ask_from_this_machine(app), config=config
    )
    schema.location = None  # else the document itself would not be asked for
    found = Found()
    for event in engine.from_schema(schema.include(operation_id_regex=only)).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            found.failures.add(repr(event))
        if isinstance(event, events.ScenarioFinished):
            recorder = event.recorder
            for case_id, interaction in recorder.interactions.items():
                found.requests += 1
                if interaction.response is not None:
                    label = recorder.cases[case_id].value.operation.label
                    found.statuses[label].add(interaction.response.status_code)
            for checks in recorder.checks.values():
                for check in checks:
                    if check.failure_info:
                        failure = check.failure_info.failure
                        words = f"{failure.operation}: {check.name}: {failure.message}"
                        found.failures.add(f"{words}\n{check.failure_info.code_sample}")
    return found


@pytest.fixture
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """A library of its own: requests rate its photos, rebuild its database and take edits back."""
    with open_box(tmp_path_factory.mktemp("home")) as opened:
        with opened.database.reading() as connection:
            pages = [
                list_photos(
                    connection, cursor=None, limit=limit, photo_filter=PhotoFilter(companions=True)
                )
                for limit in (1, 2, 3)
            ]
        cursors = [page.next_cursor for page in pages if page.next_cursor]
        schemathesis.openapi.format("cursor", strategies.sampled_from(cursors))
        yield opened


def test_nothing_that_is_asked_makes_the_api_break_its_word(opened: Library) -> None:
    app = create_app(library=opened)
    found = fuzz(app, examples=EXAMPLES)
    assert not found.failures, "\n\n".join(sorted(found.failures))
    assert found.requests > 500
    asked = {re.sub(r"\{\w+\}", "{}", label) for label in found.statuses}
    assert asked == {
        f"{method} {re.sub('<[^>]+>', '{}', rule.rule)}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/") or rule.rule in ("/healthz", "/metrics")
    }
    # What is only ever refused would hide what it answers.
    refused = {
        label for label, statuses in found.statuses.items() if not any(s < 300 for s in statuses)
    }
    assert refused <= {"POST /api/operations/{operation_id}/{deed}"}, refused


def test_a_broken_promise_is_noticed(opened: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    def describe(photo: Photo) -> dict[str, object]:
        return describe_photo(photo) | {"rating": "five"}

    def refuse(*_: object, **__: object) -> str:
        raise EditRefusedError("The photos stay, so that there are some to be described.")

    monkeypatch.setattr(catalog, "describe_photo", describe)
    monkeypatch.setattr(Library, "start_trash", refuse)
    found = fuzz(create_app(library=opened), examples=3, only="list_photos")
    assert any("response_schema_conformance" in words for words in found.failures)
