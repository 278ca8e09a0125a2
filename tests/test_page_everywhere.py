"""What holds on every page: it can be used without eyes or mouse, on small screens, and by keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from page_box import index, launch, list_grave, serve, wait
from pictures import make_jpeg
from playwright.sync_api import Browser, Page, ViewportSize, expect

from library import open_library
from settings import load_settings

FORMS = {"settings": "/settings", "import": "/import", "emptying": "/trash/empty"}
PAGES = FORMS | {
    "grid": "/",
    "favorites": "/?favorites=1",
    "oldest": "/?order=oldest",
    "filters": "/filters",
    "found": "/?q=photo",
    "not found": "/?q=unheard",
    "month": "/months/2019-03",
    "photo": "/photo/1",
    "operations": "/operations",
    "question": "/operations/start/rebuild_database",
    "other question": "/operations/start/verify_library",
    "trash": "/trash",
    "duplicates": "/duplicates",
    "changes": "/edits",
    "performance": "/performance",
    "api": "/api",
    "nothing": "/nowhere",
    "wrong request": "/?order=sideways",
}
SMALL: ViewportSize = {"width": 320, "height": 640}
LARGE: ViewportSize = {"width": 1280, "height": 800}


@dataclass(frozen=True, slots=True)
class Site:
    """Two libraries that are served: one with photos, one new and with a password."""

    address: str
    locked: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.delenv("LIGHTKEEP_DATA_DIR", raising=False)
        folder = home / "photos"
        for number in range(12):
            date = f"2019:0{number // 6 + 3}:{number % 6 + 10} 12:00:00"
            make_jpeg(folder / f"a-rather-long-name-of-a-photo-{number}.jpg", number, date=date)
        make_jpeg(folder / "again.jpg", 3, date="2019:03:13 12:00:00")
        make_jpeg(folder / "undated.jpg", 99)
        library = open_library(load_settings(folder))
        index(library)
        library.finish(library.start_trash([2]))
        library.rate_photo(1, 5)
        (home / "new").mkdir()
        locked = open_library(load_settings(home / "new"))
        locked.accounts.set_password("correct horse")
        address, stop = serve(library)
        address_of_locked, stop_locked = serve(locked)
        yield Site(address, address_of_locked)
        stop()
        stop_locked()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch() as browser:
        yield browser


def open_page(browser: Browser, size: ViewportSize) -> Page:
    # Colors are looked at as they are in the end, and not on their way.
    return browser.new_context(
        viewport=size, reduced_motion="reduce", service_workers="block"
    ).new_page()


def sign_in(page: Page, site: Site) -> None:
    page.goto(f"{site.locked}/login")
    page.locator("#password").fill("correct horse")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Welcome to Lightkeep").wait_for()


@pytest.mark.slow
def test_no_page_dialog_or_menu_keeps_anybody_out(browser: Browser, site: Site) -> None:
    page = open_page(browser, LARGE)
    found: dict[str, list[str]] = {}
    for name, path in PAGES.items():
        page.goto(f"{site.address}{path}")
        found[name] = list_grave(page)
    page.goto(f"{site.address}/trash")
    page.locator(".trash-check").first.check()
    found["chosen in the trash"] = list_grave(page)
    page.goto(f"{site.address}/settings")
    page.locator("#trash_days").fill("soon")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#trash_days-error")).to_be_visible()
    expect(page.locator("#trash_days")).to_be_focused()
    found["wrong settings"] = list_grave(page)
    page.goto(site.address)
    page.locator(".menu summary").click()
    found["menu"] = list_grave(page)
    page.get_by_role("button", name="Keys").click()
    found["keys"] = list_grave(page)
    page.keyboard.press("Escape")
    page.locator(".cell a").first.focus()
    page.keyboard.press("x")
    found["selection"] = list_grave(page)
    page.locator("[data-deed=date]").click()
    page.locator("dialog.dates[open]").wait_for()
    found["dates"] = list_grave(page)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.locator(".cell a").first.click()
    page.locator(".viewer .viewer-panel").wait_for()
    found["viewer"] = list_grave(page)
    page.goto(f"{site.locked}/login")
    found["login"] = list_grave(page)
    page.locator("#password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    found["wrong password"] = list_grave(page)
    sign_in(page, site)
    found["new library"] = list_grave(page)
    page.goto(f"{site.locked}/settings")
    page.locator("#name").fill("frame")
    page.get_by_role("button", name="Make a token").click()
    page.locator(".setting-token").wait_for()
    found["settings with a token"] = list_grave(page)
    page.get_by_role("button", name="Revoke frame").click()
    page.context.close()
    assert {name: trouble for name, trouble in found.items() if trouble} == {}


def test_no_page_scrolls_sideways_on_the_smallest_phone(browser: Browser, site: Site) -> None:
    page = open_page(browser, SMALL)
    wide = {}

    def look(name: str) -> None:
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if over > 0:
            wide[name] = over

    for name, path in PAGES.items():
        page.goto(f"{site.address}{path}")
        look(name)
    page.goto(site.address)
    for _ in range(2):
        page.locator(".menu summary").click()
        look("menu")
    page.keyboard.press("?")
    look("keys")
    dialog = page.locator("dialog.keys")
    assert dialog.evaluate("(keys) => keys.scrollWidth <= keys.clientWidth")
    page.goto(f"{site.locked}/login")
    look("login")
    sign_in(page, site)
    look("new library")
    page.context.close()
    assert wide == {}


def test_all_of_the_menu_can_be_reached_on_a_low_screen(browser: Browser, site: Site) -> None:
    page = open_page(browser, {"width": 640, "height": 320})
    page.goto(site.address)
    page.locator(".menu summary").click()
    page.locator("[data-keys]").scroll_into_view_if_needed()
    box = page.locator("[data-keys]").bounding_box()
    assert box
    assert 0 < box["y"] < 320
    page.context.close()


def test_the_keys_are_named_on_every_page_and_the_focus_comes_back(
    browser: Browser, site: Site
) -> None:
    page = open_page(browser, LARGE)
    dialog = page.locator("dialog.keys")
    for path in ("/photo/1", "/trash", "/api", "/settings"):
        page.goto(f"{site.address}{path}")
        page.keyboard.press("?")
        expect(dialog).to_be_visible()
    page.goto(f"{site.address}/settings")
    page.locator("#trash_days").press("?")
    expect(dialog).to_be_hidden()
    page.goto(site.address)
    cell = page.locator(".cell a").nth(1)
    cell.focus()
    page.keyboard.press("?")
    expect(dialog.get_by_role("heading", name="Chosen photos")).to_be_visible()
    # The keys that it names do nothing behind it.
    page.keyboard.press("x")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(cell).to_be_focused()
    assert page.locator(".selecting").count() == 0
    page.locator(".menu summary").press("Enter")
    page.locator("[data-keys]").press("Enter")
    expect(dialog).to_be_visible()
    page.keyboard.press("?")
    expect(page.locator(".menu summary")).to_be_focused()
    # Over the viewer too, which stays open.
    cell.click()
    page.locator(".viewer .viewer-panel").wait_for()
    before = page.url
    page.keyboard.press("?")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert page.url == before
    expect(page.locator("dialog.viewer")).to_be_visible()
    page.context.close()


def test_whoever_wants_no_motion_and_forced_colors_gets_them(browser: Browser, site: Site) -> None:
    context = browser.new_context(
        reduced_motion="reduce", forced_colors="active", service_workers="block"
    )
    page = context.new_page()
    page.goto(site.address)
    moving = page.evaluate(
        """() => [...document.querySelectorAll('*')].filter((one) => {
          const style = getComputedStyle(one);
          const times = `${style.transitionDuration}, ${style.animationDuration}`;
          return times.split(', ').some((time) => parseFloat(time) > 0);
        }).length"""
    )
    assert moving == 0
    page.keyboard.press("?")
    style = page.locator("dialog.keys").evaluate("(keys) => getComputedStyle(keys).borderTopWidth")
    assert style == "1px"
    context.close()


# -- the installed app ---------------------------------------------------------------------------


def test_while_the_server_is_away_a_page_says_so_and_nothing_private_is_kept(
    browser: Browser, home: Path
) -> None:
    make_jpeg(home / "photos/a.jpg", 1, date="2019:07:14 18:03:22")
    library = open_library(load_settings(home / "photos"))
    index(library)
    address, stop = serve(library)
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    stopped = False
    try:
        page.goto(address)
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        wait(page, "() => navigator.serviceWorker.controller")
        page.goto(f"{address}/photo/1")
        page.locator(".viewer-picture").wait_for()
        page.goto(f"{address}/settings")
        stop()
        stopped = True
        page.goto(f"{address}/months/2019-07")
        expect(page.get_by_role("heading", name="Lightkeep does not answer")).to_be_visible()
        assert page.url.endswith("/months/2019-07")
        assert page.locator("main").evaluate("(main) => getComputedStyle(main).maxWidth") != "none"
        assert list_grave(page) == []
        kept = page.evaluate(
            """async () => {
              const names = await caches.keys();
              const stores = await Promise.all(names.map((name) => caches.open(name)));
              const requests = (await Promise.all(stores.map((store) => store.keys()))).flat();
              return requests.map((one) => new URL(one.url).pathname);
            }"""
        )
        assert len(kept) == 6
        assert [path for path in kept if not path.startswith("/static/")] == ["/offline"]
    finally:
        context.close()
        if not stopped:
            stop()
