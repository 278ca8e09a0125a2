"""The login page in Chromium, under a name that browsers do not trust: plain http in a home."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from page_box import CHROMIUM
from pictures import make_jpeg
from playwright.sync_api import Browser, sync_playwright
from server_box import run_server

from app import create_app
from library import open_library
from settings import load_settings

pytestmark = pytest.mark.browser

PASSWORD = "correct horse"
NAME = "nas.test"
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    f"--host-resolver-rules=MAP {NAME} 127.0.0.1",
]


@pytest.fixture
def site(home: Path) -> Iterator[str]:
    make_jpeg(home / "photos/a.jpg", 1, date="2019:07:14 18:03:22")
    settings = dataclasses.replace(load_settings(home / "photos"), allowed_hosts=(NAME,))
    library = open_library(settings)
    library.runner.wait(library.start_update_index(), timeout=60)
    library.accounts.set_password(PASSWORD)
    port, stop = run_server(create_app(library=library))
    yield f"http://{NAME}:{port}"
    stop()
    library.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.mark.parametrize("scripted", [True, False])
def test_a_person_signs_in_from_another_machine_and_out_again(
    browser: Browser, site: str, scripted: bool
) -> None:
    context = browser.new_context(java_script_enabled=scripted)
    page = context.new_page()
    page.goto(f"{site}/months/2019-07?order=oldest")
    assert page.url == f"{site}/login?next=/months/2019-07?order%3Doldest"
    page.fill("#password", "wrong password")
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for()
    page.fill("#password", PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{site}/months/2019-07?order=oldest")
    page.locator("[data-menu] summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{site}/login")
    page.goto(f"{site}/photo/1")
    assert page.url == f"{site}/login?next=/photo/1"
    context.close()


def test_a_page_that_was_signed_out_meanwhile_leads_to_the_login_page(
    browser: Browser, site: str
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(site)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site}/")
    context.clear_cookies()
    page.locator("[data-menu] summary").click()
    page.get_by_role("button", name="Update index").click()
    page.locator("#password").wait_for()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_login_page_is_for_everybody_and_every_screen(
    browser: Browser, site: str, scheme: str, width: int
) -> None:
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 700},
    )
    page = context.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto(f"{site}/login")
    page.fill("#password", "wrong password")
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert Axe().run(page).response["violations"] == []
    assert page.evaluate("document.activeElement.id") == "password"
    assert [text for text in refused if "Content Security Policy" in text] == []
    context.close()
