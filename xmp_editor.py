"""Changes properties of an XMP packet and keeps every other byte. Pure: bytes in, bytes out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from xmp_places import RDF, Attribute, Element, Places, Tag, find_places, unwrap_packet
from xmp_reader import find_rdf, parse_xmp, read_xmp

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element as TreeElement


@dataclass(frozen=True, slots=True)
class _Property:
    """A property's namespaces, the first being that of a new one; its name; the usual prefix."""

    namespaces: tuple[str, ...]
    name: str
    prefix: str

    def list_names(self) -> frozenset[str]:
        return frozenset(f"{{{namespace}}}{self.name}" for namespace in self.namespaces)


_XMP: Final = ("http://ns.adobe.com/xap/1.0/",)
# Both are in use; ExifTool warns of the one with the slash.
_MICROSOFT: Final = ("http://ns.microsoft.com/photo/1.0", "http://ns.microsoft.com/photo/1.0/")
_PROPERTIES: Final = {
    "XMP-xmp:Rating": _Property(_XMP, "Rating", "xmp"),
    "XMP-xmp:CreateDate": _Property(_XMP, "CreateDate", "xmp"),
    "XMP-exif:DateTimeOriginal": _Property(
        ("http://ns.adobe.com/exif/1.0/",), "DateTimeOriginal", "exif"
    ),
    "XMP-photoshop:DateCreated": _Property(
        ("http://ns.adobe.com/photoshop/1.0/",), "DateCreated", "photoshop"
    ),
    "XMP-microsoft:RatingPercent": _Property(_MICROSOFT, "Rating", "MicrosoftPhoto"),
}
"""By ExifTool's names, as `xmp_reader` gives them."""

_NEW_PACKET: Final = (
    "<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?>\n"
    "<x:xmpmeta xmlns:x='adobe:ns:meta/'>\n"
    "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>\n"
    " <rdf:Description\n"
    "  rdf:about=''/>\n"
    "</rdf:RDF>\n"
    "</x:xmpmeta>\n"
    "<?xpacket end='w'?>\n"
).encode()

_CONTENT: Final = re.compile(rb"<!--.*?-->|<\?.*?\?>|<!\[CDATA\[.*?\]\]>|[^<]+", re.DOTALL)
_LINE_AFTER: Final = re.compile(rb"[ \t]*(?:\r\n|\r|\n)")
_LISTS: Final = frozenset({f"{RDF}Alt", f"{RDF}Seq", f"{RDF}Bag"})
_BAD_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})

_X: Final = "{adobe:ns:meta/}"
_BARE_PATHS: Final = (
    (f"{_X}xmpmeta", f"{RDF}RDF", f"{RDF}Description"),
    (f"{RDF}RDF", f"{RDF}Description"),
)
_BARE_ATTRIBUTES: Final = {
    f"{_X}xmpmeta": frozenset({f"{_X}xmptk"}),
    f"{RDF}RDF": frozenset[str](),
    f"{RDF}Description": frozenset({f"{RDF}about"}),
}

_Splice = tuple[int, int, bytes]
"""Which bytes, from and to, become which."""


def edit_xmp(data: bytes | None, changes: Mapping[str, str | None]) -> bytes:
    """`data` with these properties set (text) or removed (`None`); without `data` a new packet.

    `changes` are by ExifTool's names, those that `read_xmp` gives. What already is as wanted
    keeps its bytes. Raises `ValueError` where the XMP cannot be parsed, is hostile or too big,
    where a property has a shape that cannot be changed safely or a text that XMP cannot take,
    and where a new packet would be empty.
    """
    for tag, value in changes.items():
        _check_change(tag, value)
    if data is None:
        if not any(changes.values()):
            raise ValueError("an XMP packet without properties is not made")
        data = _NEW_PACKET
    before = parse_xmp(data)
    try:
        result = _edit(data, changes)
    except (ParseError, DefusedXmlException, LookupError) as error:
        raise ValueError(f"the XMP cannot be parsed: {type(error).__name__}") from error
    _verify(before, result, changes)
    return result


def is_bare(data: bytes) -> bool:
    """Whether the packet says nothing at all; `False` where that is not certain."""
    checker = _BareChecker()
    try:
        parse_xmp(data)
        packet, _ = unwrap_packet(data)
        parser = DefusedXMLParser(target=checker, encoding="utf-8", forbid_dtd=True)
        parser.feed(packet)
        parser.close()
    except (ParseError, DefusedXmlException, LookupError, ValueError):
        return False
    return checker.is_bare and checker.has_rdf


class _BareChecker:
    """Follows the parser and looks for anything beside an empty description."""

    def __init__(self) -> None:
        self.is_bare = True
        self.has_rdf = False
        self._path: tuple[str, ...] = ()

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._path = (*self._path, name)
        if not any(path[: len(self._path)] == self._path for path in _BARE_PATHS):
            raise ValueError("the XMP is not bare")
        self.is_bare &= attributes.keys() <= _BARE_ATTRIBUTES[name]
        self.has_rdf |= name == f"{RDF}RDF"

    def end(self, _name: str) -> None:
        self._path = self._path[:-1]

    def data(self, text: str) -> None:
        self.is_bare &= not text.strip()

    def comment(self, _text: str) -> None:
        self.is_bare = False

    def pi(self, target: str, _data: str) -> None:
        self.is_bare &= target == "xpacket"


def _check_change(tag: str, value: str | None) -> None:
    if tag not in _PROPERTIES:
        raise ValueError(f"{tag} is no property that can be changed")
    if value is None:
        return
    if not value or value != value.strip():
        raise ValueError(f"{tag} cannot be empty or begin or end with a space")
    if any(
        unicodedata.category(sign) in _BAD_CATEGORIES or sign in "\ufffe\uffff" for sign in value
    ):
        raise ValueError(f"{tag} cannot hold control characters or line breaks")


def _edit(data: bytes, changes: Mapping[str, str | None]) -> bytes:
    packet, wrapping = unwrap_packet(data)
    for tag, value in changes.items():
        wrapping.check_value(value)
        packet = _change_property(packet, _PROPERTIES[tag], value)
    return wrapping.wrap(packet)


def _change_property(packet: bytes, changed: _Property, value: str | None) -> bytes:
    places = find_places(packet, changed.list_names())
    if value is None:
        return _splice(packet, [_cut(packet, place) for place in places.found])
    if not places.found:
        return _splice(packet, [_insert(packet, places, changed, value)])
    first, *others = places.found
    splices = [_cut(packet, place) for place in others]
    if isinstance(first, Attribute):
        splices.append(_set_attribute(packet, first, value))
    else:
        splices += _set_element(packet, first, value)
    return _splice(packet, splices)


def _splice(packet: bytes, splices: list[_Splice]) -> bytes:
    parts = []
    position = 0
    for start, end, new in sorted(splices):
        parts += [packet[position:start], new]
        position = end
    return b"".join([*parts, packet[position:]])


def _cut(packet: bytes, place: Attribute | Element) -> _Splice:
    """An attribute with the white space before it; an element with its line, if it has its own."""
    start, end = place.start, place.end
    if isinstance(place, Element):
        line = start
        while packet[line - 1 : line] in {b" ", b"\t"}:
            line -= 1
        after = _LINE_AFTER.match(packet, end)
        if after and packet[line - 1 : line] in {b"\r", b"\n"}:
            start, end = line, after.end()
    return start, end, b""


def _set_attribute(packet: bytes, attribute: Attribute, value: str) -> _Splice:
    quote = packet[attribute.value_end : attribute.end].decode()
    return attribute.value_start, attribute.value_end, _escape(value, quote)


def _set_element(packet: bytes, element: Element, value: str) -> Iterator[_Splice]:
    holder, others = _find_holder(packet, element)
    if isinstance(holder, Attribute):
        yield _set_attribute(packet, holder, value)
        return
    if holder.children:
        raise ValueError("the XMP has a property of a shape that cannot be changed")
    for attribute in holder.attributes:
        if attribute.name == f"{RDF}resource":
            yield attribute.start, attribute.end, b""
        elif not attribute.name.startswith(("xmlns", "{http://www.w3.org/XML/1998/namespace}")):
            raise ValueError("the XMP has a property with a qualifier that cannot be kept")
    yield _set_content(packet, holder, _escape(value))
    for other in others:
        yield _cut(packet, other)


def _find_holder(packet: bytes, element: Element) -> tuple[Attribute | Element, list[Element]]:
    """What holds an element's text, and the further items of a list.

    It is the element, its `rdf:value` as attribute or element, or the first item. Anything else
    is refused: what other programs read there is not certain.
    """
    children = element.children
    if not children:
        is_blank = not packet[element.content_start : element.content_end].strip()
        inside = [part for part in element.attributes if part.name == f"{RDF}value"]
        return (inside[0] if inside and is_blank else element), []
    only = children[0] if len(children) == 1 else None
    if only and only.name in _LISTS and {item.name for item in only.children} == {f"{RDF}li"}:
        return only.children[0], only.children[1:]
    if only and only.name == f"{RDF}Description":
        children = only.children
    values = [child for child in children if child.name == f"{RDF}value"]
    if len(values) != 1:
        raise ValueError("the XMP has a property of a shape that cannot be changed")
    return values[0], []


def _set_content(packet: bytes, element: Element, new: bytes) -> _Splice:
    """The text of an element without children; comments in it stay."""
    start, end = element.content_start, element.content_end
    if element.closes_itself:
        return end - len(b"/>"), end, b">" + new + b"</" + element.raw_name + b">"
    parts = []
    is_set = False
    for part in _CONTENT.findall(packet, start, end):
        if part.startswith((b"<!--", b"<?")):
            parts.append(part)
        elif part.strip() and not is_set:
            parts.append(new)
            is_set = True
    return start, end, b"".join(parts if is_set else [*parts, new])


def _insert(packet: bytes, places: Places, changed: _Property, value: str) -> _Splice:
    """A new attribute after the last one of the first description, in the manner of that one."""
    if places.description is None:
        return _insert_description(places.rdf, changed, value)
    element = places.description.element
    gap, quote = b" ", "'"
    end = element.start + 1 + len(element.raw_name)
    if element.attributes:
        last = element.attributes[-1]
        end = last.end
        gap = packet[last.start : end][: -len(packet[last.start : end].lstrip())]
        quote = packet[end - 1 : end].decode()
    attributes = _make_attributes(places.description.prefixes, changed, value, quote)
    return end, end, b"".join(gap + attribute for attribute in attributes)


def _insert_description(rdf: Tag, changed: _Property, value: str) -> _Splice:
    prefix, rdf_declaration = _choose_prefix(rdf.prefixes, (RDF.strip("{}"),), "rdf", "'")
    prefixes = {**rdf.prefixes, prefix: RDF.strip("{}")}
    attributes = [
        *rdf_declaration,
        f"{prefix}:about=''".encode(),
        *_make_attributes(prefixes, changed, value, "'"),
    ]
    new = b" ".join([f"<{prefix}:Description".encode(), *attributes]) + b"/>"
    if not rdf.element.closes_itself:
        return rdf.element.content_start, rdf.element.content_start, new
    end = rdf.element.end
    return end - len(b"/>"), end, b">" + new + b"</" + rdf.element.raw_name + b">"


def _make_attributes(
    prefixes: Mapping[str, str], changed: _Property, value: str, quote: str
) -> list[bytes]:
    """The property as an attribute, after the declaration of its namespace if there is none."""
    prefix, declaration = _choose_prefix(prefixes, changed.namespaces, changed.prefix, quote)
    text = _escape(value, quote).decode()
    return [*declaration, f"{prefix}:{changed.name}={quote}{text}{quote}".encode()]


def _choose_prefix(
    prefixes: Mapping[str, str], namespaces: tuple[str, ...], usual: str, quote: str
) -> tuple[str, list[bytes]]:
    """The prefix that stands for a namespace, or a free one with its declaration."""
    for namespace in namespaces:
        for prefix, bound in prefixes.items():
            if bound == namespace:
                return prefix, []
    prefix, number = usual, 1
    while prefix in prefixes:
        prefix, number = f"{usual}{number}", number + 1
    return prefix, [f"xmlns:{prefix}={quote}{namespaces[0]}{quote}".encode()]


def _escape(value: str, quote: str = "") -> bytes:
    value = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if quote:
        value = value.replace(quote, "&quot;" if quote == '"' else "&apos;")
    return value.encode()


def _verify(before: TreeElement, result: bytes, changes: Mapping[str, str | None]) -> None:
    """Raise `ValueError` unless the result says what is wanted and nothing else is another.

    That the trees are equal also says that every other tag is read as before.
    """
    tags = read_xmp(result)
    if any(tags.get(tag) != value for tag, value in changes.items()):
        raise ValueError("the XMP cannot be changed safely: it would not be read as wanted")
    names = frozenset[str]().union(*(_PROPERTIES[tag].list_names() for tag in changes))
    after = parse_xmp(result)
    is_new = find_rdf(before).find(f"{RDF}Description") is None
    _take_out(before, names)
    _take_out(after, names)
    made = find_rdf(after).find(f"{RDF}Description")
    if is_new and made is not None and not len(made) and made.attrib == {f"{RDF}about": ""}:
        find_rdf(after).remove(made)
    if len(list(before.iter())) != len(list(after.iter())) or any(
        one != other for one, other in zip(_list_facts(before), _list_facts(after), strict=True)
    ):
        raise ValueError("the XMP cannot be changed safely: something else would change")


def _take_out(root: TreeElement, names: frozenset[str]) -> None:
    """Take these properties out of a tree, and the white space between all properties."""
    rdf = find_rdf(root)
    _strip_around(rdf)
    for description in rdf:
        for name in names & description.attrib.keys():
            del description.attrib[name]
        kept: list[TreeElement] = []
        texts = [description.text or ""]
        for child in description:
            if child.tag in names:
                texts[-1] += child.tail or ""
            else:
                kept.append(child)
                texts.append(child.tail or "")
        description[:] = kept
        description.text, *tails = texts
        for child, tail in zip(kept, tails, strict=True):
            child.tail = tail
        _strip_around(description)


def _strip_around(element: TreeElement) -> None:
    element.text = "".join((element.text or "").split())
    for child in element:
        child.tail = "".join((child.tail or "").split())


def _list_facts(root: TreeElement) -> Iterator[tuple[object, ...]]:
    for element in root.iter():
        attributes = list(element.attrib.items())
        yield element.tag, attributes, element.text or "", element.tail or "", len(element)
