"""The viewer and the choice of photos in Chromium, by mouse, keys and fingers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from page_box import Finger, Window, index, launch, open_window, serve, wait
from pictures import make_film
from PIL import Image
from playwright.sync_api import Browser, Page, Route

from library import Library, open_library
from settings import load_settings

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}
DAYS = 9
A_DAY = 12
EXIF_IFD = 0x8769
GPS_IFD = 0x8825


def _make_photo(path: Path, number: int, date: str) -> None:
    """A photo that no compression makes small, with all that a camera says."""
    noise = Image.effect_noise((60, 40), 90)
    noise.putpixel((number % 60, number // 60), 255)
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0131] = "Canon", "Canon EOS 5D", "Darkroom 3"
    camera = exif.get_ifd(EXIF_IFD)
    camera.update({0x9003: date, 0x829A: 1 / 640, 0x829D: 1.8, 0x8827: 50, 0x920A: 35.0})
    camera[0xA434] = "EF 35mm f/1.8"
    place = exif.get_ifd(GPS_IFD)
    place.update({1: "N", 2: (52.0, 30.0, 58.68), 3: "E", 4: (13.0, 22.0, 39.72), 6: 34.0})
    path.parent.mkdir(parents=True, exist_ok=True)
    noise.convert("RGB").resize((900, 600)).save(path, exif=exif)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """Nine days with twelve photos each, in two months; a film and a Live Photo."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.delenv("XDG_STATE_HOME", raising=False)
        root = home / "photos"
        for number in range(DAYS * A_DAY):
            day, hour = divmod(number, A_DAY)
            month, day = (4, 26 + day) if day < 5 else (5, day - 4)
            _make_photo(
                root / f"{number:03}.jpg", number, f"2020:{month:02}:{day:02} {hour:02}:00:00"
            )
        _make_photo(root / "IMG_1.jpg", 900, "2021:01:01 12:00:00")
        make_film(root / "IMG_1.mp4", "mp4", "libvpx-vp9")
        make_film(root / "20210202_120000.webm", "webm", "libvpx")
        library = open_library(load_settings(root))
        index(library)
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


@contextmanager
def open_phone(browser: Browser, url: str) -> Iterator[tuple[Page, Finger]]:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector(".scripted .cell")
    yield page, Finger(page)
    context.close()


PICTURE_IS_THERE = """
() => {
  const picture = document.querySelector('dialog[open] [data-picture]:not(.coming)');
  return picture?.naturalWidth && !document.querySelector('.viewer-before');
}
"""
SCALE = """
() => new DOMMatrix(getComputedStyle(document.querySelector('[data-picture]')).transform).a
"""
SHOWN = "() => document.querySelector('dialog .viewer-page')?.dataset.photo"


def open_photo(page: Page, number: int = 3) -> str:
    cell = page.locator(".cell a").nth(number)
    photo = cell.get_attribute("data-photo")
    cell.click()
    wait(page, PICTURE_IS_THERE)
    assert photo
    return photo


def middle_of(page: Page, photo: str) -> tuple[float, float]:
    box = page.locator(f".cell [data-photo='{photo}']").bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def chosen_count(page: Page) -> int:
    return int(page.locator("[data-selection-count]").inner_text().split()[0])


def test_the_next_picture_takes_the_place_of_the_last_without_a_dark_moment(
    window: Window, site: str
) -> None:
    page = window.page
    page.goto(site)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_photo(page)
    wait(page, "() => document.querySelectorAll('[data-ahead]').length === 2")
    page.wait_for_timeout(400)
    for link in page.locator("[data-ahead]").all():
        address = link.get_attribute("data-ahead")
        assert address
        assert [url for url in asked if url.endswith(address)]  # there before it is wanted

    def delay(route: Route) -> None:
        page.wait_for_timeout(300)
        route.continue_()

    page.evaluate(
        """() => {
          window.dark = 0;
          window.frames = 0;
          const look = () => {
            const seen = [...document.querySelectorAll('.viewer-stage img')].some(
              (one) => one.naturalWidth && getComputedStyle(one).opacity > 0.3);
            window.frames += 1;
            window.dark += seen ? 0 : 1;
            requestAnimationFrame(look);
          };
          look();
        }"""
    )
    page.route("**/preview?*", delay)
    before = page.evaluate(SHOWN)
    for _ in range(4):  # beyond what was fetched ahead of need
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(90)
    wait(
        page, "(before) => document.querySelector('.viewer-page').dataset.photo !== before", before
    )
    wait(page, PICTURE_IS_THERE)
    assert page.evaluate("window.frames") > 10
    assert page.evaluate("window.dark") == 0
    page.unroute_all(behavior="ignoreErrors")
    assert window.complaints == []


def test_wheel_and_double_click_zoom_and_a_drag_moves_what_is_zoomed(
    window: Window, site: str
) -> None:
    page = window.page
    page.goto(site)
    photo = open_photo(page)
    page.mouse.move(400, 300)
    page.mouse.wheel(0, -300)
    wait(page, f"() => ({SCALE})() > 1.5")
    left = "new DOMMatrix(getComputedStyle(document.querySelector('[data-picture]')).transform).e"
    before = page.evaluate(left)
    page.mouse.down()
    page.mouse.move(300, 300, steps=4)
    page.mouse.up()
    assert page.evaluate(left) == pytest.approx(before - 100, abs=1)
    assert page.evaluate(SHOWN) == photo  # that was no swipe
    page.mouse.dblclick(400, 300)
    wait(page, f"() => ({SCALE})() === 1")
    page.mouse.dblclick(400, 300)
    wait(page, f"() => ({SCALE})() === 2.5")


def test_fingers_pinch_swipe_on_and_swipe_down_to_close(browser: Browser, site: str) -> None:
    with open_phone(browser, site) as (page, finger):
        page.locator(".cell a").nth(3).tap()
        wait(page, PICTURE_IS_THERE)
        photo = page.evaluate(SHOWN)
        finger.down((150, 400), (240, 400))
        for step in range(1, 6):
            finger.move((150 - step * 20, 400), (240 + step * 20, 400))
        finger.up()
        wait(page, f"() => ({SCALE})() > 2")
        finger.down((200, 400), (200, 500))
        for step in range(1, 6):
            finger.move((200, 400 + step * 10), (200, 500 - step * 10))
        finger.up()
        wait(page, f"() => ({SCALE})() === 1")
        assert page.evaluate(SHOWN) == photo
        finger.swipe((300, 400), -30, 0)  # too short: it comes back
        assert page.evaluate(SCALE) == 1
        assert page.evaluate(SHOWN) == photo
        finger.swipe((300, 400), -150, 0)
        wait(page, f"(photo) => ({SHOWN})() !== photo", photo)
        wait(page, PICTURE_IS_THERE)
        finger.swipe((100, 400), 150, 0)
        wait(page, f"(photo) => ({SHOWN})() === photo", photo)
        finger.swipe((200, 300), 0, 200)
        page.wait_for_selector("dialog[open]", state="detached")


def test_a_live_photo_plays_while_it_is_pressed_and_by_its_button(
    window: Window, site: str
) -> None:
    page = window.page
    page.goto(site)
    page.locator(".cell a", has_text="IMG_1").click()
    wait(page, PICTURE_IS_THERE)
    page.mouse.move(400, 300)
    page.mouse.down()
    wait(page, "() => document.querySelector('.viewer-live')?.currentTime > 0.1")
    page.mouse.up()
    assert page.locator(".viewer-live").count() == 0
    page.get_by_role("link", name="Play the Live Photo").click()
    wait(page, "() => document.querySelector('.viewer-live')?.currentTime > 0.1")
    wait(page, "() => !document.querySelector('.viewer-live')")  # at its end
    assert page.locator(".viewer-page").get_attribute("data-name") == "IMG_1.jpg"


def test_a_film_can_be_wound_to_any_place(window: Window, site: str) -> None:
    page = window.page
    page.goto(site)
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.headers.get("range", "")))
    page.locator(".cell a", has_text="webm").click()
    wait(page, "() => document.querySelector('[data-film]')?.readyState >= 1")
    page.evaluate("document.querySelector('[data-film]').currentTime = 0.6")
    wait(page, "() => !document.querySelector('[data-film]').seeking")
    assert page.evaluate("document.querySelector('[data-film]').currentTime") == pytest.approx(0.6)
    assert any(one.startswith("bytes=") for one in asked)


def test_a_finger_passes_a_film_on_and_its_controls_are_no_place_for_that(
    browser: Browser, site: str
) -> None:
    with open_phone(browser, site) as (page, finger):
        page.locator(".cell a", has_text="webm").tap()
        wait(page, "() => document.querySelector('dialog [data-film]')?.readyState >= 1")
        film = page.evaluate(SHOWN)
        box = page.locator("[data-film]").bounding_box()
        assert box
        controls = (300, box["y"] + box["height"] - 8)
        finger.swipe(controls, -150, 0)
        finger.swipe((300, box["y"] + box["height"] / 2), -30, 0)  # too short
        page.wait_for_timeout(200)
        assert page.evaluate(SHOWN) == film
        finger.swipe((300, box["y"] + box["height"] / 2), -150, 0)
        wait(page, f"(film) => ({SHOWN})() !== film", film)
        wait(page, PICTURE_IS_THERE)
        finger.swipe((100, 400), 150, 0)
        wait(page, f"(film) => ({SHOWN})() === film", film)
        finger.swipe((200, box["y"] + box["height"] / 4), 0, 200)
        page.wait_for_selector("dialog[open]", state="detached")


def test_the_panel_tells_all_that_the_file_says_and_which_tag_says_it(
    window: Window, site: str
) -> None:
    page = window.page
    page.goto(site)
    photo = open_photo(page, 5)
    facts = page.locator(".viewer-panel .facts").first
    facts.wait_for()
    words = facts.inner_text()
    for said in (
        *("Canon EOS 5D", "EF 35mm f/1.8", "1/640 s", "ƒ/1.8", "50", "35 mm", "Darkroom 3"),
        *("52.51630° N, 13.37770° E", "34 m", "ExifIFD:LensModel", "GPS:GPSLatitude"),
    ):
        assert said in words
    assert page.locator("[data-path]").inner_text().endswith(".jpg")
    page.keyboard.press("3")  # another rating is another file: its facts are read again
    page.locator(".toast", has_text="Rated 3 stars").wait_for()
    page.locator(".facts-all summary").click()
    page.locator(".facts-all div", has_text="XMP-xmp:Rating").wait_for()
    # The same address opens the same photo anywhere, with the same facts.
    page.goto(f"{site}/photo/{photo}")
    page.locator(".viewer-panel .facts").first.wait_for()
    assert window.complaints == []


def test_a_path_is_copied_and_where_that_cannot_be_it_is_selected(
    browser: Browser, site: str
) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{site}/photo/1")
    page.locator("[data-copy-path]").click()
    page.get_by_text("Copied.").wait_for()
    path = page.locator("[data-path]").inner_text()
    assert page.evaluate("navigator.clipboard.readText()") == path
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.locator("[data-copy-path]").click()
    page.get_by_text("The path is selected").wait_for()
    assert page.evaluate("getSelection().toString()") == path
    context.close()


def test_a_finger_that_stays_chooses_a_range_and_the_page_goes_on_at_the_edge(
    browser: Browser, site: str
) -> None:
    with open_phone(browser, site) as (page, finger):
        photos = [link.get_attribute("data-photo") or "" for link in page.locator(".cell a").all()]
        start, end = middle_of(page, photos[2]), middle_of(page, photos[6])
        finger.down(start)
        page.wait_for_selector(".selecting")
        finger.move((start[0] + 5, start[1] + 20))
        finger.move(end)
        wait(page, "() => document.querySelectorAll('.cell.selected').length === 5")
        finger.move(middle_of(page, photos[4]))  # back again: what was left is not chosen
        wait(page, "() => document.querySelectorAll('.cell.selected').length === 3")
        assert page.evaluate("scrollY") == 0
        finger.move((200, 838))
        wait(page, "() => scrollY > 900")
        finger.up()
        page.wait_for_timeout(150)
        stopped = page.evaluate("scrollY")
        count = chosen_count(page)
        assert count > 20
        page.wait_for_timeout(150)
        assert page.evaluate("scrollY") == stopped
        assert page.locator("dialog[open]").count() == 0
        # All of it without a gap, over the border of the month.
        ids = page.evaluate(
            "[...document.querySelectorAll('.cell.selected a')].map((one) => one.dataset.photo)"
        )
        assert ids == photos[2 : 2 + count]
        page.locator("[data-deed=clear]").tap()
        wait(page, "() => !document.querySelector('.selecting')")
        finger.swipe((200, 600), 0, -300)  # a finger that does not stay scrolls
        assert page.locator(".cell.selected").count() == 0


def test_whole_days_and_ranges_over_months_are_chosen_and_escape_ends_it(
    window: Window, site: str
) -> None:
    page = window.page
    page.goto(site)
    cells = page.locator("#m-2020-05 .cell a")
    cells.nth(2).hover()
    page.locator("#m-2020-05 .cell-check").nth(2).click()
    assert chosen_count(page) == 1
    page.get_by_role("button", name="Days").click()
    wait(page, f"() => document.querySelectorAll('.cell.selected').length === {A_DAY}")
    days = page.evaluate(
        "[...document.querySelectorAll('.cell.selected a')].map((one) => one.dataset.day)"
    )
    assert set(days) == {"2020-05-04"}
    page.locator("#m-2020-04 .cell a").nth(3).click(modifiers=["Shift"])
    wait(page, "() => document.querySelector('[data-selection-count]').textContent[0] === '5'")
    assert chosen_count(page) == 4 * A_DAY + 4
    page.keyboard.press("d")
    wait(page, "() => document.querySelector('[data-selection-count]').textContent[0] === '6'")
    assert chosen_count(page) == 5 * A_DAY
    page.keyboard.press("Escape")
    assert page.locator(".selection-bar").is_hidden()
    assert window.complaints == []
