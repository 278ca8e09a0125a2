"""The page in Chromium: what a person sees and does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from page_box import Window, index, launch, list_grave, open_window, serve, wait
from pictures import make_jpeg
from playwright.sync_api import Browser, Route
from rows import make_record

import catalog
import operation_state
from catalog import PhotoRecord
from errors import FileProblem
from library import Library, open_library
from operation_runner import OperationContext
from operation_state import OperationStatus, OperationType
from settings import load_settings

pytestmark = pytest.mark.browser

MOST_CELLS = 1500
DAYS = range(1, 31)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of its own for what this user remembers."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("HOME", str(home))
        patch.delenv("XDG_STATE_HOME", raising=False)
        yield home


@pytest.fixture(scope="module")
def site(home: Path) -> Iterator[str]:
    """A library of 300 photos over 25 years, two of them undated and one that cannot be drawn."""
    root = home / "photos"
    for number in range(297):
        year, month = 2000 + number // 12, 5 if number % 12 < 6 else 11
        make_jpeg(
            root / f"{year}/{number:03}.jpg",
            number,
            date=f"{year}:{month:02}:{number % 28 + 1:02} 12:00:00",
            rating=5 if number % 50 == 0 else None,
            size=(90, 60),
        )
    make_jpeg(root / "undated/<script>alert(1)<.jpg", 998)
    make_jpeg(root / "undated/b.jpg", 999)
    (root / "undated/broken.jpg").write_bytes((root / "undated/b.jpg").read_bytes()[:220])
    library = open_library(load_settings(root))
    index(library)
    url, stop = serve(library)
    yield url
    stop()


@pytest.fixture(scope="module")
def large_site(home: Path) -> Iterator[str]:
    """A library of 100,000 rows in 240 months; there are no files, so cells show names."""
    (home / "large").mkdir()
    library = open_library(load_settings(home / "large"))
    with library.database.transaction() as connection:
        catalog.insert_photos(
            connection, (_make_record(number) for number in range(100_000)), "2026-01-01"
        )
    url, stop = serve(library)
    yield url
    stop()


def _make_record(number: int) -> PhotoRecord:
    month = number % 240
    day, second = number % 27 + 1, number % 60
    date = f"{2000 + month // 12}-{month % 12 + 1:02}-{day:02}T12:00:{second:02}"
    return make_record(f"{number}.jpg", date)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch() as browser:
        yield browser


@pytest.fixture
def window(browser: Browser) -> Iterator[Window]:
    with open_window(browser) as window:
        yield window


IN_VIEW = """
() => [...document.querySelectorAll('.cell img')].filter((image) => {
  const box = image.getBoundingClientRect();
  return box.bottom > 60 && box.top < innerHeight;
})
"""
DRAWN = f"""
() => {{
  const seen = ({IN_VIEW})();
  return seen.length > 3 && seen.every((image) => image.naturalWidth);
}}
"""
SHOWN = """
() => {
  const page = document.querySelector('dialog [data-photo]');
  return page && location.pathname.endsWith('/' + page.dataset.photo);
}
"""
AT_TOP = """
(id) => Math.abs(document.getElementById(id).getBoundingClientRect().top - 60) < 12
"""


def test_the_grid_opens_shows_pictures_and_complains_of_nothing(window: Window, site: str) -> None:
    window.page.goto(site)
    wait(window.page, DRAWN)
    assert window.page.locator("h2").first.inner_text() == "November 2024"
    assert window.complaints == []


def test_a_year_far_down_is_one_click_away(window: Window, site: str) -> None:
    page = window.page
    page.goto(site)
    page.locator(".scrubber a", has_text="2003").click()
    wait(page, AT_TOP, "m-2003-11")
    wait(page, DRAWN)
    assert page.locator(".scrubber-here").get_attribute("aria-valuetext") == "November 2003"
    page.locator("[data-jump]").select_option(label="May 2006")
    wait(page, AT_TOP, "m-2006-05")
    assert window.complaints == []


def test_a_trembling_click_on_a_year_still_goes_to_its_first_month(
    window: Window, site: str
) -> None:
    page = window.page
    page.goto(site)
    box = page.locator(".scrubber a", has_text="2007").bounding_box()
    assert box
    page.mouse.move(box["x"] + 20, box["y"] + 8)
    page.mouse.down()
    page.mouse.move(box["x"] + 21, box["y"] + 10)
    page.mouse.up()
    wait(page, AT_TOP, "m-2007-11")


def test_two_quick_escapes_close_the_viewer_and_stay_on_the_grid(window: Window, site: str) -> None:
    page = window.page
    page.goto("about:blank")
    page.goto(site)
    page.locator(".cell a").first.click()
    page.wait_for_selector("dialog[open] [data-picture]")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog[open]", state="detached")
    page.wait_for_timeout(200)
    assert page.url == f"{site}/"


def test_the_scrubber_takes_the_keyboard_and_the_pointer(window: Window, site: str) -> None:
    page = window.page
    page.goto(site)
    slider = page.locator("[role=slider]")
    slider.focus()
    page.keyboard.press("End")
    wait(page, "() => scrollY > 1000")
    page.keyboard.press("Home")
    wait(page, "() => scrollY < 10")
    box = page.locator(".scrubber").bounding_box()
    assert box
    page.mouse.move(box["x"] + 5, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 5, box["y"] + box["height"] * 0.7, steps=12)
    bubble = page.locator("[data-bubble]").inner_text()
    page.mouse.up()
    assert bubble.split()[-1] in {"2005", "2006", "2007", "2008", "2009"}


@pytest.mark.parametrize("width", [390, 1280, 2700])
def test_an_empty_block_is_as_high_as_a_filled_one(
    browser: Browser, large_site: str, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 700})
    page = context.new_page()
    page.goto(large_site)
    differences = page.evaluate(
        """() => [...document.querySelectorAll('.cells:not([data-empty])')].map((block) => {
          const filled = block.getBoundingClientRect().height;
          block.replaceChildren();
          block.dataset.empty = '';
          return Math.abs(block.getBoundingClientRect().height - filled);
        })"""
    )
    context.close()
    assert differences
    assert max(differences) < 1


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_nothing_jumps_and_few_cells_are_held_on_the_way_through_20_years(
    browser: Browser, large_site: str, width: int, height: int
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": height}, is_mobile=width < 500, has_touch=width < 500
    )
    page = context.new_page()
    page.add_init_script(
        """
        window.shift = 0;
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) window.shift += entry.value;
        }).observe({ type: 'layout-shift', buffered: true });
        """
    )
    started = time.monotonic()
    page.goto(large_site)
    page.wait_for_selector(".scripted .cell")
    assert time.monotonic() - started < 8
    whole = page.evaluate("document.documentElement.scrollHeight")
    most = page.evaluate(
        """async () => {
          const frame = () => new Promise(requestAnimationFrame);
          const rest = (ms) => new Promise((done) => setTimeout(done, ms));
          const end = document.documentElement.scrollHeight - innerHeight;
          let most = 0;
          // Five stays on the way, with some screens passed by hand, and flights in between.
          for (let stay = 0; stay <= 4; stay += 1) {
            for (let step = 0; stay && step < 5; step += 1) {
              scrollTo(0, (end * (stay - 1 + step / 5)) / 4);
              await frame();
            }
            scrollTo(0, (end * stay) / 4);
            await rest(200);
            for (let step = 0; step < 8; step += 1) {
              scrollBy(0, stay < 4 ? 200 : -200);
              await frame();
            }
            await rest(150);
            most = Math.max(most, document.querySelectorAll('.cell').length);
          }
          return most;
        }"""
    )
    wait(page, "() => document.querySelector('.month:last-of-type .cell, .month:last-child .cell')")
    assert most <= MOST_CELLS
    assert page.evaluate("document.documentElement.scrollHeight") == pytest.approx(whole, abs=30)
    assert page.evaluate("window.shift") < 0.02
    context.close()


def test_the_viewer_opens_walks_on_and_comes_back_to_the_last_photo(
    window: Window, site: str
) -> None:
    page = window.page
    page.goto(site)
    page.locator(".scrubber a", has_text="2010").click()
    wait(page, DRAWN)
    cell = page.locator("#m-2010-11 .cell a").first
    first = cell.get_attribute("data-photo")
    cell.click()
    wait(page, "() => document.querySelector('dialog[open] [data-picture]')?.naturalWidth")
    assert page.url.endswith(f"/photo/{first}")
    for _ in range(3):
        before = page.url
        page.keyboard.press("ArrowRight")
        wait(page, "(before) => location.href !== before", before)
        wait(page, SHOWN)
    last = page.url.rpartition("/")[2]
    assert last != first
    page.keyboard.press("Escape")
    wait(page, "(id) => document.activeElement?.dataset.photo === id", last)
    assert page.locator("dialog[open]").count() == 0
    box = page.locator(f".cell [data-photo='{last}']").bounding_box()
    assert box
    assert 0 <= box["y"] < 688
    assert window.complaints == []


def test_the_way_back_of_the_browser_closes_the_viewer(window: Window, site: str) -> None:
    page = window.page
    page.goto(site)
    page.locator(".cell a").first.click()
    page.wait_for_selector("dialog[open] [data-picture]")
    page.go_back()
    page.wait_for_selector("dialog[open]", state="detached")
    assert page.locator(".months").is_visible()


def test_the_panel_says_when_and_where_from(window: Window, site: str) -> None:
    page = window.page
    page.goto(f"{site}/?favorites=1")
    page.locator(".cell a").first.click()
    panel = page.locator("dialog .viewer-panel")
    panel.wait_for()
    text = panel.inner_text()
    assert "EXIF" in text
    assert "kept in the file" in text
    page.keyboard.press("i")
    assert not panel.is_visible()
    page.keyboard.press("i")
    assert panel.is_visible()


def test_the_picture_is_zoomed_by_wheel_and_double_click(window: Window, site: str) -> None:
    page = window.page
    page.goto(site)
    page.locator(".cell a").first.click()
    wait(page, "() => document.querySelector('dialog [data-picture]')?.naturalWidth")
    page.mouse.move(400, 350)
    page.mouse.wheel(0, -400)
    wait(page, "() => document.querySelector('.zoomed')")
    page.mouse.dblclick(400, 350)
    wait(page, "() => !document.querySelector('.zoomed')")


def test_arrows_walk_from_cell_to_cell_and_into_the_next_month(window: Window, site: str) -> None:
    page = window.page
    page.goto(site)
    page.locator(".cell a").first.focus()
    seen = []
    for _ in range(4):
        seen.append(page.evaluate("document.activeElement.dataset.photo"))
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(60)
    assert len(set(seen)) == 4
    page.keyboard.press("ArrowLeft")
    wait(page, "(id) => document.activeElement.dataset.photo === id", seen[-1])
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open]")


def test_a_picture_that_cannot_be_drawn_shows_its_name(window: Window, site: str) -> None:
    page = window.page
    page.goto(f"{site}/#m-undated")
    wait(page, "() => document.querySelector('.cell .broken .cell-name')?.checkVisibility()")
    words = page.locator(".cell .broken .cell-name").inner_text()
    assert words.split() == ["broken.jpg", "JPEG"]


def test_update_index_of_the_menu_ends_in_a_sentence(window: Window, site: str) -> None:
    page = window.page
    page.goto(site)
    page.locator("[data-menu] summary").click()
    page.get_by_role("button", name="Update index").click()
    page.get_by_text("The index is up to date.").wait_for()
    assert page.locator("[data-menu][open]").count() == 0
    assert window.complaints == []


def test_favorites_and_oldest_first_are_in_the_menu(window: Window, site: str) -> None:
    page = window.page
    page.goto(site)
    page.locator("[data-menu] summary").click()
    page.get_by_role("link", name="Show favorites").click()
    page.wait_for_load_state()
    assert (
        page.locator(".cell").count() == page.locator(".cell-star[aria-pressed=true]").count() == 6
    )
    page.locator("[data-menu] summary").click()
    page.get_by_role("link", name="Oldest first").click()
    page.wait_for_load_state()
    assert page.locator("h2").first.inner_text() == "May 2000"


def test_without_javascript_every_month_is_a_link_away(browser: Browser, site: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site)
    assert page.locator(".cell").count() > 50
    page.locator(".cells-link a", has_text="May 2000").click()
    assert page.locator("main h2").inner_text() == "May 2000"
    page.locator(".cell a").first.click()
    assert page.locator(".viewer-panel h2").inner_text() == "Saturday, May 6, 2000"
    page.locator("[data-next], [data-previous]").first.click()
    assert page.locator(".viewer-picture").count() == 1
    page.locator("[data-close]").click()
    assert page.locator(".months").count() == 1
    context.close()


def test_a_link_to_a_photo_opens_it_and_arrows_walk_there_too(window: Window, site: str) -> None:
    page = window.page
    page.goto(site)
    link = page.locator(".cell a").nth(5).get_attribute("href")
    page.goto(f"{site}{link}")
    wait(page, "() => document.querySelector('[data-picture]')?.naturalWidth")
    page.keyboard.press("ArrowRight")
    page.wait_for_url(lambda url: not url.endswith(link or ""))
    page.keyboard.press("Escape")
    page.wait_for_selector(".months")


def test_a_phone_shows_three_columns_and_the_month_in_the_bar(browser: Browser, site: str) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.goto(site)
    assert page.locator("[data-month-title]").inner_text() == "November 2024"
    boxes = page.evaluate(
        """() => [...document.querySelectorAll('.cell')].slice(0, 3).map((cell) => {
          const { top, width } = cell.getBoundingClientRect();
          return [top, width];
        })"""
    )
    assert len({top for top, _ in boxes}) == 1
    assert all(120 < width < 135 for _, width in boxes)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.locator(".cell a").first.tap()
    wait(page, "() => document.querySelector('dialog [data-picture]')?.naturalWidth")
    assert not page.locator(".viewer-panel").is_visible()
    context.close()


@pytest.fixture(scope="module")
def stopped_site(home: Path) -> Iterator[str]:
    """A library whose 30 photos are gone, as after a share that is not mounted: the brake."""
    root = home / "gone"
    files = [make_jpeg(root / f"{day}.jpg", day, date=f"2020:05:{day:02} 12:00:00") for day in DAYS]
    library = open_library(load_settings(root))
    index(library)
    for file in files:
        file.unlink()
    stopped = library.runner.wait(library.start_update_index(), timeout=60)
    assert stopped.error_code == "brake"
    url, stop = serve(library)
    yield url
    stop()


def test_an_index_that_stopped_is_told_until_it_is_closed(
    window: Window, stopped_site: str
) -> None:
    page = window.page
    page.goto(stopped_site)
    page.get_by_text("Update of the index stopped.").wait_for()
    assert page.get_by_role("button", name="Accept the missing photos").is_visible()
    page.get_by_role("button", name="Close").click()
    assert page.locator(".operation-card").count() == 0
    page.reload()
    wait(
        page,
        "() => document.querySelector('.scripted') && !document.querySelector('.operation-card')",
    )


def test_without_javascript_nothing_lies_over_the_photos(
    browser: Browser, stopped_site: str
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(stopped_site)
    card = page.locator(".operation-card").bounding_box()
    months = page.locator(".months").bounding_box()
    assert card
    assert months
    assert card["y"] + card["height"] <= months["y"]
    context.close()


def test_the_name_of_a_photo_without_a_picture_can_be_read(
    window: Window, stopped_site: str
) -> None:
    window.page.goto(stopped_site)
    window.page.locator(".broken .cell-name").first.wait_for()
    assert list_grave(window.page) == []


def test_leaving_the_viewer_finds_a_cell_far_away_on_a_slow_server(
    window: Window, large_site: str
) -> None:
    page = window.page
    page.goto(large_site)
    page.locator(".cell a").first.click()
    page.wait_for_selector("dialog[open] [data-next]")
    # As if somebody had walked on for tens of thousands of photos, to the second block.
    far = page.evaluate(
        """async () => {
          const answer = await fetch('/months/2010-03?fragment=1&offset=210');
          return (await answer.text()).match(/data-photo="([0-9]+)"/)[1];
        }"""
    )
    page.evaluate("(id) => (document.querySelector('[data-next]').href = `/photo/${id}`)", far)
    page.keyboard.press("ArrowRight")
    wait(page, SHOWN)

    def delay(route: Route) -> None:
        page.wait_for_timeout(250)
        route.continue_()

    page.route("**/months/**", delay)
    page.keyboard.press("Escape")
    wait(page, "(id) => document.activeElement?.dataset.photo === id", far)
    box = page.locator(f".cell [data-photo='{far}']").bounding_box()
    assert box
    assert 0 <= box["y"] < 688
    assert page.locator(".cell").count() <= MOST_CELLS


# -- long work ---------------------------------------------------------------------------------


@pytest.fixture
def interrupted_site(home: Path, tmp_path: Path) -> Iterator[tuple[str, Library]]:
    """A library whose rebuild a dead process left at 40 of 100 files; no index runs."""
    for day in DAYS:
        make_jpeg(tmp_path / f"photos/{day}.jpg", day, date=f"2020:05:{day:02} 12:00:00")
    library = open_library(load_settings(tmp_path / "photos"))
    index(library)
    with library.database.transaction() as connection:
        left = operation_state.create_operation(connection, OperationType.REBUILD_DATABASE)
        operation_state.set_status(connection, left.operation_id, OperationStatus.RUNNING)
        helper = operation_state.CheckpointHelper(left.operation_id)
        helper.begin_phase("build", 100)
        helper.advance(40)
        helper.save(connection)
    library.close()
    library = open_library(load_settings(tmp_path / "photos"))
    url, stop = serve(library)
    yield url, library
    stop()


def test_what_was_interrupted_is_asked_about_over_the_page_and_goes_on(
    window: Window, interrupted_site: tuple[str, Library]
) -> None:
    page = window.page
    page.goto(interrupted_site[0])
    wait(page, "() => document.querySelector('dialog[data-resume]:modal')")
    dialog = page.locator("dialog[data-resume]")
    assert "Rebuild of the database was interrupted" in dialog.inner_text()
    assert "40 of 100 files · 40 %" in dialog.inner_text()
    assert "It stopped today at" in dialog.inner_text()
    assert page.evaluate("scrollY") == 0
    assert page.evaluate("document.activeElement.textContent") == "Resume"
    page.keyboard.press("Enter")
    page.get_by_text("The database was built anew.").wait_for()
    assert page.locator("dialog[data-resume]").count() == 0
    assert window.complaints == []


def test_the_question_can_wait_and_stands_under_operations(
    window: Window, interrupted_site: tuple[str, Library]
) -> None:
    url, library = interrupted_site
    page = window.page
    page.goto(url)
    wait(page, "() => document.querySelector('dialog[data-resume]:modal')")
    page.keyboard.press("Escape")
    page.reload()
    page.wait_for_selector(".cell")
    assert not page.locator("dialog[data-resume]").is_visible()
    page.locator("[data-menu] summary").click()
    page.get_by_role("link", name="Operations").click()
    page.get_by_role("button", name="Discard").click()
    page.wait_for_selector(".months")
    assert library.list_interrupted() == []
    assert window.complaints == []


def test_the_question_can_be_answered_without_javascript(
    browser: Browser, interrupted_site: tuple[str, Library]
) -> None:
    url, library = interrupted_site
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(url)
    box = page.locator("dialog[data-resume]").bounding_box()
    first = page.locator(".cell").first.bounding_box()
    assert box
    assert first
    assert box["y"] + box["height"] <= first["y"]  # it lies over nothing
    page.get_by_role("button", name="Start over").click()
    for operation in library.list_operations():
        library.runner.wait(operation.operation_id, timeout=30)
    statuses = [operation.status for operation in library.list_operations()]
    assert statuses == ["completed", "cancelled", "completed"]  # the last is the first index
    context.close()


def test_the_bar_is_seen_in_every_tab_and_after_a_reload_and_cancel_stops_at_once(
    browser: Browser, interrupted_site: tuple[str, Library]
) -> None:
    url, library = interrupted_site
    library.discard_operation(library.list_interrupted()[0].operation_id)
    shown = threading.Event()

    def deed(context: OperationContext) -> dict[str, object]:
        context.report_progress(phase="build", done=3, total=10)
        while True:
            context.check()
            if shown.wait(0.02):
                context.add_problem(FileProblem("<b>.jpg", "It is empty."))
                context.report_progress(phase="build", done=7, total=10)
                shown.clear()

    library.runner.start(OperationType.REBUILD_DATABASE, deed)
    context = browser.new_context()
    pages = [context.new_page() for _ in range(2)]
    for page in pages:
        page.goto(url)
    words = "reading files into a new database · 3 of 10 files"
    for page in pages:
        page.bring_to_front()
        page.get_by_text(words).wait_for()
    page.reload()
    page.get_by_text(words).wait_for()
    hide = """(hidden) => {
      Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }"""
    pages[0].evaluate(hide, True)
    shown.set()
    page.get_by_text("7 of 10 files").wait_for()
    # Who is not looked at holds no connection open, and knows all once he is.
    assert pages[0].get_by_text("3 of 10 files").is_visible()
    pages[0].evaluate(hide, False)
    pages[0].get_by_text("7 of 10 files").wait_for()
    assert "<b>.jpg" in (page.locator("[data-problems]").text_content() or "")
    began = time.monotonic()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Rebuild of the database was cancelled.").wait_for()
    assert time.monotonic() - began < 1.5
    pages[0].bring_to_front()
    pages[0].get_by_text("Rebuild of the database was cancelled.").wait_for()
    context.close()


def test_verify_and_rebuild_say_what_they_do_before_they_start(window: Window, site: str) -> None:
    page = window.page
    page.goto(site)
    page.locator("[data-menu] summary").click()
    page.get_by_role("link", name="Verify files…").click()
    page.get_by_label("10 minutes").check()
    page.get_by_role("button", name="Verify").click()
    page.get_by_text("The files were verified.").wait_for()
    page.locator(".operation-card").get_by_role("link", name="Report").click()
    assert page.locator("h1").inner_text() == "Verification of the files"
    page.goto(f"{site}/operations/start/rebuild_database")
    page.get_by_role("link", name="Not now").click()
    page.wait_for_selector(".months")
    assert window.complaints == []
