"""The star, the selection and the favorites in Chromium: what a person sees and does."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from page_box import Window, index, launch, list_grave, open_window, serve, wait
from pictures import make_jpeg
from playwright.sync_api import Browser, Locator, Page, Request, Route, expect
from rows import make_record

import catalog
from library import Library, open_library
from operation_runner import Deed, OperationContext
from operation_state import OperationType
from settings import load_settings

pytestmark = pytest.mark.browser

PHOTOS = 60
CROWD = 2000
FOUR_STARS = 4  # the cell of 055.jpg
FULL = '{"error": {"code": "disk_full", "message": "The disk is full."}}'
WATCH_SHIFTS = """() => {
  window.shift = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.shift += entry.value;
  }).observe({ type: 'layout-shift', buffered: true });
}"""


@dataclass(frozen=True, slots=True)
class Site:
    """A served library."""

    url: str
    library: Library

    def ratings(self) -> dict[int, int | None]:
        """What the rows say, by id."""
        with self.library.database.reading() as connection:
            return {photo.id: photo.rating for photo in catalog.iterate_photos(connection)}

    def favorites(self) -> set[int]:
        return {photo_id for photo_id, rating in self.ratings().items() if rating == 5}


@pytest.fixture(scope="module")
def module_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of its own for what this user remembers."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("HOME", str(home))
        patch.delenv("XDG_STATE_HOME", raising=False)
        yield home


def _open(library: Library) -> Iterator[Site]:
    url, stop = serve(library)
    yield Site(url, library)
    stop()


@pytest.fixture(scope="module")
def indexed(module_home: Path) -> Path:
    """60 photos in 20 months of ten years; the first of every second month is a favorite."""
    root = module_home / "indexed"
    for number in range(PHOTOS):
        month, day = number // 3, number % 3 + 1
        make_jpeg(
            root / f"{number:03}.jpg",
            number,
            date=f"{2010 + month // 2}:{(month % 2) * 6 + 1:02}:{day:02} 12:00:00",
            rating=5 if number % 6 == 0 else 4 if number % 6 == 1 else None,
        )
    library = open_library(load_settings(root))
    index(library)
    library.close()
    return root


@pytest.fixture
def site(indexed: Path, tmp_path: Path) -> Iterator[Site]:
    """A copy of that library, for one test."""
    yield from _open(open_library(load_settings(shutil.copytree(indexed, tmp_path / "photos"))))


@pytest.fixture(scope="module")
def crowd(module_home: Path) -> Iterator[Site]:
    """2,000 rows without files in eight months: most blocks are never filled."""
    (module_home / "crowd").mkdir()
    library = open_library(load_settings(module_home / "crowd"))
    with library.database.transaction() as connection:
        records = (
            make_record(
                f"{number}.jpg", f"2020-{number // 250 + 1:02}-01T00:{number % 250 // 60:02}:00"
            )
            for number in range(CROWD)
        )
        catalog.insert_photos(connection, records, "2026-01-01")
    yield from _open(library)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch() as browser:
        yield browser


@pytest.fixture
def window(browser: Browser) -> Iterator[Window]:
    with open_window(browser) as window:
        window.page.set_default_timeout(8000)
        yield window


def star_of(page: Page, number: int) -> Locator:
    return page.locator(".cell").nth(number).locator(".cell-star")


def link_of(page: Page, number: int) -> Locator:
    return page.locator(".cell a").nth(number)


def id_of(page: Page, number: int) -> int:
    return int(link_of(page, number).get_attribute("data-photo") or 0)


def expect_pressed(star: Locator, pressed: bool) -> None:
    expect(star).to_have_attribute("aria-pressed", str(pressed).lower())


def toast(page: Page, words: str) -> Locator:
    return page.locator(".toast", has_text=words)


# -- the star ----------------------------------------------------------------------------------


def test_a_star_pressed_with_the_mouse_is_kept_and_can_be_undone(
    window: Window, site: Site
) -> None:
    page = window.page
    page.goto(site.url)
    photo = id_of(page, 0)
    expect(star_of(page, 0)).to_have_css("opacity", "0")
    link_of(page, 0).hover()
    star_of(page, 0).click()
    expect_pressed(star_of(page, 0), True)
    toast(page, "Added to favorites").wait_for()
    assert page.locator("dialog[open]").count() == 0
    assert photo in site.favorites()
    expect(star_of(page, 0)).to_have_attribute("title", "Remove from favorites (f)")
    assert ", favorite," in (link_of(page, 0).get_attribute("aria-label") or "")
    page.reload()
    expect_pressed(star_of(page, 0), True)
    page.mouse.move(0, 0)
    expect(star_of(page, 0)).to_have_css("opacity", "1")
    star_of(page, 0).click()
    toast(page, "Removed from favorites").get_by_role("button", name="Undo").click()
    toast(page, "Undone").wait_for()
    expect_pressed(star_of(page, 0), True)
    assert photo in site.favorites()
    assert window.complaints == []


def test_a_star_is_set_and_undone_by_keys_alone(window: Window, site: Site) -> None:
    page = window.page
    page.goto(site.url)
    link_of(page, 0).focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("f")
    toast(page, "Added to favorites").wait_for()
    photo = id_of(page, FOUR_STARS)
    assert photo in site.favorites()
    assert page.evaluate("Number(document.activeElement.dataset.photo)") == photo
    page.keyboard.press("u")
    toast(page, "Undone").wait_for()
    expect_pressed(star_of(page, FOUR_STARS), False)
    assert site.ratings()[photo] == 4
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "cell-star"
    page.keyboard.press("Enter")
    toast(page, "Added to favorites").wait_for()
    page.keyboard.press("Control+z")
    toast(page, "Undone").wait_for()
    assert site.ratings()[photo] == 4


def test_taking_a_star_away_gives_back_the_rating_before_it(window: Window, site: Site) -> None:
    page = window.page
    page.goto(site.url)
    link_of(page, FOUR_STARS).hover()
    star_of(page, FOUR_STARS).click()
    toast(page, "Added to favorites").wait_for()
    star_of(page, FOUR_STARS).click()
    toast(page, "Removed from favorites, 4 stars again").wait_for()
    assert site.ratings()[id_of(page, FOUR_STARS)] == 4
    assert page.locator(".toast").count() == 1


def test_a_star_that_cannot_be_written_goes_back_and_says_why(window: Window, site: Site) -> None:
    page = window.page
    page.goto(site.url)
    held: list[Route] = []
    page.route("**/favorite", lambda route: held.append(route))
    link_of(page, 0).focus()
    page.keyboard.press("f")
    expect_pressed(star_of(page, 0), True)  # it answers at once
    held.pop().fulfill(status=507, content_type="application/json", body=FULL)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("059.jpg was not changed. The disk is full.")
    expect_pressed(star_of(page, 0), False)
    page.unroute("**/favorite")
    page.route("**/favorite", lambda route: route.abort())
    page.keyboard.press("f")
    expect(alert).to_contain_text("Lightkeep does not answer. Nothing is lost")
    expect_pressed(star_of(page, 0), False)
    page.wait_for_timeout(300)
    page.locator(".toast").get_by_role("button", name="Close").click()
    assert page.locator(".toast").count() == 0


def test_quick_presses_end_in_the_last_wish_and_never_overlap(window: Window, site: Site) -> None:
    page = window.page
    page.goto(site.url)
    under_way = 0
    most = 0

    def slow(route: Route) -> None:
        page.wait_for_timeout(60)
        route.continue_()

    def began(request: Request) -> None:
        nonlocal under_way, most
        if request.url.endswith("/favorite"):
            under_way += 1
            most = max(most, under_way)

    def ended(request: Request) -> None:
        nonlocal under_way
        under_way -= request.url.endswith("/favorite")

    page.on("request", began)
    page.on("requestfinished", ended)
    page.route("**/favorite", slow)
    link_of(page, 0).focus()
    for _ in range(7):
        page.keyboard.press("f")
    expect_pressed(star_of(page, 0), True)
    toast(page, "Added to favorites").wait_for()
    assert id_of(page, 0) in site.favorites()
    for _ in range(6):
        page.keyboard.press("f")
    quiet = 0
    while quiet < 7:
        page.wait_for_timeout(100)
        quiet = 0 if under_way else quiet + 1
    expect_pressed(star_of(page, 0), True)
    assert id_of(page, 0) in site.favorites()
    assert most == 1


def test_a_phone_shows_set_stars_only_and_a_touch_beside_one_opens_the_photo(
    browser: Browser, site: Site
) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.goto(site.url)
    favorite = page.locator('.cell-star[aria-pressed="true"]').first
    box = favorite.bounding_box()
    assert box
    assert (box["width"], box["height"]) == (44, 44)
    expect(star_of(page, 0)).to_have_css("opacity", "0")
    corner = page.locator(".cell").first.bounding_box()
    assert corner
    page.touchscreen.tap(corner["x"] + 15, corner["y"] + corner["height"] - 15)
    page.wait_for_selector("dialog[open] .viewer-star")
    page.locator(".viewer-star").tap()
    toast(page, "Added to favorites").wait_for()
    page.locator("dialog [data-close]").tap()
    page.wait_for_selector("dialog[open]", state="detached")
    expect_pressed(star_of(page, 0), True)
    expect(toast(page, "Added to favorites")).to_be_visible()
    context.close()


# -- the viewer --------------------------------------------------------------------------------


def test_the_viewer_rates_by_keys_and_stars_and_the_picture_stays(
    window: Window, site: Site
) -> None:
    page = window.page
    page.goto(site.url)
    photo = id_of(page, 0)
    link_of(page, 0).click()
    wait(page, "() => document.querySelector('dialog [data-picture]')?.naturalWidth")
    page.evaluate("() => (document.querySelector('[data-picture]').kept = true)")
    page.keyboard.press("3")
    panel = page.locator("dialog .viewer-panel")
    expect(panel).to_contain_text("3 stars, kept in the file")
    expect(panel.locator(".rating-star.lit")).to_have_count(3)
    assert site.ratings()[photo] == 3
    panel.get_by_role("button", name="4 stars").click()
    expect(panel).to_contain_text("4 stars, kept in the file")
    assert page.evaluate("document.activeElement.dataset.number") == "4"
    panel.get_by_role("button", name="4 stars").click()  # its own star clears
    expect(panel).to_contain_text("None in the file")
    page.keyboard.press("f")
    expect_pressed(page.locator(".viewer-star"), True)
    expect(panel).to_contain_text("Favorite, kept in the file")
    page.keyboard.press("0")
    expect(panel).to_contain_text("None in the file")
    page.keyboard.press("5")
    expect(panel).to_contain_text("Favorite, kept in the file")
    assert page.evaluate("() => document.querySelector('[data-picture]').kept")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog[open]", state="detached")
    expect_pressed(star_of(page, 0), True)
    assert window.complaints == []


def test_a_rating_of_the_database_alone_is_said_and_can_be_written(
    window: Window, site: Site
) -> None:
    with site.library.database.transaction() as connection:
        connection.execute("UPDATE photos SET rating = 4, kept_in = 'database' WHERE id = 2")
    page = window.page
    page.goto(f"{site.url}/photo/2")
    panel = page.locator(".viewer-panel")
    expect(panel).to_contain_text("4 stars, kept in the database only")
    page.get_by_role("button", name="Write into the file").click()
    toast(page, "Kept with the photo now").wait_for()
    expect(panel).to_contain_text("4 stars, kept in the file")
    assert page.get_by_role("button", name="Write into the file").count() == 0


def test_without_javascript_a_form_sets_the_star_and_comes_back(
    browser: Browser, site: Site
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}/photo/3")
    page.get_by_role("button", name="Favorite: 002.jpg").click()
    assert page.url == f"{site.url}/photo/3"
    expect_pressed(page.locator(".viewer-star"), True)
    page.get_by_role("button", name="2 stars").click()
    assert site.ratings()[3] == 2
    page.goto(f"{site.url}/months/2019-07")
    star_of(page, 0).focus()
    page.locator(".cell").first.hover()
    star_of(page, 0).click()
    assert page.url == f"{site.url}/months/2019-07"
    expect_pressed(star_of(page, 0), True)
    assert page.locator(".cell-check").first.is_hidden()
    context.close()


# -- favorites ---------------------------------------------------------------------------------

MONTH_AT_TOP = """() => [...document.querySelectorAll('.month')].findLast(
  (month) => month.getBoundingClientRect().top <= 90
).id"""


def show(page: Page, name: str) -> None:
    """Press an item of the menu; Playwright's own click scrolls the page under a sticky bar."""
    for part in (page.locator("[data-menu] summary"), page.get_by_role("link", name=name)):
        box = part.bounding_box()
        assert box
        page.mouse.click(box["x"] + 20, box["y"] + 15)


def test_favorites_keep_the_place_there_and_back(window: Window, site: Site) -> None:
    page = window.page
    page.goto(f"{site.url}/#m-2013-07")  # no favorite in that month
    wait(page, f"() => ({MONTH_AT_TOP})() === 'm-2013-07'")
    wait(page, "() => scrollY > 100")
    show(page, "Show favorites")
    wait(page, "() => /favorites=1#m-201[34]-01/.test(location.href)")
    assert page.evaluate(MONTH_AT_TOP) in ("m-2013-01", "m-2014-01")
    page.evaluate("document.getElementById('m-2015-01').scrollIntoView()")
    wait(page, f"() => ({MONTH_AT_TOP})() === 'm-2015-01'")
    cell = page.locator("#m-2015-01 .cell").first
    photo = cell.locator("a").get_attribute("data-photo")
    before = cell.bounding_box()
    show(page, "All photos 60")
    page.wait_for_url(f"{site.url}/#m-2015-01")
    wait(page, f"() => ({MONTH_AT_TOP})() === 'm-2015-01'")
    page.wait_for_timeout(200)
    after = page.locator(f".cell [data-photo='{photo}']").bounding_box()
    assert before
    assert after
    assert after["y"] == pytest.approx(before["y"], abs=2)
    assert window.complaints == []


def test_a_star_taken_away_among_favorites_leaves_the_cell_where_it_is(
    window: Window, site: Site
) -> None:
    page = window.page
    page.goto(f"{site.url}/?favorites=1")
    assert page.locator(".cell").count() == 10
    page.evaluate(WATCH_SHIFTS)
    link_of(page, 2).hover()
    star_of(page, 2).click()
    toast(page, "Removed from favorites").wait_for()
    page.wait_for_timeout(600)
    assert page.locator(".cell").count() == 10
    assert page.evaluate("window.shift") < 0.02
    page.locator("[data-menu] summary").click()
    assert page.locator("[data-count-of=favorites]").inner_text() == "9"
    page.reload()
    assert page.locator(".cell").count() == 9


# -- selection ---------------------------------------------------------------------------------


def test_photos_are_chosen_with_the_mouse_and_become_favorites_together(
    window: Window, site: Site
) -> None:
    page = window.page
    page.goto(site.url)
    before = site.ratings()
    page.evaluate(WATCH_SHIFTS)
    top = page.evaluate("scrollY")
    link_of(page, 1).hover()
    page.locator(".cell-check").nth(1).click()
    link_of(page, 2).click()  # while some are chosen a click chooses
    assert page.locator("dialog[open]").count() == 0
    link_of(page, 5).click(modifiers=["Shift"])
    expect(page.locator("[data-selection-count]")).to_have_text("5 selected")
    link_of(page, 1).click()
    expect(page.locator("[data-selection-count]")).to_have_text("4 selected")
    ids = {id_of(page, number) for number in range(2, 6)}
    page.get_by_role("button", name="Favorite", exact=True).click()
    toast(page, "4 photos added to favorites").wait_for()
    assert ids <= site.favorites()
    expect(page.locator(".selection-bar")).to_be_hidden()
    for number in range(2, 6):
        expect_pressed(star_of(page, number), True)
    toast(page, "4 photos added").get_by_role("button", name="Undo").click()
    toast(page, "Undone for 4 photos").wait_for()
    assert site.ratings() == before
    expect_pressed(star_of(page, 2), False)
    assert page.evaluate("window.shift") < 0.02
    assert page.evaluate("scrollY") == top
    assert window.complaints == []


def test_photos_are_chosen_and_freed_of_stars_by_keys_alone(window: Window, site: Site) -> None:
    page = window.page
    page.goto(site.url)
    link_of(page, 0).focus()
    page.keyboard.press("x")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+X")
    count = page.locator("[data-selection-count]")
    expect(count).to_have_text("6 selected")
    page.keyboard.press("Enter")  # frees the one that has the focus
    expect(count).to_have_text("5 selected")
    page.keyboard.press("Escape")
    expect(page.locator(".selection-bar")).to_be_hidden()
    expect(page.locator(".cell.selected")).to_have_count(0)
    page.keyboard.press("x")
    page.keyboard.press("f")
    toast(page, "1 photo added to favorites").wait_for()
    page.keyboard.press("x")
    page.keyboard.press("Shift+Tab")
    while page.evaluate("!document.activeElement.closest('[data-selection]')"):
        page.keyboard.press("Shift+Tab")
    while page.evaluate("document.activeElement.dataset.deed") != "unfavorite":
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    toast(page, "1 photo removed from favorites").wait_for()
    assert page.evaluate("Boolean(document.activeElement.closest('.cell'))")
    assert site.ratings()[id_of(page, 5)] is None
    assert window.complaints == []


def test_what_could_not_be_written_is_named_and_can_be_chosen_again(
    window: Window, site: Site
) -> None:
    page = window.page
    page.goto(site.url)
    (site.library.settings.library / "058.jpg").unlink()
    page.locator(".month-head").first.hover()
    page.get_by_role("checkbox", name="Select July 2019").click()
    expect(page.locator("[data-selection-count]")).to_have_text("3 selected")
    page.keyboard.press("f")
    toast(page, "2 photos added to favorites").wait_for()
    failed = toast(page, "1 photo could not be changed")
    failed.locator("summary").click()
    expect(failed.locator("li")).to_contain_text("058.jpg")
    failed.get_by_role("button", name="Select it").click()
    expect(page.locator("[data-selection-count]")).to_have_text("1 selected")
    assert page.locator(".cell.selected a").get_attribute("data-photo") == str(id_of(page, 1))


def test_long_work_shows_its_bar_and_ends_in_one_sentence(
    window: Window, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()
    start = site.library.runner.start

    def start_held(operation_type: OperationType, deed: Deed, *more: Any) -> str:
        def wait_first(context: OperationContext) -> dict[str, Any]:
            held.wait(5)
            return deed(context)

        return start(operation_type, wait_first, *more)

    monkeypatch.setattr(site.library.runner, "start", start_held)
    page = window.page
    page.goto(site.url)
    link_of(page, 0).focus()
    page.keyboard.press("x")
    page.keyboard.press("f")
    page.locator(".operation-card progress").wait_for()
    held.set()
    toast(page, "1 photo added to favorites").wait_for()
    assert page.locator(".operation-card").count() == 0


def test_a_range_goes_over_blocks_that_are_not_filled_and_survives_their_emptying(
    window: Window, crowd: Site
) -> None:
    page = window.page
    network = window.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Network.setBlockedURLs", {"urls": ["*/thumbnail*"]})  # there are no files
    page.goto(crowd.url)
    link_of(page, 10).hover()
    page.locator(".cell-check").nth(10).click()
    first = page.locator(".cell a").nth(10).get_attribute("data-photo")
    page.evaluate("document.getElementById('m-2020-02').scrollIntoView()")
    wait(page, "() => document.querySelector('#m-2020-02 .cell a')")
    assert page.locator("[data-empty]").count() > 5
    page.locator("#m-2020-02 .cell a").nth(20).click(modifiers=["Shift"])
    # Six months of 250 but for the first ten, and 21 of the seventh.
    expect(page.locator("[data-selection-count]")).to_have_text("1,511 selected")
    for month in ("2020-01", "2020-04", "2020-06"):
        page.evaluate(f"document.getElementById('m-{month}').scrollIntoView()")
        wait(page, f"() => document.querySelector('#m-{month} .cell a')")
        page.wait_for_timeout(150)
    expect(page.locator("#m-2020-06 .cell").first).to_have_class("cell selected")
    expect(page.locator("#m-2020-06 [data-month-check]")).to_have_attribute("aria-checked", "true")
    page.evaluate("scrollTo(0, 0)")
    page.locator(f".cell.selected [data-photo='{first}']").wait_for()
    expect(page.locator("#m-2020-08 [data-month-check]")).to_have_attribute("aria-checked", "mixed")
    page.keyboard.press("Escape")
    expect(page.locator(".cell.selected")).to_have_count(0)


def test_a_long_touch_begins_choosing_and_taps_go_on(browser: Browser, site: Site) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.goto(site.url)
    box = link_of(page, 0).bounding_box()
    assert box
    touch = context.new_cdp_session(page)
    point = {"x": box["x"] + 60, "y": box["y"] + 60}
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    page.locator(".cell.selected").wait_for()
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_timeout(100)
    assert page.locator("dialog[open]").count() == 0
    link_of(page, 1).tap()
    expect(page.locator("[data-selection-count]")).to_have_text("2 selected")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("button", name="Clear the selection").tap()
    expect(page.locator(".cell.selected")).to_have_count(0)
    context.close()


# -- what is said ------------------------------------------------------------------------------


def test_a_toast_stays_eight_seconds_and_longer_while_it_is_looked_at(
    window: Window, site: Site
) -> None:
    page = window.page
    page.clock.install()
    page.goto(site.url)
    link_of(page, 0).focus()
    page.keyboard.press("f")
    expect(toast(page, "Added to favorites").get_by_role("status")).to_be_visible()
    # From here on time passes only by these calls.
    page.clock.pause_at((page.evaluate("Date.now()") + 1000) / 1000)
    page.clock.run_for(5500)
    assert page.locator(".toast").count() == 1
    page.locator(".toast").hover()
    page.clock.run_for(20_000)
    assert page.locator(".toast").count() == 1
    page.mouse.move(0, 0)
    page.clock.run_for(9000)
    assert page.locator(".toast").count() == 0


def test_nothing_new_stands_in_the_way_of_assistive_technology(
    browser: Browser, site: Site
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(site.url)
    link_of(page, 1).focus()
    page.keyboard.press("f")
    toast(page, "Added to favorites").wait_for()
    page.keyboard.press("x")
    found = list_grave(page)
    page.keyboard.press("Escape")
    link_of(page, 0).click()
    page.wait_for_selector("dialog[open] .rating")
    page.keyboard.press("3")
    toast(page, "Rated 3 stars").wait_for()
    found += list_grave(page)
    context.close()
    assert found == []
