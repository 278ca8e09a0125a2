"""A library full of monsters: what they cost, what is said of them, and what stays as it was."""

from __future__ import annotations

import contextlib
import html
import http.client
import io
import json
import os
import re
import socket
import statistics
import struct
import subprocess
import sys
import textwrap
import threading
import time
import unicodedata
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import av
import pytest
from flask.testing import FlaskClient
from monsters import (
    CANARY_COLOR,
    CANARY_WORDS,
    claim_size,
    find_box,
    jpeg_with_exif,
    jpeg_with_iptc,
    list_monsters,
    list_tree,
    make_canary_film,
    make_canary_picture,
    make_concat_list,
    make_corpus,
    make_exif_loop,
    make_film_of,
    make_hostile_sidecar,
    make_large_sidecar,
    make_playlist,
    make_reference_film,
    make_sparse_film,
    make_special_files,
    name_process,
    pack_chunk,
    pack_exif,
    pack_png,
    pack_warnings,
    plain_jpeg,
    resident_mb,
    text,
)
from PIL import Image
from werkzeug.http import parse_options_header

import catalog
from app import create_app
from catalog import Photo
from errors import FileProblem, PictureError
from exiftool_process import ExifTool, find_exiftool
from file_operations import TAGS_ONLY, extract_metadata_batch, read_picture
from film_reader import draw_poster
from library import Library, open_library
from media_types import MEDIA_TYPES, Kind
from metadata import Facts
from settings import load_settings

REPOSITORY = Path(__file__).resolve().parent.parent
MOST_MEMORY_MB = 700
GOOD_PHOTOS = 12


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


@dataclass(slots=True)
class Client:
    """Asks a server on this machine; one connection a thread."""

    port: int
    _local: threading.local = field(default_factory=threading.local)

    def ask(self, path: str, *, body: object = None) -> Answer:
        if not hasattr(self._local, "connection"):
            self._local.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection: http.client.HTTPConnection = self._local.connection
        started = time.monotonic()
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"} if data else {}
        connection.request("POST" if data else "GET", path, data, headers)
        response = connection.getresponse()
        content = response.read()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names, content, time.monotonic() - started)

    def json(self, path: str, *, body: object = None) -> Any:
        return json.loads(self.ask(path, body=body).body)


@dataclass(slots=True)
class MemoryMeter:
    """The most that a process and its descendants held at one time, all added up."""

    pid: int
    peak_mb: float = 0.0
    at_peak: str = ""

    @contextmanager
    def measuring(self) -> Iterator[None]:
        done = threading.Event()

        def sample() -> None:
            while not done.wait(0.05):
                held = {pid: resident_mb(pid) for pid in list_tree(self.pid)}
                if sum(held.values()) > self.peak_mb:
                    self.peak_mb = sum(held.values())
                    self.at_peak = ", ".join(
                        f"{name_process(pid)} {mb:.0f} MB" for pid, mb in held.items() if mb
                    )

        thread = threading.Thread(target=sample)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


@dataclass(slots=True)
class HostileRun:
    """What an index of the monsters gave, and every answer of the server about them."""

    client: Client
    canary: Path
    specials: list[str] = field(default_factory=list)
    operation: dict[str, Any] = field(default_factory=dict)
    photos: dict[str, dict[str, Any]] = field(default_factory=dict)
    page_seconds: dict[str, list[float]] = field(default_factory=dict)
    small: dict[str, list[Answer]] = field(default_factory=dict)
    files: dict[str, Answer] = field(default_factory=dict)
    pages: dict[str, Answer] = field(default_factory=dict)
    peak_mb: float = 0.0
    at_peak: str = ""
    index_s: float = 0.0
    draw_s: float = 0.0

    @property
    def reasons(self) -> dict[str, str]:
        problems = self.operation["report"]["problems"]
        return {problem["path"]: problem["reason"] for problem in problems}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(root: Path, home: Path) -> Iterator[tuple[Client, int]]:
    """A server in a process of its own; its client and its process."""
    port = _free_port()
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LIGHTKEEP_", "XDG_"))
    }
    environment |= {"HOME": str(home), "LIGHTKEEP_PORT": str(port)}
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "app.py", str(root)],
            cwd=REPOSITORY,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        client = Client(port)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert server.poll() is None, (home / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)
        yield client, server.pid
    finally:
        server.terminate()
        server.wait(20)


def wait_for_index(client: Client, operation_id: str, seconds: float) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while True:
        operation: dict[str, Any] = client.json(f"/api/operations/{operation_id}")
        if operation["status"] not in ("pending", "running"):
            assert operation["status"] == "completed", operation
            return operation
        assert time.monotonic() < deadline, operation
        time.sleep(0.05)


def list_all_photos(client: Client) -> dict[str, dict[str, Any]]:
    answer = client.json("/api/photos?limit=500")
    assert answer["next_cursor"] is None
    return {photo["current_path"]: photo for photo in answer["photos"]}


def _watch_pages(client: Client, done: threading.Event, seconds: dict[str, list[float]]) -> None:
    while not done.wait(0.02):
        for page in ("/", "/api/photos"):
            answer = client.ask(page)
            assert answer.status == 200
            seconds.setdefault(page, []).append(answer.seconds)


def _ask_for_everything(run: HostileRun) -> None:
    def ask(item: tuple[str, dict[str, Any]]) -> None:
        path, photo = item
        address = f"/api/photo/{photo['id']}"
        run.small[path] = [run.client.ask(f"{address}/{size}") for size in ("thumbnail", "preview")]
        run.files[path] = run.client.ask(f"{address}/file")
        run.pages[path] = run.client.ask(f"/photo/{photo['id']}")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(ask, run.photos.items()))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> HostileRun:
    """A server indexes and draws the corpus, while somebody looks at its pages."""
    home = tmp_path_factory.mktemp("monsters")
    root, canary = home / "photos", home / "outside" / "canary.mov"
    canary.parent.mkdir()
    canary.write_bytes(make_canary_film())
    canary.with_suffix(".jpg").write_bytes(make_canary_picture())
    (root / ".library").mkdir(parents=True)
    (root / ".library/settings.toml").write_text("workers = 2\n")
    for number in range(GOOD_PHOTOS):
        (root / f"{number}.jpg").write_bytes(plain_jpeg(number + 100))
    make_corpus(home / "corpus", list_monsters(canary))
    make_sparse_film(home / "corpus/bombs/sparse.mp4", 100 << 20)
    (home / "corpus/bombs/sidecar.jpg").write_bytes(plain_jpeg(79))
    (home / "corpus/bombs/sidecar.jpg.xmp").write_bytes(make_large_sidecar())
    (home / "corpus/traps/sidecar.jpg").write_bytes(plain_jpeg(78))
    (home / "corpus/traps/sidecar.jpg.xmp").write_bytes(make_hostile_sidecar(canary))
    specials = make_special_files(home / "corpus/special", canary)
    with serving(root, home) as (client, pid):
        run = HostileRun(client, canary, specials)
        wait_for_index(client, client.json("/api/operations")["operations"][0]["operation_id"], 30)
        os.rename(home / "corpus", root / "corpus")
        meter, done = MemoryMeter(pid), threading.Event()
        with meter.measuring(), ThreadPoolExecutor(1) as watcher:
            started = time.monotonic()
            begun = client.json("/api/operations", body={"type": "update_index"})
            watching = watcher.submit(_watch_pages, client, done, run.page_seconds)
            try:
                run.operation = wait_for_index(client, begun["operation_id"], 120)
            finally:
                done.set()
            watching.result()
            run.index_s = time.monotonic() - started
            run.photos = list_all_photos(client)
            _ask_for_everything(run)
            run.draw_s = time.monotonic() - started - run.index_s
        run.peak_mb, run.at_peak = meter.peak_mb, meter.at_peak
    return run


# -- hostile content: what it costs, and what is said of it ----------------------------------

MONSTERS = sorted(list_monsters(Path("/canary.mov")))


@pytest.mark.parametrize("name", MONSTERS)
def test_each_monster_meets_its_fate(run: HostileRun, name: str) -> None:
    monster, path = list_monsters(run.canary)[name], f"corpus/{name}"
    if monster.named is not None:
        assert (path in run.reasons) == monster.named, run.reasons.get(path)
    if monster.in_library is not None:
        assert (path in run.photos) == monster.in_library
    if monster.drawn is not None:
        assert (path in run.small and run.small[path][0].status == 200) == monster.drawn
    assert path in run.photos or path in run.reasons


def test_what_is_no_file_is_named_and_left_alone(run: HostileRun) -> None:
    for name in run.specials:
        path = f"corpus/special/{name}"
        assert path in run.reasons
        assert path not in run.photos
    assert "corpus/special/folder.jpg/inside.jpg" in run.photos
    assert not any("/up/" in path for path in run.photos)


def test_a_sparse_film_is_read_in_blocks_and_named(run: HostileRun) -> None:
    assert "there is no film in it" in run.reasons["corpus/bombs/sparse.mp4"]


def test_a_sidecar_of_millions_of_elements_costs_only_itself(run: HostileRun) -> None:
    assert "sidecar.jpg.xmp is ignored" in run.reasons["corpus/bombs/sidecar.jpg"]
    assert "corpus/bombs/sidecar.jpg" in run.photos


def test_every_answer_about_a_monster_is_a_picture_or_a_sentence(run: HostileRun) -> None:
    for path, answers in run.small.items():
        for answer in answers:
            if answer.status == 200:
                assert answer.headers["content-type"] == "image/webp"
                assert max(Image.open(io.BytesIO(answer.body)).size) <= 1600
            else:
                assert answer.status == 422, (path, answer)
                assert json.loads(answer.body)["error"]["message"].endswith(".")
    assert {answer.status for answer in run.pages.values()} == {200}
    assert {answer.status for answer in run.files.values()} == {200}


def test_neighbors_of_monsters_keep_their_right_facts(run: HostileRun) -> None:
    for file_type in ("jpeg", "png", "webp", "tiff", "heic", "avif", "dng", "nef", "cr2"):
        if file_type in ("dng", "nef", "cr2") and find_exiftool() is None:
            continue
        path = f"corpus/whole/{file_type}{MEDIA_TYPES[file_type].suffixes[0]}"
        assert run.photos[path]["file_type"] == file_type
        assert run.photos[path]["date_taken"] == "2019-07-14T18:03:22", path


def test_all_processes_together_stay_below_700_mb(run: HostileRun) -> None:
    assert run.peak_mb < MOST_MEMORY_MB, run.at_peak


def test_an_index_and_a_drawing_of_monsters_end_in_time(run: HostileRun) -> None:
    assert run.index_s < 60
    assert run.draw_s < 60
    assert max(answer.seconds for answers in run.small.values() for answer in answers) < 20


@pytest.mark.parametrize("page", ["/", "/api/photos"])
def test_pages_stay_quick_while_monsters_are_indexed(run: HostileRun, page: str) -> None:
    assert len(run.page_seconds[page]) >= 3
    assert statistics.median(run.page_seconds[page]) < 0.5


def test_nothing_is_served_as_active_content(run: HostileRun) -> None:
    """A photo's file comes as what the index saw in its bytes, and in a sandbox."""
    inert = {media_type.mime for media_type in MEDIA_TYPES.values()}
    for path, answer in run.files.items():
        assert answer.headers["content-type"] in inert, path
        assert answer.headers["content-type"] == MEDIA_TYPES[run.photos[path]["file_type"]].mime
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("sandbox")
        assert (
            not answer.body.lstrip().lower().startswith((b"<svg", b"<?xml", b"<!doctype", b"<html"))
        )


# -- traps: the canary lies outside of the library -------------------------------------------


def _is_canary(picture: Image.Image) -> bool:
    color = picture.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert isinstance(color, tuple)
    return all(abs(a - b) < 60 for a, b in zip(color, CANARY_COLOR, strict=True))


def test_the_canary_is_in_no_picture(run: HostileRun) -> None:
    drawn = [answer for answers in run.small.values() for answer in answers if answer.status == 200]
    assert len(drawn) > 100
    assert not any(_is_canary(Image.open(io.BytesIO(answer.body))) for answer in drawn)


def test_no_byte_of_the_canary_is_in_any_answer(run: HostileRun) -> None:
    film = make_canary_film()
    start, length = find_box(film, b"mdat")
    frame = film[start + length // 2 :][:64]
    small = [answer for answers in run.small.values() for answer in answers]
    for answer in (*small, *run.files.values(), *run.pages.values()):
        assert CANARY_WORDS not in answer.body
        assert frame not in answer.body
    assert CANARY_WORDS.decode() not in json.dumps(run.operation)


def test_a_sidecar_that_wants_to_read_another_file_is_ignored_and_named(run: HostileRun) -> None:
    assert "sidecar.jpg.xmp is ignored" in run.reasons["corpus/traps/sidecar.jpg"]
    assert run.photos["corpus/traps/sidecar.jpg"]["date_taken"] is None


@pytest.mark.parametrize(
    ("make", "container", "options"),
    [
        (
            make_playlist,
            "hls",
            {"allowed_extensions": "ALL", "extension_picky": "0", "protocol_whitelist": "file"},
        ),
        (make_concat_list, "concat", {"safe": "0"}),
        (make_reference_film, "mov", {"enable_drefs": "1", "use_absolute_path": "1"}),
    ],
)
def test_the_traps_would_work_on_somebody_less_careful(
    tmp_path: Path, make: Callable[[Path], bytes], container: str, options: dict[str, str]
) -> None:
    canary = tmp_path / "canary.mov"
    canary.write_bytes(make_canary_film())
    (tmp_path / "trap.mp4").write_bytes(make(canary))
    with av.open(str(tmp_path / "trap.mp4"), format=container, options=options) as film:
        picture = next(film.decode(video=0)).to_image()  # type: ignore[no-untyped-call]
    assert _is_canary(picture)


@pytest.mark.parametrize("make", [make_playlist, make_concat_list, make_reference_film])
@pytest.mark.parametrize(
    "demuxer", sorted({kind.decoder for kind in MEDIA_TYPES.values() if kind.kind == Kind.VIDEO})
)
def test_no_demuxer_in_use_follows_a_trap(
    tmp_path: Path, make: Callable[[Path], bytes], demuxer: str
) -> None:
    canary = tmp_path / "canary.mov"
    canary.write_bytes(make_canary_film())
    with pytest.raises(PictureError):
        draw_poster(io.BytesIO(make(canary)), demuxer)


@pytest.mark.slow
def test_a_sparse_film_of_over_4_gb_is_read_in_bounded_memory(tmp_path: Path) -> None:
    size = (4 << 30) + (64 << 20)  # a number that 32 bits do not hold
    make_sparse_film(tmp_path / "x.mp4", size)
    with (tmp_path / "y.mov").open("wb") as file:
        file.truncate(256 << 20)
    script = """
        import sys, time
        from file_operations import read_pictures
        started = time.monotonic()
        found = read_pictures([(path, None, None) for path in sys.argv[1:]])
        status = open("/proc/self/status").read()
        print(found[0].stat.size, found[0].problem, "|", found[1].problem, "|",
              int(status.partition("VmHWM:")[2].split()[0]) // 1024)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    command += [str(tmp_path / "x.mp4"), str(tmp_path / "y.mov")]
    done = subprocess.run(
        command, cwd=REPOSITORY, check=True, capture_output=True, text=True, timeout=120
    )
    film, zeros, peak_mb = done.stdout.split("|")
    assert film.startswith(str(size))
    assert "there is no film in it" in film
    assert "neither photo nor video" in zeros
    assert int(peak_mb) < 150
    (tmp_path / "x.mp4").unlink()


# -- hostile names ---------------------------------------------------------------------------

HARMLESS = "harmless.jpg"
NAMES = (
    'double " quote.jpg',
    "single ' quote.jpg",
    "<script>alert(1)</script>.jpg",
    "<script>alert(1)<!--.jpg",
    '"><img src=x onerror=alert(1)>.jpg',
    "' onmouseover='alert(1).jpg",
    "{{ 7 * 7 }}{% raw %}.jpg",
    "&lt;b&gt; &amp; &quot;.jpg",
    "javascript:alert(1).jpg",
    "newline\n-execute\n.jpg",
    "newline\n-FileName=evil\n.jpg",
    "return\r\nSet-Cookie: a=b.jpg",
    "-FileName=evil.jpg",
    "-execute.jpg",
    "#hash.jpg",
    "# comment.jpg",
    "%d.jpg",
    "%2e%2e.jpg",
    "trailing space /in a folder.jpg",
    " leading space.jpg",
    "space before the dot .jpg",
    "touch evil |/pipe.jpg",
    "touch evil |.jpg",
    "x" * 246 + ".jpg",
    "back\\slash.jpg",
    "up\\..\\..\\up.jpg",
    "right to left \u202egpj.exe.jpg",
    "emoji \U0001f4f7\ufe0f\u200d\U0001f308.jpg",
    "$(touch evil).jpg",
    "`touch evil`.jpg",
    ";touch evil;.jpg",
    "\x1b[31mescape\x7f.jpg",
    "tab\there.jpg",
    "*?[a-z].jpg",
    "C\u0327ac\u0327a.jpg",
    "\xc7a\xe7a.jpg",
    "\u212bngstr\xf6m.jpg",
    "\xc5ngstr\xf6m.jpg",
    HARMLESS,
)
"""The last but one pairs are twins: they look alike, and are spelled differently."""

UNSPEAKABLE = tuple(name for name in NAMES if "\n" in name or "\r" in name)
"""What ExifTool cannot be told, which takes one argument a line."""


def _date_of(name: str, day: int) -> str:
    return f"2019-07-{day:02} 10:{NAMES.index(name):02}:00".replace(" ", "T")


@dataclass(slots=True)
class NamedLibrary:
    library: Library
    photos: dict[str, Photo]
    reasons: dict[str, str]
    report: dict[str, Any]
    operation_id: str
    client: FlaskClient
    before: dict[Path, list[str]]


def _list_places(root: Path) -> dict[Path, list[str]]:
    """All that a command in a name could have made something in."""
    places = {place: sorted(os.listdir(place)) for place in (Path("/"), Path.cwd())}
    names = [str(path.relative_to(root)) for path in root.rglob("*") if ".library" not in str(path)]
    return places | {root: sorted(names)}


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NamedLibrary]:
    """Every name twice: in `exif` with a date for the fast reader, in `iptc` for ExifTool alone."""
    home = tmp_path_factory.mktemp("names")
    root = home / "photos"
    for number, name in enumerate(NAMES):
        for folder, day in (("exif", 1), ("iptc", 2)):
            date = _date_of(name, day)
            exif = pack_exif(date.replace("-", ":").replace("T", " ").encode())
            data = jpeg_with_exif(exif, seed=number)
            if folder == "iptc":
                data = jpeg_with_iptc(
                    date[:10].replace("-", ""), date[11:].replace(":", ""), seed=number
                )
            path = root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    hostile = [text(0x010F, b"<script>alert(2)</script>"), text(0x0110, b'" onload="alert(2)')]
    (root / "camera.jpg").write_bytes(
        jpeg_with_exif(pack_exif(b"2019:07:03 10:00:00", first=hostile))
    )
    with open(os.fsencode(root) + b"/caf\xe9.jpg", "wb") as file:
        file.write(plain_jpeg(1))
    for name in ("trailing space.jpg ", "touch evil.jpg|"):
        (root / name).write_bytes(plain_jpeg(2))
    before = _list_places(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.delenv("LIGHTKEEP_DATA_DIR", raising=False)
        library = open_library(load_settings(root))
        with contextlib.closing(library):
            operation_id = library.start_update_index()
            progress = library.runner.wait(operation_id, timeout=60)
            assert progress.status == "completed", progress.message
            assert progress.report
            reasons = {item["path"]: item["reason"] for item in progress.report["problems"]}
            with library.database.reading() as connection:
                photos = {photo.current_path: photo for photo in catalog.iterate_photos(connection)}
            client = create_app(library=library).test_client()
            yield NamedLibrary(
                library, photos, reasons, progress.report, operation_id, client, before
            )


@pytest.mark.parametrize("name", NAMES)
def test_a_photo_is_listed_under_exactly_its_own_name_with_its_own_date(
    named: NamedLibrary, name: str
) -> None:
    photo = named.photos[f"exif/{name}"]
    assert photo.date_taken == _date_of(name, 1)
    assert photo.original_filename == name.rpartition("/")[2]
    answer = named.client.get(f"/api/photo/{photo.id}").json
    assert answer is not None
    assert answer["current_path"] == f"exif/{name}"


@pytest.mark.skipif(find_exiftool() is None, reason="ExifTool is not installed")
@pytest.mark.parametrize("name", NAMES)
def test_what_exiftool_says_of_a_photo_is_its_own_whatever_it_is_called(
    named: NamedLibrary, name: str
) -> None:
    photo = named.photos[f"iptc/{name}"]
    if name in UNSPEAKABLE:
        assert photo.date_taken is None
        assert "a file of this name" in named.reasons[f"iptc/{name}"]
    else:
        assert photo.date_taken == _date_of(name, 2)
        assert f"iptc/{name}" not in named.reasons


def test_a_name_that_is_not_utf_8_is_reported(named: NamedLibrary) -> None:
    assert "not valid UTF-8" in named.reasons["caf\\xe9.jpg"]


def test_a_suffix_that_is_almost_a_photos_is_counted(named: NamedLibrary) -> None:
    assert named.report["ignored"] == {".jpg ": 1, ".jpg|": 1}


def test_no_name_ran_as_a_command(named: NamedLibrary) -> None:
    assert _list_places(named.library.settings.library) == named.before


class Structure(HTMLParser):
    """The elements of a page and the names of their attributes, and what could act."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.values: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.values += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def _assert_tame(page: str) -> Structure:
    structure = Structure(page)
    for tag, name, value in structure.values:
        assert not name.startswith("on"), (tag, name, value)
        if name in ("src", "href", "poster", "action"):
            assert re.match(r"[/#]", value), (tag, name, value)
        if name == "src" and tag == "script":
            assert value.startswith("/static/")
        if name == "src" and tag == "img":
            assert value.startswith(("/api/photo/", "/static/icon.svg"))
    for tag, names in structure.elements:
        assert tag != "script" or "src" in names
        assert all(re.fullmatch(r"[a-zA-Z][a-zA-Z-]*", name) for name in names), names
    return structure


def _cells(page: str) -> list[str]:
    return page.split('<li class="cell">')[1:]


@pytest.mark.parametrize("address", ["/", "/months/2019-07", "/months/2019-07?fragment=1"])
def test_no_name_becomes_markup_in_the_grid(named: NamedLibrary, address: str) -> None:
    page = named.client.get(address).text
    structure = _assert_tame(page)
    cells = [cell.partition("</li>")[0] for cell in _cells(page)]
    assert len(cells) >= len(NAMES)
    shapes = {_shape(cell) for cell in cells}
    assert len(shapes) == 1
    shown = "".join(structure.words)
    for name in NAMES:
        # A browser reads a carriage return in a page as a newline.
        own = name.rpartition("/")[2]
        assert own in shown or own.replace("\r\n", "\n") in shown


def _shape(cell: str) -> object:
    """Its elements and their attributes, without those that only some photos have."""
    own = {"data-day", "data-colors"}
    return tuple(
        (name, tuple(one for one in attributes if one not in own))
        for name, attributes in Structure(cell).elements
    )


@pytest.mark.parametrize("name", NAMES)
def test_no_name_becomes_markup_on_the_page_of_a_photo(named: NamedLibrary, name: str) -> None:
    harmless = _assert_tame(named.client.get(f"/photo/{named.photos[f'exif/{HARMLESS}'].id}").text)
    page = named.client.get(f"/photo/{named.photos[f'exif/{name}'].id}").text
    structure = _assert_tame(page)
    if name not in (NAMES[0], NAMES[-1]):  # these have one neighbor
        assert len(structure.elements) >= len(harmless.elements)
    assert sorted(set(structure.elements)) == sorted(set(harmless.elements))
    own = name.rpartition("/")[2]
    assert ("img", "alt", own) in structure.values or "\r" in own
    assert html.escape(own, quote=False) in html.unescape(page) or own in html.unescape(page)


def test_no_words_of_the_metadata_become_markup(named: NamedLibrary) -> None:
    page = named.client.get(f"/photo/{named.photos['camera.jpg'].id}").text
    _assert_tame(page)
    assert "<script>alert(2)</script>" in html.unescape(page)


def test_no_name_becomes_markup_in_the_report(named: NamedLibrary) -> None:
    page = named.client.get(f"/operations/{named.operation_id}").text
    structure = _assert_tame(page)
    assert "caf\\xe9.jpg" in "".join(structure.words)


@pytest.mark.parametrize("name", NAMES)
def test_a_download_has_its_name_and_no_other_header(named: NamedLibrary, name: str) -> None:
    answer = named.client.get(f"/api/photo/{named.photos[f'exif/{name}'].id}/file?download=1")
    assert "Set-Cookie" not in answer.headers
    assert not any(letter in value for _, value in answer.headers for letter in "\r\n\0")
    kind, options = parse_options_header(answer.headers["Content-Disposition"])
    assert kind == "attachment"
    own = name.rpartition("/")[2]
    assert options["filename"] == re.sub(r"[\x00-\x1f\x7f]", "_", own)


def test_names_go_through_json_unchanged(named: NamedLibrary) -> None:
    answer = named.client.get("/api/photos?limit=500")
    assert answer.content_type == "application/json"
    assert answer.json is not None
    listed = {photo["current_path"] for photo in answer.json["photos"]}
    assert listed == set(named.photos)
    assert {f"{folder}/{name}" for folder in ("exif", "iptc") for name in NAMES} < listed
    twins = [name for name in NAMES if unicodedata.normalize("NFC", name) != name]
    assert len(twins) >= 2


# -- strange metadata ------------------------------------------------------------------------

RIGHT = "2019-07-14T18:03:22"
SAID = RIGHT.replace("-", ":").replace("T", " ").encode()
DATE_TIME_ORIGINAL, OFFSET_TIME_ORIGINAL = 0x9003, 0x9011


def _caption(words: bytes) -> bytes:
    return jpeg_with_exif(pack_exif(SAID, first=[text(0x010E, words), text(0x010F, words)]))


def _large_caption() -> bytes:
    """1 MB where a PNG holds EXIF and where it holds texts."""
    words = b"word " * 200_000
    exif = pack_chunk(b"eXIf", pack_exif(SAID, first=[text(0x010E, words)]))
    more = pack_chunk(b"tEXt", b"Description\0" + words)
    return pack_png(1, 1, 8, 0, exif, more, pack_chunk(b"IDAT", zlib.compress(b"\0\x80")))


def _dated(date: bytes) -> bytes:
    return jpeg_with_exif(pack_exif(date))


def _broken(count: int, offset: int) -> bytes:
    """An EXIF block that is in order but for an entry with this count at this offset."""
    block = pack_exif(SAID, first=[text(0x010E, b"x" * 9)])
    at = block.index(struct.pack("<HH", 0x010E, 2)) + 4
    return jpeg_with_exif(claim_size(claim_size(block, at, count), at + 4, offset))


def _lead_exif_to(offset: int) -> bytes:
    block = pack_exif(SAID)
    return jpeg_with_exif(claim_size(block, block.index(struct.pack("<HH", 0x8769, 4)) + 8, offset))


def _claim_entries(count: int) -> bytes:
    return jpeg_with_exif(claim_size(pack_exif(SAID), 8, count, "<H"))


STRANGE: dict[str, tuple[Callable[[], bytes], str | None]] = {
    "caption with newlines": (lambda: _caption(b"a\n-FileName=evil\n-execute\n{ready1}\n"), RIGHT),
    "caption with nul": (lambda: _caption(b"a\0b\0-execute\n"), RIGHT),
    "caption with quotes": (lambda: _caption(b'"}],[{"SourceFile":"/x"}]'), RIGHT),
    "caption of no encoding": (lambda: _caption(b"\xff\xfe\xc3("), RIGHT),
    "caption of 1 MB": (_large_caption, RIGHT),
    "date with newline inside": (lambda: _dated(b"2019:07:14\n18:03:22"), None),
    "date with newline behind": (lambda: _dated(b"2019:07:14 18:03:22\n-execute\n"), None),
    "30 February": (lambda: _dated(b"2019:02:30 18:03:22"), None),
    "month 13": (lambda: _dated(b"2019:13:01 18:03:22"), None),
    "hour 25": (lambda: _dated(b"2019:07:14 25:03:22"), None),
    "year 0": (lambda: _dated(b"0000:01:01 00:00:00"), None),
    "no year at all": (lambda: _dated(b"0000:00:00 00:00:00"), None),
    "1904": (lambda: _dated(b"1904:01:01 00:00:00"), None),
    "2038": (lambda: _dated(b"2038:01:19 03:14:08"), None),
    "9999": (lambda: _dated(b"9999:12:31 23:59:59"), None),
    "99999": (lambda: _dated(b"99999:12:31 23:59:59"), None),
    "date of letters": (lambda: _dated(b"DROP TABLE photos;--"), None),
    "wrong offset": (
        lambda: jpeg_with_exif(pack_exif(SAID, text(OFFSET_TIME_ORIGINAL, b"+99:99"))),
        RIGHT,
    ),
    "value outside": (lambda: _broken(10, 0x7FFFFFF0), RIGHT),
    "huge count": (lambda: _broken(0xFFFFFFFF, 8), RIGHT),
    "directory outside": (lambda: _lead_exif_to(0x7FFFFFF0), None),
    "directory in itself": (lambda: _lead_exif_to(8), None),
    "65535 entries": (lambda: _claim_entries(65_535), RIGHT),
    "loop": (make_exif_loop, RIGHT),
    "hundreds of warnings": (lambda: jpeg_with_exif(pack_warnings(400)), RIGHT),
    "film of 1904": (lambda: make_film_of(0), None),
    "film of 2040": (lambda: make_film_of(2**32 - 1), None),
    "film of 2038": (lambda: make_film_of(2_082_844_800 + 2**31), None),
}
"""What is strange, and the date that it may have; none is always right."""


@dataclass(frozen=True, slots=True)
class StrangeFacts:
    facts: dict[str, Facts | FileProblem]
    neighbors: dict[str, Facts | FileProblem]
    problems: list[FileProblem]
    seconds: float


@pytest.fixture(scope="module", params=["with ExifTool", "without ExifTool"])
def strange(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> StrangeFacts:
    """The facts of all strange files, each between two whose date ExifTool alone can say."""
    folder = tmp_path_factory.mktemp("strange")
    whole = request.param == "with ExifTool"
    if whole and find_exiftool() is None:
        pytest.skip("ExifTool is not installed")
    paths, readings = [], []
    for number, (name, (make, _)) in enumerate(STRANGE.items()):
        neighbor = jpeg_with_iptc("20190714", f"1803{number:02}+0000", seed=number)
        for path, data in ((f"{number} neighbor.jpg", neighbor), (f"{name}.jpg", make())):
            (folder / path).write_bytes(data)
            paths.append(str(folder / path))
    with contextlib.ExitStack() as stack:
        exiftool = stack.enter_context(contextlib.closing(ExifTool())) if whole else None
        problems: list[FileProblem] = []
        started = time.monotonic()
        for path in paths:
            # What the fast reader takes for sure is what counts: ExifTool is asked all the same.
            reading = read_picture(path, known=TAGS_ONLY)
            readings.append(replace(reading, unsure=reading.unsure or "strange"))
        facts = extract_metadata_batch(
            paths, exiftool=exiftool, readings=readings, problems=problems
        )
        seconds = time.monotonic() - started
    by_name = {Path(path).stem: found for path, found in facts.items()}
    neighbors = {name: found for name, found in by_name.items() if name.endswith(" neighbor")}
    rest = {name: found for name, found in by_name.items() if name not in neighbors}
    return StrangeFacts(rest, neighbors if whole else {}, problems, seconds)


@pytest.mark.parametrize("name", STRANGE)
def test_strange_metadata_gives_the_right_date_or_none(strange: StrangeFacts, name: str) -> None:
    facts = strange.facts[name]
    assert isinstance(facts, Facts)
    assert facts.date_taken in (STRANGE[name][1], None)
    assert facts.utc_offset is None
    assert facts.camera is None or len(facts.camera) <= 1000


def test_most_strange_photos_keep_their_date(strange: StrangeFacts) -> None:
    """None is always right, and would be too easy an answer."""
    kept = {name for name, facts in strange.facts.items() if isinstance(facts, Facts)
            and facts.date_taken}  # fmt: skip
    lost = {name for name, (_, date) in STRANGE.items() if date} - kept
    assert lost <= {"65535 entries", "caption with quotes"}


def test_neighbors_of_strange_files_keep_their_facts(strange: StrangeFacts) -> None:
    for name, facts in strange.neighbors.items():
        assert isinstance(facts, Facts)
        assert facts.date_taken == f"2019-07-14T18:03:{int(name.split()[0]):02}"
    assert strange.problems == []
    assert strange.seconds < 10


MISBEHAVIOR = """\
#!{python}
# ExifTool, which comes to harm as soon as it is told of a file with a certain word in its name.
import ctypes, os, signal, subprocess, sys, time

def die_with_me():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)

tool = subprocess.Popen([{tool!r}, *sys.argv[1:]], stdin=subprocess.PIPE, preexec_fn=die_with_me)
if "-stay_open" not in sys.argv:
    tool.stdin.close()
    sys.exit(tool.wait())
for line in sys.stdin.buffer:
    if b"is killed" in line:
        tool.kill()
        sys.exit(tool.wait())
    if b"is stopped" in line:
        os.kill(tool.pid, signal.SIGSTOP)
    if b"hangs" in line:
        time.sleep(600)
    tool.stdin.write(line)
    tool.stdin.flush()
"""


@pytest.mark.skipif(find_exiftool() is None, reason="ExifTool is not installed")
@pytest.mark.parametrize(
    "harm", ["is killed", pytest.param("is stopped", marks=pytest.mark.slow), "hangs"]
)
def test_neighbors_keep_their_facts_when_exiftool_comes_to_harm(tmp_path: Path, harm: str) -> None:
    script = tmp_path / "tool" / "exiftool"
    script.parent.mkdir()
    script.write_text(MISBEHAVIOR.format(python=sys.executable, tool=find_exiftool()))
    script.chmod(0o755)
    names = ["0.jpg", f"1 {harm}.jpg", "2.jpg"]
    for number, name in enumerate(names):
        data = jpeg_with_iptc("20190714", f"18030{number}+0000", seed=number)
        (tmp_path / name).write_bytes(data)
    paths = [str(tmp_path / name) for name in names]
    problems: list[FileProblem] = []
    started = time.monotonic()
    with contextlib.closing(ExifTool(str(script), timeout_s=3.0)) as exiftool:
        found = extract_metadata_batch(paths, exiftool=exiftool, problems=problems)
    assert time.monotonic() - started < 15
    dates = [facts.date_taken for facts in found.values() if isinstance(facts, Facts)]
    assert dates == ["2019-07-14T18:03:00", None, "2019-07-14T18:03:02"]
    assert {problem.path for problem in problems} == {paths[1]}
