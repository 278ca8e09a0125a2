"""The picture's hash: kept by every change of tags, changed by every change of the picture."""

from __future__ import annotations

import hashlib
import io
import random
import shutil
import struct
import subprocess
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pillow_heif
import pytest
from PIL import Image, ImageCms
from test_film_reader import make_film

import picture_source
from media_types import MEDIA_TYPES, SIGNATURE_BYTES, detect_format, is_media_name
from picture_bytes import PictureHashes, hash_picture, media_hash, picture_ranges, same_picture

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

pillow_heif.register_heif_opener()

EXIFTOOL = shutil.which("exiftool")
needs_exiftool = pytest.mark.skipif(EXIFTOOL is None, reason="ExifTool is not installed")
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
FORMATS = {"jpeg", "png", "gif", "webp", "tiff", "heic", "avif"}
FILMS = {"mp4", "m4v", "mov", "3gp"}
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()

EDITS: dict[str, list[list[str]]] = {
    "rating": [["-XMP-xmp:Rating=5", "-IFD0:Rating=5", "-IFD0:RatingPercent=99"]],
    "dates": [["-AllDates=2019:07:14 18:03:22", "-OffsetTimeOriginal=+02:00"]],
    "caption": [["-XMP-dc:Description=" + "words " * 2000, "-XMP-dc:Subject=a", "-Artist=me"]],
    "iptc": [["-IPTC:Keywords=sea", "-Photoshop:URL=http://localhost/"]],
    "comment": [["-Comment=hello", "-UserComment=hello", "-PNG:Title=t", "-PNG:Comment=c"]],
    "orientation": [["-n", "-IFD0:Orientation=6", "-XMP-tiff:Orientation=6"]],
    "place": [["-n", "-GPSLatitude=48.1", "-GPSLatitudeRef=N", "-XMP-exif:GPSLatitude=48.1"]],
    "resolution": [["-XResolution=300", "-PNG:PixelsPerUnitX=9", "-JFIF:XResolution=9"]],
    "thumbnail": [["-ThumbnailImage<={tagged}"]],
    "big endian": [["-ExifByteOrder=MM", "-EXIF:Copyright=me"]],
    "little endian": [["-ExifByteOrder=II", "-EXIF:Copyright=me"]],
    "all from another": [["-TagsFromFile", "{tagged}", "-all:all"]],
    "added, then removed": [
        ["-XMP-xmp:Rating=5", "-EXIF:Artist=me", "-IPTC:Keywords=sea", "-Comment=hello"],
        ["-XMP:all=", "-EXIF:all=", "-IPTC:all=", "-Comment="],
    ],
    "everything but the profile removed": [["-all=", "--ICC_Profile:all"]],
}


def hashes(data: bytes, file_type: str) -> PictureHashes:
    return hash_picture(io.BytesIO(data), file_type)


def picture_hash(data: bytes, file_type: str) -> str:
    """The media hash of a file that must parse."""
    found = hashes(data, file_type)
    assert found.damage is None
    assert found.media_hash.startswith(f"{file_type}:")
    return found.media_hash


def noise(width: int = 64, height: int = 48, seed: int = 1, mode: str = "RGB") -> Image.Image:
    bands = len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(
        mode, (width, height), random.Random(seed).randbytes(width * height * bands)
    )


def save(image: Image.Image, pillow_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, pillow_format, **options)
    return file.getvalue()


def frames(mode: str = "RGB") -> list[Image.Image]:
    return [noise(seed=seed, mode=mode) for seed in (2, 3)]


def insert(data: bytes, at: int, more: bytes) -> bytes:
    return data[:at] + more + data[at:]


def heif(image: Image.Image, **options: object) -> bytes:
    return save(image, "HEIF", quality=50, **options)


MADE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "baseline.jpg": ("jpeg", lambda: save(noise(), "JPEG")),
    "profile.jpg": ("jpeg", lambda: save(noise(), "JPEG", icc_profile=SRGB, comment=b"c")),
    "progressive.jpg": ("jpeg", lambda: save(noise(), "JPEG", progressive=True, exif=b"")),
    "restarts.jpg": ("jpeg", lambda: save(noise(), "JPEG", restart_marker_blocks=2)),
    "cmyk.jpg": ("jpeg", lambda: save(noise(mode="CMYK"), "JPEG")),
    "film.jpg": ("jpeg", lambda: save(noise(), "JPEG") + b"\0\0\0\x18ftypmp42" + b"film" * 9),
    "rgb.png": ("png", lambda: save(noise(), "PNG", icc_profile=SRGB)),
    "palette.png": ("png", lambda: save(noise().quantize(16), "PNG", transparency=3)),
    "alpha.png": ("png", lambda: save(noise(mode="RGBA"), "PNG", dpi=(72, 72))),
    "animated.png": (
        "png",
        lambda: save(noise(), "PNG", save_all=True, append_images=frames(), duration=50),
    ),
    "still.gif": ("gif", lambda: save(noise().quantize(16), "GIF", comment=b"c")),
    "animated.gif": (
        "gif",
        lambda: save(noise(), "GIF", save_all=True, append_images=frames(), loop=0),
    ),
    "lossy.webp": ("webp", lambda: save(noise(), "WEBP")),
    "lossless.webp": ("webp", lambda: save(noise(), "WEBP", lossless=True)),
    "alpha.webp": ("webp", lambda: save(noise(mode="RGBA"), "WEBP")),
    "profile.webp": ("webp", lambda: save(noise(), "WEBP", icc_profile=SRGB)),
    "animated.webp": (
        "webp",
        lambda: save(noise(), "WEBP", save_all=True, append_images=frames()),
    ),
    "strips.tif": ("tiff", lambda: save(noise(300, 300), "TIFF", icc_profile=SRGB)),
    "lzw.tif": ("tiff", lambda: save(noise(), "TIFF", compression="tiff_lzw")),
    "jpeg.tif": ("tiff", lambda: save(noise(), "TIFF", compression="jpeg")),
    "palette.tif": ("tiff", lambda: save(noise().quantize(16), "TIFF")),
    "fax.tif": ("tiff", lambda: save(noise().convert("1"), "TIFF", compression="group4")),
    "pages.tif": (
        "tiff",
        lambda: save(noise(), "TIFF", save_all=True, append_images=frames()),
    ),
    "tiles.tif": ("tiff", lambda: tiled_tiff("<")),
    "tiles_motorola.tif": ("tiff", lambda: tiled_tiff(">")),
    "still.heic": ("heic", lambda: heif(noise())),
    "alpha.heic": ("heic", lambda: heif(noise(mode="RGBA"))),
    "profile.heic": ("heic", lambda: heif(noise(), icc_profile=SRGB)),
    "several.heic": (
        "heic",
        lambda: heif(noise(), save_all=True, append_images=frames(), exif=tagged_exif()),
    ),
    "still.avif": ("avif", lambda: save(noise(), "AVIF")),
    "alpha.avif": ("avif", lambda: save(noise(mode="RGBA"), "AVIF")),
    "tagged.avif": ("avif", lambda: save(noise(), "AVIF", exif=tagged_exif(), icc_profile=SRGB)),
    "animated.avif": (
        "avif",
        lambda: save(noise(), "AVIF", save_all=True, append_images=frames(), duration=50),
    ),
}


def tagged_exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x013B] = "someone"
    return exif.tobytes()


def tiled_tiff(order: str, *, big: bool = False, compression: int = 1) -> bytes:
    """A gray picture of 32 x 16 in two tiles, which Pillow does not write."""
    tiles = random.Random(5).randbytes(512)
    head = (b"II" if order == "<" else b"MM") + struct.pack(
        order + ("HHHQ" if big else "HI"), *((43, 8, 0, 16 + 512) if big else (42, 8 + 512))
    )
    at = len(head)
    values = [(256, 32), (257, 16), (258, 8), (259, compression), (262, 1), (277, 1)]
    values += [(322, 16), (323, 16)]
    count, entry, pair = ("Q", "HHQQ", "QQ") if big else ("H", "HHII", "II")
    entries = [(tag, 4, 1, value) for tag, value in values]
    behind = at + 512 + struct.calcsize("=" + count) + 10 * (20 if big else 12) + (8 if big else 4)
    kind = 16 if big else 4
    entries += [(324, kind, 2, behind), (325, kind, 2, behind + 2 * (8 if big else 4))]
    table = struct.pack(order + count, len(entries))
    for tag, value_kind, number, value in entries:
        if big and value_kind == 4:
            table += struct.pack(order + "HHQII", tag, value_kind, number, value, 0)
        else:
            table += struct.pack(order + entry, tag, value_kind, number, value)
    table += struct.pack(order + ("Q" if big else "I"), 0)
    return head + tiles + table + struct.pack(order + pair * 2, at, at + 256, 256, 256)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return {name: make() for name, (_, make) in MADE.items()}


def run_exiftool(commands: list[list[str]], folder: Path) -> str:
    """Runs several commands in one ExifTool; returns what it had to say."""
    assert EXIFTOOL is not None
    lines: list[str] = []
    for command in commands:
        lines += [*command, "-execute"]
    arguments = folder / "arguments.txt"
    arguments.write_text("\n".join(lines))
    command = [EXIFTOOL, "-@", str(arguments), "-common_args", "-overwrite_original", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    return done.stdout + done.stderr


def edit_copies(
    originals: dict[str, bytes], edits: dict[str, list[list[str]]], folder: Path
) -> tuple[dict[tuple[str, str], bytes], str]:
    """Every file after every edit, by edit and name, and ExifTool's messages."""
    tagged = folder / "tagged.jpg"
    exif = tagged_exif()
    tagged.write_bytes(save(noise(), "JPEG", exif=exif, dpi=(200, 200), comment=b"other"))
    commands = []
    for number, steps in enumerate(edits.values()):
        target = folder / str(number)
        target.mkdir()
        for name, data in originals.items():
            (target / name).write_bytes(data)
        for step in steps:
            filled = [argument.replace("{tagged}", str(tagged)) for argument in step]
            commands.append([*filled, str(target)])
    commands.insert(
        0,
        [
            "-XMP-xmp:Rating=3",
            "-IPTC:Keywords=x",
            "-AllDates=2001:01:01 01:01:01",
            "-EXIF:UserComment=u",
            "-GPSLatitude=1",
            str(tagged),
        ],
    )
    said = run_exiftool(commands, folder)
    edited = {
        (edit, name): (folder / str(number) / name).read_bytes()
        for number, edit in enumerate(edits)
        for name in originals
    }
    return edited, said


@needs_exiftool
def test_no_change_of_tags_changes_the_picture(made: dict[str, bytes], tmp_path: Path) -> None:
    edited, said = edit_copies(made, EDITS, tmp_path)
    before = {name: picture_hash(data, MADE[name][0]) for name, data in made.items()}
    wrong = [
        (edit, name, hashes(data, MADE[name][0]).damage)
        for (edit, name), data in edited.items()
        if hashes(data, MADE[name][0]).media_hash != before[name]
    ]
    assert wrong == [], said
    changed = {name for (_, name), data in edited.items() if data != made[name]}
    assert changed == set(made), said


@needs_exiftool
def test_no_change_of_tags_changes_the_picture_of_a_real_file(media: Path, tmp_path: Path) -> None:
    originals: dict[str, bytes] = {}
    before: dict[str, str] = {}
    for path in sorted(media.rglob("*")):
        if not (path.is_file() and is_media_name(path.name)):
            continue
        data = path.read_bytes()
        file_type = detect_format(data[:SIGNATURE_BYTES])
        if file_type in FORMATS and not hashes(data, file_type).damage:
            name = f"{len(originals)}{path.suffix}"
            originals[name] = data
            before[name] = picture_hash(data, file_type)
    assert {found.split(":")[0] for found in before.values()} == FORMATS
    chosen = {name: EDITS[name] for name in ("rating", "caption", "dates", "comment")}
    chosen["all removed"] = EDITS["added, then removed"]
    edited, said = edit_copies(originals, chosen, tmp_path)
    written = set()
    for (edit, name), data in edited.items():
        file_type = before[name].split(":")[0]
        assert picture_hash(data, file_type) == before[name], (edit, name)
        assert same_picture(io.BytesIO(data), io.BytesIO(originals[name]), file_type), (edit, name)
        if data != originals[name]:
            written.add(name)
            found = hashes(data, file_type).content_hash
            assert found != hashes(originals[name], file_type).content_hash
    assert {before[name].split(":")[0] for name in written} == FORMATS
    assert len(written) > 0.9 * len(originals), said


@pytest.mark.parametrize("name", MADE)
def test_any_byte_of_the_picture_counts(made: dict[str, bytes], name: str) -> None:
    data, file_type = made[name], MADE[name][0]
    before = picture_hash(data, file_type)
    ranges = picture_ranges(io.BytesIO(data), file_type)
    assert ranges
    for offset, length in ranges:
        for at in {offset, offset + length // 2, offset + length - 1}:
            changed = bytearray(data)
            changed[at] ^= 0x10
            assert hashes(bytes(changed), file_type).media_hash != before, at
            assert not same_picture(io.BytesIO(data), io.BytesIO(changed), file_type)


@pytest.mark.parametrize("name", MADE)
def test_a_large_file_has_the_same_hashes_read_in_blocks(
    made: dict[str, bytes], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, file_type = made[name], MADE[name][0]
    in_memory = hashes(data, file_type)
    monkeypatch.setattr(picture_source, "WHOLE_FILE_BYTES", 0)
    monkeypatch.setattr(picture_source, "_WINDOW_BYTES", 300)
    monkeypatch.setattr(picture_source, "BLOCK_BYTES", 700)
    assert hashes(data, file_type) == in_memory
    assert media_hash(io.BytesIO(data), file_type) == in_memory.media_hash
    assert same_picture(io.BytesIO(data), io.BytesIO(data), file_type)


def test_the_content_hash_is_the_sha256_of_the_file(made: dict[str, bytes]) -> None:
    data = made["baseline.jpg"]
    assert hashes(data, "jpeg").content_hash == hashlib.sha256(data).hexdigest()


def test_the_pixels_count_in_every_format() -> None:
    for pillow_format, file_type in (
        *(("JPEG", "jpeg"), ("PNG", "png"), ("GIF", "gif"), ("WEBP", "webp")),
        *(("TIFF", "tiff"), ("HEIF", "heic"), ("AVIF", "avif")),
    ):
        found = {picture_hash(save(noise(seed=seed), pillow_format), file_type) for seed in (1, 2)}
        assert len(found) == 2, file_type


def test_the_color_profile_counts_where_a_format_has_one() -> None:
    for pillow_format, file_type in (
        *(("JPEG", "jpeg"), ("PNG", "png"), ("WEBP", "webp")),
        *(("TIFF", "tiff"), ("HEIF", "heic"), ("AVIF", "avif")),
    ):
        found = {
            picture_hash(save(noise(), pillow_format, icc_profile=profile), file_type)
            for profile in (None, SRGB, LAB)
        }
        assert len(found) == 3, file_type


def test_what_follows_a_jpeg_is_not_its_picture_but_must_stay(made: dict[str, bytes]) -> None:
    plain = save(noise(), "JPEG")
    film = made["film.jpg"]
    assert picture_hash(film, "jpeg") == picture_hash(plain, "jpeg")
    assert not same_picture(io.BytesIO(film), io.BytesIO(plain), "jpeg")
    assert not same_picture(io.BytesIO(film), io.BytesIO(film[:-1] + b"x"), "jpeg")
    assert same_picture(io.BytesIO(film), io.BytesIO(film), "jpeg")


def test_jpeg_fill_bytes_and_bytes_between_segments_do_not_count() -> None:
    data = save(noise(), "JPEG")
    quantization = data.index(b"\xff\xdb")
    for more in (b"\xff\xff\xff", b"\0\0\0", b"junk\xff\0\xff\xd0"):
        assert picture_hash(insert(data, quantization, more), "jpeg") == picture_hash(data, "jpeg")


def test_an_end_marker_in_a_jpeg_thumbnail_is_not_the_end() -> None:
    data = save(noise(), "JPEG")
    thumbnail = b"Exif\0\0" + save(noise(8, 8), "JPEG")
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    assert picture_hash(insert(data, 2, segment), "jpeg") == picture_hash(data, "jpeg")


def test_the_adobe_color_transform_of_a_jpeg_counts(made: dict[str, bytes]) -> None:
    data = made["cmyk.jpg"]
    transform = data.index(b"Adobe") + 11
    other = data[:transform] + bytes([data[transform] ^ 2]) + data[transform + 1 :]
    assert picture_hash(data, "jpeg") != picture_hash(other, "jpeg")


def test_png_chunk_borders_and_resolution_do_not_count_but_gamma_does(
    made: dict[str, bytes],
) -> None:
    data = save(noise(), "PNG")
    at = data.index(b"IDAT") - 4
    length = int.from_bytes(data[at : at + 4], "big")
    pixels = data[at + 8 : at + 8 + length]
    halves = png_chunk(b"IDAT", pixels[:100]) + png_chunk(b"IDAT", pixels[100:])
    split = data[:at] + halves + data[at + 12 + length :]
    before = picture_hash(data, "png")
    assert picture_hash(split, "png") == before
    assert picture_hash(insert(data, at, png_chunk(b"pHYs", bytes(9))), "png") == before
    assert picture_hash(insert(data, at, png_chunk(b"gAMA", bytes(4))), "png") != before


def png_chunk(kind: bytes, data: bytes) -> bytes:
    crc = zlib.crc32(kind + data)
    return len(data).to_bytes(4, "big") + kind + data + crc.to_bytes(4, "big")


def test_a_gif_comment_does_not_count_but_its_loop_does(made: dict[str, bytes]) -> None:
    data = made["animated.gif"]
    loop = data.index(b"NETSCAPE2.0") - 3
    assert picture_hash(insert(data, loop, b"\x21\xfe\x02hi\0"), "gif") == picture_hash(data, "gif")
    changed = insert(data[: loop + 16] + data[loop + 17 :], loop + 16, b"\x07")
    assert picture_hash(changed, "gif") != picture_hash(data, "gif")


def test_a_simple_webp_keeps_its_picture_when_it_becomes_an_extended_one() -> None:
    data = save(noise(), "WEBP")
    body = b"VP8X" + struct.pack("<IBxxx", 10, 0x0C) + bytes(6) + data[12:] + b"EXIF\0\0\0\0"
    extended = b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body
    assert picture_hash(extended, "webp") == picture_hash(data, "webp")


def test_the_canvas_of_an_animated_webp_counts(made: dict[str, bytes]) -> None:
    data = bytearray(made["animated.webp"])
    before = picture_hash(bytes(data), "webp")
    data[24] ^= 1
    assert picture_hash(bytes(data), "webp") != before


def test_a_bigtiff_is_followed_too() -> None:
    for order in "<>":
        data = tiled_tiff(order, big=True)
        assert sum(length for _, length in picture_ranges(io.BytesIO(data), "tiff")) == 512
        changed = bytearray(data)
        changed[16 + 300] ^= 1
        assert picture_hash(data, "tiff") != picture_hash(bytes(changed), "tiff")


def test_a_tiff_tag_that_says_how_to_read_the_tiles_counts() -> None:
    assert picture_hash(tiled_tiff("<"), "tiff") != picture_hash(
        tiled_tiff("<", compression=32773), "tiff"
    )


def test_a_tiff_whose_pages_form_a_loop_counts_as_a_whole() -> None:
    data = bytearray(tiled_tiff("<"))
    directory = struct.unpack_from("<I", data, 4)[0]
    struct.pack_into("<I", data, directory + 2 + 10 * 12, directory)
    found = hashes(bytes(data), "tiff")
    assert found.media_hash.startswith("file:")
    assert found.damage == "The TIFF file is damaged: the pages form a loop."


def box(kind: bytes, *payload: bytes) -> bytes:
    data = b"".join(payload)
    return struct.pack(">I", len(data) + 8) + kind + data


def built_heic(
    *,
    rotation: int = 0,
    construction: int = 0,
    pixels: bytes = b"pixels" * 9,
    described: bytes = b"",
    padding: int = 0,
) -> bytes:
    """A HEIC with one rotated image item, in `mdat` or (construction 1) in `idat`."""

    def build(at: int) -> bytes:
        full = bytes(4)
        item = struct.pack(">HH4s", 1, 0, b"hvc1") + b"\0"
        where = struct.pack(">HHHHHHII", 0x4400, 1, 1, construction, 0, 1, at, len(pixels))
        properties = (
            box(b"hvcC", b"c" * 9),
            box(b"ispe", full, bytes(8)),
            box(b"irot", bytes([rotation])),
        )
        links = struct.pack(">IHBBBBB", 1, 1, 4, 0x81, 2, 0x83, 4)
        meta = box(
            b"meta",
            full,
            box(b"hdlr", full, bytes(4), b"pict", bytes(13)),
            box(b"pitm", full, b"\0\1"),
            box(b"iinf", full, b"\0\1", box(b"infe", b"\2\0\0\0", item)),
            box(b"iloc", b"\1\0\0\0", where),
            box(
                b"iprp",
                box(b"ipco", *properties, box(b"udes", full, described)),
                box(b"ipma", full, links),
            ),
            box(b"idat", pixels if construction else b""),
        )
        head = box(b"ftyp", b"heic", full, b"mif1heic") + meta + box(b"free", bytes(padding))
        return head + box(b"mdat", b"" if construction else pixels)

    return build(0 if construction else len(build(0)) - len(pixels))


def test_rotation_in_a_heic_is_the_picture_but_its_place_and_description_are_not() -> None:
    before = picture_hash(built_heic(), "heic")
    assert picture_hash(built_heic(padding=99, described=b"a dog"), "heic") == before
    assert picture_hash(built_heic(rotation=1), "heic") != before
    assert picture_hash(built_heic(pixels=b"others" * 9), "heic") != before


def test_a_heic_with_its_picture_in_the_meta_box_is_the_same_picture() -> None:
    assert picture_hash(built_heic(construction=1), "heic") == picture_hash(built_heic(), "heic")


def test_a_heic_built_from_other_items_counts_as_a_whole() -> None:
    found = hashes(built_heic(construction=2), "heic")
    assert found.media_hash.startswith("file:")
    assert not found.complete
    assert found.damage is not None


def test_a_heic_picture_behind_the_end_of_the_file_counts_as_a_whole() -> None:
    data = built_heic()
    where = data.index(b"iloc") + 4 + 4 + 2 + 2 + 8
    assert struct.unpack_from(">I", data, where)[0] == len(data) - 54
    for offset in (len(data), 0xFFFFFFFF):
        changed = bytearray(data)
        struct.pack_into(">I", changed, where, offset)
        assert hashes(bytes(changed), "heic").media_hash.startswith("file:")


SAY_THEIR_LENGTH = {"avi", "bmp", "mkv", "webm", "wmv"}


@pytest.mark.parametrize("file_type", sorted(set(MEDIA_TYPES) - FORMATS - FILMS))
def test_a_format_without_a_method_counts_as_a_whole(file_type: str) -> None:
    found = hashes(b"anything", file_type)
    assert found.media_hash.startswith("file:")
    assert (found.damage is None) == (file_type not in SAY_THEIR_LENGTH)


# -- films -----------------------------------------------------------------------------------


def film_boxes(data: bytes) -> list[tuple[bytes, int, int]]:
    """Kind, offset and length of the boxes at the top of a film."""
    found, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], at, length))
        at += length
    return found


def film_hash(data: bytes, file_type: str = "mp4") -> str:
    found = hashes(data, file_type)
    assert found.damage is None
    assert found.media_hash.startswith("film:")
    return found.media_hash


@pytest.fixture(scope="session")
def film() -> bytes:
    return make_film()


def test_boxes_around_the_frames_of_a_film_do_not_count(film: bytes) -> None:
    before = film_hash(film)
    (_, moov, moov_length) = next(item for item in film_boxes(film) if item[0] == b"moov")
    uuid = box(b"uuid", b"\xbe\x7a\xcf\xcb\x97\xa9\x42\xe8\x9c\x71\x99\x94\x91\xe3\xaf\xac<x/>")
    changes = {
        "XMP at the end": film + uuid,
        "XMP in front": insert(film, film_boxes(film)[0][2], uuid),
        "free": film + box(b"free", bytes(999)),
        "moov rewritten": film[: moov + 8] + bytes(moov_length - 8) + film[moov + moov_length :],
        "moov first": film[: film_boxes(film)[0][2]]
        + film[moov : moov + moov_length]
        + film[film_boxes(film)[0][2] : moov],
        "another brand": film[:8] + b"qt  " + film[12:],
    }
    for name, data in changes.items():
        assert data != film
        assert film_hash(data) == before, name
        assert same_picture(io.BytesIO(film), io.BytesIO(data), "mp4"), name
    assert film_hash(film, "mov") == before


def test_every_byte_of_a_films_frames_counts(film: bytes) -> None:
    before = film_hash(film)
    ((start, length),) = picture_ranges(io.BytesIO(film), "mp4")
    for at in (start, start + length // 2, start + length - 1):
        changed = bytearray(film)
        changed[at] ^= 1
        assert film_hash(bytes(changed)) != before
        assert not same_picture(io.BytesIO(film), io.BytesIO(changed), "mp4")


def test_all_frames_of_a_film_in_pieces_count() -> None:
    pieces = make_film(options={"movflags": "frag_keyframe+empty_moov"})
    kinds = [kind for kind, _, _ in film_boxes(pieces)]
    assert kinds.count(b"mdat") > 1
    before = film_hash(pieces)
    for kind, start, length in film_boxes(pieces):
        changed = bytearray(pieces)
        changed[start + length - 1] ^= 1
        assert (film_hash(bytes(changed)) != before) == (kind == b"mdat")


def test_the_border_between_two_pieces_of_a_film_counts(film: bytes) -> None:
    head = box(b"ftyp", b"isom") + box(b"moov")
    one = head + box(b"mdat", b"abcd")
    two = head + box(b"mdat", b"ab") + box(b"mdat", b"cd")
    assert film_hash(one) != film_hash(two)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no film"),
        (box(b"ftyp", b"isom"), "no film"),
        (box(b"moov"), "no film"),
        (box(b"mdat", b"frames"), "no film"),
        (box(b"moov") + box(b"mdat", b"frames")[:-1], "cut off"),
        (box(b"moov") + b"\0\0\0\7mdat", "cut off"),
        (box(b"moov") + b"\0\0\0\1mdat" + b"\xff" * 8, "cut off"),
    ],
)
def test_a_film_that_is_not_whole_counts_as_a_whole(data: bytes, words: str) -> None:
    found = hashes(data, "mov")
    assert not found.complete
    assert found.damage
    assert words in found.damage


def test_frames_that_reach_to_the_end_of_the_file_count(film: bytes) -> None:
    to_the_end = box(b"moov") + b"\0\0\0\0mdatframes"
    wide = box(b"moov") + b"\0\0\0\1mdat" + struct.pack(">Q", 22) + b"frames"
    plain = box(b"moov") + box(b"mdat", b"frames")
    assert film_hash(to_the_end) == film_hash(wide) == film_hash(plain)


def test_a_film_of_endless_boxes_is_given_up() -> None:
    started = time.monotonic()
    found = hashes(box(b"moov") + box(b"free") * 300_000, "mp4")
    assert found.damage
    assert time.monotonic() - started < 10


@needs_exiftool
def test_no_change_of_tags_changes_a_film(film: bytes, tmp_path: Path) -> None:
    originals = {"a.mp4": film, "b.mov": make_film("mov")}
    edits = {
        "rating": [["-XMP-xmp:Rating=5", "-Microsoft:SharedUserRating=99"]],
        "dates": [["-QuickTime:CreateDate=2001:01:01 01:01:01"]],
        "title": [["-ItemList:Title=" + "words " * 500, "-Keys:Description=a"]],
        "turned": [["-n", "-Rotation=90"]],
    }
    edited, said = edit_copies(originals, edits, tmp_path)
    for (edit, name), data in edited.items():
        assert data != originals[name], (edit, name, said)
        assert film_hash(data) == film_hash(originals[name]), (edit, name)


# -- one pass --------------------------------------------------------------------------------


class CountingBytes(io.BytesIO):
    """Counts how often each byte is handed out."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.times = bytearray(len(data))

    def read(self, size: int | None = -1) -> bytes:
        at = self.tell()
        data = super().read(size)
        self._note(at, len(data))
        return data

    def readinto(self, buffer: WriteableBuffer) -> int:
        at = self.tell()
        length = super().readinto(buffer)
        self._note(at, length)
        return length

    def _note(self, at: int, length: int) -> None:
        for index in range(at, at + length):
            self.times[index] += 1


@pytest.mark.parametrize("name", [*MADE, "film.mp4"])
def test_one_pass_over_a_large_file_gives_the_hashes_of_two(
    made: dict[str, bytes], film: bytes, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = film if name == "film.mp4" else made[name]
    data += b"what follows"
    file_type = "mp4" if name == "film.mp4" else MADE[name][0]
    if file_type == "mp4":
        data = film + box(b"free", b"what follows")
    in_memory = hashes(data, file_type)
    monkeypatch.setattr(picture_source, "WHOLE_FILE_BYTES", 0)
    monkeypatch.setattr(picture_source, "_WINDOW_BYTES", 64)
    monkeypatch.setattr(picture_source, "BLOCK_BYTES", 500)
    assert hashes(data, file_type) == in_memory
    monkeypatch.setattr("picture_bytes._lies_in_order", lambda picture: False)
    assert hashes(data, file_type) == in_memory


def test_a_large_film_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data = box(b"ftyp", b"isom") + box(b"mdat", bytes(100_000)) + box(b"moov", bytes(9000))
    expected = hashes(data, "mp4")
    monkeypatch.setattr(picture_source, "WHOLE_FILE_BYTES", 0)
    monkeypatch.setattr(picture_source, "_WINDOW_BYTES", 64)
    monkeypatch.setattr(picture_source, "BLOCK_BYTES", 4096)
    file = CountingBytes(data)
    assert hash_picture(file, "mp4") == expected
    assert set(file.times[200:99_000]) == {1}


@pytest.mark.parametrize("name", MADE)
def test_a_cut_file_never_passes_for_the_whole_picture(made: dict[str, bytes], name: str) -> None:
    data, file_type = made[name], MADE[name][0]
    before = picture_hash(data, file_type)
    last = max(offset + length for offset, length in picture_ranges(io.BytesIO(data), file_type))
    chance = random.Random(name)
    for length in {0, 1, 11, 12, 13, last - 1, *(chance.randrange(last) for _ in range(60))}:
        found = hashes(data[:length], file_type)
        assert found.media_hash != before
        assert found.complete == (found.damage is None)
    assert not hashes(data[: last - 1], file_type).complete or file_type == "jpeg"


@pytest.mark.parametrize("name", MADE)
def test_broken_bytes_never_raise_nor_take_long(made: dict[str, bytes], name: str) -> None:
    data, file_type = made[name], MADE[name][0]
    chance = random.Random(name)
    head = min(len(data), 1500)
    started = time.monotonic()
    for _ in range(150):
        broken = bytearray(data)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(chance.choice((head, len(data))))
            broken[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        found = hashes(bytes(broken), file_type)
        assert found.complete == (found.damage is None)
        same_picture(io.BytesIO(data), io.BytesIO(broken), file_type)
    assert time.monotonic() - started < 30


BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "segments": ("jpeg", lambda: b"\xff\xd8" + b"\xff\xdb\0\2" * 1_100_000),
    "fill bytes": ("jpeg", lambda: b"\xff\xd8" + b"\xff" * 8_000_000),
    "stuffed bytes": ("jpeg", lambda: b"\xff\xd8\xff\xda\0\2" + b"\xff\0" * 4_000_000),
    "chunks": ("png", lambda: save(noise(), "PNG")[:33] + bytes(12) * 1_100_000),
    "sub-blocks": ("gif", lambda: b"GIF89a" + bytes(7) + b"\x21\xfe" + b"\1x" * 1_100_000),
    "riff chunks": ("webp", lambda: riff(b"JUNK\0\0\0\0" * 1_100_000)),
    "strips": ("tiff", lambda: strip_bomb()),
    "boxes": ("heic", lambda: box(b"ftyp", b"heic") + box(b"free") * 300_000),
    "items": ("heic", lambda: item_bomb()),
}


def riff(body: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def strip_bomb() -> bytes:
    """A TIFF in which every one of 400,000 strips is the whole file."""
    count = 400_000
    at = 8 + 2 + 3 * 12 + 4
    size = at + count * 8
    table = struct.pack("<HHHII", 3, 256, 4, 1, 64)
    table += struct.pack("<HHIIHHII", 273, 4, count, at, 279, 4, count, at + count * 4)
    return (
        struct.pack("<2sHI", b"II", 42, 8)
        + table
        + bytes(4)
        + bytes(count * 4)
        + struct.pack("<I", size) * count
    )


def item_bomb() -> bytes:
    """A HEIC whose one item has 65,535 extents, each of them the whole file."""
    data = built_heic()
    at = data.index(b"iloc")
    size = int.from_bytes(data[at - 4 : at], "big")
    extents = struct.pack(">II", 0, 4000) * 65535
    where = struct.pack(">HHHHHH", 0x4400, 1, 1, 0, 0, 65535) + extents
    grown = box(b"iloc", b"\1\0\0\0", where)
    meta = data.index(b"meta")
    meta_size = int.from_bytes(data[meta - 4 : meta], "big") + len(grown) - size
    bomb = data[: at - 4] + grown + data[at - 4 + size :]
    return bomb[: meta - 4] + struct.pack(">I", meta_size) + bomb[meta:]


@pytest.mark.parametrize("name", BOMBS)
def test_a_file_made_to_keep_the_reader_busy_is_given_up(name: str) -> None:
    file_type, make = BOMBS[name]
    data = make()
    started = time.monotonic()
    found = hashes(data, file_type)
    assert found.media_hash.startswith("file:")
    assert found.damage is not None
    assert time.monotonic() - started < 10


def test_a_large_file_needs_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.tif"
    path.write_bytes(save(Image.new("RGB", (4000, 2500)), "TIFF"))
    monkeypatch.setattr(picture_source, "WHOLE_FILE_BYTES", 1 << 20)
    tracemalloc.start()
    try:
        with path.open("rb") as file, path.open("rb") as again:
            assert hash_picture(file, "tiff").complete
            assert same_picture(file, again, "tiff")
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()
