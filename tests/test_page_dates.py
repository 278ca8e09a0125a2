"""The dialog that changes capture dates, in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from edit_box import needs_exiftool
from page_box import Window, index, launch, open_window, serve
from pictures import make_jpeg
from playwright.sync_api import Browser, Locator, Page, expect

import catalog
from library import Library, open_library
from settings import load_settings

pytestmark = [pytest.mark.browser, needs_exiftool]

PHOTOS = 40


@dataclass(frozen=True, slots=True)
class Site:
    """A served library."""

    url: str
    library: Library

    def dates(self) -> dict[str, str | None]:
        with self.library.database.reading() as connection:
            return {one.current_path: one.date_taken for one in catalog.iterate_photos(connection)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch() as browser:
        yield browser


@pytest.fixture
def window(browser: Browser) -> Iterator[Window]:
    with open_window(browser) as window:
        yield window
        assert window.complaints == []


@pytest.fixture
def site(home: Path) -> Iterator[Site]:
    """40 photos of four months, the last ones at the end of June; and one without a date."""
    root = home / "photos"
    for number in range(PHOTOS):
        month, day = number // 10 + 3, number % 10 + 21
        make_jpeg(root / f"{number:02}.jpg", number, date=f"2019:{month:02}:{day:02} 23:30:00")
    make_jpeg(root / "2018-05-06 Lake/scan.jpg", PHOTOS)
    library = open_library(load_settings(root))
    index(library)
    url, stop = serve(library)
    yield Site(url, library)
    stop()


def select(page: Page, *names: str) -> None:
    for name in names:
        cell = page.locator(f'.cell:has(a[aria-label*="{name}"])')
        cell.hover()
        cell.locator(".cell-check").click()


def open_dialog(page: Page) -> Locator:
    page.locator('[data-deed="date"]').click()
    return page.locator("dialog[data-dates]")


def test_a_selection_is_shifted_by_an_hour_and_taken_back_in_place(
    window: Window, site: Site
) -> None:
    page = window.page
    page.goto(site.url)
    before = site.dates()
    select(page, "39.jpg", "38.jpg")
    dialog = open_dialog(page)
    expect(dialog).to_contain_text("Change the date of 2 photos")
    expect(dialog.locator("[data-dates-change]")).to_be_disabled()
    dialog.locator('[name="hours"]').fill("1")
    expect(dialog).to_contain_text("Jun 30, 2019, 23:30:00 → Jul 1, 2019, 00:30:00")
    assert not Axe().run(page).response["violations"]
    dialog.get_by_role("button", name="Change 2 photos").click()
    toast = page.locator(".toast", has_text="Date of 2 photos changed")
    toast.wait_for()
    assert site.dates()["39.jpg"] == "2019-07-01T00:30:00"
    expect(page.locator("#m-2019-07 .month-head")).to_contain_text("1 photo")
    expect(page.locator("#m-2019-06 .month-head")).to_contain_text("9 photos")
    toast.get_by_role("button", name="Undo").click()
    page.locator(".toast", has_text="Undone for 2 photos").wait_for()
    assert site.dates() == before
    assert page.locator("#m-2019-07").count() == 0


def test_the_place_is_kept_when_photos_move_to_another_month(window: Window, site: Site) -> None:
    page = window.page
    page.set_viewport_size({"width": 700, "height": 420})
    page.goto(site.url)
    page.locator("#m-2019-03").scroll_into_view_if_needed()
    select(page, "05.jpg")
    stays = page.locator('.cell:has(a[aria-label*="07.jpg"])')
    top = stays.evaluate("cell => cell.getBoundingClientRect().top")
    dialog = open_dialog(page)
    dialog.get_by_label("Direction").select_option("-")
    dialog.locator('[name="days"]').fill("400")
    dialog.get_by_role("button", name="Change", exact=True).click()
    page.locator(".toast", has_text="Date of 1 photo changed").wait_for()
    page.wait_for_timeout(300)
    after = stays.evaluate("cell => cell.getBoundingClientRect().top")
    assert abs(after - top) < 3


def test_a_photo_without_a_date_gets_what_its_folder_says(window: Window, site: Site) -> None:
    page = window.page
    page.goto(site.url)
    select(page, "scan.jpg", "39.jpg")
    dialog = open_dialog(page)
    dialog.locator('[data-mode-choice="suggested"]').click()
    expect(dialog).to_contain_text("no date → May 6, 2018, 12:00:00, from its folder")
    expect(dialog).to_contain_text("39.jpg has a date already.")
    dialog.get_by_role("button", name="Change", exact=True).click()
    page.locator(".toast", has_text="Date of 1 photo changed").wait_for()
    page.locator(".toast.error", has_text="1 photo got no other date").wait_for()
    assert site.dates()["2018-05-06 Lake/scan.jpg"] == "2018-05-06T12:00:00"


def test_the_date_of_one_photo_is_changed_in_the_viewer_and_the_grid_follows(
    window: Window, site: Site
) -> None:
    page = window.page
    page.goto(site.url)
    page.locator('.cell a[aria-label*="38.jpg"]').click()
    page.get_by_role("button", name="Change date…").click()
    dialog = page.locator("dialog[data-dates]")
    assert dialog.locator('[name="moment"]').input_value() == "2019-06-29T23:30"
    dialog.locator('[name="moment"]').fill("2020-02-29T10:00:05")
    dialog.get_by_role("button", name="Change", exact=True).click()
    page.locator(".toast", has_text="Date of 1 photo changed").wait_for()
    expect(page.locator("dialog.viewer")).to_contain_text("Saturday, February 29, 2020")
    page.keyboard.press("Escape")
    expect(page.locator("#m-2020-02 .month-head")).to_contain_text("1 photo")
    assert site.dates()["38.jpg"] == "2020-02-29T10:00:05"


def test_words_that_are_no_offset_are_said_and_nothing_is_written(
    window: Window, site: Site
) -> None:
    page = window.page
    page.goto(site.url)
    before = site.dates()
    select(page, "39.jpg", "38.jpg")
    dialog = open_dialog(page)
    dialog.locator('[data-mode-choice="sequence"]').click()
    dialog.locator('[name="moment"]').fill("2020-01-01T10:00:00")
    dialog.locator('[name="step"]').fill("soon")
    expect(dialog.locator(".dates-trouble")).to_contain_text("no span of time")
    expect(dialog.locator("[data-dates-change]")).to_be_disabled()
    window.complaints.clear()  # Chromium says of each refused request that it was refused
    dialog.get_by_role("button", name="Cancel").click()
    assert site.dates() == before


def test_imported_photos_move_to_the_folder_of_their_new_day_if_one_says_so(
    window: Window, site: Site
) -> None:
    make_jpeg(
        site.library.settings.library / "2019/2019-06-30/import.jpg",
        PHOTOS + 1,
        date="2019:06:30 23:45:00",
    )
    index(site.library)
    page = window.page
    page.goto(site.url)
    select(page, "39.jpg")
    dialog = open_dialog(page)
    dialog.locator('[name="hours"]').fill("1")
    expect(dialog.locator("[data-dates-change]")).to_be_enabled()
    expect(dialog.locator("[data-dates-move]")).to_be_hidden()
    dialog.get_by_role("button", name="Cancel").click()
    select(page, "import.jpg")
    dialog = open_dialog(page)
    dialog.locator('[name="hours"]').fill("1")
    dialog.get_by_label("Move imported files to the folder of their new day").check()
    assert not Axe().run(page).response["violations"]
    dialog.get_by_role("button", name="Change 2 photos").click()
    toast = page.locator(".toast", has_text="Date of 2 photos changed")
    toast.wait_for()
    assert site.dates()["2019/2019-07-01/import.jpg"] == "2019-07-01T00:45:00"
    assert site.dates()["39.jpg"] == "2019-07-01T00:30:00"
    toast.get_by_role("button", name="Undo").click()
    page.locator(".toast", has_text="Undone for 2 photos").wait_for()
    assert site.dates()["2019/2019-06-30/import.jpg"] == "2019-06-30T23:45:00"
