"""Search and filters in Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from page_box import Window, index, launch, open_window, serve, wait
from pictures import make_jpeg
from playwright.sync_api import Browser, expect

from library import open_library
from settings import load_settings

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Photos of 2018 to 2020 in two folders; every third is a favorite."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.delenv("XDG_STATE_HOME", raising=False)
        root = home / "photos"
        for number in range(36):
            folder = "Trips" if number % 2 else "Home"
            make_jpeg(
                root / folder / f"{number:02}.jpg",
                number,
                date=f"{2018 + number // 12}:{number % 12 + 1:02}:10 12:00:00",
                rating=5 if number % 3 == 0 else None,
                size=(90, 60),
            )
        library = open_library(load_settings(root))
        index(library)
        url, stop = serve(library)
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


def test_words_and_filters_narrow_the_view_and_go_with_all_that_is_done(
    window: Window, site: str
) -> None:
    page = window.page
    page.goto(site)
    cells = page.locator(".cell")
    expect(cells).to_have_count(36)
    page.keyboard.press("/")
    page.keyboard.type("trips 2019")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site}/?q=trips+2019")  # and its scripts
    expect(cells).to_have_count(6)
    expect(page.locator(".chips-count")).to_have_text("6 photos")
    # The filters keep the words, and the favorites of the menu keep both.
    page.get_by_role("link", name="Search and filters").click()
    dialog = page.locator("dialog[data-filters]")
    expect(dialog.get_by_label("Words")).to_have_value("trips 2019")
    dialog.get_by_label("Year").select_option("2019")
    dialog.get_by_role("button", name="Show these").click()
    page.wait_for_url(f"{site}/?q=trips+2019&year=2019")  # and its scripts
    page.locator("[data-menu] summary").click()
    page.get_by_role("link", name="Show favorites").click()
    page.wait_for_url("**favorites=1**")
    expect(cells).to_have_count(2)
    expect(page.locator(".filter-chip")).to_have_count(3)
    # The viewer walks among what was found, and the way back finds it again.
    cells.first.locator("a").click()
    wait(page, "() => document.querySelector('dialog.viewer [data-photo]')")
    page.keyboard.press("ArrowRight")
    wait(page, "() => !document.querySelector('dialog.viewer [data-next]')")
    assert "q=trips" in page.url
    page.keyboard.press("Escape")
    expect(cells).to_have_count(2)
    page.reload()
    expect(cells).to_have_count(2)
    page.get_by_role("link", name="Without Favorites").click()
    expect(cells).to_have_count(6)
    page.go_back()
    expect(cells).to_have_count(2)
    page.get_by_role("link", name="Show all photos").click()
    expect(cells).to_have_count(36)
    assert window.complaints == []


def test_on_a_phone_one_sign_opens_words_and_filters(browser: Browser, site: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 780}, has_touch=True)
    page = context.new_page()
    page.goto(site)
    page.get_by_role("link", name="Search and filters").tap()
    dialog = page.locator("dialog[data-filters]")
    dialog.get_by_label("Words").fill("nothing of the kind")
    dialog.get_by_role("button", name="Show these").tap()
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()


def test_without_scripts_the_form_is_a_page(browser: Browser, site: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site)
    page.get_by_role("link", name="Search and filters").click()
    page.get_by_label("Folder").select_option("Home")
    page.get_by_label("Favorites").check()
    page.get_by_role("button", name="Show these").click()
    expect(page.locator(".cell")).to_have_count(6)
    context.close()
