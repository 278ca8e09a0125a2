"""What a file is: by its suffix for the walk, by its bytes for everything else."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_types import (
    MEDIA_SUFFIXES,
    MEDIA_TYPES,
    SIGNATURE_BYTES,
    Kind,
    detect_format,
    is_media_name,
    kind_of,
    kind_of_name,
    media_type_of,
    rating_tags_of,
)

SUFFIXES = {
    "image": ".jpg .jpeg .jpe .jfif .png .gif .webp .tif .tiff .heic .heif .hif .avif"
    " .jp2 .jpf .jpx .j2k .bmp .jxl",
    "raw": ".cr2 .cr3 .nef .arw .dng .orf .rw2 .raf .pef .srw",
    "video": ".mp4 .m4v .mov .3gp .mkv .webm .avi .mts .m2ts .mpg .mpeg .wmv",
}


@pytest.mark.parametrize("kind", SUFFIXES)
def test_every_suffix_is_looked_at_in_any_case(kind: str) -> None:
    for suffix in SUFFIXES[kind].split():
        for name in (f"a{suffix}", f"a.b{suffix.upper()}", f"ä ö{suffix.title()}"):
            assert is_media_name(name)
            assert kind_of_name(name) == kind
        (media_type,) = (each for each in MEDIA_TYPES.values() if suffix in each.suffixes)
        assert media_type.kind == kind_of(media_type.name) == kind


def test_no_other_suffix_is_looked_at() -> None:
    assert {suffix for line in SUFFIXES.values() for suffix in line.split()} == MEDIA_SUFFIXES
    for name in ("a.txt", "a", "", ".jpg", "jpg", "a.jpg.xmp", "a.jpg~", "a.jpg ", "a.", "a.m3u8"):
        assert not is_media_name(name)
        if not name.startswith(".") and name != "jpg":
            assert kind_of_name(name) is None


def test_every_type_says_how_it_is_served_and_drawn() -> None:
    for name, media_type in MEDIA_TYPES.items():
        family = "video" if media_type.kind == Kind.VIDEO else "image"
        assert media_type.mime.startswith(f"{family}/")
        assert media_type.name == name
        assert name in "".join(media_type.suffixes) or name == "mpeg"
        if media_type.kind == Kind.RAW:
            assert not media_type.shown_by_browsers
            assert media_type.decoder == ""
        elif name != "jxl":
            assert media_type.decoder


def test_a_type_that_there_is_not_is_neither_drawn_nor_an_error() -> None:
    unknown = media_type_of("xyz")
    assert (unknown.name, unknown.decoder, unknown.shown_by_browsers) == ("xyz", "", False)
    assert kind_of("xyz") == Kind.IMAGE
    assert media_type_of("jpeg") is MEDIA_TYPES["jpeg"]


def box(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content) + 8) + kind + content


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    return box(b"ftyp", major + bytes(4) + b"".join(compatible)) + box(b"mdat", bytes(40))


def ebml(doc_type: bytes) -> bytes:
    inner = b"\x42\x86\x81\x01\x42\x82" + bytes([0x80 | len(doc_type)]) + doc_type
    return b"\x1a\x45\xdf\xa3" + bytes([0x80 | len(inner)]) + inner + bytes(50)


def transport_stream(length: int) -> bytes:
    return (bytes(length - 188) + b"\x47" + bytes(187)) * 6


SIGNATURES = [
    (b"\xff\xd8\xff\xe0", "jpeg"),
    (b"\xff\xd8\xff\xdb", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"RIFF\x10\0\0\0WEBPVP8 ", "webp"),
    (b"RIFF\x10\0\0\0AVI LIST", "avi"),
    (b"RIFF\x10\0\0\0WAVEfmt ", None),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51\0", "jp2"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
    (b"\xff\x0a\0\0", "jxl"),
    (b"BM" + bytes(12) + b"\x28\0\0\0", "bmp"),
    (b"BM" + bytes(12) + b"\x7c\0\0\0", "bmp"),
    (b"BM" + bytes(12) + b"\x29\0\0\0", None),
    (b"BM is the start of a sentence", None),
    (b"FUJIFILMCCD-RAW 0201", "raf"),
    (b"IIRO\x08\0\0\0", "orf"),
    (b"IIRS\x08\0\0\0", "orf"),
    (b"MMOR\0\0\0\x08", "orf"),
    (b"IIU\0\x08\0\0\0", "rw2"),
    (b"II*\0\x10\0\0\0CR\2\0", "cr2"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c", "wmv"),
    (b"\0\0\1\xba\x44", "mpeg"),
    (ftyp(b"heic", b"mif1", b"heic"), "heic"),
    (ftyp(b"mif1", b"mif1", b"heic"), "heic"),
    (ftyp(b"msf1", b"hevc"), "heic"),
    (ftyp(b"avif", b"mif1"), "avif"),
    (ftyp(b"avis", b"msf1"), "avif"),
    (ftyp(b"mif1", b"avif"), "avif"),
    (ftyp(b"crx ", b"crx ", b"isom"), "cr3"),
    (ftyp(b"qt  ", b"qt  "), "mov"),
    (ftyp(b"M4V ", b"mp42"), "m4v"),
    (ftyp(b"3gp4", b"3gp4"), "3gp"),
    (ftyp(b"3g2a", b"3g2a"), "3gp"),
    (ftyp(b"isom", b"avc1"), "mp4"),
    (ftyp(b"mp42", b"mp42"), "mp4"),
    (ftyp(b"XAVC", b"XAVC"), "mp4"),
    (ebml(b"matroska"), "mkv"),
    (ebml(b"webm"), "webm"),
    (ebml(b"webm\0\0"), "webm"),
    (ebml(b"other"), None),
    (b"\x1a\x45\xdf\xa3", None),
    (b"\x1a\x45\xdf\xa3\x42\x82", None),
    (transport_stream(188), "m2ts"),
    (transport_stream(192), "m2ts"),
    (transport_stream(188)[:400], "m2ts"),
    (transport_stream(188)[:300], None),
    (b"\x47" + bytes(1000), None),
]


@pytest.mark.parametrize(("head", "expected"), SIGNATURES)
def test_bytes_say_what_a_file_is_whatever_its_name(head: bytes, expected: str | None) -> None:
    for name in ("", "a.jpg", "a.dng", "a.mp4", "a"):
        assert detect_format(head[:SIGNATURE_BYTES], name) == expected


def test_every_type_has_a_signature() -> None:
    known = {expected for _, expected in SIGNATURES}
    assert known | {"tiff", "nef", "arw", "dng", "pef", "srw"} == {*MEDIA_TYPES, None}


@pytest.mark.parametrize("head", [b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0", b"MM\0+"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.nef", "nef"),
        ("a.ARW", "arw"),
        ("a.b.Dng", "dng"),
        ("a.pef", "pef"),
        ("a.srw", "srw"),
        ("a.tif", "tiff"),
        ("a.jpg", "tiff"),
        ("a.raf", "tiff"),
        ("", "tiff"),
    ],
)
def test_of_what_begins_as_tiff_the_name_says_the_camera(
    head: bytes, name: str, expected: str
) -> None:
    assert detect_format(head, name) == expected


@pytest.mark.parametrize("kind", [b"moov", b"mdat", b"wide", b"pnot"])
def test_a_quicktime_film_from_before_its_file_type_box_is_one(kind: bytes) -> None:
    assert detect_format(box(kind, bytes(100))) == "mov"


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\0" * 1024,
        b"\xff" * 1024,
        b"#EXTM3U\n#EXT-X-VERSION:3\n",
        b"ffconcat version 1.0\n",
        b"<!DOCTYPE html><html>",
        b"<?xml version='1.0'?><svg/>",
        b"<MPD xmlns='urn:mpeg:dash:schema:mpd:2011'/>",
        b"%PDF-1.7",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        b"PK\3\4",
        b"ID3\4",
        b"\x7fELF",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\n",
        "ein Text auf Deutsch, länger als jede Signatur".encode(),
    ],
)
def test_what_is_neither_photo_nor_film_is_none_by_any_name(head: bytes) -> None:
    for suffix in sorted(MEDIA_SUFFIXES):
        assert detect_format(head, f"a{suffix}") is None


def test_random_bytes_are_nothing() -> None:
    chance = random.Random(1)
    found = [detect_format(chance.randbytes(SIGNATURE_BYTES)) for _ in range(2000)]
    assert found.count(None) >= 1999


@given(st.binary(max_size=80), st.text(max_size=10))
def test_no_bytes_and_no_name_raise_anything(head: bytes, name: str) -> None:
    for data in (head, b"\0\0\0\x20ftyp" + head, b"\x1a\x45\xdf\xa3" + head, b"RIFF" + head):
        assert detect_format(data, name) in {*MEDIA_TYPES, None}


def test_each_format_takes_ratings_where_its_files_can_safely_hold_them() -> None:
    old, new = (12, 57), (13, 25)
    assert rating_tags_of("jpeg", old) == ("XMP-xmp:Rating", "IFD0:Rating", "IFD0:RatingPercent")
    assert rating_tags_of("tiff", old) == rating_tags_of("jpeg", old)
    for name in ("png", "webp", "gif"):
        assert rating_tags_of(name, old) == ("XMP-xmp:Rating",)
    for name in ("heic", "avif", "mp4", "m4v", "mov", "3gp"):
        assert rating_tags_of(name, old) == ()
        assert rating_tags_of(name, new) == ("XMP-xmp:Rating",)
    for name, media_type in MEDIA_TYPES.items():
        if media_type.kind == Kind.RAW or name in ("bmp", "jp2", "jxl", "mkv", "avi", "wmv"):
            assert rating_tags_of(name, new) == ()
