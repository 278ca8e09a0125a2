"""The editor of XMP: every shape of a property, every other byte, hostile packets, and ExifTool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

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
