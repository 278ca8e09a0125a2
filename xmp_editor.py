"""Changes properties of an XMP sidecar by splicing their bytes; every other byte stays.

Sidecars hold what other programs keep of a photo: their history, masks, labels. A tree that
is parsed and written again loses prefixes, comments and order; here only the attribute or
element in question is replaced, and the result is parsed and compared before it is given.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from defusedxml.ElementTree import fromstring

from xmp_reader import read_xmp

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_PROPERTIES: Final = MappingProxyType(
    {
        "XMP-xmp:Rating": ("http://ns.adobe.com/xap/1.0/", "Rating", "xmp"),
        "XMP-xmp:CreateDate": ("http://ns.adobe.com/xap/1.0/", "CreateDate", "xmp"),
        "XMP-exif:DateTimeOriginal": (
            "http://ns.adobe.com/exif/1.0/",
            "DateTimeOriginal",
            "exif",
        ),
        "XMP-photoshop:DateCreated": (
            "http://ns.adobe.com/photoshop/1.0/",
            "DateCreated",
            "photoshop",
        ),
        "XMP-microsoft:RatingPercent": (
            "http://ns.microsoft.com/photo/1.0/",
            "Rating",
            "MicrosoftPhoto",
        ),
    }
)
"""ExifTool's name -> namespace, name, and the prefix that is usual."""

_UTF_16: Final = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_PADDING: Final = b"\0 \t\r\n"
_ATTRIBUTE: Final = re.compile(rb"""\s+([^\s=/>]+)\s*=\s*("[^"]*"|'[^']*')""")
_TAG_NAME: Final = re.compile(rb"<([^\s/>]+)")
_ENCODING: Final = re.compile(rb"""^<\?xml[^>]*?encoding\s*=\s*["']([^"']+)["']""")
_NEW: Final = (
    "<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?>\n"
    "<x:xmpmeta xmlns:x='adobe:ns:meta/'>\n"
    f"<rdf:RDF xmlns:rdf='{_RDF}'>\n"
    " <rdf:Description rdf:about=''/>\n"
    "</rdf:RDF>\n"
    "</x:xmpmeta>\n"
    "<?xpacket end='w'?>\n"
).encode()


def edit_xmp(data: bytes | None, changes: Mapping[str, str | None]) -> bytes:
    """`data` with these properties set, or taken out (None); without `data` a new packet.

    changes: names as `XMP-xmp:Rating`. Raises `ValueError` where the XMP cannot be parsed or is
    hostile, and where a property has a shape that cannot be changed safely.
    """
    if data is None and not any(changes.values()):
        raise ValueError("there is nothing to keep in a new sidecar")
    for tag, value in changes.items():
        if tag not in _PROPERTIES:
            raise ValueError(f"{tag} is not a property that is kept in sidecars")
        if value is not None and (not value or not value.isprintable()):
            raise ValueError(f"{tag} cannot have this value")
    before = _NEW if data is None else data
    known = read_xmp(before)
    coded = _Coded.of(before)
    body = coded.body
    for tag, value in changes.items():
        body = _change(body, tag, value)
    edited = coded.pack(body)
    expected = {**known, **changes}
    wanted = {tag: value for tag, value in expected.items() if value is not None}
    if read_xmp(edited) != wanted or _strip(before, changes) != _strip(edited, changes):
        raise ValueError("the property stands in it in a way that is not understood")
    return edited


def is_bare(data: bytes) -> bool:
    """Whether the packet says nothing at all of its photo; what is unsure is not bare."""
    try:
        root = _parse(_Coded.of(data).body)
    except ValueError:
        return False
    about = f"{{{_RDF}}}about"
    return root is not None and all(
        child.tag == f"{{{_RDF}}}Description"
        and not len(child)
        and set(child.attrib) <= {about}
        and not (child.text or "").strip()
        for child in root
    )


# -- bytes that are not XML --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Coded:
    """A packet as UTF-8, and what stood around it: a mark of its encoding, padding."""

    before: bytes
    body: bytes
    after: bytes
    encoding: str

    @staticmethod
    def of(data: bytes) -> _Coded:
        for mark, encoding in (
            (codecs.BOM_UTF16_LE, "utf-16-le"),
            (codecs.BOM_UTF16_BE, "utf-16-be"),
        ):
            if data.startswith(mark):
                return _Coded(mark, data[2:].decode(encoding).encode(), b"", encoding)
        mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
        inner = data[len(mark) :]
        start = len(inner) - len(inner.lstrip(_PADDING))
        end = len(inner.rstrip(_PADDING))
        body = inner[start:end]
        said = _ENCODING.match(body)
        if said and said[1].lower() not in (b"utf-8", b"us-ascii", b"ascii"):
            raise ValueError(f"its encoding {said[1].decode('ascii', 'replace')} is not edited")
        return _Coded(mark + inner[:start], body, inner[end:], "utf-8")

    def pack(self, body: bytes) -> bytes:
        return self.before + body.decode().encode(self.encoding) + self.after


# -- where a property stands -------------------------------------------------------------------


@dataclass(slots=True)
class _Element:
    """An element's place: its start tag, and where all of it ends."""

    start: int
    tag_end: int
    prefixes: Mapping[str, str]
    name: tuple[str, str]
    attributes: list[tuple[tuple[str, str], int, int, int, int]] = field(default_factory=list)
    children: list[_Element] = field(default_factory=list)
    content_end: int = 0
    end: int = 0

    @property
    def is_empty_tag(self) -> bool:
        return self.content_end < self.tag_end


class _Finder:
    """The elements of a packet with their places in its bytes."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._stack: list[_Element] = []
        self.rdf: _Element | None = None
        parser = expat.ParserCreate("utf-8")
        self._parser = parser
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = _refuse_doctype
        try:
            parser.Parse(body, True)
        except expat.ExpatError as error:
            raise ValueError(f"the XMP cannot be parsed: {error}") from error

    def _begin(self, _name: str, _attributes: dict[str, str]) -> None:
        start = self._parser.CurrentByteIndex
        found = _TAG_NAME.match(self._body, start)
        assert found
        raw = []
        at = found.end()
        while attribute := _ATTRIBUTE.match(self._body, at):
            raw.append((attribute[1].decode(), *attribute.span(), *attribute.span(2)))
            at = attribute.end()
        tag_end = self._body.index(b">", at) + 1
        prefixes = dict(self._stack[-1].prefixes) if self._stack else {"xml": "xml"}
        for name, _, _, value, value_end in raw:
            if name == "xmlns" or name.startswith("xmlns:"):
                prefixes[name[6:]] = self._body[value + 1 : value_end - 1].decode()
        element = _Element(start, tag_end, prefixes, _resolve(found[1].decode(), prefixes))
        for name, *places in raw:
            # An attribute without a prefix is in no namespace.
            resolved = _resolve(name, prefixes) if ":" in name else ("", name)
            element.attributes.append((resolved, *places))  # type: ignore[arg-type]
        if self._stack:
            self._stack[-1].children.append(element)
        self._stack.append(element)
        if self.rdf is None and element.name == (_RDF, "RDF"):
            self.rdf = element

    def _end(self, _name: str) -> None:
        element = self._stack.pop()
        element.content_end = self._parser.CurrentByteIndex
        if element.content_end <= element.start:  # <a/>: both events are at its one tag
            element.end = element.tag_end
        else:
            element.end = self._body.index(b">", element.content_end) + 1


def _refuse_doctype(*_: object) -> None:
    raise ValueError("the XMP holds a document type")


def _resolve(name: str, prefixes: Mapping[str, str]) -> tuple[str, str]:
    prefix, colon, local = name.rpartition(":")
    return prefixes.get(prefix if colon else "", ""), local


# -- changing it -------------------------------------------------------------------------------


def _change(body: bytes, tag: str, value: str | None) -> bytes:
    """Set the first occurrence, take out all others; insert it where there is none."""
    namespace, local, prefix = _PROPERTIES[tag]
    # Windows has been seen to write its namespace without the slash as well.
    names = {(namespace, local), (namespace.rstrip("/"), local)}
    rdf = _Finder(body).rdf
    if rdf is None:
        raise ValueError("the XMP holds no RDF")
    splices: list[tuple[int, int, bytes]] = []
    for description in rdf.children:
        for name, *places in description.attributes:
            if name in names:
                splices.append(_change_attribute(places, None if splices else value))
        for child in description.children:
            if child.name in names:
                splices.append(_change_element(body, child, None if splices else value))
    if not splices and value is not None:
        splices = [_insert(body, rdf, namespace, local, prefix, value)]
    for start, end, text in sorted(splices, reverse=True):
        body = body[:start] + text + body[end:]
    return body


def _change_attribute(places: Sequence[int], value: str | None) -> tuple[int, int, bytes]:
    start, end, value_start, value_end = places
    if value is None:
        return start, end, b""
    return value_start, value_end, quoteattr(value).encode()


def _change_element(body: bytes, element: _Element, value: str | None) -> tuple[int, int, bytes]:
    if value is None:
        start, end = element.start, element.end
        line = body.rfind(b"\n", 0, start) + 1
        if not body[line:start].strip() and body[end : end + 2].startswith((b"\n", b"\r\n")):
            end += 1 if body[end : end + 1] == b"\n" else 2
            start = line
        return start, end, b""
    simple = all(body[a:b].strip().startswith(b"xmlns") for _, a, b, _, _ in element.attributes)
    if element.children or not simple:
        raise ValueError("the property has a shape that is not changed")
    text = escape(value).encode()
    if element.is_empty_tag:
        found = _TAG_NAME.match(body, element.start)
        assert found
        opened = body[element.start : element.tag_end].rstrip(b">").rstrip().rstrip(b"/").rstrip()
        return element.start, element.end, opened + b">" + text + b"</" + found[1] + b">"
    return element.tag_end, element.content_end, text


def _insert(
    body: bytes, rdf: _Element, namespace: str, local: str, prefix: str, value: str
) -> tuple[int, int, bytes]:
    """As an attribute of the first description; where there is none, in a new one."""
    description = next((one for one in rdf.children if one.name == (_RDF, "Description")), None)
    if description is None:
        if rdf.is_empty_tag:
            raise ValueError("the XMP describes nothing")
        said = _declare(rdf.prefixes, namespace, local, prefix, value)
        found = _TAG_NAME.match(body, rdf.start)
        assert found
        rdf_prefix = found[1].rpartition(b":")[0]
        start = b"<" + (rdf_prefix + b":" if rdf_prefix else b"") + b"Description"
        about = b" " + (rdf_prefix + b":" if rdf_prefix else b"") + b"about=''"
        if not rdf_prefix:
            raise ValueError("the XMP describes nothing")
        return rdf.tag_end, rdf.tag_end, b"\n" + start + about + said + b"/>"
    at = description.tag_end - 1
    if body[at - 1 : at] == b"/":
        at -= 1
    at -= len(body[:at]) - len(body[:at].rstrip())
    return at, at, _declare(description.prefixes, namespace, local, prefix, value)


def _declare(
    prefixes: Mapping[str, str], namespace: str, local: str, prefix: str, value: str
) -> bytes:
    """The attribute, with its namespace where no prefix stands for that."""
    known = next((one for one, name in prefixes.items() if one and name == namespace), None)
    declared = ""
    if known is None:
        number = 1
        known = prefix
        while known in prefixes:
            number += 1
            known = f"{prefix}{number}"
        declared = f" xmlns:{known}={quoteattr(namespace)}"
    return f"{declared} {known}:{local}={quoteattr(value)}".encode()


# -- comparing ---------------------------------------------------------------------------------


def _parse(body: bytes) -> Element | None:
    """The RDF element as a tree."""
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except (SyntaxError, LookupError) as error:
        raise ValueError("the XMP cannot be parsed") from error
    name = f"{{{_RDF}}}RDF"
    return root if root.tag == name else root.find(f".//{name}")


def _strip(data: bytes, changes: Mapping[str, str | None]) -> object:
    """What the packet says but for these properties, in order."""
    names = set()
    for tag in changes:
        namespace, local, _ = _PROPERTIES[tag]
        names |= {f"{{{namespace}}}{local}", f"{{{namespace.rstrip('/')}}}{local}"}
    rdf = _parse(_Coded.of(data).body)
    said = []
    for description in rdf if rdf is not None else ():
        attributes = {k: v for k, v in description.attrib.items() if k not in names}
        children = [_freeze(child) for child in description if child.tag not in names]
        if set(attributes) - {f"{{{_RDF}}}about"} or children:
            said.append((description.tag, sorted(attributes.items()), children))
    return said


def _freeze(element: Element) -> object:
    children = [_freeze(child) for child in element]
    text = (element.text or "") if not children else (element.text or "").strip()
    return element.tag, sorted(element.attrib.items()), text, children
