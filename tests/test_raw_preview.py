"""RAW files made by hand, and the JPEG in them by which they are shown."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

import raw_preview
from errors import PictureError, ToolMissingError
from exiftool_process import find_exiftool
from picture_decoder import draw_small_pictures
from raw_preview import extract_preview

RED, BLUE = (200, 30, 30), (30, 30, 200)
Entry = tuple[int, int, int, bytes]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Every test starts an ExifTool of its own, and ends it."""
    raw_preview._start_exiftool.cache_clear()
    yield
    executable = find_exiftool()
    if executable and raw_preview._start_exiftool.cache_info().currsize:
        raw_preview._start_exiftool(executable).close()
    raw_preview._start_exiftool.cache_clear()


@pytest.fixture
def needs_exiftool() -> None:
    if find_exiftool() is None:
        pytest.skip("ExifTool is not installed")


def make_preview(size: tuple[int, int] = (120, 80), quality: int = 90) -> bytes:
    """A JPEG that is red on the left and blue on the right."""
    picture = Image.new("RGB", size, RED)
    picture.paste(BLUE, (size[0] // 2, 0, *size))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()


def make_dng(
    preview: bytes | None = None, *, orientation: int = 1, thumbnail: bytes = b""
) -> bytes:
    """A DNG of 6000 × 4000 with a preview in its first directory, a thumbnail in the second."""
    file = bytearray(8)
    entries = [_short(0x112, orientation), (0xC612, 1, 4, b"\1\4\0\0")]
    if preview is not None:
        entries += [_long(0x111, _append(file, preview)), _long(0x117, len(preview))]
    second = 0
    if thumbnail:
        place = _append(file, thumbnail)
        second = _append(file, _directory([_long(0x201, place), _long(0x202, len(thumbnail))]))
    return _finish(file, entries, second)


def make_nef(jpeg: bytes) -> bytes:
    """A NEF whose full-size JPEG stands in a directory of its own, as Nikon writes it."""
    file = bytearray(8)
    place = _append(file, jpeg)
    inner = _append(file, _directory([_long(0x201, place), _long(0x202, len(jpeg))]))
    return _finish(file, [_long(0x14A, inner)])


def _finish(file: bytearray, entries: list[Entry], second: int = 0) -> bytes:
    shape = [_long(0xFE, 1), _long(0x100, 6000), _long(0x101, 4000), _short(0x103, 7)]
    first = _append(file, _directory(shape + entries, second))
    file[:8] = struct.pack("<2sHI", b"II", 42, first)
    return bytes(file)


def _append(file: bytearray, data: bytes) -> int:
    file += bytes(len(file) % 2)
    at = len(file)
    file += data
    return at


def _long(tag: int, value: int) -> Entry:
    return tag, 4, 1, struct.pack("<I", value)


def _short(tag: int, value: int) -> Entry:
    return tag, 3, 1, struct.pack("<HH", value, 0)


def _directory(entries: list[Entry], following: int = 0) -> bytes:
    packed = b"".join(struct.pack("<HHI4s", *entry) for entry in sorted(entries))
    return struct.pack("<H", len(entries)) + packed + struct.pack("<I", following)


def write(folder: Path, name: str, data: bytes) -> str:
    (folder / name).write_bytes(data)
    return str(folder / name)


def draw(path: str, file_type: str, orientation: int) -> Image.Image:
    view = draw_small_pictures(path, file_type, orientation, 320, 1600).view
    assert view is not None
    return Image.open(io.BytesIO(view), formats=["WEBP"]).convert("RGB")


def color_at(picture: Image.Image, x: float, y: float) -> str:
    found = picture.getpixel((int(x * picture.width), int(y * picture.height)))
    assert isinstance(found, tuple)
    return "red" if found[0] > found[2] else "blue"


@pytest.mark.usefixtures("needs_exiftool")
def test_the_preview_in_a_dng_is_found(tmp_path: Path) -> None:
    preview = make_preview()
    assert extract_preview(write(tmp_path, "a.dng", make_dng(preview))) == preview


@pytest.mark.usefixtures("needs_exiftool")
def test_the_full_size_jpeg_in_a_nef_is_found(tmp_path: Path) -> None:
    jpeg = make_preview((300, 200))
    path = write(tmp_path, "a.nef", make_nef(jpeg))
    assert extract_preview(path) == jpeg
    assert draw(path, "nef", 1).size == (300, 200)


@pytest.mark.usefixtures("needs_exiftool")
def test_of_several_the_largest_is_taken(tmp_path: Path) -> None:
    small, large = make_preview((60, 40)), make_preview((600, 400))
    path = write(tmp_path, "a.dng", make_dng(large, thumbnail=small))
    assert extract_preview(path) == large
    path = write(tmp_path, "b.dng", make_dng(small, thumbnail=large))
    assert extract_preview(path) == large
    path = write(tmp_path, "c.dng", make_dng(None, thumbnail=small))
    assert extract_preview(path) == small


@pytest.mark.usefixtures("needs_exiftool")
@pytest.mark.parametrize(
    ("orientation", "size", "red"),
    [
        (1, (120, 80), (0.2, 0.5)),
        (3, (120, 80), (0.8, 0.5)),
        (6, (80, 120), (0.5, 0.2)),
        (8, (80, 120), (0.5, 0.8)),
    ],
)
def test_a_preview_that_lies_as_the_sensor_is_drawn_upright(
    tmp_path: Path, orientation: int, size: tuple[int, int], red: tuple[float, float]
) -> None:
    path = write(tmp_path, "a.dng", make_dng(make_preview(), orientation=orientation))
    picture = draw(path, "dng", orientation)
    assert picture.size == size
    assert color_at(picture, *red) == "red"
    assert color_at(picture, 1 - red[0], 1 - red[1]) == "blue"


@pytest.mark.usefixtures("needs_exiftool")
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "damaged"])
def test_a_preview_that_stands_upright_is_not_turned_again(tmp_path: Path, cut: bool) -> None:
    size = (240, 320)
    noise = Image.effect_noise(size, 90).convert("RGB")
    out = io.BytesIO()
    noise.save(out, "JPEG", quality=90)
    jpeg = out.getvalue()
    dng = make_dng(jpeg[: len(jpeg) * 3 // 4] if cut else jpeg, orientation=6)
    assert draw(write(tmp_path, "a.dng", dng), "dng", 6).size == size


def test_without_exiftool_the_tool_is_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_preview, "find_exiftool", lambda: None)
    path = write(tmp_path, "a.dng", make_dng(make_preview()))
    with pytest.raises(ToolMissingError, match="ExifTool") as caught:
        extract_preview(path)
    assert (caught.value.status, caught.value.code) == (503, "tool_missing")
    with pytest.raises(ToolMissingError):
        draw_small_pictures(path, "dng", 1, 320, 1600)


@pytest.mark.usefixtures("needs_exiftool")
@pytest.mark.parametrize(
    "data", [make_dng(None), make_dng(b"no JPEG at all" * 9), b"II*\0rubbish", b""]
)
def test_a_raw_file_without_a_preview_is_refused_in_words(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(PictureError, match="no preview") as caught:
        extract_preview(write(tmp_path, "a.dng", data))
    assert not isinstance(caught.value, ToolMissingError)


@pytest.mark.usefixtures("needs_exiftool")
def test_one_bad_file_does_not_stop_the_next(tmp_path: Path) -> None:
    good = write(tmp_path, "a.dng", make_dng(make_preview()))
    for bad in (str(tmp_path / "absent.dng"), write(tmp_path, "line\nbreak.dng", make_dng())):
        with pytest.raises(PictureError):
            extract_preview(bad)
        assert extract_preview(good) == make_preview()


@pytest.mark.usefixtures("needs_exiftool")
def test_the_real_raw_file_is_drawn(media: Path) -> None:
    picture = draw(str(media / "nom-exif/canon-r6.cr3"), "cr3", 1)
    assert max(picture.size) >= 160
    assert picture.width > picture.height
