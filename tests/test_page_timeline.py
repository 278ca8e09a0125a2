"""The timeline in Chromium: the edge, the address, the place that is kept, sizes and colors."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from page_box import Window, index, launch, open_window, serve, wait
from PIL import Image
from playwright.sync_api import Browser, Page
from rows import make_record

import catalog
from library import Library, open_library
from settings import load_settings

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}
ROWS = 6000


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """Twelve drawn photos of 2026, and rows without files in every month of 2006 to 2025."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.delenv("XDG_STATE_HOME", raising=False)
        exif = Image.Exif()
        (home / "photos").mkdir()
        for number in range(12):
            exif.get_ifd(0x8769)[0x9003] = f"2026:05:{number + 1:02} 12:00:00"
            picture = Image.new("RGB", (60, 60), (10, 200, 10))
            picture.putpixel((number, 0), (0, 0, 0))
            picture.save(home / f"photos/{number}.jpg", quality=95, exif=exif)
        library = open_library(load_settings(home / "photos"))
        index(library)
        with library.database.transaction() as connection:
            months = [f"{year}-{month:02}" for year in range(2006, 2026) for month in range(1, 13)]
            rows = (
                make_record(
                    f"rows/{n}.jxl", f"{month}-{n % 27 + 1:02}T12:00:{n % 60:02}", None, "jxl"
                )
                for n in range(ROWS)
                for month in [months[n % len(months)]]
            )
            catalog.insert_photos(connection, rows, "2026-01-01")
        yield library


@pytest.fixture(scope="module")
def site(opened: Library) -> Iterator[str]:
    url, stop = serve(opened)
    yield url
    stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch() as browser:
        yield browser


@pytest.fixture
def window(browser: Browser) -> Iterator[Window]:
    with open_window(browser) as window:
        yield window


FIRST_SEEN = """
() => {
  const isSeen = (cell) => cell.getBoundingClientRect().bottom > 61;
  const seen = [...document.querySelectorAll('.cell')].find(isSeen);
  return [seen.querySelector('a').dataset.photo, seen.getBoundingClientRect().top];
}
"""
TOP_OF = "(id) => document.querySelector(`.cell [data-photo='${id}']`)?.getBoundingClientRect().top"
FILLED = "() => document.elementFromPoint(300, 300)?.closest('.cell')"


def go_to(page: Page, site: str, month: str) -> None:
    page.goto(f"{site}/#m-{month}")
    page.wait_for_selector(f"#m-{month} .cell")
    page.evaluate("scrollBy(0, 87)")  # a row is half under the bar
    page.wait_for_timeout(200)


def test_the_edge_has_years_and_months_and_says_where_the_page_is(
    window: Window, site: str
) -> None:
    page = window.page
    page.goto(site)
    marks = page.locator(".scrubber-ticks i")
    assert marks.count() > 100  # of 241 months; those too near to another have none
    assert page.locator(".scrubber-ticks .year").count() == 21
    slider = page.locator("[role=slider]")
    assert slider.get_attribute("aria-valuetext") == "May 2026"
    page.locator(".scrubber a", has_text="2015").click()
    wait(page, "() => location.hash === '#m-2015-12'")
    here = slider.bounding_box()
    year = page.locator(".scrubber a", has_text="2015").bounding_box()
    assert here
    assert year
    assert abs(here["y"] - year["y"]) < 20
    assert slider.get_attribute("aria-valuetext") == "December 2015"


def test_the_address_names_the_month_and_leads_back_by_reload_link_and_way_back(
    window: Window, site: str, browser: Browser
) -> None:
    page = window.page
    page.goto(site)
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight * 0.6)")
    wait(page, "() => location.hash")
    month = page.url.partition("#m-")[2]
    assert page.evaluate("history.length") <= 2  # no step of its own for every month
    wait(page, FILLED)
    photo, top = page.evaluate(FIRST_SEEN)
    page.reload()
    wait(page, "(id) => document.querySelector(`.cell [data-photo='${id}']`)", photo)
    assert page.evaluate(TOP_OF, photo) == pytest.approx(top, abs=1)
    page.goto(f"{site}/operations")
    page.go_back()
    wait(page, "(id) => document.querySelector(`.cell [data-photo='${id}']`)", photo)
    assert page.evaluate(TOP_OF, photo) == pytest.approx(top, abs=1)
    with open_window(browser) as other:
        other.page.goto(page.url)
        head = other.page.locator(f"#m-{month}").bounding_box()
        assert head
        assert abs(head["y"] - 60) < 12
    page.evaluate("scrollTo(0, 0)")
    wait(page, "() => !location.hash")
    assert page.url == f"{site}/"


def wait_for_place(page: Page, photo: str, share: float) -> None:
    """Until so much of a cell is above the line at 60 px that its top is where it was."""
    wait(
        page,
        f"""([photo, share]) => {{
          const height = document.querySelector('.cell').getBoundingClientRect().height;
          return Math.abs(({TOP_OF})(photo) - (60 - share * height)) <= 2;
        }}""",
        [photo, share],
    )


def test_the_photo_at_the_top_stays_there_in_any_width_and_size(window: Window, site: str) -> None:
    page = window.page
    go_to(page, site, "2012-05")
    photo, top = page.evaluate(FIRST_SEEN)
    assert top < 60
    share = (60 - top) / page.locator(".cell").first.bounding_box()["height"]  # type: ignore[index]
    for width in (700, 390, 1500, 1100):
        page.set_viewport_size({"width": width, "height": 688})
        wait_for_place(page, photo, share)
    assert page.evaluate(TOP_OF, photo) == pytest.approx(top, abs=2)  # and back to where it was
    for key, columns in (("+", 5), ("+", 5), ("-", 7), ("-", 10), ("-", 10), ("=", 7)):
        page.keyboard.press(key)
        style = "getComputedStyle(document.querySelector('.cells')).gridTemplateColumns.split(' ')"
        wait(page, f"() => {style}.length === {columns}")
        wait_for_place(page, photo, share)
    assert window.complaints == []


def test_the_focus_goes_through_the_bar_at_the_top_and_the_page_stays(
    window: Window, site: str
) -> None:
    page = window.page
    go_to(page, site, "2012-05")
    before = page.evaluate("scrollY")
    page.locator(".brand").focus()
    for _ in range(5):
        page.keyboard.press("Tab")
    page.keyboard.press("/")
    page.keyboard.type("a")
    page.wait_for_timeout(100)
    assert page.evaluate("scrollY") == before


def test_a_size_is_chosen_in_the_menu_and_kept_from_the_first_paint_on(
    window: Window, site: str
) -> None:
    page = window.page
    go_to(page, site, "2018-03")
    photo, _ = page.evaluate(FIRST_SEEN)
    page.locator("[data-menu] summary").click()
    page.get_by_role("button", name="Small").click()
    assert page.get_by_role("button", name="Small").get_attribute("aria-pressed") == "true"
    kept = page.evaluate(TOP_OF, photo)
    page.reload()
    wait(page, "(id) => document.querySelector(`.cell [data-photo='${id}']`)", photo)
    assert page.locator("main").get_attribute("data-cells") == "small"
    assert page.evaluate(TOP_OF, photo) == pytest.approx(kept, abs=2)
    html = page.evaluate("fetch('/').then((answer) => answer.text())")
    assert 'data-cells="small"' in html


def test_an_empty_block_is_as_high_as_a_filled_one_in_every_size(
    browser: Browser, site: str
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(site)
    page.wait_for_selector(".scripted .cell")
    for width in (390, 600, 1100, 1900, 2700):
        page.set_viewport_size({"width": width, "height": 700})
        for size in ("small", "medium", "large"):
            differences = page.evaluate(
                """(size) => {
                  document.querySelector('main').dataset.cells = size;
                  return [...document.querySelectorAll('.cells:not([data-empty])')].map((block) => {
                    const filled = block.getBoundingClientRect().height;
                    block.dataset.empty = '';
                    const empty = block.getBoundingClientRect().height;
                    delete block.dataset.empty;
                    return Math.abs(empty - filled);
                  });
                }""",
                size,
            )
            assert differences
            assert max(differences) < 1, (width, size)
    context.close()


def test_a_cell_has_the_colors_of_its_picture_before_that_comes(
    window: Window, site: str, opened: Library
) -> None:
    page = window.page

    page.goto(site)  # draws the pictures, and notes their colors
    wait(page, "() => document.querySelectorAll('#m-2026-05 img').length === 12")
    page.wait_for_function(
        "() => [...document.querySelectorAll('#m-2026-05 img')].every((one) => one.naturalWidth)"
    )
    page.route("**/thumbnail?*", lambda route: route.abort())
    script = """(selector) => {
      const cell = document.querySelector(selector);
      cell.classList.remove('broken');
      return getComputedStyle(cell).backgroundImage;
    }"""
    page.reload()
    first = page.evaluate(script, "#m-2026-05 .cell a")
    numbers = [int(number) for number in re.findall(r"\d+", first)]
    assert numbers == pytest.approx([10, 200, 10] * 3, abs=4)
    # What is fetched later comes with its colors too, past a policy that allows no style in HTML.
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    wait(page, "() => document.querySelector('#m-2006-01 .cell')")
    page.evaluate(
        """() => {
          const block = document.querySelector('#m-2026-05 .cells');
          block.replaceChildren();
          block.dataset.empty = '';
          scrollTo(0, 0);
        }"""
    )
    wait(page, "() => document.querySelector('#m-2026-05 .cell')")
    assert "linear-gradient(rgb(" in page.evaluate(script, "#m-2026-05 .cell a")
    assert not [one for one in window.complaints if "style" in one.lower()]


def test_a_phone_has_a_handle_at_the_edge_while_the_page_moves(browser: Browser, site: str) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(site)
    page.wait_for_selector(".scripted .cell")
    handle = page.locator("[role=slider]")
    opacity = "() => getComputedStyle(document.querySelector('[role=slider]')).opacity"
    assert page.evaluate(opacity) == "0"
    page.evaluate("scrollTo(0, 3000)")
    wait(page, "() => document.querySelector('.scrubber.moving')")
    box = handle.bounding_box()
    assert box
    at = {"x": box["x"] + 22, "y": box["y"] + 22}
    touch = context.new_cdp_session(page)
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at]})
    for step in range(1, 11):
        point = {"x": at["x"], "y": at["y"] + step * 40}
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    name = page.locator("[data-bubble]").inner_text()
    assert 2012 <= int(name.split()[-1]) <= 2024
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    wait(page, "() => !document.querySelector('.scrubber.moving')")
    text = "(selector) => document.querySelector(selector).textContent"
    assert page.evaluate(text, "[data-month-title]") == page.evaluate(text, "[data-bubble]")
    context.close()
