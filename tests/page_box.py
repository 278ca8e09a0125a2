"""A library served for a browser, and the browser, for tests of the page."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import (
    Browser,
    BrowserContext,
    CDPSession,
    Page,
    expect,
    sync_playwright,
)
from server_box import run_server

from app import create_app
from library import Library

# The headless shell does the same in three quarters of the time.
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


GRAVE = ("serious", "critical")
LIST_VIOLATIONS = """
(options) => axe.run({ resultTypes: ['violations'], ...options }).then(({ violations }) =>
  violations.map((one) => [one.id, one.impact, one.nodes.slice(0, 4).map((node) => node.target)]))
"""
expect.set_options(timeout=60_000)  # a write into a file takes its time on a busy machine


def serve(library: Library, app: Flask | None = None) -> tuple[str, Callable[[], None]]:
    """The address of a library that is served in this process, and what stops it."""
    port, stop_server = run_server(app or create_app(library=library))

    def stop() -> None:
        stop_server()
        library.close()

    return f"http://127.0.0.1:{port}", stop


def index(library: Library) -> None:
    assert library.runner.wait(library.start_update_index(), timeout=60).status == "completed"


@contextmanager
def launch() -> Iterator[Browser]:
    """The Chromium of the system; the test is skipped where there is none."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Window:
    """A page with what it complained about."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.page.on(
            "console",
            lambda message: (
                self.complaints.append(f"{message.text} {message.location['url']}")
                if message.type == "error"
                else None
            ),
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))


class Finger:
    """Touches as a screen sends them."""

    def __init__(self, page: Page) -> None:
        self._session: CDPSession = page.context.new_cdp_session(page)
        self._page = page

    def down(self, *points: tuple[float, float]) -> None:
        self._send("touchStart", points)

    def move(self, *points: tuple[float, float]) -> None:
        self._send("touchMove", points)

    def up(self) -> None:
        self._send("touchEnd", ())

    def swipe(self, start: tuple[float, float], right: float, down: float) -> None:
        self.down(start)
        for step in range(1, 6):
            self.move((start[0] + right * step / 5, start[1] + down * step / 5))
        self.up()

    def _send(self, kind: str, points: tuple[tuple[float, float], ...]) -> None:
        touches = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})


@contextmanager
def open_window(browser: Browser) -> Iterator[Window]:
    # The worker has tests of its own; here each page is to come from the server itself.
    context = browser.new_context(viewport={"width": 1100, "height": 688}, service_workers="block")
    yield Window(context)
    context.close()


def wait(page: Page, script: str, argument: object = None) -> None:
    page.wait_for_function(script, arg=argument, timeout=60_000)


def list_grave(page: Page) -> list[str]:
    """What axe finds wrong that keeps somebody out, in light and, as to colors, in dark."""
    # Colors are looked at as they are in the end, and not on their way.
    page.emulate_media(reduced_motion="reduce")
    page.evaluate(Axe().axe_script)
    found = page.evaluate(LIST_VIOLATIONS, {})
    page.emulate_media(color_scheme="dark")
    found += page.evaluate(LIST_VIOLATIONS, {"runOnly": ["color-contrast"]})
    page.emulate_media(color_scheme="light")
    return [f"{rule}: {targets}" for rule, impact, targets in found if impact in GRAVE]
