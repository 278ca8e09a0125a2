"""What a person does every day, in a library of 2,000 photos and one of 100,000 rows, at a desk and
on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from page_box import Finger, index, launch, serve, wait
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from rows import make_record

import catalog
from library import Library, open_library
from settings import load_settings

pytestmark = pytest.mark.browser

MONTHS: Final = [f"{year}-{month:02}" for year in range(2000, 2020) for month in range(1, 13)]
DESK: Final = {"width": 1280, "height": 800}
PHONE: Final = {"width": 390, "height": 844}
FIRST_SEEN: Final = """
() => {
  const isSeen = (cell) => cell.getBoundingClientRect().bottom > 61;
  const seen = [...document.querySelectorAll('.cell')].find(isSeen);
  return seen && [seen.querySelector('a').dataset.photo, seen.getBoundingClientRect().top];
}
"""
NEAR_THE_TOP: Final = """
(id) => {
  const cell = document.querySelector(`.cell [data-photo='${id}']`);
  const top = cell?.getBoundingClientRect().top;
  return top > -60 && top < 200;
}
"""
SHIFT: Final = """
window.shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.shift += entry.value;
}).observe({ type: 'layout-shift', buffered: true });
"""


@dataclass(frozen=True, slots=True)
class Walk:
    """A person before a page."""

    page: Page
    url: str
    phone: bool
    complaints: list[str]

    def press(self, name: str, role: str = "button") -> None:
        """A button or link by its name, with the mouse or the finger."""
        target = self.page.get_by_role(role, name=name, exact=True)  # type: ignore[arg-type]
        target.tap() if self.phone else target.click()

    def go_to(self, month: str) -> str:
        """Its first photo, once it is seen."""
        self.page.goto(f"{self.url}/#m-{month}")
        self.page.locator(f"#m-{month} .cell a").first.wait_for()
        wait(self.page, FIRST_SEEN)
        return str(self.page.evaluate(FIRST_SEEN)[0])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch() as browser:
        yield browser


@pytest.fixture(scope="module", params=["2,000 photos", "100,000 rows"])
def library(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Library]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.delenv("XDG_STATE_HOME", raising=False)
        (home / "photos").mkdir()
        if request.param == "2,000 photos":
            _make_photos(home / "photos", 2_000)
        library = open_library(load_settings(home / "photos"))
        if request.param == "2,000 photos":
            index(library)
        else:
            _insert_rows(library, 100_000)
        yield library


def _make_photos(folder: Path, count: int) -> None:
    exif = Image.Exif()
    for number in range(count):
        year, month = MONTHS[number % len(MONTHS)].split("-")
        exif.get_ifd(0x8769)[0x9003] = f"{year}:{month}:{number % 27 + 1:02} 12:00:00"
        exif[0x0110] = "PowerShot" if number % 2 else "X100V"
        picture = Image.new("RGB", (64, 48), (number % 200, number // 200 * 20, 120))
        picture.save(folder / f"IMG_{number:04}.jpg", exif=exif)


def _insert_rows(library: Library, count: int) -> None:
    with library.database.transaction() as connection:
        rows = (
            make_record(
                f"{number // 1000}/IMG_{number % 1000:03}.jxl",
                f"{MONTHS[number % len(MONTHS)]}-{number % 27 + 1:02}T12:00:00",
                file_type="jxl",
            )
            for number in range(count)
        )
        catalog.insert_photos(connection, rows, "2026-01-01")


@pytest.fixture(scope="module")
def url(library: Library) -> Iterator[str]:
    url, stop = serve(library)
    yield url
    stop()


@pytest.fixture(params=["desk", "phone"])
def walk(request: pytest.FixtureRequest, browser: Browser, url: str) -> Iterator[Walk]:
    phone = request.param == "phone"
    context = browser.new_context(
        viewport=PHONE if phone else DESK,  # type: ignore[arg-type]
        is_mobile=phone,
        has_touch=phone,
        service_workers="block",
    )
    page = context.new_page()
    page.add_init_script(SHIFT)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: (
            complaints.append(f"{message.text} {message.location['url']}")
            if message.type == "error"
            else None
        ),
    )
    yield Walk(page, url, phone, complaints)
    assert complaints == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()


def _go_far_away_reload_and_come_back(walk: Walk) -> None:
    page = walk.page
    page.goto(walk.url)
    page.locator(".scripted .cell").first.wait_for()
    page.locator("[data-jump]").select_option("m-2006-05")
    page.locator("#m-2006-05 .cell").first.wait_for()
    wait(page, "() => location.hash === '#m-2006-05'")
    wait(page, FIRST_SEEN)
    seen = page.evaluate(FIRST_SEEN)
    page.reload()
    wait(page, f"([id, top]) => ({FIRST_SEEN})()?.[0] === id", seen)
    page.goto(f"{walk.url}/operations")
    page.go_back()
    wait(page, f"([id, top]) => ({FIRST_SEEN})()?.[0] === id", seen)
    assert page.evaluate(FIRST_SEEN)[1] == pytest.approx(seen[1], abs=1)


def _scroll_by_hand(walk: Walk) -> None:
    walk.go_to("2010-07")
    walk.page.wait_for_timeout(300)
    before = walk.page.evaluate("window.shift")
    walk.page.evaluate(
        """async () => {
          for (let step = 0; step < 40; step += 1) {
            scrollBy(0, innerHeight / 4);
            await new Promise(requestAnimationFrame);
          }
        }"""
    )
    walk.page.wait_for_timeout(300)
    assert walk.page.evaluate("window.shift") - before < 0.02


def _open_a_photo_walk_on_and_come_back(walk: Walk) -> None:
    page = walk.page
    first = walk.go_to("2004-03")
    cell = page.locator(f".cell [data-photo='{first}']")
    cell.tap() if walk.phone else cell.click()
    wait(page, "(id) => document.querySelector('dialog [data-photo]')?.dataset.photo === id", first)
    assert page.url.endswith(f"/photo/{first}")
    if walk.phone:
        Finger(page).swipe((300, 400), -200, 0)
    else:
        page.keyboard.press("ArrowRight")
    wait(page, "(id) => document.querySelector('dialog [data-photo]')?.dataset.photo !== id", first)
    wait(page, "(id) => !location.pathname.endsWith(`/${id}`)", first)
    second = page.url.rpartition("/")[2]
    if walk.phone:
        page.go_back()
    else:
        page.keyboard.press("Escape")
    page.locator("dialog[open]").wait_for(state="detached")
    box = page.locator(f".cell [data-photo='{second}']").bounding_box()
    assert box
    assert 0 < box["y"] < 800


def _choose_photos_up_to_a_month_away(walk: Walk) -> None:
    page = walk.page
    first = walk.go_to("2012-08")
    box = page.locator(f".cell [data-photo='{first}']").bounding_box()
    assert box
    point = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    if walk.phone:
        finger = Finger(page)
        finger.down(point)
        page.locator(".cell.selected").wait_for()
        finger.up()
        page.wait_for_timeout(100)
        page.locator(".cell a").filter(has_not=page.locator(".selected")).nth(5).tap()
    else:
        page.mouse.move(*point)
        page.locator(".cell", has=page.locator(f"[data-photo='{first}']")).locator(
            ".cell-check"
        ).click()
        page.get_by_role("button", name="Days").click()
        page.locator("#m-2012-07 h2").scroll_into_view_if_needed()
        page.locator("#m-2012-07 .cell a").first.click(modifiers=["Shift"])
    wait(page, "() => parseInt(document.querySelector('[data-selection-count]').textContent) > 1")
    assert page.locator(".selection-bar").is_visible()
    walk.press("Clear the selection")
    expect(page.locator(".cell.selected")).to_have_count(0)


def _search_by_words(walk: Walk) -> None:
    page = walk.page
    page.goto(walk.url)
    if walk.phone:
        walk.press("Search and filters", "link")
        dialog = page.locator("dialog[data-filters]")
        dialog.get_by_label("Words").fill("july 2007")
        dialog.get_by_role("button", name="Show these").tap()
    else:
        page.keyboard.press("/")
        page.keyboard.type("july 2007")
        page.keyboard.press("Enter")
    wait(page, "() => new URL(location).searchParams.get('q') === 'july 2007'")
    page.locator(".cell").first.wait_for()
    assert page.locator(".months h2").all_inner_texts() == ["July 2007"]
    walk.press("Show all photos", "link")
    page.wait_for_url(f"{walk.url}/")


def _choose_a_size_and_look_at_operations(walk: Walk) -> None:
    page = walk.page
    first = walk.go_to("2015-11")
    # With so many photos large ones are shown by the decade, on a page loaded anew.
    width = "document.querySelector('.cell')?.getBoundingClientRect().width"
    before = page.evaluate(width)
    page.locator("[data-menu] summary").click()
    walk.press("Large")
    wait(page, f"(before) => {width} > before", before)
    wait(page, NEAR_THE_TOP, first)
    page.wait_for_timeout(300)
    page.locator("[data-menu]").evaluate("(menu) => (menu.open = true)")
    page.locator("[data-menu]").get_by_role("link", name="Operations").click()
    expect(page.get_by_role("heading", name="Operations", level=1)).to_be_visible()
    page.go_back()
    wait(page, NEAR_THE_TOP, first)


def test_a_day_with_the_library_at_a_desk_and_on_a_phone(walk: Walk) -> None:
    _go_far_away_reload_and_come_back(walk)
    _scroll_by_hand(walk)
    _open_a_photo_walk_on_and_come_back(walk)
    _choose_photos_up_to_a_month_away(walk)
    _search_by_words(walk)
    _choose_a_size_and_look_at_operations(walk)
