"""web/performance and web/charts: what the page of figures draws, in words and in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from flask.testing import FlaskClient
from page_box import launch, open_window, serve
from pictures import make_jpeg

import operation_state
from app import create_app
from library import Library, open_library
from operation_state import Operation, OperationStatus, OperationType
from settings import load_settings
from web.charts import choose_chart, make_bar, make_rate_chart


def make_operation(metrics: dict[str, Any]) -> Operation:
    moment = "2026-07-14T18:03:22.000000+00:00"
    return Operation(
        "id", "update_index", OperationStatus.COMPLETED, moment, moment, {}, metrics, None
    )


def phase(seconds: float, files: int = 0) -> dict[str, Any]:
    rate = files / seconds if seconds else 0.0
    return {"files": files, "bytes": 0, "seconds": seconds, "cache_hits": 0, "files_per_s": rate}


METRICS: dict[str, Any] = {
    "walk": phase(1.0, 400),
    "read": phase(3.0, 400),
    "mending": phase(0.0),
    "hash": phase(5.0, 400) | {"calls": 0},
    "samples": [
        *([0.0, "walk", 0], [1.0, "walk", 400], [1.0, "read", 0]),
        *([2.0, "read", 100], [3.0, "read", 300], [4.0, "read", 400]),
    ],
}


# -- in numbers ----------------------------------------------------------------------------------


def test_the_parts_of_a_bar_are_shares_of_the_phases_and_fill_it() -> None:
    bar = make_bar(make_operation(METRICS))
    assert bar is not None
    assert bar.seconds == 4.0
    assert [(one.phase, one.left, one.width) for one in bar.parts] == [
        ("walk", 0.0, 25.0),
        ("read", 25.0, 75.0),
    ]


def test_a_phase_of_another_version_has_the_color_of_all_others() -> None:
    bar = make_bar(make_operation({"scanning": phase(2.0)}))
    assert bar is not None
    assert [(one.phase, one.color) for one in bar.parts] == [("scanning", "other")]


@pytest.mark.parametrize("metrics", [{}, {"read": phase(0.0)}, {"samples": [[0.0, "read", 0]]}])
def test_what_took_no_time_has_neither_bar_nor_chart(metrics: dict[str, Any]) -> None:
    assert make_bar(make_operation(metrics)) is None
    assert make_rate_chart(make_operation(metrics)) is None


def test_a_chart_is_of_the_longest_phase_and_keeps_its_sums() -> None:
    chart = make_rate_chart(make_operation(METRICS))
    assert chart is not None
    assert (chart.phase, chart.seconds) == ("read", 3.0)
    assert (chart.most, round(chart.mean)) == (200.0, 133)
    assert chart.points == "0,50 33.33,50 33.33,0 66.67,0 66.67,50 100,50"
    assert chart.area == f"0,100 {chart.points} 100,100"
    assert sum(step.files for step in chart.rows) == 400


def test_the_table_of_a_long_chart_is_short_and_says_the_same() -> None:
    samples = [[second / 4, "read", second * 25] for second in range(161)]
    chart = make_rate_chart(make_operation({"samples": samples}))
    assert chart is not None
    assert len(chart.rows) == 10
    assert sum(step.files for step in chart.rows) == 4_000
    assert (chart.rows[0].begins_s, chart.rows[-1].ends_s) == (0.0, 40.0)


def test_a_phase_that_began_again_makes_no_step_backwards() -> None:
    again = [[5.0, "read", 0], [6.0, "read", 50], [7.0, "read", 100]]
    chart = make_rate_chart(make_operation({"samples": METRICS["samples"] + again}))
    assert chart is not None
    assert min(step.files_per_s for step in chart.steps) >= 0


def test_the_chart_is_of_what_runs_else_of_the_newest_that_says_much() -> None:
    few = {"samples": [[at, "edit", round(at)] for at in (0.0, 1.0, 2.0, 3.0)]}
    newest, older = make_operation(few), make_operation(METRICS)
    assert choose_chart([newest, older]) == make_rate_chart(older)
    assert choose_chart([newest]) == make_rate_chart(newest)
    running = replace(newest, status=OperationStatus.RUNNING)
    assert choose_chart([older, running]) == make_rate_chart(running)
    assert choose_chart([]) is None


# -- on the page ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.delenv("LIGHTKEEP_DATA_DIR", raising=False)
        make_jpeg(home / "photos/<b>&.jpg", 1)
        opened = open_library(load_settings(home / "photos"))
        yield opened
        opened.close()


@pytest.fixture
def client(opened: Library) -> FlaskClient:
    return create_app(library=opened).test_client()


def add_run(opened: Library, metrics: dict[str, Any], operation_type: OperationType) -> str:
    with opened.database.transaction() as connection:
        made = operation_state.create_operation(connection, operation_type)
        operation_state.set_status(connection, made.operation_id, OperationStatus.RUNNING)
        operation_state.save_checkpoint(connection, made.operation_id, {}, metrics)
        operation_state.set_status(connection, made.operation_id, OperationStatus.COMPLETED)
    return made.operation_id


def list_drawings(page: str) -> list[ElementTree.Element]:
    return [
        ElementTree.fromstring(one) for one in re.findall(r"<svg class.+?</svg>", page, re.DOTALL)
    ]


def test_without_operations_it_says_so(client: FlaskClient) -> None:
    page = client.get("/performance").text
    assert "None has been timed yet." in page
    assert "rate-drawing" not in page


def test_it_draws_bars_and_a_rate_with_words_for_those_who_do_not_see_them(
    client: FlaskClient, opened: Library
) -> None:
    chosen = add_run(opened, METRICS, OperationType.UPDATE_INDEX)
    add_run(opened, {"verify": phase(0.5, 10)}, OperationType.VERIFY_LIBRARY)
    page = client.get("/performance").text
    rate, *rest = [one for one in list_drawings(page) if one.get("role") == "img"]
    assert len(rest) == 2
    title = rate.find("title")
    assert title is not None
    assert title.text == "Files a second over 3 seconds: 133 on average, 200 at most."
    assert rate.get("aria-labelledby") == title.get("id")
    assert [one.get("aria-label") for one in rest] == [
        "reading files again 0.5 seconds",
        "looking through the folders 1.0 seconds, reading files 3.0 seconds",
    ]
    assert "reading files: 3.00 s, 400 files, 133 a second" in page
    assert f"/operations/{chosen}/report" in page
    assert page.count("<table>") == 1


def test_it_has_no_style_of_its_own_and_stands_in_the_menus(client: FlaskClient) -> None:
    answer = client.get("/performance")
    assert "style=" not in answer.text
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    for address in ("/", "/operations"):
        assert 'href="/performance"' in client.get(address).text
    assert 'href="/metrics"' in answer.text


def test_every_phase_has_its_color(client: FlaskClient) -> None:
    folder = client.application.static_folder
    assert folder is not None
    css = Path(folder, "css/performance.css").read_text()
    drawn = set(re.findall(r'class="phase-(\w+)"', client.get("/performance").text))
    assert drawn >= {"walk", "read", "verify"}
    for color in drawn:
        assert f".phase-{color} " in css


def test_a_running_operation_is_drawn_as_far_as_it_is(client: FlaskClient, opened: Library) -> None:
    for number in range(2, 5):
        make_jpeg(opened.settings.library / f"{number}.jpg", number)
    opened.runner.wait(opened.start_update_index(), timeout=30)
    page = client.get("/performance").text
    assert page.count('class="bar-drawing"') >= 1
    assert "Update of the index" in page


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (390, "dark")])
def test_in_a_browser_it_fits_the_screen_and_can_be_read(
    tmp_path: Path, home: Path, width: int, scheme: str
) -> None:
    make_jpeg(home / "photos/a.jpg", 1)
    library = open_library(load_settings(home / "photos"))
    add_run(library, METRICS, OperationType.UPDATE_INDEX)
    address, stop = serve(library)
    try:
        with launch() as browser, open_window(browser) as window:
            page = window.page
            page.set_viewport_size({"width": width, "height": 844})
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            page.goto(f"{address}/performance")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            bar = page.locator(".bar-drawing").first.bounding_box()
            chart = page.locator(".rate-drawing").bounding_box()
            assert bar is not None
            assert chart is not None
            assert bar["width"] > width * 0.6
            assert chart["height"] > 100
            fills = page.eval_on_selector_all(
                ".bar-drawing rect", "all => all.map(one => getComputedStyle(one).fill)"
            )
            assert len(set(fills)) == 2
            assert "rgb(0, 0, 0)" not in fills
            assert not window.complaints
    finally:
        stop()
