"""Sidecars in the manner of the programs that write them."""

from __future__ import annotations

from typing import Final

_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"

DARKTABLE: Final = f"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="{_RDF}">
  <rdf:Description rdf:about=""
    xmlns:exif="http://ns.adobe.com/exif/1.0/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
    xmlns:darktable="http://darktable.sf.net/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:lr="http://ns.adobe.com/lightroom/1.0/"
   exif:DateTimeOriginal="2022:05:14 10:11:12.000"
   xmp:Rating="1"
   xmpMM:DerivedFrom="IMG_0001.CR2"
   darktable:import_timestamp="63787974672000000"
   darktable:xmp_version="5"
   darktable:raw_params="0"
   darktable:auto_presets_applied="1"
   darktable:history_end="2"
   darktable:iop_order_version="2">
   <darktable:masks_history>
    <rdf:Seq/>
   </darktable:masks_history>
   <darktable:history>
    <rdf:Seq>
     <rdf:li
      darktable:num="0"
      darktable:operation="exposure"
      darktable:enabled="1"
      darktable:modversion="6"
      darktable:params="00000000000080b90000003f00004842000080c0"
      darktable:multi_name=""
      darktable:multi_priority="0"
      darktable:blendop_version="11"
      darktable:blendop_params="gz11eJxjYIAACQYYOOHEgAZY0QVwggZ7CB6pfNoAAE8gGQg="/>
    </rdf:Seq>
   </darktable:history>
   <dc:subject>
    <rdf:Bag>
     <rdf:li>Käse &amp; Wein</rdf:li>
     <rdf:li>places</rdf:li>
    </rdf:Bag>
   </dc:subject>
   <lr:hierarchicalSubject>
    <rdf:Bag>
     <rdf:li>places|Köln</rdf:li>
    </rdf:Bag>
   </lr:hierarchicalSubject>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
""".encode()

DIGIKAM: Final = (
    f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="{_RDF}">
  <rdf:Description rdf:about=""
    xmlns:digiKam="http://www.digikam.org/ns/1.0/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:MicrosoftPhoto="http://ns.microsoft.com/photo/1.0/"
    xmlns:acdsee="http://ns.acdsee.com/iptc/1.0/"
    xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
    xmlns:exif="http://ns.adobe.com/exif/1.0/"
    xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
   digiKam:ColorLabel="0"
   digiKam:PickLabel="0"
   xmp:CreatorTool="digiKam-7.9.0"
   xmp:CreateDate="2021-08-01T15:30:00"
   xmp:MetadataDate="2021-08-01T15:30:00"
   xmp:Rating="3"
   MicrosoftPhoto:Rating="50"
   acdsee:rating="3"
   photoshop:DateCreated="2021-08-01T15:30:00"
   photoshop:Urgency="0"
   exif:DateTimeOriginal="2021-08-01T15:30:00"
   tiff:Software="digiKam-7.9.0">
   <digiKam:TagsList>
    <rdf:Seq>
     <rdf:li>Leute/Jörg</rdf:li>
    </rdf:Seq>
   </digiKam:TagsList>
   <dc:description>
    <rdf:Alt>
     <rdf:li xml:lang="x-default">Two lines&#xA;of text</rdf:li>
    </rdf:Alt>
   </dc:description>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""
    + (" " * 99 + "\n") * 20
    + '<?xpacket end="w"?>'
).encode()

LIGHTROOM: Final = (
    f"""<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 7.0-c000 1.000000">
 <rdf:RDF xmlns:rdf="{_RDF}">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
    xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
    xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
    xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"
   xmp:CreatorTool="Adobe Lightroom 6.0 (Windows)"
   xmp:CreateDate="2019-10-05T07:08:09.25"
   xmp:MetadataDate="2023-01-01T00:00:00+01:00"
   xmp:Label="Red"
   dc:format="image/x-canon-cr2"
   photoshop:DateCreated="2019-10-05T07:08:09.25"
   photoshop:SidecarForExtension="CR2"
   xmpMM:DocumentID="xmp.did:1b2c"
   crs:Version="15.1"
   crs:Exposure2012="+0.35"
   crs:HasSettings="True">
   <xmpMM:History>
    <rdf:Seq>
     <rdf:li
      stEvt:action="saved"
      stEvt:instanceID="xmp.iid:1b2c"
      stEvt:when="2023-01-01T00:00:00+01:00"
      stEvt:changed="/metadata"/>
    </rdf:Seq>
   </xmpMM:History>
   <crs:ToneCurvePV2012>
    <rdf:Seq>
     <rdf:li>0, 0</rdf:li>
     <rdf:li>255, 255</rdf:li>
    </rdf:Seq>
   </crs:ToneCurvePV2012>
   <crs:Look>
    <rdf:Description
     crs:Name="Adobe Color">
    <crs:Parameters>
     <rdf:Description
      crs:Version="15.1"/>
    </crs:Parameters>
    </rdf:Description>
   </crs:Look>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>"""
).encode()

EXIFTOOL: Final = f"""<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?>
<x:xmpmeta xmlns:x='adobe:ns:meta/' x:xmptk='Image::ExifTool 12.57'>
<rdf:RDF xmlns:rdf='{_RDF}'>

 <rdf:Description rdf:about=''
  xmlns:MicrosoftPhoto='http://ns.microsoft.com/photo/1.0'>
  <MicrosoftPhoto:Rating>25</MicrosoftPhoto:Rating>
 </rdf:Description>

 <rdf:Description rdf:about=''
  xmlns:dc='http://purl.org/dc/elements/1.1/'>
  <dc:title>
   <rdf:Alt>
    <rdf:li xml:lang='x-default'>Mum&#39;s &lt;garden&gt;</rdf:li>
   </rdf:Alt>
  </dc:title>
 </rdf:Description>

 <rdf:Description rdf:about=''
  xmlns:exif='http://ns.adobe.com/exif/1.0/'>
  <exif:DateTimeOriginal>2020-01-02T03:04:05</exif:DateTimeOriginal>
  <exif:Flash rdf:parseType='Resource'>
   <exif:Fired>False</exif:Fired>
  </exif:Flash>
 </rdf:Description>

 <rdf:Description rdf:about=''
  xmlns:xmp='http://ns.adobe.com/xap/1.0/'>
  <xmp:Label>Blue</xmp:Label>
  <xmp:Rating>2</xmp:Rating>
 </rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end='w'?>""".encode()

WINDOWS: Final = (
    (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF}">'
        '<rdf:Description rdf:about="uuid:faf5bdd5-ba3d-11da-ad31-d33d75182f1b"'
        ' xmlns:xmp="http://ns.adobe.com/xap/1.0/"><xmp:Rating>4</xmp:Rating>'
        "<xmp:CreateDate>2018-06-07T08:09:10.123</xmp:CreateDate></rdf:Description>"
        '<rdf:Description rdf:about="uuid:faf5bdd5-ba3d-11da-ad31-d33d75182f1b"'
        ' xmlns:MicrosoftPhoto="http://ns.microsoft.com/photo/1.0/">'
        "<MicrosoftPhoto:Rating>75</MicrosoftPhoto:Rating><MicrosoftPhoto:LastKeywordXMP>"
        f'<rdf:Bag xmlns:rdf="{_RDF}"><rdf:li>Oma</rdf:li></rdf:Bag>\r\n\t\t\t'
        "</MicrosoftPhoto:LastKeywordXMP></rdf:Description></rdf:RDF></x:xmpmeta>\r\n"
    )
    + (" " * 100 + "\n") * 20
    + "<?xpacket end='w'?>"
).encode()

SIDECARS: Final = {
    "darktable": DARKTABLE,
    "digikam": DIGIKAM,
    "lightroom": LIGHTROOM,
    "exiftool": EXIFTOOL,
    "windows": WINDOWS,
    "exiftool in UTF-16": b"\xfe\xff" + EXIFTOOL.decode().encode("utf-16-be"),
    "digikam with a mark and CRLF": b"\xef\xbb\xbf" + DIGIKAM.replace(b"\n", b"\r\n"),
}
