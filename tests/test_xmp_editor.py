"""The editor of XMP: every shape of a property, every other byte, hostile packets, and ExifTool."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sidecars import SIDECARS

import xmp_editor
import xmp_reader
from xmp_editor import edit_xmp, is_bare
from xmp_reader import read_xmp

RATING = "XMP-xmp:Rating"
PERCENT = "XMP-microsoft:RatingPercent"
TAKEN = "XMP-exif:DateTimeOriginal"
CREATED = "XMP-photoshop:DateCreated"
DIGITIZED = "XMP-xmp:CreateDate"
ALL_CHANGES = {
    RATING: "5",
    PERCENT: "99",
    TAKEN: "2001-02-03T04:05:06.78+09:00",
    CREATED: "2001-02-03T04:05:06",
    DIGITIZED: "2001-02-03",
}

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMP = "http://ns.adobe.com/xap/1.0/"
HEAD = (
    "<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?>\n"
    "<x:xmpmeta xmlns:x='adobe:ns:meta/'>\n"
    f"<rdf:RDF xmlns:rdf='{RDF}'>"
)
FOOT = "</rdf:RDF>\n</x:xmpmeta>\n" + (" " * 40 + "\n") * 3 + "<?xpacket end='w'?>"


def pack(inside: str) -> bytes:
    return (HEAD + inside + FOOT).encode()


def describe(inside: str = "", *, attributes: str = "", xmp: str = "xmp") -> bytes:
    """A packet with one description, in which a prefix for XMP's namespace is declared."""
    return pack(
        f" <rdf:Description rdf:about='' xmlns:{xmp}='{XMP}'{attributes}>{inside}"
        "</rdf:Description>\n"
    )


def shape(before: str, after: str, *, attributes: bool = False, xmp: str = "xmp") -> Any:
    return pytest.param(before, after, attributes, xmp, id=before.replace("\n", " ").strip())


SHAPES = [
    shape(" xmp:Rating='3'", " xmp:Rating='4'", attributes=True),
    shape(' xmp:Rating="3"', ' xmp:Rating="4"', attributes=True),
    shape("\n\t xmp:Rating \n=\t'3' ", "\n\t xmp:Rating \n=\t'4' ", attributes=True),
    shape(" xmp:Rating=''", " xmp:Rating='4'", attributes=True),
    shape(" xmp:Rating='&#51;'", " xmp:Rating='4'", attributes=True),
    shape(" xap:Rating='3'", " xap:Rating='4'", attributes=True, xmp="xap"),
    shape(" é-1.:Rating='3'", " é-1.:Rating='4'", attributes=True, xmp="é-1."),
    shape(" xmp:Label='>' xmp:Rating='3'", " xmp:Label='>' xmp:Rating='4'", attributes=True),
    shape(
        " xmp:L=\"x:Rating='1'\" xmp:Rating='3'",
        " xmp:L=\"x:Rating='1'\" xmp:Rating='4'",
        attributes=True,
    ),
    shape("<xmp:Rating>3</xmp:Rating>", "<xmp:Rating>4</xmp:Rating>"),
    shape("<xmp:Rating >\n 3 </xmp:Rating >", "<xmp:Rating >4</xmp:Rating >"),
    shape(
        f"<Rating xmlns='{XMP}' xml:lang='de'>3</Rating>",
        f"<Rating xmlns='{XMP}' xml:lang='de'>4</Rating>",
    ),
    shape("<xmp:Rating><![CDATA[3]]></xmp:Rating>", "<xmp:Rating>4</xmp:Rating>"),
    shape("<xmp:Rating>1<![CDATA[2]]>&#51;</xmp:Rating>", "<xmp:Rating>4</xmp:Rating>"),
    shape(
        "<xmp:Rating><!-- 1<2 -->3<?a b?>3</xmp:Rating>",
        "<xmp:Rating><!-- 1<2 -->4<?a b?></xmp:Rating>",
    ),
    shape("<xmp:Rating><!--3--></xmp:Rating>", "<xmp:Rating><!--3-->4</xmp:Rating>"),
    shape("<xmp:Rating/>", "<xmp:Rating>4</xmp:Rating>"),
    shape("<xmp:Rating />", "<xmp:Rating >4</xmp:Rating>"),
    shape("<xmp:Rating></xmp:Rating>", "<xmp:Rating>4</xmp:Rating>"),
    shape("<xmp:Rating rdf:resource='3'/>", "<xmp:Rating>4</xmp:Rating>"),
    shape("<xmp:Rating rdf:resource='3'></xmp:Rating>", "<xmp:Rating>4</xmp:Rating>"),
    shape("<xmp:Rating rdf:value='3' xmp:q='1'/>", "<xmp:Rating rdf:value='4' xmp:q='1'/>"),
    shape(
        "<xmp:Rating rdf:parseType='Resource'><xmp:q/><rdf:value>3</rdf:value></xmp:Rating>",
        "<xmp:Rating rdf:parseType='Resource'><xmp:q/><rdf:value>4</rdf:value></xmp:Rating>",
    ),
    shape(
        "<xmp:Rating><rdf:Description><rdf:value/></rdf:Description></xmp:Rating>",
        "<xmp:Rating><rdf:Description><rdf:value>4</rdf:value></rdf:Description></xmp:Rating>",
    ),
    *(
        shape(
            f"<xmp:Rating>\n<rdf:{kind}>\n <rdf:li>3</rdf:li>\n <rdf:li>2</rdf:li>\n"
            f"</rdf:{kind}></xmp:Rating>",
            f"<xmp:Rating>\n<rdf:{kind}>\n <rdf:li>4</rdf:li>\n</rdf:{kind}></xmp:Rating>",
        )
        for kind in ("Alt", "Seq", "Bag")
    ),
    shape("<xmp:Rating>3</xmp:Rating><xmp:Rating>3</xmp:Rating>", "<xmp:Rating>4</xmp:Rating>"),
    shape(
        "<xmp:Rating>3</xmp:Rating>\n<xmp:Rating>2</xmp:Rating>\n", "<xmp:Rating>4</xmp:Rating>\n"
    ),
]


@pytest.mark.parametrize(("before", "after", "is_attribute", "prefix"), SHAPES)
def test_a_property_of_any_shape_is_set_in_its_place(
    before: str, after: str, is_attribute: bool, prefix: str
) -> None:
    def make(text: str) -> bytes:
        around = "" if is_attribute else text
        return describe(around, attributes=text if is_attribute else "", xmp=prefix)

    assert edit_xmp(make(before), {RATING: "4"}) == make(after)


@pytest.mark.parametrize(("before", "_after", "is_attribute", "prefix"), SHAPES)
def test_a_property_of_any_shape_is_removed(
    before: str, _after: str, is_attribute: bool, prefix: str
) -> None:
    packet = describe(
        "" if is_attribute else f"\n\t{before}\n",
        attributes=before if is_attribute else "",
        xmp=prefix,
    )
    result = edit_xmp(packet, {RATING: None})
    assert b"Rating" not in result.replace(b"x:Rating='1'", b"")
    assert edit_xmp(result, {RATING: None}) == result


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<a/>\n  <xmp:Rating>3</xmp:Rating>\n  <b/>", "<a/>\n  <b/>"),
        ("<a/>\r\n\t<xmp:Rating/> \t\r\n  <b/>", "<a/>\r\n  <b/>"),
        ("<a/>\r  <xmp:Rating>\r\r3</xmp:Rating>\r  <b/>", "<a/>\r  <b/>"),
        ("<a/>\n  <xmp:Rating>3</xmp:Rating><b/>", "<a/>\n  <b/>"),
        ("<a/>  <xmp:Rating>3</xmp:Rating>\n<b/>", "<a/>  \n<b/>"),
        ("\n<xmp:Rating>3</xmp:Rating>", "\n"),
        ("<!-- -->\n<xmp:Rating>3</xmp:Rating>\n<?p?>", "<!-- -->\n<?p?>"),
        ("\n<xmp:Rating>3</xmp:Rating>\n<b/>\n<xmp:Rating>2</xmp:Rating>\n", "\n<b/>\n"),
    ],
)
def test_a_removed_element_takes_the_line_it_stood_on(before: str, after: str) -> None:
    before, after = (text.replace("/>", " xmlns=''/>") for text in (before, after))
    assert edit_xmp(describe(before), {RATING: None}) == describe(after)


def test_a_removed_attribute_takes_the_white_space_before_it() -> None:
    before = describe(attributes="\r\n\t xmp:Rating='3'\r\n xmp:Label=' xmp:Rating=\"3\"'")
    after = describe(attributes="\r\n xmp:Label=' xmp:Rating=\"3\"'")
    assert edit_xmp(before, {RATING: None}) == after


def test_the_first_of_several_places_is_set_and_the_others_go() -> None:
    def make(first: str, second: str, third: str) -> bytes:
        return pack(
            f" <rdf:Description rdf:about='' xmlns:b='{XMP}' b:Label='x'/>\n"
            f" <rdf:Description rdf:about='' xmlns:c='{XMP}'{first}>\n{second}</rdf:Description>\n"
            f" <d:Photo xmlns:d='{XMP}' d:Label='z'{third}/>\n"
        )

    packet = make(" c:Rating='3'", "  <c:Rating>2</c:Rating>\n", ' d:Rating="1"')
    with pytest.raises(ValueError, match="twice"):
        read_xmp(packet)
    assert edit_xmp(packet, {RATING: "5"}) == make(" c:Rating='5'", "", "")
    assert edit_xmp(packet, {RATING: None}) == make("", "", "")


def test_another_property_that_contradicts_itself_refuses_the_change() -> None:
    packet = describe("<xmp:CreateDate>2001</xmp:CreateDate><xmp:CreateDate>2002</xmp:CreateDate>")
    with pytest.raises(ValueError, match="twice"):
        edit_xmp(packet, {RATING: "5"})


@pytest.mark.parametrize("slash", ["", "/"])
def test_microsofts_namespace_counts_with_and_without_its_slash(slash: str) -> None:
    declaration = f" xmlns:MP='http://ns.microsoft.com/photo/1.0{slash}'"
    before = describe(attributes=f"{declaration} MP:Rating='50'")
    after = describe(attributes=f"{declaration} MP:Rating='75'")
    none = describe(attributes=declaration)
    assert edit_xmp(before, {PERCENT: "75"}) == after
    assert edit_xmp(before, {PERCENT: None}) == none
    assert edit_xmp(none, {PERCENT: "75"}) == after


def test_a_rating_in_another_place_or_namespace_is_left_alone() -> None:
    foreign = (
        "<xmp:Label><rdf:Description xmp:Rating='1'><xmp:Rating>2</xmp:Rating></rdf:Description>"
        "</xmp:Label><o:Rating xmlns:o='other'>3</o:Rating>"
        "<i:Label xmlns:i='other' xmlns:xmp='other' xmp:Rating='4'/>"
        "<!-- <xmp:Rating>5</xmp:Rating> --><?p xmp:Rating='6'?>"
        "<xmp:Nick><![CDATA[<xmp:Rating>7</xmp:Rating>]]></xmp:Nick>"
    )
    packet = describe(foreign)
    assert edit_xmp(packet, {RATING: None}) == packet
    added = edit_xmp(packet, {RATING: "5"})
    assert added == describe(foreign, attributes=" xmp:Rating='5'")
    assert edit_xmp(added, {RATING: None}) == packet


NEW = f"xmlns:xmp='{XMP}' xmp:Rating='4'"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<rdf:Description rdf:about=''/>", f"<rdf:Description rdf:about='' {NEW}/>"),
        ("<rdf:Description/>", f"<rdf:Description {NEW}/>"),
        ("<rdf:Description >\n</rdf:Description>", f"<rdf:Description {NEW} >\n</rdf:Description>"),
        (
            '<rdf:Description\r\n\trdf:about=""\r\n\t/>',
            f'<rdf:Description\r\n\trdf:about=""\r\n\txmlns:xmp="{XMP}"\r\n\txmp:Rating="4"\r\n\t/>',
        ),
        (
            "<rdf:Description xmlns:xmp='o' xmlns:xmp1='a'/>",
            f"<rdf:Description xmlns:xmp='o' xmlns:xmp1='a' xmlns:xmp2='{XMP}' xmp2:Rating='4'/>",
        ),
        (f"<rdf:Description xmlns='{XMP}'/>", f"<rdf:Description xmlns='{XMP}' {NEW}/>"),
        (
            f"<rdf:Description xmlns:b='{XMP}'/><rdf:Description xmlns:c='{XMP}'/>",
            f"<rdf:Description xmlns:b='{XMP}' b:Rating='4'/><rdf:Description xmlns:c='{XMP}'/>",
        ),
        ("<o:P xmlns:o='o'/>", f"<rdf:Description rdf:about='' {NEW}/><o:P xmlns:o='o'/>"),
        ("\n", f"<rdf:Description rdf:about='' {NEW}/>\n"),
        ("", f"<rdf:Description rdf:about='' {NEW}/>"),
    ],
)
def test_an_absent_property_goes_into_the_first_description(before: str, after: str) -> None:
    assert edit_xmp(pack(before), {RATING: "4"}) == pack(after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            f"<rdf:RDF xmlns:rdf='{RDF}' />",
            f"<rdf:RDF xmlns:rdf='{RDF}' ><rdf:Description rdf:about='' {NEW}/></rdf:RDF>",
        ),
        (
            f"<RDF xmlns='{RDF}' xmlns:rdf='o'/>",
            f"<RDF xmlns='{RDF}' xmlns:rdf='o'>"
            f"<rdf1:Description xmlns:rdf1='{RDF}' rdf1:about='' {NEW}/></RDF>",
        ),
        (
            f"<RDF xmlns='{RDF}'><Description/></RDF>",
            f"<RDF xmlns='{RDF}'><Description {NEW}/></RDF>",
        ),
    ],
)
def test_an_rdf_without_the_usual_prefix_or_content_takes_a_property(
    before: str, after: str
) -> None:
    assert edit_xmp(before.encode(), {RATING: "4"}) == after.encode()


def test_a_prefix_of_an_outer_element_is_used_unless_it_is_bound_anew() -> None:
    outer = f"<r:RDF xmlns:r='{RDF}' xmlns:up='{XMP}'><r:Description{{}}/></r:RDF>"
    assert edit_xmp(outer.format("").encode(), {RATING: "4"}) == (
        outer.format(" up:Rating='4'").encode()
    )
    rebound = outer.format(" xmlns:up='o'")
    assert edit_xmp(rebound.encode(), {RATING: "4"}) == (
        outer.format(f" xmlns:up='o' {NEW}").encode()
    )


def test_a_prefix_that_only_another_element_binds_is_free() -> None:
    other = "<o:P xmlns:o='o' xmlns:xmp='o'/>"
    assert edit_xmp(pack(f"{other}<rdf:Description/>"), {RATING: "4"}) == (
        pack(f"{other}<rdf:Description {NEW}/>")
    )


def test_text_after_a_tag_is_no_attribute_of_it() -> None:
    packet = describe("<xmp:Rating />xmp:Label='3'")
    assert edit_xmp(packet, {RATING: "4"}) == (describe("<xmp:Rating >4</xmp:Rating>xmp:Label='3'"))


def test_all_properties_are_set_and_removed_at_once() -> None:
    packet = pack("<rdf:Description rdf:about=''><o:a xmlns:o='o'/></rdf:Description>")
    result = edit_xmp(packet, ALL_CHANGES)
    assert read_xmp(result) == ALL_CHANGES
    assert result.count(f"'{XMP}'".encode()) == 1
    assert edit_xmp(result, ALL_CHANGES) == result
    assert read_xmp(edit_xmp(result, dict.fromkeys(ALL_CHANGES))) == {}


def test_the_editor_knows_the_properties_that_the_reader_reads() -> None:
    assert {
        name: tag
        for tag, changed in xmp_editor._PROPERTIES.items()
        for name in changed.list_names()
    } == xmp_reader._TAGS


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_value_is_escaped_for_its_place(quote: str) -> None:
    value = "a&b<c>d'e\"f ]]> &amp; é\U0001f4f7"
    packets = (
        describe(attributes=f" xmp:Rating={quote}1{quote}"),
        describe(attributes=f" xmp:Label={quote}1{quote}"),
        describe("<xmp:Rating>3</xmp:Rating>"),
    )
    for packet in packets:
        assert read_xmp(edit_xmp(packet, {RATING: value})) == {RATING: value}


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", " 4", "4\n", "4\n5", "4\r5", "4\t5", "a\x00b", "a\x0bb", "a\x7fb", "a\x85b"),
        *("a\u2028b", "a\ud800b", "a\uffffb", "a\ufffeb", "x" * 1001),
    ],
)
def test_a_value_that_would_not_be_read_as_it_is_is_refused(value: str) -> None:
    for packet in (None, describe(), describe("<xmp:Rating>3</xmp:Rating>")):
        with pytest.raises(ValueError, match="XMP"):
            edit_xmp(packet, {RATING: value})


@pytest.mark.parametrize(
    "inside",
    [
        "<xmp:Rating rdf:parseType='Resource'/>",
        "<xmp:Rating rdf:parseType='Resource'><xmp:q>1</xmp:q></xmp:Rating>",
        "<xmp:Rating rdf:parseType='Literal'><b xmlns=''>3</b></xmp:Rating>",
        "<xmp:Rating rdf:datatype='x'>3</xmp:Rating>",
        "<xmp:Rating rdf:nodeID='x'/>",
        "<xmp:Rating xmp:q='1'/>",
        "<xmp:Rating rdf:value='3'>2</xmp:Rating>",
        "<xmp:Rating><rdf:value>3</rdf:value><rdf:value>2</rdf:value></xmp:Rating>",
        "<xmp:Rating><rdf:value>3<xmp:q/></rdf:value></xmp:Rating>",
        "<xmp:Rating><rdf:Description rdf:value='3'/></xmp:Rating>",
        "<xmp:Rating><rdf:Seq/></xmp:Rating>",
        "<xmp:Rating><rdf:Seq><rdf:li><rdf:value>3</rdf:value></rdf:li></rdf:Seq></xmp:Rating>",
        "<xmp:Rating><rdf:Seq><rdf:li>3</rdf:li><xmp:q/></rdf:Seq></xmp:Rating>",
        "<xmp:Rating><xmp:Seq><rdf:li>3</rdf:li></xmp:Seq></xmp:Rating>",
        "<xmp:Rating><rdf:Seq><rdf:li>3</rdf:li></rdf:Seq><rdf:Bag/></xmp:Rating>",
    ],
)
def test_an_odd_shape_is_not_set_but_can_be_removed(inside: str) -> None:
    with pytest.raises(ValueError, match="the XMP"):
        edit_xmp(describe(inside), {RATING: "4"})
    assert edit_xmp(describe(inside), {RATING: None}) == describe()


def test_two_rdf_parts_are_refused() -> None:
    rdf = f"<rdf:RDF xmlns:rdf='{RDF}'><rdf:Description/></rdf:RDF>"
    with pytest.raises(ValueError, match="several RDF"):
        edit_xmp(f"<x>{rdf}{rdf}</x>".encode(), {RATING: "4"})


def test_an_unknown_property_is_refused() -> None:
    with pytest.raises(ValueError, match="XMP-dc:Title"):
        edit_xmp(describe(), {"XMP-dc:Title": "x"})


def test_a_result_in_which_something_else_differs_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    splice = xmp_editor._splice
    packet = describe("<xmp:Nick>old</xmp:Nick><!-- a --><xmp:Label>a</xmp:Label>")
    harms = ((b">old<", b">new<"), (b"xmp:Nick", b"xmp:Nock"), (b"about=''", b"about='a'"))
    for right, wrong in (*harms, (b"<xmp:Label>a</xmp:Label>", b"")):
        monkeypatch.setattr(
            xmp_editor, "_splice", lambda *given, r=right, w=wrong: splice(*given).replace(r, w)
        )
        with pytest.raises(ValueError, match="something else would change"):
            edit_xmp(packet, {RATING: "4"})
    monkeypatch.setattr(xmp_editor, "_splice", lambda packet, _splices: packet)
    with pytest.raises(ValueError, match="not be read as wanted"):
        edit_xmp(packet, {RATING: "4"})


# Encodings and what stands around.


DECLARATION = "<?xml version='1.0' encoding='{}'?>\n"
UNICODE = [
    pytest.param(b"", "utf-8", "", id="UTF-8"),
    pytest.param(b"", "utf-8", "UTF-8", id="UTF-8 declared"),
    pytest.param(b"\xef\xbb\xbf", "utf-8", "", id="UTF-8 with a mark"),
    pytest.param(b"\xef\xbb\xbf", "utf-8", "utf-8", id="UTF-8 with a mark, declared"),
    pytest.param(b"\xff\xfe", "utf-16-le", "", id="UTF-16 LE"),
    pytest.param(b"\xff\xfe", "utf-16-le", "UTF-16", id="UTF-16 LE declared"),
    pytest.param(b"\xfe\xff", "utf-16-be", "", id="UTF-16 BE"),
    pytest.param(b"\xfe\xff", "utf-16-be", "utf-16", id="UTF-16 BE declared"),
]


@pytest.mark.parametrize(("mark", "codec", "declared"), UNICODE)
def test_the_encoding_the_mark_and_the_line_endings_stay(
    mark: bytes, codec: str, declared: str
) -> None:
    def make(*, nick: str, rating: str) -> bytes:
        start = DECLARATION.format(declared) if declared else ""
        middle = describe(f"<xmp:Nick>{nick}</xmp:Nick>\n{rating}", xmp="xmp").decode()
        return mark + (start + middle).replace("\n", "\r\n").encode(codec)

    nick = "é – 写真 \U0001f4f7"
    before = make(nick=nick, rating="<xmp:Rating>3</xmp:Rating>\n")
    assert edit_xmp(before, {RATING: "é写"}) == make(
        nick=nick, rating="<xmp:Rating>é写</xmp:Rating>\n"
    )
    assert edit_xmp(before, {RATING: None}) == make(nick=nick, rating="")


@pytest.mark.parametrize("codec", ["ISO-8859-1", "windows-1252", "US-ASCII", "koi8-r"])
def test_another_encoding_is_edited_where_the_new_text_is_ascii(codec: str) -> None:
    def make(rating: str) -> bytes:
        return DECLARATION.format(codec).encode() + describe(f"<xmp:Rating>{rating}</xmp:Rating>")[
            describe().index(b"<x:xmpmeta") :
        ].replace(b"/>", b" a='\xe9'/>" if codec != "US-ASCII" else b"/>")

    assert edit_xmp(make("3"), {RATING: "4"}) == make("4")
    with pytest.raises(ValueError, match="encoding"):
        edit_xmp(make("3"), {RATING: "é"})


@pytest.mark.parametrize("codec", ["UTF-7", "cp037", "utf-16", "shift_jis", "rot13", "hex", "no"])
def test_an_encoding_that_is_not_certain_is_refused(codec: str) -> None:
    with pytest.raises(ValueError, match="XMP"):
        edit_xmp(DECLARATION.format(codec).encode() + describe(), {RATING: "4"})


def test_a_mark_that_contradicts_the_declaration_is_refused() -> None:
    packet = b"\xef\xbb\xbf" + DECLARATION.format("ISO-8859-1").encode() + describe()
    with pytest.raises(ValueError, match="XMP"):
        edit_xmp(packet, {RATING: "4"})


def test_what_stands_around_the_packet_stays() -> None:
    before, after = (describe(f"<xmp:Rating>{rating}</xmp:Rating>") for rating in (3, 4))
    for head, tail in (
        (b"\0\0 \r\n", b"\0\n\0"),
        (b"\n\xef\xbb\xbf", b""),
        (b"<!--a-->", b"<!--b-->"),
    ):
        assert edit_xmp(head + before + tail, {RATING: "4"}) == head + after + tail


# New and bare packets.


def test_a_new_packet_is_a_sidecar_as_others_write_it() -> None:
    assert edit_xmp(None, {RATING: "4", TAKEN: "2020-01-02", CREATED: None}).decode() == (
        "<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?>\n"
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'>\n"
        f"<rdf:RDF xmlns:rdf='{RDF}'>\n"
        " <rdf:Description\n"
        "  rdf:about=''\n"
        f"  xmlns:xmp='{XMP}'\n"
        "  xmp:Rating='4'\n"
        "  xmlns:exif='http://ns.adobe.com/exif/1.0/'\n"
        "  exif:DateTimeOriginal='2020-01-02'/>\n"
        "</rdf:RDF>\n"
        "</x:xmpmeta>\n"
        "<?xpacket end='w'?>\n"
    )


@pytest.mark.parametrize("changes", [{}, {RATING: None}])
def test_a_new_packet_without_anything_in_it_is_not_made(
    changes: Mapping[str, str | None],
) -> None:
    with pytest.raises(ValueError, match="without properties"):
        edit_xmp(None, changes)


def test_a_new_packet_is_bare_when_all_is_removed_again() -> None:
    packet = edit_xmp(None, ALL_CHANGES)
    assert not is_bare(packet)
    assert not is_bare(edit_xmp(packet, {**dict.fromkeys(ALL_CHANGES), RATING: "0"}))
    assert is_bare(edit_xmp(packet, dict.fromkeys(ALL_CHANGES)))


@pytest.mark.parametrize(
    "packet",
    [
        pack(""),
        pack("<rdf:Description/>"),
        pack("<rdf:Description rdf:about='a'> \n</rdf:Description>\n<rdf:Description/>"),
        f"<rdf:RDF xmlns:rdf='{RDF}'/>".encode(),
        pack("").replace(b"'adobe:ns:meta/'", b"'adobe:ns:meta/' x:xmptk='XMP Core'"),
        b"\xff\xfe" + pack("").decode().encode("utf-16-le"),
    ],
)
def test_a_packet_that_says_nothing_is_bare(packet: bytes) -> None:
    assert is_bare(packet)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\0",
        b"no XML",
        b"<x/>",
        b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>",
        describe(attributes=" xmp:Label=''"),
        describe(attributes=" xml:lang='de'"),
        describe("<xmp:Label/>"),
        describe("<!-- kept by hand -->"),
        describe("text"),
        describe("<?mine a?>"),
        pack("<o:Photo xmlns:o='o'/>"),
        pack("<rdf:Description rdf:ID='a'/>"),
        pack("<rdf:Description/>")[:-5],
        pack("").replace(b"'adobe:ns:meta/'", b"'adobe:ns:meta/' a='b'"),
        pack("").replace(b"<rdf:RDF ", b"<a/><rdf:RDF "),
        b"<!-- mine -->" + pack(""),
        b"<!DOCTYPE x>" + pack(""),
    ],
)
def test_a_packet_that_may_say_something_is_not_bare(packet: bytes) -> None:
    assert not is_bare(packet)


# Hostile packets.

BOMB = (
    "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>"
    + "".join(f"<!ENTITY {name} '{f'&{inner};' * 10}'>" for inner, name in pairwise("abcdefghijk"))
    + "]>"
)
MANY = 100_000


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(BOMB.encode() + describe("&k;"), id="billion laughs"),
        pytest.param(b"<!DOCTYPE x>" + describe(), id="DTD"),
        pytest.param(b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'>" + describe(), id="external DTD"),
        pytest.param(
            b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>" + describe("&a;"),
            id="external entity",
        ),
        pytest.param(describe("&nbsp;"), id="unknown entity"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\0" * 4096, id="NULs"),
        pytest.param(describe() + b"\0a", id="after NUL"),
        pytest.param(describe("\0"), id="NUL inside"),
        pytest.param("<a/>".encode("utf-16-le"), id="UTF-16 without mark"),
        pytest.param(b"\xff\xfe\x00\xd8" + describe().decode().encode("utf-16-le"), id="surrogate"),
        pytest.param(b"\xff\xfe<", id="half a letter"),
        pytest.param(describe("a" * 17_000_000), id="megabytes"),
        pytest.param(describe("<a>" * MANY), id="deep and open"),
        pytest.param(describe("<xmp:Rating/>" * MANY), id="ratings"),
        pytest.param(describe("<xmp:Rating>" + "<a/>" * MANY + "</xmp:Rating>"), id="parts"),
        pytest.param(
            describe(attributes="".join(f" xmp:a{number}=''" for number in range(MANY))),
            id="attributes",
        ),
        pytest.param(b"<x><y/></x>", id="no RDF"),
        pytest.param(describe("<b:a/>"), id="unbound prefix"),
        pytest.param(b"\xff\xd8\xff\xe0" + b"JFIF" * 100, id="a picture"),
    ],
)
def test_a_hostile_packet_is_refused_quickly(packet: bytes) -> None:
    start = time.monotonic()
    for changes in ({RATING: "4"}, ALL_CHANGES):
        with pytest.raises(ValueError, match=r"XMP|codec"):
            edit_xmp(packet, changes)
    assert not is_bare(packet)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("inside", ["a" * 8_000_000, "<a>" * 20_000 + "</a>" * 20_000])
def test_a_large_packet_is_edited(inside: str) -> None:
    packet = describe(f"<xmp:Label>{inside}</xmp:Label>")
    assert edit_xmp(packet, {RATING: "4"}) == describe(
        f"<xmp:Label>{inside}</xmp:Label>", attributes=" xmp:Rating='4'"
    )


@pytest.mark.parametrize("sidecar", SIDECARS.values(), ids=SIDECARS)
def test_a_packet_cut_anywhere_is_refused_or_whole(sidecar: bytes) -> None:
    closing = "</x:xmpmeta>".encode("utf-16-be" if sidecar.startswith(b"\xfe") else "utf-8")
    end = sidecar.index(closing) + len(closing)
    for position in range(len(sidecar)):
        try:
            result = edit_xmp(sidecar[:position], {RATING: "5", PERCENT: None})
        except ValueError:
            continue
        assert position >= end
        assert read_xmp(result)[RATING] == "5"


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_packet_is_edited_or_refused(data: st.DataObject) -> None:
    packet = bytearray(SIDECARS[data.draw(st.sampled_from(sorted(SIDECARS)))])
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(packet)))
        end = start + data.draw(st.integers(0, 8))
        packet[start:end] = data.draw(
            st.one_of(st.binary(max_size=4), st.sampled_from(PIECES).map(str.encode))
        )
    is_bare(bytes(packet))
    with contextlib.suppress(ValueError):
        result = edit_xmp(bytes(packet), {RATING: "5"})
        assert read_xmp(result)[RATING] == "5"


# Packets that nobody thought of.

PIECES = (
    *("a", "é", "写", "\U0001f4f7", " ", "\n", "\r\n", "\t", "&amp;", "&lt;", "&gt;", "&quot;"),
    *("&apos;", "&#10;", "&#13;", "&#x1F4F7;", "xmp:Rating=", "/", "=", "]]", "-", "0"),
)
SPACES = st.sampled_from((" ", "\n", "\r\n   ", "\t", "\n\n "))
GAPS = st.sampled_from(("", " ", "\n", "\r\n  ", "\n\t", "<!-- <a b='c'> -->", "<?p xmp:Rating?>"))
TEXTS = st.lists(st.sampled_from(PIECES), max_size=5).map("".join)
NAMES = st.sampled_from(("Nick", "Rating", "a-1.b", "écrit", "_"))
# The prefix `xmp` may be bound to something else.
PREFIXES = st.sampled_from(("dc", "xmp", "exif", "o.o", "é", "_"))


@st.composite
def attributes(draw: st.DrawFn, prefix: str) -> str:
    quote = draw(st.sampled_from("'\""))
    equals = draw(st.sampled_from(("=", " = ", "\n=")))
    names = draw(st.lists(NAMES, max_size=2, unique=True))
    return "".join(
        f"{draw(SPACES)}{prefix}:{name}{equals}{quote}{draw(TEXTS)}>{quote}" for name in names
    )


@st.composite
def elements(draw: st.DrawFn, depth: int = 2) -> str:
    """A property of somebody else: text, CDATA, structure, list or qualified."""
    prefix, name = draw(PREFIXES), draw(NAMES)
    start = f"<{prefix}:{name} xmlns:{prefix}='urn:foreign'"
    end = f"</{prefix}:{name}>"
    text = draw(TEXTS)
    gap = draw(GAPS)
    kinds = ["text", "CDATA", "empty"] + ["structure", "list", "qualified"] * (depth > 0)
    kind = draw(st.sampled_from(kinds))
    if kind == "empty":
        return f"{start}{draw(attributes(prefix))}{draw(st.sampled_from(('', ' ')))}/>"
    if kind == "text":
        return f"{start} xml:lang='x-default'>{gap}{text}{gap}{end}"
    if kind == "CDATA":
        return f"{start}><![CDATA[<{text.replace(']]', '')}&]]>{end}"
    inner = [draw(elements(depth - 1)) for _ in range(draw(st.integers(0, 2)))]
    if kind == "structure":
        return f"{start} rdf:parseType='Resource'>{gap}{gap.join(inner)}{gap}{end}"
    if kind == "list":
        items = gap.join(f"<rdf:li>{each}</rdf:li>" for each in (*inner, text))
        return f"{start}>{gap}<rdf:Bag>{items}</rdf:Bag>{gap}{end}"
    inside = f"<rdf:value>{text}</rdf:value>{gap.join(inner)}"
    return f"{start}><rdf:Description>{inside}</rdf:Description>{gap}{end}"


@st.composite
def descriptions(draw: st.DrawFn, attribute: str = "", element: str = "") -> str:
    """A description, with this among its attributes and that among its elements."""
    gap = draw(GAPS)
    children = [draw(elements()) for _ in range(draw(st.integers(0, 3)))]
    if element:
        children.insert(draw(st.integers(0, len(children))), element)
    own = [
        *draw(st.lists(st.just(f"{draw(SPACES)}rdf:about=''"), max_size=1)),
        f"{draw(SPACES)}xmlns:f='urn:f'{draw(attributes('f'))}",
    ]
    if attribute:
        own.insert(draw(st.integers(0, len(own))), attribute)
    inside = gap.join(("", *children, ""))
    tail = draw(st.sampled_from(("", " ", "\r\n")))
    end = f">{inside}</rdf:Description>" if inside else "/>"
    return f"<rdf:Description{''.join(own)}{tail}{end}"


@st.composite
def packets(draw: st.DrawFn, *, attribute: str = "", element: str = "") -> str:
    """A packet of up to three descriptions, one of which holds the given text."""
    gap = draw(GAPS)
    inside = [draw(descriptions()) for _ in range(draw(st.integers(0, 2)))]
    if attribute or element:
        inside.insert(
            draw(st.integers(0, len(inside))),
            draw(descriptions(attribute=attribute, element=element)),
        )
    outer = draw(st.sampled_from(("", f" xmlns:xap='{XMP}'", " xmlns:xmp='urn:other'")))
    return f"{HEAD[:-1]}{outer}>{gap}{gap.join(inside)}{gap}{FOOT}"


ENCODINGS = st.sampled_from(
    [
        (b"", "utf-8"),
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
    ]
)
CHANGES = st.dictionaries(
    st.sampled_from(sorted(ALL_CHANGES)),
    st.sampled_from(("4", "2020-01-02T03:04:05", "é & <'\">")),
    min_size=1,
)


def list_inserted(before: str, after: str) -> list[str]:
    """What `after` has more than `before`, in one place; several readings, as in `a<a<`."""
    inserted = len(after) - len(before)
    assert inserted >= 0
    start = next(
        (n for n, pair in enumerate(zip(before, after, strict=False)) if len(set(pair)) > 1),
        len(before),
    )
    found = []
    while start >= 0 and before[start:] == after[start + inserted :]:
        found.append(after[start : start + inserted])
        start -= 1
    return found


@given(packets(), CHANGES, ENCODINGS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_set_and_removed_again_leaves_the_packet_as_it_was(
    text: str, changes: dict[str, str], encoding: tuple[bytes, str]
) -> None:
    mark, codec = encoding
    packet = mark + text.encode(codec)
    added = edit_xmp(packet, changes)
    assert list_inserted(text, added[len(mark) :].decode(codec))
    assert all(changed in read_xmp(added).items() for changed in changes.items())
    removed = edit_xmp(added, dict.fromkeys(changes))
    left = list_inserted(text, removed[len(mark) :].decode(codec))
    declarations = r"(\s+xmlns:\w+=(['\"])http://[^'\"]+\2)*"
    if "<rdf:Description" not in text:
        declarations = f"<rdf:Description rdf:about=''{declarations}/>"
    assert any(re.fullmatch(declarations, reading) for reading in left)
    if "<rdf:Description" in text and added.count(b"x\0m\0l\0n\0s") + added.count(b"xmlns") == (
        packet.count(b"x\0m\0l\0n\0s") + packet.count(b"xmlns")
    ):
        assert removed == packet
    assert edit_xmp(removed, dict.fromkeys(ALL_CHANGES)) == removed


ELEMENT_SHAPES = [case.values for case in SHAPES if not case.values[2] and case.values[3] == "xmp"]


@given(st.data(), ENCODINGS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_property_among_foreign_ones_is_set_and_removed_alone(
    data: st.DataObject, encoding: tuple[bytes, str]
) -> None:
    mark, codec = encoding
    if data.draw(st.booleans()):
        template = data.draw(packets(attribute="\ue000"))
        shapes = [tuple(f"\n  p:Rating={quote}{n}{quote}" for n in "34") for quote in "'\""]
    else:
        template = data.draw(packets(element="\ue000"))
        shapes = [
            tuple(text.replace("xmp:", "p:") for text in shape[:2]) for shape in ELEMENT_SHAPES
        ]
    template = template.replace("<x:xmpmeta", f"<x:xmpmeta xmlns:p='{XMP}'")
    before, after = data.draw(st.sampled_from(shapes))
    packet = mark + template.replace("\ue000", before).encode(codec)
    wanted = mark + template.replace("\ue000", after).encode(codec)
    assert edit_xmp(packet, {RATING: "4"}) == wanted
    removed = edit_xmp(wanted, {RATING: None})[len(mark) :].decode(codec)
    taken = list_inserted(removed, wanted[len(mark) :].decode(codec))
    assert after.strip() in {reading.strip() for reading in taken}
    assert RATING not in read_xmp(removed.encode())


# The same sidecars as ExifTool reads them.


@pytest.fixture(scope="session")
def exiftool() -> str:
    program = shutil.which("exiftool")
    if program is None:
        pytest.skip("ExifTool is not installed")
    return program


def read_with_exiftool(exiftool: str, folder: Path) -> dict[str, dict[str, Any]]:
    """File name -> what ExifTool reads in it, without what it says of the file itself."""
    run = subprocess.run(
        [exiftool, "-config", "", "-G1", "-j", "-struct", "--System:all", "-ext", "xmp", folder],
        capture_output=True,
        check=True,
        timeout=120,
    )
    readings: list[dict[str, Any]] = json.loads(run.stdout)
    return {Path(reading.pop("SourceFile")).name: reading for reading in readings}


def compare_with_exiftool(exiftool: str, folder: Path, sidecars: Mapping[str, bytes]) -> None:
    """Change each property of each sidecar in turn; ExifTool has to see that change alone."""
    changed_tags: dict[str, tuple[str, str, str | None]] = {}
    for side in ("before", "after"):
        (folder / side).mkdir()
    for number, (tag, value) in product(range(len(sidecars)), [*READ_BACK, *REMOVALS]):
        sidecar = list(sidecars.values())[number]
        name = f"{number}-{len(changed_tags)}.xmp"
        try:
            result = edit_xmp(sidecar, {tag: value and value[0]})
        except ValueError:
            # What the reader refuses as well is not edited.
            with pytest.raises(ValueError, match="XMP"):
                read_xmp(sidecar)
            continue
        (folder / "before" / name).write_bytes(sidecar)
        (folder / "after" / name).write_bytes(result)
        changed_tags[name] = (list(sidecars)[number], tag, value and value[1])
    before = read_with_exiftool(exiftool, folder / "before")
    after = read_with_exiftool(exiftool, folder / "after")
    assert before.keys() == after.keys() == changed_tags.keys()
    for name, (sidecar_name, tag, wanted) in changed_tags.items():
        read = after[name].get(tag)
        read = read[0] if isinstance(read, list) and len(read) == 1 else read
        assert (None if read is None else str(read)) == wanted, (sidecar_name, tag)
        # An odd property takes its warning along, but brings none.
        warning = before[name].pop("ExifTool:Warning", None)
        assert after[name].pop("ExifTool:Warning", None) in {None, warning}
        # The name of a qualifier begins with that of its property.
        rest = [
            {key: value for key, value in reading[name].items() if not key.startswith(tag)}
            for reading in (before, after)
        ]
        assert rest[0] == rest[1], (sidecar_name, tag)


READ_BACK: list[tuple[str, tuple[str, str] | None]] = [
    (RATING, ("5", "5")),
    (PERCENT, ("99", "99")),
    (TAKEN, ("2001-02-03T04:05:06.78+09:00", "2001:02:03 04:05:06.78+09:00")),
    (CREATED, ("2001-02-03T04:05:06", "2001:02:03 04:05:06")),
    (DIGITIZED, ("2001-02-03", "2001:02:03")),
]
"""Tag, the text set, and how ExifTool shows it."""
REMOVALS: list[tuple[str, tuple[str, str] | None]] = [(tag, None) for tag, _ in READ_BACK]


def test_exiftool_sees_the_one_change_in_sidecars_of_many_programs(
    exiftool: str, tmp_path: Path
) -> None:
    compare_with_exiftool(exiftool, tmp_path, {**SIDECARS, "new": edit_xmp(None, {RATING: "1"})})


def test_exiftool_sees_the_one_change_in_every_shape(exiftool: str, tmp_path: Path) -> None:
    sidecars = {
        case.id: describe(
            "" if case.values[2] else case.values[0],
            attributes=case.values[0] if case.values[2] else "",
            xmp=case.values[3],
        )
        for case in SHAPES
        # ExifTool ends a tag at any >, knows no default namespace, takes comments for text.
        if not re.search(">'|xmlns=|<!--", case.values[0])
    }
    compare_with_exiftool(exiftool, tmp_path, sidecars)


def test_exiftool_sees_the_one_change_in_real_sidecars(
    exiftool: str, tmp_path: Path, media: Path
) -> None:
    sidecars = {path.name: path.read_bytes() for path in sorted(media.rglob("*.xmp"))}
    if not sidecars:
        pytest.skip(f"no sidecars under {media}")
    compare_with_exiftool(exiftool, tmp_path, sidecars)
