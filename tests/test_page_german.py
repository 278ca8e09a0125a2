"""The page in a German browser: what its script says, too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from page_box import Window, index, launch, serve, wait
from pictures import make_jpeg
from playwright.sync_api import Browser, expect

from library import open_library
from settings import load_settings

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.delenv("LIGHTKEEP_DATA_DIR", raising=False)
        for number in range(8):
            make_jpeg(home / f"photos/{number}.jpg", number, date=f"2019:03:1{number} 12:00:00")
        library = open_library(load_settings(home / "photos"))
        index(library)
        url, stop = serve(library)
        yield url
        stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch() as browser:
        yield browser


def test_deeds_and_their_toasts_are_german(browser: Browser, address: str) -> None:
    context = browser.new_context(
        viewport={"width": 1100, "height": 700}, locale="de-DE", service_workers="block"
    )
    window = Window(context)
    page = window.page
    page.goto(address)
    expect(page.locator("html")).to_have_attribute("lang", "de")
    cells = page.locator(".cell a")
    cells.first.focus()
    page.keyboard.press("f")
    expect(page.locator(".toast")).to_contain_text("Zu den Favoriten hinzugefügt")
    page.keyboard.press("x")
    expect(page.locator("[data-selection-count]")).to_have_text("1 ausgewählt")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+X")
    expect(page.locator("[data-selection-count]")).to_have_text("2 ausgewählt")
    page.locator("[data-deed=date]").click()
    dialog = page.locator("dialog.dates")
    expect(dialog.locator("[data-dates-head]")).to_have_text("Datum von 2 Fotos ändern")
    dialog.locator("input[name=hours]").fill("1")
    expect(dialog.locator("[data-dates-change]")).to_have_text("2 Fotos ändern")
    expect(dialog.locator("li").first).to_contain_text(
        "16.03.2019, 12:00:00 → 16.03.2019, 13:00:00"
    )
    page.keyboard.press("Escape")
    page.locator("[data-deed=trash]").click()
    gone = page.locator(".toast", has_text="2 Fotos in den Papierkorb verschoben")
    gone.get_by_role("button", name="Rückgängig").click()
    expect(page.locator(".toast", has_text="Für 2 Fotos zurückgenommen")).to_be_visible()
    page.locator("[data-import]").first.click()
    expect(page.locator("dialog .upload-hint, dialog [data-upload]").first).to_contain_text(
        "Fotos, Videos oder Ordner hierher ziehen"
    )
    page.keyboard.press("Escape")
    wait(page, "() => document.querySelector('.scrubber-here').ariaLabel === 'Monat'")
    assert window.complaints == []
    context.close()
