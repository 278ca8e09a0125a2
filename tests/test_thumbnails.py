"""The store: one drawing a picture, whole files or none, people before preparation."""

from __future__ import annotations

import re
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import thumbnails
from db import open_database
from errors import PictureChangedError, PictureError, ToolMissingError
from job_queue import Priority
from media_workers import WorkerPool
from picture_bytes import media_hash
from picture_colors import PictureColors
from picture_decoder import SmallPictures
from thumbnails import GRID_PX, VIEW_PX, ThumbnailSource, ThumbnailStore, draw_photo

HASH = "jpeg:0123456789abcdef0123456789abcdef"


class CountingPool(WorkerPool):
    """A pool that notes what it is asked for, and can be held back."""

    def __init__(self) -> None:
        super().__init__(workers=1, memory_mb=1024, file_timeout_s=60)
        self.drawn: list[tuple[str, Priority]] = []

    def submit(
        self,
        function: Callable[..., Any],
        *args: Any,
        timeout_s: float | None = None,
        priority: Priority = Priority.WORK,
    ) -> Future[Any]:
        if function is draw_photo:
            self.drawn.append((Path(args[0]).name, priority))
        return super().submit(function, *args, timeout_s=timeout_s, priority=priority)


@pytest.fixture(scope="module")
def shared_pool() -> Iterator[CountingPool]:
    with CountingPool() as pool:
        yield pool


@pytest.fixture
def pool(shared_pool: CountingPool) -> CountingPool:
    shared_pool.drawn.clear()
    return shared_pool


@pytest.fixture
def library(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    root.mkdir()
    Image.new("RGB", (2000, 1500), (200, 30, 30)).save(root / "a.jpg")
    return root


def make_store(tmp_path: Path, pool: WorkerPool) -> ThumbnailStore:
    colors = PictureColors(open_database(tmp_path / "photo_library.db"))
    return ThumbnailStore(tmp_path / "thumbnails", pool, tmp_path / "photos", colors)


@pytest.fixture
def store(tmp_path: Path, library: Path, pool: CountingPool) -> Iterator[ThumbnailStore]:
    store = make_store(tmp_path, pool)
    yield store
    store.close()


PHOTO = ThumbnailSource("a.jpg", "jpeg", HASH, 1)


def files_in(store_folder: Path) -> list[str]:
    return sorted(str(p.relative_to(store_folder)) for p in store_folder.rglob("*") if p.is_file())


def test_a_jpeg_is_decoded_for_each_size_when_it_is_wanted(
    store: ThumbnailStore, pool: CountingPool, tmp_path: Path
) -> None:
    assert not store.has(PHOTO, GRID_PX)
    with Image.open(store.get(PHOTO, GRID_PX)) as grid:
        assert (grid.format, grid.size) == ("WEBP", (427, 320))
    grid_bytes = store.get(PHOTO, GRID_PX).read_bytes()
    assert not store.has(PHOTO, VIEW_PX)
    with Image.open(store.get(PHOTO, VIEW_PX)) as view:
        assert (view.format, view.size) == ("WEBP", (1600, 1200))
    assert len(pool.drawn) == 2
    assert store.get(PHOTO, GRID_PX).read_bytes() == grid_bytes
    name = "jpeg-0123456789abcdef0123456789abcdef-1"
    assert files_in(tmp_path / "thumbnails") == [
        f"01/23/{name}-1600.webp",
        f"01/23/{name}-320.webp",
    ]


def test_what_has_to_be_decoded_whole_gives_both_sizes_at_once(
    store: ThumbnailStore, library: Path, pool: CountingPool
) -> None:
    Image.new("RGB", (2000, 1500), "teal").save(library / "b.png")
    photo = ThumbnailSource("b.png", "png", HASH, 1)
    assert store.get(photo, GRID_PX).is_file()
    assert store.has(photo, VIEW_PX)
    assert len(pool.drawn) == 1


def test_the_place_follows_the_picture_and_its_orientation_alone(
    store: ThumbnailStore, library: Path, pool: CountingPool
) -> None:
    first = store.get(PHOTO, GRID_PX)
    content = first.read_bytes()
    (library / "a.jpg").rename(library / "b.jpg")
    assert store.get(replace(PHOTO, path="b.jpg"), GRID_PX) == first
    assert first.read_bytes() == content
    assert len(pool.drawn) == 1
    turned = store.get(replace(PHOTO, path="b.jpg", orientation=6), GRID_PX)
    assert turned != first
    with Image.open(turned) as picture:
        assert picture.size == (320, 427)


def test_a_hash_never_leads_out_of_the_folder(store: ThumbnailStore, tmp_path: Path) -> None:
    for bad in ("../../../x", "file:../../..", "", ":", "/etc/passwd"):
        path = store.get(replace(PHOTO, media_hash=bad), GRID_PX)
        assert path.resolve().is_relative_to(tmp_path / "thumbnails")


@pytest.mark.parametrize("path", ["../secret.jpg", "/etc/hostname", "link/secret.jpg"])
def test_a_path_outside_of_the_library_is_refused(
    store: ThumbnailStore, library: Path, pool: CountingPool, path: str
) -> None:
    Image.new("RGB", (9, 9)).save(library.parent / "secret.jpg")
    (library / "link").symlink_to(library.parent)
    with pytest.raises(PictureError, match="outside"):
        store.get(replace(PHOTO, path=path), GRID_PX)
    assert pool.drawn == []


def test_an_unknown_size_is_a_mistake_of_the_caller(store: ThumbnailStore) -> None:
    with pytest.raises(ValueError, match="500"):
        store.get(PHOTO, 500)


def test_many_threads_that_want_one_picture_draw_it_once(
    store: ThumbnailStore, pool: CountingPool
) -> None:
    paths: list[Path] = []
    threads = [
        threading.Thread(target=lambda: paths.append(store.get(PHOTO, GRID_PX))) for _ in range(12)
    ]
    blocker = pool.submit(time.sleep, 0.2)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    blocker.result()
    assert len(paths) == 12
    assert len(pool.drawn) == 1


def test_a_failure_is_remembered_for_that_picture_alone(
    store: ThumbnailStore, library: Path, pool: CountingPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (library / "text.jpg").write_text("this is not a picture")
    text = ThumbnailSource("text.jpg", "jpeg", "file:ffff0000ffff0000", 1)
    for _ in range(3):
        with pytest.raises(PictureError, match="not a picture"):
            store.get(text, GRID_PX)
    assert len(pool.drawn) == 1
    store.get(PHOTO, GRID_PX)
    monkeypatch.setattr(thumbnails, "FAILURE_LIFE_S", 0.0)
    with pytest.raises(PictureError, match="not a picture"):
        store.get(text, GRID_PX)
    assert len(pool.drawn) == 3


def test_the_memory_of_failures_is_bounded(
    store: ThumbnailStore, library: Path, pool: CountingPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thumbnails, "MAX_FAILURES", 2)
    (library / "text.jpg").write_text("this is not a picture")
    for number in (1, 2, 3, 1):
        with pytest.raises(PictureError):
            store.get(ThumbnailSource("text.jpg", "jpeg", f"file:000{number}", 1), GRID_PX)
    assert len(pool.drawn) == 4


def test_a_missing_tool_is_not_remembered(
    store: ThumbnailStore, pool: CountingPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Future[Any]] = []

    def submit(*arguments: Any, **options: Any) -> Future[Any]:
        answers.append(Future())
        if len(answers) < 3:
            answers[-1].set_exception(ToolMissingError("ExifTool is not installed."))
        else:
            answers[-1].set_result(SmallPictures(grid=b"grid", view=None, colors="ff" * 9))
        return answers[-1]

    monkeypatch.setattr(pool, "submit", submit)
    for _ in range(2):
        with pytest.raises(ToolMissingError, match="ExifTool") as caught:
            store.get(PHOTO, GRID_PX)
        assert caught.value.status == 503
    assert store.get(PHOTO, GRID_PX).read_bytes() == b"grid"


def say_the_tool_is_missing() -> None:
    raise ToolMissingError("ExifTool is not installed.")


def test_a_missing_tool_is_told_by_a_worker_as_what_it_is(pool: CountingPool) -> None:
    with pytest.raises(ToolMissingError, match="ExifTool is not installed"):
        pool.run(say_the_tool_is_missing)


def test_an_absent_file_is_tried_again(store: ThumbnailStore, library: Path) -> None:
    (library / "a.jpg").rename(library / "away.jpg")
    with pytest.raises(PictureError, match="No such file"):
        store.get(PHOTO, GRID_PX)
    (library / "away.jpg").rename(library / "a.jpg")
    assert store.get(PHOTO, GRID_PX).is_file()


def test_a_full_disk_leaves_nothing_half_written(
    store: ThumbnailStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_write = Path.write_bytes

    def write_half(path: Path, data: bytes) -> int:
        real_write(path, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(PictureError, match="No space left"):
        store.get(PHOTO, GRID_PX)
    assert files_in(tmp_path / "thumbnails") == []
    monkeypatch.undo()
    assert store.get(PHOTO, GRID_PX).is_file()


def test_an_empty_file_from_a_power_cut_is_made_again(store: ThumbnailStore) -> None:
    path = store.get(PHOTO, GRID_PX)
    path.write_bytes(b"")
    assert store.get(PHOTO, GRID_PX).stat().st_size > 0


def test_prepared_pictures_are_there_when_they_are_asked_for(
    store: ThumbnailStore, library: Path, pool: CountingPool
) -> None:
    (library / "text.jpg").write_text("a bad file does not stop the others")
    photos = [replace(PHOTO, media_hash=f"jpeg:{n:032x}") for n in range(3)]
    bad = ThumbnailSource("text.jpg", "jpeg", "file:dead", 1)
    store.prepare([photos[0], bad, *photos[1:], photos[0]])
    _wait_until(lambda: all(store.has(photo, GRID_PX) for photo in photos))
    assert len(pool.drawn) == 4
    store.prepare(photos)
    assert all(priority is Priority.AHEAD for _, priority in pool.drawn)


def test_who_waits_for_a_picture_that_is_only_to_be_prepared_comes_first(
    store: ThumbnailStore, pool: CountingPool
) -> None:
    blocker = pool.submit(time.sleep, 0.5, priority=Priority.VIEW)
    store.prepare([PHOTO])
    _wait_until(lambda: len(pool.drawn) == 1)
    work = [pool.submit(time.sleep, 0.3) for _ in range(4)]
    assert store.get(PHOTO, GRID_PX).is_file()
    assert blocker.done()
    assert not work[-1].done()
    assert [priority for _, priority in pool.drawn] == [Priority.AHEAD, Priority.VIEW]
    for job in work:
        job.cancel()


def test_only_so_many_pictures_wait_to_be_prepared(
    store: ThumbnailStore, pool: CountingPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thumbnails, "MAX_AHEAD", 2)
    photos = [replace(PHOTO, media_hash=f"jpeg:{n:032x}") for n in range(10)]
    store.prepare(photos)
    _wait_until(lambda: store.has(photos[-1], GRID_PX) and store.has(photos[-2], GRID_PX))
    assert len(pool.drawn) == 2


def test_closing_gives_up_what_was_to_be_prepared(
    library: Path, tmp_path: Path, pool: CountingPool
) -> None:
    store = make_store(tmp_path, pool)
    blocker = pool.submit(time.sleep, 0.4, priority=Priority.VIEW)
    store.prepare([replace(PHOTO, media_hash=f"jpeg:{n:032x}") for n in range(5)])
    _wait_until(lambda: len(pool.drawn) == 1)
    started = time.monotonic()
    store.close()
    store.prepare([PHOTO])
    assert time.monotonic() - started < 0.3
    blocker.result()
    assert files_in(tmp_path / "thumbnails") == []


def test_a_closed_pool_is_said_in_a_sentence(library: Path, tmp_path: Path) -> None:
    pool = WorkerPool(workers=1, memory_mb=256, file_timeout_s=9)
    pool.close()
    store = make_store(tmp_path, pool)
    with pytest.raises(PictureError, match="being closed"):
        store.get(PHOTO, GRID_PX)


# --- bombs -----------------------------------------------------------------------------


def png_of_zeros(side: int, color_type: int, bytes_a_pixel: int) -> bytes:
    """A PNG about 1000 times smaller than its pixels."""
    packer = zlib.compressobj(9)
    row = bytes(1 + side * bytes_a_pixel)
    body = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, color_type, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def peak_memory_mb() -> float:
    # Not ru_maxrss, in which a child begins with the peak of its parent.
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


@pytest.mark.slow
@pytest.mark.parametrize("color_type", [0, 2], ids=["grayscale", "color"])
def test_a_bomb_of_169_megapixels_does_not_take_the_memory(
    library: Path, tmp_path: Path, color_type: int
) -> None:
    (library / "bomb.png").write_bytes(png_of_zeros(13000, color_type, 1 if color_type == 0 else 3))
    bomb = ThumbnailSource("bomb.png", "png", "png:00b0", 1)
    with WorkerPool(workers=1, memory_mb=1024, file_timeout_s=60) as pool:
        store = make_store(tmp_path, pool)
        if color_type == 0:
            assert store.get(bomb, GRID_PX).is_file()
        else:
            with pytest.raises(PictureError, match="676 MB"):
                store.get(bomb, GRID_PX)
        assert pool.run(peak_memory_mb) < 400


@pytest.mark.slow
def test_a_picture_that_needs_more_than_its_worker_has_fails_alone(
    library: Path, tmp_path: Path
) -> None:
    (library / "large.png").write_bytes(png_of_zeros(9000, 2, 3))
    with WorkerPool(workers=1, memory_mb=200, file_timeout_s=60) as pool:
        store = make_store(tmp_path, pool)
        with pytest.raises(PictureError, match="memory"):
            store.get(ThumbnailSource("large.png", "png", "png:00b1", 1), GRID_PX)
        assert store.get(PHOTO, GRID_PX).is_file()


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass within 20 s"
        time.sleep(0.02)


def _indexed(path: Path) -> ThumbnailSource:
    with open(path, "rb") as file:
        known = media_hash(file, "jpeg")
    result = path.stat()
    stamps = (result.st_size, result.st_mtime_ns, result.st_ctime_ns)
    return ThumbnailSource(path.name, "jpeg", known, 1, stamps)


def test_a_file_that_changed_since_the_index_is_not_drawn_under_its_old_hash(
    store: ThumbnailStore, library: Path
) -> None:
    path = library / "changed.jpg"
    Image.new("RGB", (40, 30), "red").save(path)
    photo = _indexed(path)
    Image.new("RGB", (40, 30), "blue").save(path, quality=90)
    with pytest.raises(PictureChangedError, match="Update the index"):
        store.get(photo, GRID_PX)
    Image.new("RGB", (40, 30), "red").save(path)
    assert store.get(photo, GRID_PX).is_file()


def test_a_file_that_another_program_only_tagged_is_drawn(
    store: ThumbnailStore, library: Path
) -> None:
    path = library / "tagged.jpg"
    Image.new("RGB", (40, 30), "red").save(path)
    photo = _indexed(path)
    exif = Image.Exif()
    exif[0x4746] = 5
    with Image.open(path) as picture:
        picture.save(path, quality="keep", exif=exif)
    assert store.get(photo, GRID_PX).is_file()
