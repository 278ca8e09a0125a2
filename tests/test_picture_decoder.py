"""Small pictures as they must look, whatever the file's mode, profile or orientation."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
from PIL import Image, ImageCms, ImageDraw, ImageFile
from test_film_reader import make_film

from errors import PictureError
from picture_decoder import SmallPictures, draw_small_pictures

RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 200, 0), (0, 0, 255), (255, 255, 0)
WHITE = (255, 255, 255)
Color = tuple[int, int, int]
STORED_AS = {
    # Which turn of the upright picture lies in a file with this orientation.
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
ORIENTATION_TAG = 0x0112


def marked_picture(width: int = 120, height: int = 80) -> Image.Image:
    """Red, green / blue, yellow quarters: no turn or flip of it looks the same."""
    picture = Image.new("RGB", (width, height), RED)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((width // 2, 0, width, height // 2), GREEN)
    draw.rectangle((0, height // 2, width // 2, height), BLUE)
    draw.rectangle((width // 2, height // 2, width, height), YELLOW)
    return picture


def stored(orientation: int) -> Image.Image:
    turn = STORED_AS[orientation]
    return marked_picture() if turn is None else marked_picture().transpose(turn)


def save(picture: Image.Image, folder: Path, kind: str, **options: Any) -> Path:
    path = folder / f"picture.{kind}"
    picture.save(path, **options)
    return path


def draw(path: Path, file_type: str, orientation: int = 1) -> SmallPictures:
    return draw_small_pictures(str(path), file_type, orientation, 320, 1600)


def opened(data: bytes | None) -> Image.Image:
    assert data is not None
    picture = Image.open(io.BytesIO(data), formats=["WEBP"])
    picture.load()
    assert picture.mode == "RGB"
    return picture


def is_close(picture: Image.Image, place: tuple[float, float], color: Color) -> bool:
    found = picture.getpixel((int(place[0] * picture.width), int(place[1] * picture.height)))
    assert isinstance(found, tuple)
    return all(abs(a - b) <= 24 for a, b in zip(found, color, strict=True))


def assert_upright(pictures: SmallPictures) -> None:
    for data in (pictures.grid, pictures.view):
        picture = opened(data)
        assert picture.size == (120, 80)
        assert is_close(picture, (0.25, 0.25), RED)
        assert is_close(picture, (0.75, 0.25), GREEN)
        assert is_close(picture, (0.25, 0.75), BLUE)
        assert is_close(picture, (0.75, 0.75), YELLOW)


def color_of(path: Path, file_type: str) -> Color:
    color = opened(draw(path, file_type).view).getpixel((10, 10))
    assert isinstance(color, tuple)
    return (int(color[0]), int(color[1]), int(color[2]))


def assert_color(path: Path, file_type: str, color: Color) -> None:
    found = color_of(path, file_type)
    assert all(abs(a - b) <= 12 for a, b in zip(found, color, strict=True)), found


# --- upright ---------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_type", ["jpeg", "png", "webp", "tiff"])
def test_the_orientation_given_is_applied_once(
    tmp_path: Path, file_type: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    path = save(stored(orientation), tmp_path, file_type, exif=exif)
    assert_upright(draw(path, file_type, orientation))


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
@pytest.mark.parametrize("in_file", range(1, 9))
def test_the_orientation_in_a_tiff_does_not_count(
    tmp_path: Path, in_file: int, compression: str
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = in_file
    path = save(stored(6), tmp_path, "tiff", exif=exif, compression=compression)
    assert_upright(draw(path, "tiff", 6))


@pytest.mark.parametrize("in_file", [1, 3, 6])
def test_the_orientation_in_a_jpeg_does_not_count(tmp_path: Path, in_file: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = in_file
    path = save(stored(8), tmp_path, "jpeg", exif=exif)
    assert_upright(draw(path, "jpeg", 8))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_is_turned_as_its_container_says(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    path = save(stored(orientation), tmp_path, "avif", exif=exif)  # Pillow writes irot and imir
    assert orientation == 1 or b"irot" in path.read_bytes() or b"imir" in path.read_bytes()
    assert_upright(draw(path, "avif"))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_heic_is_turned_as_its_container_says(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    pillow_heif.register_heif_opener()
    path = save(stored(orientation), tmp_path, "heic", exif=exif.tobytes())  # writes irot, imir
    assert orientation == 1 or b"irot" in path.read_bytes() or b"imir" in path.read_bytes()
    assert_upright(draw(path, "heic"))


# --- size ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "grid", "view"),
    [
        ((4000, 3000), (427, 320), (1600, 1200)),
        ((3000, 4000), (320, 427), (1200, 1600)),
        ((6000, 600), (960, 320), (1600, 160)),
        ((700, 6000), (320, 960), (187, 1600)),
        ((200, 100), (200, 100), (200, 100)),
        ((2000, 100), (300, 100), (1600, 80)),
        ((3000, 1), (3, 1), (1600, 1)),
    ],
)
def test_sizes_fill_the_cell_and_the_screen_and_are_never_enlarged(
    tmp_path: Path, size: tuple[int, int], grid: tuple[int, int], view: tuple[int, int]
) -> None:
    pictures = draw(save(Image.new("RGB", size, RED), tmp_path, "jpeg"), "jpeg")
    assert opened(pictures.grid).size == grid
    assert opened(pictures.view).size == view


def test_a_grid_picture_of_a_panorama_is_its_middle(tmp_path: Path) -> None:
    panorama = Image.new("RGB", (6000, 600), RED)
    panorama.paste(BLUE, (2000, 0, 4000, 600))
    grid = opened(draw(save(panorama, tmp_path, "png"), "png").grid)
    assert all(is_close(grid, (x, 0.5), BLUE) for x in (0.02, 0.5, 0.97))


# --- color -----------------------------------------------------------------------------


def swapped_profile() -> bytes:
    """sRGB with the primaries of red and blue exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for entry in range(struct.unpack_from(">I", profile, 128)[0]):
        at = 132 + 12 * entry
        other = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}.get(bytes(profile[at : at + 4]))
        profile[at : at + 4] = other or profile[at : at + 4]
    return bytes(profile)


@pytest.mark.parametrize("file_type", ["jpeg", "png", "webp", "tiff", "avif"])
def test_an_icc_profile_is_honored(tmp_path: Path, file_type: str) -> None:
    picture = Image.new("RGB", (64, 64), RED)
    assert_color(save(picture, tmp_path, file_type), file_type, RED)
    path = save(picture, tmp_path, file_type, icc_profile=swapped_profile())
    assert_color(path, file_type, BLUE)


@pytest.mark.parametrize("profile", [b"no profile at all", swapped_profile()[:300]])
def test_a_broken_icc_profile_is_ignored(tmp_path: Path, profile: bytes) -> None:
    picture = Image.new("RGB", (64, 64), RED)
    assert_color(save(picture, tmp_path, "jpeg", icc_profile=profile), "jpeg", RED)


def test_a_profile_for_another_color_model_is_ignored(tmp_path: Path) -> None:
    picture = Image.new("L", (64, 64), 90)
    path = save(picture, tmp_path, "png", icc_profile=swapped_profile())
    assert_color(path, "png", (90, 90, 90))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_white(tmp_path: Path, mode: str) -> None:
    picture = Image.new(mode, (64, 64), (0, 0, 0, 0) if mode == "RGBA" else (0, 0))
    assert_color(save(picture, tmp_path, "png"), "png", WHITE)


def test_half_transparent_black_is_gray(tmp_path: Path) -> None:
    path = save(Image.new("RGBA", (64, 64), (0, 0, 0, 128)), tmp_path, "png")
    assert_color(path, "png", (127, 127, 127))


@pytest.mark.parametrize("file_type", ["gif", "png"])
def test_a_transparent_palette_color_is_white(tmp_path: Path, file_type: str) -> None:
    picture = Image.new("P", (64, 64), 0)
    picture.putpalette([10, 20, 30, *RED])
    picture.paste(1, (32, 0, 64, 64))
    view = opened(draw(save(picture, tmp_path, file_type, transparency=0), file_type).view)
    assert is_close(view, (0.2, 0.5), WHITE)
    assert is_close(view, (0.8, 0.5), RED)


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    path = save(Image.new("CMYK", (64, 64), (0, 255, 255, 0)), tmp_path, "jpeg")
    assert_color(path, "jpeg", RED)


@pytest.mark.parametrize(("mode", "level"), [("I;16", 40000), ("I;16B", 40000), ("F", 0.61)])
def test_deep_grayscale_is_not_clipped(tmp_path: Path, mode: str, level: float) -> None:
    picture = Image.new(mode, (64, 64), level)
    assert_color(save(picture, tmp_path, "tiff"), "tiff", (155, 155, 155))


def test_a_16_bit_png_is_not_clipped(tmp_path: Path) -> None:
    path = save(Image.new("I;16", (64, 64), 20000), tmp_path, "png")
    assert_color(path, "png", (78, 78, 78))


def test_32_bit_grayscale_is_scaled_to_its_range(tmp_path: Path) -> None:
    picture = Image.new("I", (64, 64), 1_000_000)
    picture.paste(250_000, (0, 0, 32, 64))
    view = opened(draw(save(picture, tmp_path, "tiff"), "tiff").view)
    assert is_close(view, (0.2, 0.5), (64, 64, 64))
    assert is_close(view, (0.8, 0.5), WHITE)


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    picture = Image.new("1", (64, 64), 0)
    picture.paste(1, (32, 0, 64, 64))
    view = opened(draw(save(picture, tmp_path, "tiff", compression="group4"), "tiff").view)
    assert is_close(view, (0.2, 0.5), (0, 0, 0))
    assert is_close(view, (0.8, 0.5), WHITE)


def test_lab_becomes_rgb(tmp_path: Path) -> None:
    path = save(Image.new("LAB", (64, 64), (255, 128, 128)), tmp_path, "tiff")
    red, green, blue = color_of(path, "tiff")
    assert min(red, green, blue) > 225


@pytest.mark.parametrize("file_type", ["gif", "webp", "png", "avif"])
def test_of_an_animation_the_first_frame_is_drawn(tmp_path: Path, file_type: str) -> None:
    frames = [Image.new("RGB", (64, 64), color) for color in (BLUE, RED, GREEN)]
    path = save(frames[0], tmp_path, file_type, save_all=True, append_images=frames[1:])
    assert_color(path, file_type, BLUE)


def test_the_small_pictures_carry_no_metadata(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    path = save(marked_picture(), tmp_path, "jpeg", exif=exif, comment=b"secret")
    for data in (draw(path, "jpeg").grid, draw(path, "jpeg").view):
        assert set(opened(data).info) <= {"loop", "background", "timestamp", "duration"}


# --- films and RAW ---------------------------------------------------------------------


@pytest.mark.parametrize(("turned", "size"), [(0, (64, 48)), (90, (48, 64))])
@pytest.mark.parametrize("orientation", [1, 6, 8])
def test_a_film_is_drawn_by_a_frame_that_is_turned_once(
    tmp_path: Path, turned: int, size: tuple[int, int], orientation: int
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(make_film(turned=turned))
    pictures = draw(path, "mp4", orientation)
    for data in (pictures.grid, pictures.view):
        assert opened(data).size == size
        assert is_close(opened(data), (0.5, 0.5), (200, 30, 30))


def test_a_raw_file_is_drawn_by_the_jpeg_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.BytesIO()
    stored(6).save(out, "JPEG", quality=95)
    asked: list[str] = []

    def extract(path: str) -> bytes:
        asked.append(path)
        return out.getvalue()

    monkeypatch.setattr("picture_decoder.extract_preview", extract)
    # What stands upright has been turned by who put it there: the orientation does not count.
    assert opened(draw(tmp_path / "a.dng", "dng", 6).view).size == (80, 120)
    out = io.BytesIO()
    marked_picture().transpose(Image.Transpose.ROTATE_180).save(out, "JPEG", quality=95)
    assert_upright(draw(tmp_path / "a.dng", "dng", 3))
    assert asked == [str(tmp_path / "a.dng")] * 2


@pytest.mark.parametrize("file_type", ["jp2", "bmp"])
def test_further_formats_are_drawn(tmp_path: Path, file_type: str) -> None:
    assert_upright(draw(save(marked_picture(), tmp_path, file_type), file_type))


# --- damage and malice -----------------------------------------------------------------


def noise(size: tuple[int, int]) -> Image.Image:
    return Image.frombytes("RGB", size, os.urandom(size[0] * size[1] * 3))


@pytest.mark.parametrize("file_type", ["jpeg", "png"])
def test_a_file_that_ends_early_is_drawn_as_far_as_it_goes(tmp_path: Path, file_type: str) -> None:
    path = save(noise((300, 300)), tmp_path, file_type)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    view = opened(draw(path, file_type).view)
    top, bottom = view.crop((0, 0, 300, 100)), view.crop((0, 240, 300, 300))
    assert len(set(top.get_flattened_data())) > 1000
    assert len(set(bottom.get_flattened_data())) < 100
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_a_file_without_any_pixels_is_refused(tmp_path: Path) -> None:
    path = save(noise((300, 300)), tmp_path, "jpeg")
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"\xff\xda") + 14])
    with pytest.raises(PictureError, match="Nothing of it"):
        draw(path, "jpeg")


@pytest.mark.parametrize("content", [b"", b"\n", b"this is text\n" * 50, b"\xff\xd8\xff\xe0"])
@pytest.mark.parametrize("file_type", ["jpeg", "png", "heic", "avif", "tiff", "webp", "gif"])
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes, file_type: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(PictureError, match="cannot be decoded"):
        draw(path, file_type)


def test_only_the_decoder_of_its_type_sees_a_file(tmp_path: Path) -> None:
    with pytest.raises(PictureError):
        draw(save(marked_picture(), tmp_path, "png"), "jpeg")
    with pytest.raises(PictureError, match="no decoder for JXL"):
        draw(save(marked_picture(), tmp_path, "png"), "jxl")
    with pytest.raises(PictureError):
        draw(save(marked_picture(), tmp_path, "png"), "mp4")
    (tmp_path / "film").write_bytes(make_film())
    with pytest.raises(PictureError):
        draw(tmp_path / "film", "mkv")
    with pytest.raises(PictureError, match="cannot be decoded"):
        draw(tmp_path / "film", "jpeg")


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def bomb(width: int, height: int, color_type: int) -> bytes:
    """A PNG of nothing but zeros, about 1000 times smaller than its pixels."""
    packer = zlib.compressobj(9)
    row = bytes(1 + width * {0: 1, 2: 3}[color_type])
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, color_type, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body)
    return png + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("size", "words"), [((20000, 20000), "300 mega"), ((13000, 13000), "676 MB")]
)
def test_a_picture_that_is_too_large_is_refused_by_its_header(
    tmp_path: Path, size: tuple[int, int], words: str
) -> None:
    path = tmp_path / "bomb.png"
    header = struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99)))
    )
    with pytest.raises(PictureError, match=words):
        draw(path, "png")


def test_links_and_pipes_are_not_opened(tmp_path: Path) -> None:
    target = save(marked_picture(), tmp_path, "png")
    (tmp_path / "link.png").symlink_to(target)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(OSError, match="symbolic"):
        draw(tmp_path / "link.png", "png")
    with pytest.raises(PictureError, match="regular"):
        draw(tmp_path / "pipe.png", "png")
    with pytest.raises(FileNotFoundError):
        draw(tmp_path / "absent.png", "png")
