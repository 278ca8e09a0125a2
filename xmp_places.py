"""Where the bytes of a property stand in an XMP packet. Pure; finds, and changes nothing."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from defusedxml.ElementTree import DefusedXMLParser

RDF: Final = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"

_UTF_8_MARK: Final = b"\xef\xbb\xbf"
_UTF_16_MARKS: Final = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_IGNORED_AROUND: Final = b"\0 \t\r\n"
"""What `xmp_reader` takes off both ends of a packet that is not UTF-16."""
_DECLARED_ENCODING: Final = re.compile(rb"<\?xml\s[^>]*?encoding\s*=\s*[\"']([\w.:-]+)")
_ASCII: Final = bytes(range(128))

_MAX_PARTS: Final = 1000
"""Elements and attributes that belong to one property; a real one has a handful."""
_MAX_ATTRIBUTES: Final = 10_000
"""In one tag; camera settings take some hundreds."""
_TAG_NAME: Final = re.compile(rb"<[^\s/>]+")
_ATTRIBUTE: Final = re.compile(rb"(\s++)([^\s=/<>]++)\s*=\s*(\"[^\"]*\"|'[^']*')")
_TAG_END: Final = re.compile(rb"\s*/?>")


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute's bytes, from the white space before it to past its quote."""

    name: str
    start: int
    value_start: int
    value_end: int
    end: int


@dataclass(slots=True)
class Element:
    """An element's bytes. One that closes itself has its content at the end of its only tag."""

    name: str
    raw_name: bytes
    attributes: tuple[Attribute, ...]
    start: int
    content_start: int
    closes_itself: bool
    content_end: int = 0
    end: int = 0
    children: list[Element] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Tag:
    """A start tag that can take another attribute, and the prefixes that are bound in it."""

    element: Element
    prefixes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Places:
    """Where a property stands, in the order of the packet, and where it can be put."""

    found: list[Attribute | Element]
    rdf: Tag
    description: Tag | None


@dataclass(frozen=True, slots=True)
class Wrapping:
    """What stands around the packet's XML, and how its letters are written."""

    head: bytes
    tail: bytes
    codec: str

    def check_value(self, value: str | None) -> None:
        if value and not value.isascii() and not self.codec.startswith("utf-"):
            raise ValueError("the XMP has an encoding that may not take the new text")

    def wrap(self, packet: bytes) -> bytes:
        return self.head + packet.decode().encode(self.codec) + self.tail


def unwrap_packet(data: bytes) -> tuple[bytes, Wrapping]:
    """The packet as UTF-8 without a mark, and what gives the file's bytes back from it."""
    for mark, codec in _UTF_16_MARKS:
        if data.startswith(mark):
            wrapping = Wrapping(mark, b"", codec)
            break
    else:
        start = len(data) - len(data.lstrip(_IGNORED_AROUND))
        end = len(data.rstrip(_IGNORED_AROUND))
        has_mark = data.startswith(_UTF_8_MARK, start)
        start += len(_UTF_8_MARK) * has_mark
        wrapping = Wrapping(data[:start], data[end:], _find_codec(data[start:end], has_mark))
    core = data[len(wrapping.head) : len(data) - len(wrapping.tail)]
    packet = core.decode(wrapping.codec).encode()
    if wrapping.wrap(packet) != data:
        raise ValueError("the XMP has letters that cannot be written again as they were")
    return packet, wrapping


def _find_codec(core: bytes, has_mark: bool) -> str:
    declared = _DECLARED_ENCODING.match(core)
    codec = codecs.lookup(declared[1].decode()).name if declared else "utf-8"
    if codec != "utf-8" and (has_mark or _ASCII.decode(codec, "replace").encode() != _ASCII):
        raise ValueError("the XMP has an encoding that cannot be edited")
    return codec


def find_places(packet: bytes, names: frozenset[str]) -> Places:
    """Find a property by its names (`{namespace}name`) in a packet in UTF-8 without a mark.

    Raises `ValueError` and `ParseError`, where the packet holds no RDF or several, or where the
    property has more parts than any real one.
    """
    finder = _Finder(packet, names)
    if finder.rdf is None:
        raise ValueError("the XMP holds no RDF")
    return Places(finder.found, finder.rdf, finder.description)


class _Finder:
    """Follows the parser, which knows what is a tag, and notes where it is in the bytes."""

    def __init__(self, packet: bytes, names: frozenset[str]) -> None:
        self.found: list[Attribute | Element] = []
        self.rdf: Tag | None = None
        self.description: Tag | None = None
        self._packet = packet
        self._names = names
        self._depth = 0
        self._rdf_depth: int | None = None
        self._open: list[Element] = []
        self._parts = 0
        self._bound: dict[str, list[str]] = {"xml": ["http://www.w3.org/XML/1998/namespace"]}
        # The packet is UTF-8 here, whatever its declaration says.
        parser = DefusedXMLParser(target=self, encoding="utf-8", forbid_dtd=True)
        self._position = parser.parser
        parser.feed(packet)
        parser.close()

    def start_ns(self, prefix: str, namespace: str) -> None:
        self._bound.setdefault(prefix, []).append(namespace)

    def end_ns(self, prefix: str) -> None:
        self._bound[prefix].pop()

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if name == f"{RDF}RDF":
            self._start_rdf(name)
        elif self._open:
            child = self._read_tag(name)
            self._open[-1].children.append(child)
            self._count(1)
            self._open.append(child)
        elif self._rdf_depth is not None and self._depth == self._rdf_depth + 1:
            self._start_description(name, attributes)
        elif self._rdf_depth is not None and self._depth == self._rdf_depth + 2:
            self._start_property(name)

    def end(self, _name: str) -> None:
        if self._depth == self._rdf_depth:
            self._rdf_depth = None
        self._depth -= 1
        if self._open:
            element = self._open.pop()
            if not element.closes_itself:
                element.content_end = self._position.CurrentByteIndex
                element.end = self._packet.index(b">", element.content_end) + 1

    def _start_rdf(self, name: str) -> None:
        if self.rdf is not None:
            raise ValueError("the XMP holds several RDF parts")
        self.rdf = Tag(self._read_tag(name), self._list_prefixes())
        self._rdf_depth = self._depth

    def _start_description(self, name: str, attributes: Mapping[str, str]) -> None:
        is_first = self.description is None and name == f"{RDF}Description"
        if not is_first and self._names.isdisjoint(attributes):
            return
        element = self._read_tag(name)
        parts = [part for part in element.attributes if part.name in self._names]
        self.found += parts
        self._count(len(parts))
        if is_first:
            self.description = Tag(element, self._list_prefixes())

    def _start_property(self, name: str) -> None:
        if name in self._names:
            element = self._read_tag(name)
            self.found.append(element)
            self._open.append(element)
            self._count(1)

    def _count(self, parts: int) -> None:
        self._parts += parts
        if self._parts > _MAX_PARTS:
            raise ValueError("a property of the XMP has too many parts")

    def _read_tag(self, name: str) -> Element:
        """The tag at the parser's position; it is sound, because the parser has read it."""
        start = self._position.CurrentByteIndex
        tag_name = _TAG_NAME.match(self._packet, start)
        assert tag_name is not None
        position = tag_name.end()
        attributes: list[Attribute] = []
        while match := _ATTRIBUTE.match(self._packet, position):
            position = match.end()
            if len(attributes) == _MAX_ATTRIBUTES:
                raise ValueError("an element of the XMP has too many attributes")
            attributes.append(
                Attribute(
                    self._expand(match[2].decode()),
                    match.start(),
                    match.start(3) + 1,
                    match.end() - 1,
                    match.end(),
                )
            )
        tag_end = _TAG_END.match(self._packet, position)
        assert tag_end is not None
        end = tag_end.end()
        return Element(
            name,
            tag_name[0][1:],
            tuple(attributes),
            start,
            end,
            tag_end[0].endswith(b"/>"),
            content_end=end,
            end=end,
        )

    def _expand(self, raw_name: str) -> str:
        """`prefix:name` as `{namespace}name`; declarations of namespaces as they stand."""
        prefix, colon, name = raw_name.partition(":")
        if not colon or prefix == "xmlns":
            return raw_name
        return f"{{{self._bound[prefix][-1]}}}{name}"

    def _list_prefixes(self) -> dict[str, str]:
        """The prefixes that are bound here; the default namespace is none for an attribute."""
        return {prefix: bound[-1] for prefix, bound in self._bound.items() if prefix and bound}
