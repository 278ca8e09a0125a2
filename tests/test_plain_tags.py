"""plain_tags: what Pillow finds where there is no ExifTool, spelled the same."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from pictures import make_film
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from errors import PictureError
from exiftool_process import ExifTool, find_exiftool
from photo_facts import list_facts
from plain_tags import read_plain_tags, read_sidecar_tags

XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
 xmlns:own="http://example.com/" own:Secret="1" photoshop:Headline="Head">
 <dc:title><rdf:Alt><rdf:li xml:lang="x-default">A title</rdf:li>
 <rdf:li xml:lang="de">Titel</rdf:li></rdf:Alt></dc:title>
 <dc:subject><rdf:Bag><rdf:li>lake</rdf:li><rdf:li>ice</rdf:li></rdf:Bag>
 </dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"""


def make_photo(path: Path, kind: str = "JPEG") -> Path:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0131] = "Canon", "EOS 5D", "Darkroom 3"
    camera = exif.get_ifd(0x8769)
    camera.update(
        {0x829A: 1 / 640, 0x829D: 1.8, 0x8827: 50, 0x920A: 35.0, 0x9204: IFDRational(-1, 2)}
    )
    camera.update({0xA434: "EF 35mm f/1.8", 0xA405: 36})
    place = exif.get_ifd(0x8825)
    place.update({1: "S", 2: (52.0, 30.0, 58.68), 3: "W", 4: (13.0, 22.0, 39.72)})
    place.update({5: b"\1", 6: 34.0})
    Image.new("RGB", (40, 30), "teal").save(path, kind, exif=exif, xmp=XMP.encode())
    return path


@pytest.mark.parametrize(("kind", "name"), [("JPEG", "a.jpg"), ("WEBP", "a.webp")])
def test_it_tells_the_same_facts_as_exiftool(tmp_path: Path, kind: str, name: str) -> None:
    path = make_photo(tmp_path / name, kind)
    facts = list_facts(read_plain_tags(str(path), kind.lower()))
    assert {fact.name: fact.value for fact in facts} == {
        "camera": "Canon EOS 5D",
        "lens": "EF 35mm f/1.8",
        "exposure": "1/640 s",
        "aperture": "ƒ/1.8",
        "iso": "50",
        "focal_length": "35 mm",
        "focal_length_35": "36 mm",
        "compensation": "-0.5 EV",
        "title": "A title",
        "keywords": "lake, ice",
        "software": "Darkroom 3",
        "place": "52.51630° S, 13.37770° W",
        "altitude": "-34 m",
    }
    if find_exiftool() is None:
        pytest.skip("ExifTool is not installed")
    exiftool = ExifTool()
    assert list_facts(exiftool.read_every_tag(str(path))) == facts
    exiftool.close()


def test_a_sidecar_gives_its_words_and_nothing_of_unknown_name_spaces(tmp_path: Path) -> None:
    (tmp_path / "a.xmp").write_text(XMP)
    assert read_sidecar_tags(str(tmp_path / "a.xmp")) == {
        "XMP-photoshop:Headline": "Head",
        "XMP-dc:Title": "A title",
        "XMP-dc:Subject": ["lake", "ice"],
    }
    (tmp_path / "b.xmp").write_text("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>")
    with pytest.raises(PictureError, match="sidecar cannot be read"):
        read_sidecar_tags(str(tmp_path / "b.xmp"))


def test_trouble_is_a_sentence_and_a_link_is_not_followed(tmp_path: Path) -> None:
    make_film(tmp_path / "a.mp4", "mp4", "mpeg4")
    with pytest.raises(PictureError, match="Without ExifTool"):
        read_plain_tags(str(tmp_path / "a.mp4"), "mp4")
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    with pytest.raises(PictureError, match="cannot be read"):
        read_plain_tags(str(tmp_path / "b.jpg"), "jpeg")
    whole = make_photo(tmp_path / "c.jpg").read_bytes()
    (tmp_path / "c.jpg").write_bytes(whole.replace(b"\x87\x69", b"\x00\x69")[:400])
    with pytest.raises(PictureError, match="cannot be read"):
        read_plain_tags(str(tmp_path / "c.jpg"), "jpeg")
    shutil.copy(make_photo(tmp_path / "d.jpg"), tmp_path / "e.jpg")
    os.symlink(tmp_path / "e.jpg", tmp_path / "link.jpg")
    with pytest.raises(OSError):  # noqa: PT011  its number depends on the system
        read_plain_tags(str(tmp_path / "link.jpg"), "jpeg")
