"""The trash and duplicates in Chromium: what a person sees and does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from page_box import Window, index, launch, open_window, serve, wait
from pictures import make_jpeg
from playwright.sync_api import Browser, Locator, Page, expect

import catalog
import trash_rows
from library import Library, open_library
from pair_rows import pair_photos
from settings import load_settings

pytestmark = pytest.mark.browser

PHOTOS = 120
A_MONTH = 20
SETTLED = """() => document.querySelector('[data-picture]')?.complete
    && !document.querySelector('[data-facts-link]')"""
"""Nothing more is asked about the photo in the viewer: after a move it would not be found."""


@dataclass(frozen=True, slots=True)
class Site:
    """A served library."""

    url: str
    library: Library
    root: Path

    def paths(self) -> set[str]:
        """What is in the grid's table."""
        with self.library.database.reading() as connection:
            return {photo.current_path for photo in catalog.iterate_photos(connection)}

    def trashed(self) -> set[str]:
        with self.library.database.reading() as connection:
            return {entry.original_path for entry in trash_rows.list_entries(connection)}


@pytest.fixture(scope="module")
def module_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of its own for what this user remembers."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("HOME", str(home))
        patch.delenv("XDG_STATE_HOME", raising=False)
        yield home


@pytest.fixture(scope="module")
def indexed(module_home: Path) -> Path:
    """120 photos in six months; the newest has a RAW beside it, and two pictures a copy."""
    root = module_home / "indexed"
    for number in range(PHOTOS):
        month, day = number // A_MONTH + 1, number % A_MONTH + 1
        make_jpeg(root / f"{number:03}.jpg", number, date=f"2020:{month:02}:{day:02} 12:00:00")
    make_jpeg(root / "119.nef", PHOTOS, date="2020:06:20 12:00:00")
    for number in (3, 4):
        (root / "copies").mkdir(exist_ok=True)
        shutil.copy(root / f"{number:03}.jpg", root / "copies" / f"copy {number}.jpg")
    library = open_library(load_settings(root))
    index(library)
    library.close()
    return root


@pytest.fixture
def site(indexed: Path, tmp_path: Path) -> Iterator[Site]:
    """A copy of that library, for one test."""
    root = shutil.copytree(indexed, tmp_path / "photos")
    library = open_library(load_settings(root))
    index(library)
    with library.database.transaction() as connection:
        # A RAW file is known by its name here: what counts is how the pair is treated.
        connection.execute("UPDATE photos SET file_type = 'nef' WHERE current_path LIKE '%.nef'")
        pair_photos(connection)
    url, stop = serve(library)
    yield Site(url, library, root)
    stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch() as browser:
        yield browser


@pytest.fixture
def window(browser: Browser) -> Iterator[Window]:
    with open_window(browser) as window:
        window.page.set_default_timeout(8000)
        yield window


def cell(page: Page, name: str) -> Locator:
    return page.locator(".cell", has=page.locator(".cell-name", has_text=name))


def select(page: Page, *names: str) -> None:
    for name in names:
        cell(page, name).hover()
        cell(page, name).locator(".cell-check").click()


def toast(page: Page, words: str) -> Locator:
    return page.locator(".toast", has_text=words)


def head(page: Page, month: str) -> Locator:
    return page.locator(f"#m-{month} .month-head .quiet")


def names(page: Page, month: str) -> list[str]:
    cells = page.locator(f"#m-{month} .cell-name")
    return [text.split(".")[0] for text in cells.all_text_contents()]


# -- in the grid -------------------------------------------------------------------------------


def test_a_selection_goes_to_the_trash_and_comes_back_where_it_was(
    window: Window, site: Site
) -> None:
    page = window.page
    page.goto(site.url)
    page.locator("#m-2020-05").scroll_into_view_if_needed()
    page.evaluate("document.querySelector('#m-2020-05').scrollIntoView()")
    cell(page, "095.jpg").wait_for()
    before, top = names(page, "2020-05"), page.evaluate("scrollY")
    kept = cell(page, "099.jpg").element_handle()
    select(page, "098.jpg", "097.jpg", "095.jpg")
    page.locator("[data-deed=trash]").click()
    toast(page, "3 photos moved to the trash").wait_for()
    expect(head(page, "2020-05")).to_contain_text("17 photos")
    assert names(page, "2020-05") == [name for name in before if name not in ("098", "097", "095")]
    assert page.evaluate("scrollY") == top
    assert kept is not None
    assert kept.evaluate("cell => cell.isConnected")  # it was not drawn again
    assert not {"098.jpg", "097.jpg", "095.jpg"} & site.paths()
    expect(page.locator("[data-count-of=trash]")).to_have_text("3")
    assert page.locator("[data-selection]").is_hidden()
    toast(page, "3 photos moved").get_by_role("button", name="Undo").click()
    toast(page, "Undone for 3 photos").wait_for()
    expect(head(page, "2020-05")).to_contain_text("20 photos")
    assert names(page, "2020-05") == before
    assert page.evaluate("scrollY") == top
    assert {"098.jpg", "097.jpg", "095.jpg"} <= site.paths()
    expect(page.locator("[data-count-of=trash]")).to_have_text("0")
    assert window.complaints == []


def test_what_goes_above_the_screen_moves_nothing_that_is_seen(window: Window, site: Site) -> None:
    page = window.page
    page.goto(site.url)
    select(page, *(f"{number:03}.jpg" for number in range(110, 118)))
    page.evaluate("document.querySelector('#m-2020-03').scrollIntoView()")
    cell(page, "055.jpg").wait_for()
    place = "document.querySelector('#m-2020-03').getBoundingClientRect().top"
    before = page.evaluate(place)
    page.locator("[data-deed=trash]").click()
    toast(page, "8 photos moved").wait_for()
    expect(head(page, "2020-06")).to_contain_text("12 photos")
    assert abs(page.evaluate(place) - before) < 1
    toast(page, "8 photos moved").get_by_role("button", name="Undo").click()
    toast(page, "Undone for 8 photos").wait_for()
    assert abs(page.evaluate(place) - before) < 1


def test_a_whole_month_goes_and_comes_back(window: Window, site: Site) -> None:
    page = window.page
    page.goto(site.url)
    page.locator("#m-2020-05 .month-head").hover()
    page.locator("#m-2020-05 [data-month-check]").click()
    page.keyboard.press("Delete")
    toast(page, "20 photos moved").wait_for()
    assert page.locator("#m-2020-05").evaluate("month => month.offsetHeight") == 0
    assert page.locator("#m-2020-05 h2").is_hidden()
    expect(page.locator("option[value=m-2020-05]")).to_have_attribute("hidden", "")
    page.keyboard.press("u")
    toast(page, "Undone for 20 photos").wait_for()
    expect(page.locator("#m-2020-05 h2")).to_be_visible()
    assert len(names(page, "2020-05")) == 20
    assert window.complaints == []


def test_all_photos_go_and_come_back(window: Window, site: Site) -> None:
    page = window.page
    page.goto(site.url)
    for month in range(6, 0, -1):
        page.locator(f"#m-2020-{month:02} [data-month-check]").click(force=True)
    page.keyboard.press("Delete")
    page.get_by_role("button", name="Trash both").click()
    toast(page, "122 photos and 1 RAW file moved").wait_for()
    assert site.paths() == set()
    assert page.locator(".cell").count() == 0
    page.keyboard.press("u")
    toast(page, "Undone for 123 photos").wait_for()
    assert [head(page, f"2020-{month:02}").inner_text()[-9:] for month in range(1, 7)] == [
        "22 photos",
        *["20 photos"] * 5,
    ]
    assert page.locator(".cell").count() == 122
    assert window.complaints == []


def test_a_month_on_a_page_of_its_own_follows_too(window: Window, site: Site) -> None:
    page = window.page
    page.goto(f"{site.url}/months/2020-05")
    select(page, "098.jpg", "097.jpg")
    page.locator("[data-deed=trash]").click()
    toast(page, "2 photos moved").wait_for()
    expect(head(page, "2020-05")).to_contain_text("18 photos")
    expect(page.locator(".cell")).to_have_count(18)
    page.keyboard.press("u")
    expect(page.locator(".cell")).to_have_count(20)
    assert window.complaints == []


def test_on_a_phone_the_count_and_the_deeds_do_not_overlap(window: Window, site: Site) -> None:
    page = window.page
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(site.url)
    page.locator(".cell-check").first.click(force=True)
    count, deeds = (
        page.locator(part).bounding_box() for part in (".selection-count", ".selection-deeds")
    )
    assert count is not None
    assert deeds is not None
    assert count["y"] + count["height"] <= deeds["y"]
    button = page.locator("[data-deed=trash]").bounding_box()
    assert button is not None
    assert button["x"] + button["width"] <= 360


def test_raw_and_jpeg_ask_whether_one_or_both(window: Window, site: Site) -> None:
    page = window.page
    page.goto(site.url)
    select(page, "119.jpg", "118.jpg")
    page.locator("[data-deed=trash]").click()
    question = page.locator("[data-ask-companions]")
    expect(question).to_contain_text("One of these 2 photos has its RAW beside: 119.nef")
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    expect(page.locator("[data-selection-count]")).to_have_text("2 selected")
    assert site.trashed() == set()
    page.locator("[data-deed=trash]").click()
    question.get_by_role("button", name="Keep the RAW").click()
    toast(page, "2 photos moved to the trash").wait_for()
    assert site.trashed() == {"119.jpg", "118.jpg"}
    cell(page, "119.nef").wait_for()  # a photo of its own now
    expect(head(page, "2020-06")).to_contain_text("19 photos")
    page.keyboard.press("u")
    toast(page, "Undone for 2 photos").wait_for()
    expect(cell(page, "119.nef")).to_have_count(0)
    cell(page, "119.jpg").locator("a").focus()
    page.keyboard.press("Delete")
    question.get_by_role("button", name="Trash both").click()
    toast(page, "1 photo and its RAW moved to the trash").wait_for()
    assert site.trashed() == {"119.jpg", "119.nef"}
    assert window.complaints == []


def test_a_photo_that_is_meanwhile_gone_is_named_and_the_others_go(
    window: Window, site: Site
) -> None:
    page = window.page
    page.goto(site.url)
    (site.root / "116.jpg").unlink()
    select(page, "117.jpg", "116.jpg")
    page.locator("[data-deed=trash]").click()
    toast(page, "1 photo moved to the trash").wait_for()
    refused = toast(page, "1 photo could not be moved")
    refused.locator("summary").click()
    expect(refused).to_contain_text("116.jpg is not there now.")
    refused.get_by_role("button", name="Select it").click()
    expect(page.locator("[data-selection-count]")).to_have_text("1 selected")
    page.locator("[data-deed=clear]").click()
    # In another tab it was trashed already.
    other = cell(page, "115.jpg").locator("a").get_attribute("data-photo")
    site.library.finish(site.library.start_trash([int(other or 0)]))
    cell(page, "115.jpg").locator("a").focus()
    page.keyboard.press("Delete")
    toast(page, "115.jpg is in the trash already.").wait_for()
    expect(cell(page, "115.jpg")).to_have_count(0)
    assert window.complaints == []


# -- in the viewer -----------------------------------------------------------------------------


def test_from_the_viewer_the_next_photo_takes_its_place(window: Window, site: Site) -> None:
    page = window.page
    page.goto(site.url)
    cell(page, "117.jpg").locator("a").click()
    viewer = page.locator("dialog[data-viewer]")
    viewer.locator("[data-name='117.jpg']").wait_for()
    wait(page, SETTLED)
    viewer.get_by_role("button", name="Move to the trash").click()
    viewer.locator("[data-name='116.jpg']").wait_for()
    wait(page, SETTLED)
    assert "117.jpg" in site.trashed()
    viewer.locator(".toast").get_by_role("button", name="Undo").click()
    toast(page, "Undone for 1 photo").wait_for()
    page.keyboard.press("Delete")
    viewer.locator("[data-name='115.jpg']").wait_for()
    page.keyboard.press("Escape")
    expect(viewer).to_be_hidden()
    expect(cell(page, "117.jpg")).to_have_count(1)
    expect(cell(page, "116.jpg")).to_have_count(0)
    assert window.complaints == []


def test_on_the_page_of_one_photo_the_way_back_is_told_by_the_next(
    window: Window, site: Site
) -> None:
    page = window.page
    page.goto(site.url)
    photo = cell(page, "112.jpg").locator("a").get_attribute("data-photo")
    page.goto(f"{site.url}/photo/{photo}")
    wait(page, SETTLED)
    page.keyboard.press("Delete")
    page.locator("[data-viewer-page] [data-name='111.jpg']").wait_for()
    toast(page, "1 photo moved").get_by_role("button", name="Undo").click()
    toast(page, "Undone for 1 photo").wait_for()
    assert "112.jpg" in site.paths()
    assert window.complaints == []


# -- the page of the trash ---------------------------------------------------------------------


def put_into_trash(site: Site, *names: str) -> None:
    with site.library.database.reading() as connection:
        ids = [catalog.get_photo_at(connection, name).id for name in names]
    site.library.finish(site.library.start_trash(ids))


def test_photos_are_restored_and_deleted_from_the_trash(window: Window, site: Site) -> None:
    put_into_trash(site, "090.jpg", "091.jpg", "092.jpg", "093.jpg")
    page = window.page
    page.goto(f"{site.url}/trash")
    wait(page, "() => document.querySelectorAll('.trash-picture img')[3].naturalWidth > 0")
    expect(page.locator(".trash-bar")).to_be_hidden()
    page.get_by_label("Select 090.jpg").check()
    page.get_by_label("Select 091.jpg").check()
    expect(page.locator(".trash-bar")).to_be_visible()
    page.get_by_role("button", name="Restore", exact=True).click()
    page.get_by_text("2 photos brought back.").wait_for()
    assert {"090.jpg", "091.jpg"} <= site.paths()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("2 photos moved to the trash.").wait_for()
    page.get_by_label("Select 092.jpg").check()
    page.get_by_role("button", name="Delete for good…").click()
    page.get_by_role("heading", name="Delete 092.jpg for good?").wait_for()
    page.get_by_role("link", name="Keep").click()
    assert "092.jpg" in site.trashed()
    page.get_by_label("Select 092.jpg").check()
    page.get_by_role("button", name="Delete for good…").click()
    page.get_by_role("button", name="Delete for good").click()
    page.get_by_text("1 photo deleted for good").wait_for()
    page.get_by_role("link", name="Empty trash…").click()
    expect(page.locator("main")).to_contain_text("3 files")
    page.get_by_role("button", name="Delete for good").click()
    page.get_by_text("The trash is empty.").wait_for()
    assert site.trashed() == set()
    assert list((site.root / ".library" / "trash").iterdir()) == []
    assert window.complaints == []


# -- duplicates --------------------------------------------------------------------------------


def test_of_duplicates_one_is_kept_and_the_other_goes(window: Window, site: Site) -> None:
    page = window.page
    page.goto(f"{site.url}/duplicates?same_bytes=1")
    group = page.locator(".twins", has_text="copy 3.jpg")
    group.get_by_role("radio", name="Keep copies/copy 3.jpg").check()
    group.get_by_role("button", name="Keep the chosen one").click()
    page.get_by_text("1 photo moved to the trash.").wait_for()
    assert site.trashed() == {"003.jpg"}
    expect(page.locator(".twins")).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("1 photo brought back.").wait_for()
    page.get_by_role("button", name="Merge all as suggested").click()
    page.get_by_text("2 photos moved to the trash.").wait_for()
    assert site.trashed() == {"copies/copy 3.jpg", "copies/copy 4.jpg"}
    assert not (site.root / "copies").exists()  # it was left empty
    assert window.complaints == []
