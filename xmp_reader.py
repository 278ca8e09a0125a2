"""XMP packets to tags. Pure, and safe with hostile XML: nothing is fetched or expanded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from metadata import TagValue

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_RDF: Final = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_UTF_16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_MAX_BYTES: Final = 16 * 1024 * 1024
_MAX_MARKS: Final = 500_000
"""Elements, or attributes: a parsed one takes some 250 bytes."""
_MAX_LETTERS: Final = 1000

_TAGS: Final = {
    "{http://ns.adobe.com/xap/1.0/}Rating": "XMP-xmp:Rating",
    "{http://ns.adobe.com/xap/1.0/}CreateDate": "XMP-xmp:CreateDate",
    "{http://ns.adobe.com/exif/1.0/}DateTimeOriginal": "XMP-exif:DateTimeOriginal",
    "{http://ns.adobe.com/photoshop/1.0/}DateCreated": "XMP-photoshop:DateCreated",
    "{http://ns.microsoft.com/photo/1.0/}Rating": "XMP-microsoft:RatingPercent",
    "{http://ns.microsoft.com/photo/1.0}Rating": "XMP-microsoft:RatingPercent",
}
"""Properties by namespace, whatever prefix the writer chose, and ExifTool's names for them."""


def read_xmp(data: bytes) -> dict[str, TagValue]:
    """The tags of one packet or sidecar that matter here.

    Raises `ValueError` where it is no XMP, is hostile, too big, or says two different things.
    """
    tags: dict[str, TagValue] = {}
    for description in find_rdf(parse_xmp(data)):
        for name, value in description.attrib.items():
            _add(tags, name, value)
        for child in description:
            if child.tag in _TAGS:
                _add(tags, child.tag, _read_text(child))
    return tags


def parse_xmp(data: bytes) -> Element:
    """The tree of one packet or sidecar, whatever it says.

    Raises `ValueError` where it cannot be parsed, is hostile or too big.
    """
    if len(data) > _MAX_BYTES or max(data.count(b"<"), data.count(b"=")) > _MAX_MARKS:
        raise ValueError("the XMP is too big")
    try:
        if not data.startswith(_UTF_16_MARKS):
            data = data.strip(b"\0 \t\r\n")
        return fromstring(data, forbid_dtd=True)
    except (ParseError, DefusedXmlException, LookupError, ValueError) as error:
        raise ValueError(f"the XMP cannot be parsed: {type(error).__name__}") from error


def find_rdf(root: Element) -> Element:
    """The element in whose children the properties stand. Raises `ValueError` without one."""
    rdf = root if root.tag == f"{_RDF}RDF" else root.find(f".//{_RDF}RDF")
    if rdf is None:
        raise ValueError("the XMP holds no RDF")
    return rdf


def _add(tags: dict[str, TagValue], name: str, value: str) -> None:
    key = _TAGS.get(name)
    if key is None:
        return
    value = value[:_MAX_LETTERS].strip()
    if value and tags.setdefault(key, value) != value:
        raise ValueError(f"the XMP has {key} twice")


def _read_text(element: Element) -> str:
    """A property's text: its own, of `rdf:value`, or of the first item of a list."""
    for path in (f"{_RDF}value", f"{_RDF}Description/{_RDF}value", f"*/{_RDF}li"):
        inner = element.find(path)
        if inner is not None:
            return inner.text or ""
    return element.get(f"{_RDF}value") or element.text or ""
