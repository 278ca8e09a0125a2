"""Import in Chromium: files dropped on the page or chosen, the plan, and what the grid shows."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from edit_box import EditBox, opened_box
from page_box import Window, launch, open_window, serve
from pictures import make_jpeg
from playwright.sync_api import Browser, Locator, Page, Route, expect

from import_plan import ImportPlan
from plan_runner import Tell
from web import imports

pytestmark = pytest.mark.browser

DATE = "2019:07:14 18:03:22"
DAY = "2019/2019-07-14"
FILES = "**/api/import/files"


@dataclass(frozen=True, slots=True)
class Site:
    """A served library of one photo, what may be imported, and an inbox on the server."""

    url: str
    box: EditBox
    card: Path

    def files(self) -> list[str]:
        """What lies in the library."""
        return list(self.box.hashes())


@pytest.fixture
def site(home: Path, tmp_path: Path) -> Iterator[Site]:
    del home
    make_jpeg(tmp_path / "photos/here.jpg", 9, date=DATE)
    card = tmp_path / "inbox/card"
    for number in range(3):
        make_jpeg(card / f"IMG_{number}.jpg", number, date=DATE)
    shutil.copy(tmp_path / "photos/here.jpg", card / "again.jpg")
    (card / "notes.txt").write_text("no photo")
    with opened_box(tmp_path / "photos", import_roots=(tmp_path / "inbox",)) as box:
        url, stop = serve(box.library)
        yield Site(url, box, card)
        stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch() as browser:
        yield browser


@pytest.fixture
def window(browser: Browser) -> Iterator[Window]:
    with open_window(browser) as window:
        yield window


@pytest.fixture
def page(window: Window) -> Page:
    return window.page


def drag(page: Page, kind: str, paths: Sequence[Path], x: int = 500, y: int = 300) -> None:
    """Drag files or folders of this machine over the page, as a person does; `drop` lets go."""
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    words = {"type": kind, "x": x, "y": y, "data": data}
    page.context.new_cdp_session(page).send("Input.dispatchDragEvent", words)


def drop(page: Page, *paths: Path) -> None:
    for kind in ("dragEnter", "dragOver", "drop"):
        drag(page, kind, paths)


def figure(page: Page, word: str) -> Locator:
    return page.locator(".plan-figure", has_text=word).locator("dd")


def finish(page: Page) -> None:
    """Start the import of the plan, and wait until the grid says that it ended."""
    page.locator(".import-plan .start button").click()
    expect(page.locator(".operation-line")).to_contain_text("The photos were imported.")


def test_files_dropped_on_the_grid_are_planned_imported_and_shown(
    site: Site, window: Window, page: Page
) -> None:
    page.goto(site.url)
    expect(page.locator(".cell")).to_have_count(1)
    drag(page, "dragEnter", [site.card])
    drag(page, "dragOver", [site.card])
    expect(page.get_by_text("Drop the photos to import them")).to_be_visible()
    drag(page, "drop", [site.card])
    dialog = page.get_by_role("dialog", name="Import photos")
    expect(dialog.locator("[data-upload-status]")).to_contain_text("5 of 5 files sent")
    expect(dialog.locator("[data-plan-head]")).to_be_focused()
    expect(dialog.locator("[data-plan-head]")).to_have_text("3 new")
    expect(figure(page, "Already here")).to_contain_text("1 ")
    expect(figure(page, "No photos")).to_contain_text("1 ")
    page.get_by_text("What is here already, and where").click()
    expect(page.get_by_text("→ here.jpg")).to_be_visible()
    assert site.files() == ["here.jpg"]
    finish(page)
    expect(page.locator(".operation-line")).to_contain_text("3 imported, 1 already here")
    page.locator("[data-reload]").click()
    expect(page.locator(".cell")).to_have_count(4)
    assert site.files() == [*(f"{DAY}/IMG_{number}.jpg" for number in range(3)), "here.jpg"]
    for name in ("IMG_0.jpg", "IMG_2.jpg"):
        came = site.box.root / DAY / name
        assert came.read_bytes() == (site.card / name).read_bytes()
        # Browsers know times to the millisecond.
        assert came.stat().st_mtime == pytest.approx((site.card / name).stat().st_mtime, abs=0.001)
    assert window.complaints == []


def test_files_are_chosen_on_the_page_and_each_has_its_progress(
    site: Site, window: Window, page: Page
) -> None:
    page.goto(f"{site.url}/import")
    held: list[Route] = []
    page.route(FILES, lambda route: held.append(route) if not held else route.continue_())
    photos = sorted(site.card.glob("IMG_*"))
    with page.expect_file_chooser() as chooser:
        page.get_by_label("Choose photos").click()
    chooser.value.set_files(photos)
    rows = page.locator(".upload-list li")
    expect(rows).to_have_count(3)
    expect(rows.first.locator("progress")).to_be_visible()
    expect(page.locator("[data-upload-status]")).to_contain_text("0 of 3 files sent")
    page.wait_for_timeout(50)
    held[0].continue_()
    expect(page.locator("[data-upload-status]")).to_contain_text("3 of 3 files sent")
    expect(page.locator("[data-plan-head]")).to_have_text("3 new")
    finish(page)
    assert len(site.files()) == 4
    assert window.complaints == []


def test_after_a_lost_connection_it_goes_on_and_doubles_nothing(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/import")
    sent: list[int] = []

    def lose(route: Route) -> None:
        if route.request.method == "POST":
            sent.append(len(sent))
            if len(sent) == 2:
                route.fetch()  # it arrives, and only the answer is lost
            if len(sent) in (2, 3):
                return route.abort("connectionreset")
        return route.continue_()

    page.route(FILES, lose)
    page.route(f"{FILES}?*", lose)
    page.set_input_files("[data-upload-files]", sorted(site.card.glob("IMG_*")))
    expect(page.locator("[data-upload-status]")).to_contain_text("goes on by itself")
    expect(page.locator("[data-upload-status]")).to_contain_text("3 of 3 files sent")
    expect(page.locator("[data-plan-head]")).to_have_text("3 new")
    finish(page)
    assert len(site.files()) == 4


def test_a_large_file_goes_in_pieces_and_on_from_the_lost_one(site: Site, page: Page) -> None:
    photo = site.card / "IMG_0.jpg"
    with photo.open("ab") as file:
        file.write(bytes(40 << 20))
    page.goto(f"{site.url}/import")
    offsets: list[int] = []

    def lose(route: Route) -> None:
        body = route.request.post_data_buffer or b""
        if route.request.method == "POST":
            offsets.append(int(body.split(b'name="offset"\r\n\r\n')[1].split(b"\r\n")[0]))
            if len(offsets) == 2:
                return route.abort("connectionreset")
        return route.continue_()

    page.route(FILES, lose)
    page.set_input_files("[data-upload-files]", photo)
    expect(page.locator("[data-plan-head]")).to_have_text("1 new")
    piece = 16 << 20
    assert offsets == [0, piece, piece, 2 * piece]
    finish(page)
    assert (site.box.root / DAY / "IMG_0.jpg").read_bytes() == photo.read_bytes()


def test_closed_and_opened_again_it_knows_what_was_sent(site: Site, page: Page) -> None:
    page.goto(site.url)
    page.get_by_role("link", name="Import", exact=True).click()
    page.set_input_files("[data-upload-files]", sorted(site.card.glob("IMG_*"))[:2])
    expect(page.locator("[data-plan-head]")).to_have_text("2 new")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    posts: list[str] = []
    page.on("request", lambda one: posts.append(one.url) if one.url.endswith("/files") else None)
    drop(page, *sorted(site.card.glob("IMG_*"))[1:])
    expect(page.locator("[data-plan-head]")).to_have_text("3 new")
    expect(page.locator("[data-upload-status]")).to_contain_text("1 from before")
    assert len(posts) == 1


def test_after_a_reload_what_was_sent_is_still_there(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/import")
    page.set_input_files("[data-upload-files]", sorted(site.card.glob("IMG_*"))[:2])
    expect(page.locator("[data-plan-head]")).to_have_text("2 new")
    page.reload()
    expect(page.locator("[data-upload-status]")).to_have_text("2 files were sent before.")
    expect(page.locator("[data-plan-head]")).to_have_text("2 new")
    finish(page)
    page.goto(f"{site.url}/import")
    expect(page.get_by_text("Drop photos, videos or folders here")).to_be_visible()
    expect(page.locator("[data-upload-state]")).to_be_hidden()


def test_a_full_disk_is_said_and_tried_again(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/import")
    full = '{"error": {"code": "disk_full", "message": "There is no room on the disk."}}'
    page.route(
        FILES, lambda route: route.fulfill(status=507, content_type="application/json", body=full)
    )
    page.set_input_files("[data-upload-files]", site.card / "IMG_0.jpg")
    expect(page.locator("[data-upload-status]")).to_have_text("There is no room on the disk.")
    page.unroute(FILES)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("[data-plan-head]")).to_have_text("1 new")


def test_files_dropped_beside_the_frame_do_not_lead_away(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/import")
    for kind in ("dragEnter", "dragOver", "drop"):
        drag(page, kind, [site.card / "IMG_0.jpg"], x=5, y=600)
    expect(page.locator("[data-plan-head]")).to_have_text("1 new")
    assert page.url == f"{site.url}/import"


def test_a_folder_on_the_server_is_planned_and_imported(
    site: Site, window: Window, page: Page
) -> None:
    page.goto(f"{site.url}/import")
    page.get_by_label(str(site.card.parent)).check()
    page.get_by_role("button", name="Look what is new").click()
    expect(page.locator("[data-plan-head]")).to_have_text("3 new")
    finish(page)
    page.locator(".operation-link").click()
    expect(page.locator("main")).to_contain_text("inbox/card/again.jpg → here.jpg")
    assert window.complaints == []


def test_a_plan_that_takes_long_shows_how_far_it_is(
    site: Site, window: Window, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "_WAITED_S", 0)
    monkeypatch.setattr(imports, "_ASKED_AGAIN_S", 0.1)
    counted, make = [1], site.box.library.plans._make_plan

    def make_late(sources: Sequence[str], upload: str | None, tell: Tell) -> ImportPlan:
        while (count := counted[0]) < 4:
            tell(count, 4)
            time.sleep(0.01)
        return make(sources, upload, tell)

    monkeypatch.setattr(site.box.library.plans, "_make_plan", make_late)
    for way in ("files", "folder"):
        counted[0] = 1
        page.goto(f"{site.url}/import")
        if way == "files":
            page.set_input_files("[data-upload-files]", sorted(site.card.glob("IMG_*")))
        else:
            page.get_by_label(str(site.card.parent)).check()
            page.get_by_role("button", name="Look what is new").click()
        planning = page.locator("[data-planning]")
        expect(planning).to_contain_text("1 of 4 files")
        counted[0] = 3
        expect(planning).to_contain_text("3 of 4 files")
        counted[0] = 4
        expect(page.locator("[data-plan-head]")).to_be_focused()
        expect(page.locator("[data-plan-head]")).to_have_text("3 new")
    assert window.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_panel_and_plan_are_accessible(site: Site, browser: Browser, scheme: str) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    try:
        page = context.new_page()
        page.goto(f"{site.url}/import")
        for step in range(2):
            assert Axe().run(page).response["violations"] == [], step
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= 390
            if not step:
                page.set_input_files("[data-upload-files]", sorted(site.card.iterdir()))
                expect(page.locator("[data-plan-head]")).to_have_text("3 new")
    finally:
        context.close()
