"""The fast reader: containers made in code, hostile blocks, and every real file beside ExifTool."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from exif_block import read_exif_block
from exiftool_process import ExifTool, find_exiftool
from file_operations import TAGS_ONLY, PictureReading, read_picture, scan_folder
from media_types import Kind, kind_of_name
from metadata import SIZE_TAGS, TAGS_READ, derive_facts
from tag_reader import FastReading, read_tags
from xmp_reader import read_xmp

SIZE = (48, 32)
DATE = "2019:07:14 18:03:22"

XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{}</rdf:RDF>'
    '</x:xmpmeta><?xpacket end="w"?>'
)
RATED = XMP.format(
    '<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/>'
).encode()


def make_exif(
    *, date: str | None = DATE, rating: int | None = 3, orientation: int | None = None
) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Acme", "One"
    if rating is not None:
        exif[0x4746] = rating
    if orientation is not None:
        exif[0x0112] = orientation
    if date is not None:
        exif.get_ifd(0x8769).update({0x9003: date, 0x9004: date, 0x9011: "+02:00"})
    return exif


def make_picture(pillow_format: str, *, exif: Image.Exif | None = None, xmp: bytes = b"") -> bytes:
    """A picture with EXIF and XMP, where Pillow can write them into the format."""
    image = Image.new("RGB", SIZE, (200, 30, 30))
    out = io.BytesIO()
    if pillow_format == "PNG":
        texts = PngInfo()
        if xmp:
            texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
        image.save(out, "PNG", exif=exif or make_exif(), pnginfo=texts)
    elif pillow_format == "TIFF":
        tags = Image.Exif() if exif is None else exif
        if xmp:
            tags[700] = xmp
        image.save(out, "TIFF", exif=tags)
    elif pillow_format == "HEIF":
        heif = pillow_heif.from_pillow(image)
        heif.save(out, exif=(exif or make_exif()).tobytes(), xmp=xmp)
    else:
        image.save(out, pillow_format, exif=exif or make_exif(), xmp=xmp)
    return out.getvalue()


def read(data: bytes, file_type: str) -> FastReading:
    return read_tags(io.BytesIO(data), file_type)


def chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def add_segments(jpeg: bytes, *segments: bytes) -> bytes:
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def make_ifd(*entries: tuple[int, int, int, bytes], tail: bytes = b"") -> bytes:
    """A little-endian EXIF block of one directory; `tail` follows it."""
    packed = b"".join(struct.pack("<HHI4s", *entry) for entry in entries)
    count = struct.pack("<H", len(entries))
    return b"II*\0\x08\0\0\0" + count + packed + b"\0\0\0\0" + tail


# -- containers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file_type", "pillow_format"),
    [("jpeg", "JPEG"), ("png", "PNG"), ("webp", "WEBP"), ("heic", "HEIF"), ("avif", "AVIF")],
)
def test_exif_and_xmp_are_found_in_every_container(file_type: str, pillow_format: str) -> None:
    reading = read(make_picture(pillow_format, xmp=RATED), file_type)
    assert reading.unsure is None
    assert reading.tags == {
        **dict(zip(SIZE_TAGS[file_type], SIZE, strict=True)),
        "IFD0:Make": "Acme",
        "IFD0:Model": "One",
        "IFD0:Rating": 3,
        "ExifIFD:DateTimeOriginal": DATE,
        "ExifIFD:CreateDate": DATE,
        "ExifIFD:OffsetTimeOriginal": "+02:00",
        "XMP-xmp:Rating": "4",
    }
    assert reading.tags.keys() <= set(TAGS_READ)


def test_a_tiff_file_holds_its_tags_itself() -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x4746] = "Acme", 3
    reading = read(make_picture("TIFF", exif=exif, xmp=RATED), "tiff")
    assert reading.unsure is None
    assert reading.tags["IFD0:Make"] == "Acme"
    assert reading.tags["IFD0:Rating"] == 3
    assert reading.tags["XMP-xmp:Rating"] == "4"
    assert (reading.tags["IFD0:ImageWidth"], reading.tags["IFD0:ImageHeight"]) == SIZE


@pytest.mark.parametrize(
    ("file_type", "pillow_format"), [("jpeg", "JPEG"), ("webp", "WEBP"), ("tiff", "TIFF")]
)
def test_a_turned_picture_is_turned_once(file_type: str, pillow_format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    reading = read(make_picture(pillow_format, exif=exif), file_type)
    facts = derive_facts(reading.tags, file_name="x", file_type=file_type)
    assert (facts.width, facts.height, facts.orientation) == (SIZE[1], SIZE[0], 6)


def test_a_heic_with_rotation_box_and_exif_orientation_is_turned_once() -> None:
    both = make_picture("HEIF", exif=make_exif(orientation=6))
    assert struct.pack(">HHIH", 0x0112, 3, 1, 6) in both
    assert b"irot\3" in both
    exif_alone = both.replace(b"irot\3", b"irot\0")
    for data, shown in ((both, (SIZE[1], SIZE[0])), (exif_alone, SIZE)):
        reading = read(data, "heic")
        facts = derive_facts(reading.tags, file_name="x", file_type="heic")
        assert reading.unsure is None
        assert (facts.width, facts.height, facts.orientation) == (*shown, 1)


def test_an_avif_is_turned_by_its_boxes() -> None:
    data = make_picture("AVIF", exif=make_exif(orientation=8))
    assert b"irot" in data
    reading = read(data, "avif")
    facts = derive_facts(reading.tags, file_name="x", file_type="avif")
    assert (facts.width, facts.height, facts.orientation) == (SIZE[1], SIZE[0], 1)


def test_what_stands_behind_the_picture_of_a_png_is_found_without_decoding_it() -> None:
    out = io.BytesIO()
    Image.new("RGB", SIZE).save(out, "PNG")
    png = out.getvalue()
    end = png.rindex(b"\0\0\0\0IEND")
    xmp = b"XML:com.adobe.xmp\0\0\0\0\0" + RATED
    late = chunk(b"eXIf", make_exif().tobytes()[6:]) + chunk(b"iTXt", xmp)
    at = png.index(b"IDAT") + 4
    not_decodable = png[:at] + b"\xff" * 4 + png[at + 4 : end]
    reading = read(not_decodable + late + png[end:], "png")
    assert reading.unsure is None
    assert reading.tags["ExifIFD:DateTimeOriginal"] == DATE
    assert reading.tags["XMP-xmp:Rating"] == "4"


@pytest.mark.parametrize(
    "content",
    [
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(RATED)),
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n 6\n457869660000\n")),
        chunk(b"tEXt", b"Creation Time\0Sun, 14 Jul 2019 18:03:22 +0200"),
    ],
)
def test_png_texts_that_only_exiftool_reads_make_unsure(content: bytes) -> None:
    out = io.BytesIO()
    Image.new("RGB", SIZE).save(out, "PNG")
    png = out.getvalue()
    end = png.rindex(b"\0\0\0\0IEND")
    assert read(png, "png").unsure is None
    assert read(png[:end] + content + png[end:], "png").unsure
    assert read(png[:end], "png").unsure


def test_xmp_in_a_gif_is_found_before_and_behind_the_frames() -> None:
    out = io.BytesIO()
    frames = [Image.new("P", SIZE, color) for color in (1, 2, 3)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    gif = out.getvalue()
    trailer = bytes([1, *range(255, -1, -1), 0])
    extension = b"\x21\xff\x0bXMP DataXMP" + RATED + trailer
    colors = 3 << (gif[10] & 7) + 1 if gif[10] & 0x80 else 0
    head = 13 + colors
    assert read(gif, "gif") == FastReading({"GIF:ImageWidth": 48, "GIF:ImageHeight": 32}, None)
    for with_xmp in (gif[:head] + extension + gif[head:], gif[:-1] + extension + b";"):
        reading = read(with_xmp, "gif")
        assert reading.unsure is None
        assert reading.tags["XMP-xmp:Rating"] == "4"
    assert read(gif[:-1], "gif").unsure


def test_a_picture_too_big_to_decode_still_tells_its_size() -> None:
    png = b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", 60000, 50000, 8, 2, 0, 0, 0)
    )
    png += chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reading = read(png, "png")
    assert reading.tags == {"PNG:ImageWidth": 60000, "PNG:ImageHeight": 50000}


@pytest.mark.parametrize("file_type", list(SIZE_TAGS))
def test_bytes_cut_anywhere_make_unsure_or_sure_and_never_an_error(file_type: str) -> None:
    names = {"heic": "HEIF", "jp2": "JPEG2000"}
    whole = make_picture(names.get(file_type, file_type.upper()))
    size = dict(zip(SIZE_TAGS[file_type], SIZE, strict=True))
    for end in range(0, len(whole), max(1, len(whole) // 60)):
        reading = read(whole[:end], file_type)
        if reading.unsure is None:
            assert reading.tags.items() >= size.items()


@pytest.mark.parametrize("file_type", ["dng", "nef", "cr2", "cr3", "raf", "jxl"])
def test_of_raw_and_jpeg_xl_the_reader_is_never_sure(file_type: str) -> None:
    exif = make_exif(orientation=6).tobytes()[6:]
    reading = read(exif, file_type)
    assert reading.unsure == f"{file_type.upper()} is for ExifTool to read"
    assert reading.tags["ExifIFD:DateTimeOriginal"] == DATE
    assert reading.tags["IFD0:Orientation"] == 6
    for rubbish in (b"", b"rubbish", exif[:9], b"FUJIFILMCCD-RAW"):
        assert read(rubbish, file_type).unsure


def test_of_a_film_that_cannot_be_read_the_trouble_is_told() -> None:
    reading = read(b"rubbish", "mp4")
    assert reading.tags == {}
    assert reading.unsure
    assert "cannot be read" in reading.unsure


# -- JPEG blocks -----------------------------------------------------------------------------


def test_xmp_in_two_segments_must_agree() -> None:
    jpeg = make_picture("JPEG", xmp=RATED)
    header = b"http://ns.adobe.com/xap/1.0/\0"
    assert read(add_segments(jpeg, segment(0xE1, header + RATED)), "jpeg").unsure is None
    other = RATED.replace(b'"4"', b'"2"')
    unsure = read(add_segments(jpeg, segment(0xE1, header + other)), "jpeg").unsure
    assert unsure == "several values of XMP-xmp:Rating"


def test_two_exif_blocks_make_unsure() -> None:
    jpeg = add_segments(make_picture("JPEG"), segment(0xE1, b"Exif\0\0" + make_ifd()))
    assert read(jpeg, "jpeg").unsure


def test_extended_xmp_is_passed_over() -> None:
    extended = segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 40 + b"rubbish")
    assert read(add_segments(make_picture("JPEG"), extended), "jpeg").unsure is None


def test_iptc_makes_unsure_only_where_exif_has_no_date() -> None:
    photoshop = segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\0")
    assert read(add_segments(make_picture("JPEG"), photoshop), "jpeg").unsure is None
    undated = make_picture("JPEG", exif=make_exif(date=None))
    assert read(undated, "jpeg").unsure is None
    assert read(add_segments(undated, photoshop), "jpeg").unsure


# -- EXIF blocks -----------------------------------------------------------------------------

MAKE = (0x010F, 2, 4, b"Abc\0")


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"Exif\0\0",
        b"II*\0",
        b"rubbish" * 10,
        b"II*\0\xff\xff\xff\xff",
        make_ifd(MAKE)[:20],
        make_ifd((0x010F, 2, 5, b"\xff\xff\xff\xff")),
        make_ifd((0x010F, 2, 2**32 - 1, b"\x08\0\0\0")),
        make_ifd((0x010F, 99, 1, b"\0\0\0\0")),
        make_ifd((0x1234, 99, 1, b"\0\0\0\0")),
        make_ifd((0x010F, 2, 0, b"\0\0\0\0")),
        make_ifd((0x010F, 2, 4, b"\xe4\xf6\xfc\0")),
        make_ifd(MAKE, MAKE),
        make_ifd((0x0112, 2, 2, b"6\0\0\0")),
        make_ifd((0x0112, 3, 2, b"\6\0\1\0")),
        make_ifd((0x8769, 4, 1, b"\xff\xff\0\0")),
        make_ifd((0x8769, 2, 4, b"\x08\0\0\0")),
    ],
)
def test_whatever_is_odd_in_an_exif_block_is_noted(block: bytes) -> None:
    assert read_exif_block(block).oddities


def test_a_sound_exif_block_is_read_in_both_byte_orders() -> None:
    reading = read_exif_block(make_ifd(MAKE, (0x0112, 3, 1, b"\6\0\0\0")))
    assert (reading.tags, reading.oddities) == ({"IFD0:Make": "Abc", "IFD0:Orientation": 6}, [])
    big = b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0) + b"\0\0\0\0"
    assert read_exif_block(b"Exif\0\0" + big).tags == {"IFD0:Orientation": 6}


def test_a_directory_that_points_to_itself_ends() -> None:
    reading = read_exif_block(make_ifd((0x8769, 4, 1, b"\x08\0\0\0"), MAKE))
    assert reading.tags == {"IFD0:Make": "Abc"}


def test_text_in_exif_ends_at_its_first_nul_and_is_bounded() -> None:
    text = b"Acme\0hidden" + b"x" * 100_000
    block = make_ifd((0x010F, 2, len(text), struct.pack("<I", 26)), tail=text)
    assert read_exif_block(block).tags == {"IFD0:Make": "Acme"}
    long = b"x" * 100_000
    block = make_ifd((0x010F, 2, len(long), struct.pack("<I", 26)), tail=long)
    assert read_exif_block(block).tags == {"IFD0:Make": "x" * 1000}


# -- XMP -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "inner",
    [
        '<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/>',
        '<rdf:Description xmlns:xap="http://ns.adobe.com/xap/1.0/"><xap:Rating>4</xap:Rating>'
        "</rdf:Description>",
        '<rdf:Description xmlns:odd="http://ns.adobe.com/xap/1.0/"><odd:Rating>\n 4 \n'
        "</odd:Rating></rdf:Description>",
        '<rdf:Description xmlns:a="http://ns.adobe.com/xap/1.0/"><a:Rating><rdf:Seq>'
        "<rdf:li>4</rdf:li></rdf:Seq></a:Rating></rdf:Description>",
        '<rdf:Description xmlns:a="http://ns.adobe.com/xap/1.0/"><a:Rating '
        'rdf:parseType="Resource"><rdf:value>4</rdf:value></a:Rating></rdf:Description>',
        '<rdf:Description xmlns:b="urn:else" b:Rating="1"/>'
        '<rdf:Description xmlns:a="http://ns.adobe.com/xap/1.0/" a:Rating="4"/>',
    ],
)
def test_xmp_says_the_same_in_every_spelling(inner: str) -> None:
    assert read_xmp(XMP.format(inner).encode()) == {"XMP-xmp:Rating": "4"}
    assert read_xmp(XMP.format(inner).encode("utf-16")) == {"XMP-xmp:Rating": "4"}


def test_all_properties_of_xmp_have_exiftools_names() -> None:
    inner = (
        '<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreateDate="1"'
        ' xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:DateTimeOriginal="2"'
        ' xmlns:p="http://ns.adobe.com/photoshop/1.0/" p:DateCreated="3"'
        ' xmlns:m="http://ns.microsoft.com/photo/1.0/" m:Rating="75"/>'
    )
    assert read_xmp(XMP.format(inner).encode()) == {
        "XMP-xmp:CreateDate": "1",
        "XMP-exif:DateTimeOriginal": "2",
        "XMP-photoshop:DateCreated": "3",
        "XMP-microsoft:RatingPercent": "75",
    }


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"no XML",
        b"<a/>",
        b"\xff\xfe\x00",
        b"<?xml version='1.0' encoding='nonsense'?><a/>",
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b'<!DOCTYPE a SYSTEM "http://192.0.2.1/a.dtd"><a/>',
        b"<a>" * 200_000,
        RATED + b" " * (16 * 1024 * 1024),
        XMP.format(
            '<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/>'
            '<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="2"/>'
        ).encode(),
    ],
)
def test_hostile_or_broken_xmp_is_refused_and_makes_unsure(packet: bytes) -> None:
    with pytest.raises(ValueError, match="XMP"):
        read_xmp(packet)
    if 0 < len(packet) < 60_000:
        reading = read(make_picture("JPEG", xmp=packet), "jpeg")
        assert reading.unsure
        assert reading.tags["IFD0:Rating"] == 3


# -- the real files --------------------------------------------------------------------------


def test_the_fast_reader_says_what_exiftool_says(media: Path) -> None:
    if find_exiftool() is None:
        pytest.skip("ExifTool is not installed")
    paths = [
        str(media / file.path)
        for file in scan_folder(media).files
        if kind_of_name(file.path) == Kind.IMAGE
    ]
    readings = [read_picture(path, known=TAGS_ONLY) for path in paths]
    sure = [reading for reading in readings if reading.tags and not reading.unsure]
    assert len(sure) >= 0.7 * len(paths)
    exiftool = ExifTool()
    try:
        answers = exiftool.read_tags([reading.path for reading in sure])
    finally:
        exiftool.close()
    differences = [
        reading.path for reading in sure if not _says_the_same(reading, answers[reading.path])
    ]
    assert not differences


def _says_the_same(reading: PictureReading, answer: object) -> bool:
    assert reading.tags is not None
    assert reading.file_type is not None
    assert isinstance(answer, dict)
    if reading.file_type in ("heic", "avif"):
        # The decoder's size counts: ExifTool leaves out crops.
        answer = {**answer, "QuickTime:Rotation": 0}
        answer |= {tag: reading.tags[tag] for tag in SIZE_TAGS[reading.file_type]}
    name, kind = Path(reading.path).name, reading.file_type
    return derive_facts(reading.tags, file_name=name, file_type=kind) == derive_facts(
        answer, file_name=name, file_type=kind
    )
