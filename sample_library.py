"""A small library to look around in, for who has no photos at hand: 76 drawn landscapes.

It is the same every time, and carries what a library of photos carries: dates over many
years, cameras, ratings in EXIF or XMP, every orientation, a PNG, a WebP and a GIF, pictures
dated by their name alone and one without any date.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Final

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sample_pictures import draw_picture

MARKER: Final = ".lightkeep-sample"
"""Stands in the folder once all is made, so that a picture somebody deletes stays deleted."""
LONG_SIDE_PX: Final = 1200
SHORT_SIDE_PX: Final = 800

RATING_PERCENT: Final = MappingProxyType({1: 1, 2: 25, 3: 50, 4: 75, 5: 99})
"""Windows' scale, by ExifTool's tag names RatingPercent."""

AS_STORED: Final = MappingProxyType(
    {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
)
"""How a camera held that way stores what is seen upright: the inverse of EXIF Orientation."""

# Tags of EXIF 2.32, those of the Exif sub-IFD last.
MAKE, MODEL, ORIENTATION, RATING, RATING_PERCENT_TAG = 0x010F, 0x0110, 0x0112, 0x4746, 0x4749
EXIF_IFD, DATE_TIME_ORIGINAL, CREATE_DATE, OFFSET_ORIGINAL = 0x8769, 0x9003, 0x9004, 0x9011


@dataclass(frozen=True, slots=True)
class Camera:
    make: str
    model: str
    prefix: str
    suffix: str = "jpg"


COMPACT: Final = Camera("Kestrel", "Kestrel C3", "DSC_", "JPG")
REFLEX: Final = Camera("Heron", "Heron 70D", "IMG_", "JPG")
PHONE: Final = Camera("Wren", "Wren Phone 6", "IMG_")


@dataclass(frozen=True, slots=True)
class Outing:
    """Some pictures of one day. `views`: scene, light, and marks, with spaces between.

    Marks: `r3` the rating 3, `o6` EXIF orientation 6, `tall` upright format.
    """

    folder: str
    start: str
    camera: Camera
    offset: str | None
    views: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SamplePicture:
    """One file to be made; `taken` is what the camera's clock said, None where nothing says it."""

    path: str
    scene: str
    light: str
    seed: int
    taken: datetime | None = None
    offset: str | None = None
    camera: Camera | None = None
    rating: int | None = None
    orientation: int = 1
    tall: bool = False


OUTINGS: Final = (
    Outing("2009/Lakes", "2009-07-18T09:12", COMPACT, None,
        ("hills dawn r3", "sea noon", "forest mint", "hills noon o6 tall", "flowers noon r5")),
    Outing("2010/Autumn walk", "2010-10-09T14:40", COMPACT, None,
        ("forest autumn", "hills autumn r4", "fields autumn", "flowers autumn o8 tall")),
    Outing("2011/First snow", "2011-12-03T10:05", COMPACT, None,
        ("forest winter r5", "hills winter", "city winter o3")),
    Outing("2012/Desert", "2012-03-22T17:20", REFLEX, None,
        ("dunes gold r5", "dunes dawn", "dunes autumn", "night night r4", "dunes noon o2")),
    Outing("2013/Spring", "2013-05-11T11:00", REFLEX, None,
        ("flowers spring r2", "fields spring", "hills spring", "flowers mint o5 tall")),
    Outing("2014/By the sea", "2014-08-02T19:31", REFLEX, None,
        ("sea gold", "sea dusk r5", "sea dawn tall", "city dusk", "sea mint o4")),
    Outing("2015/Mountains", "2015-09-19T06:48", REFLEX, None,
        ("hills fog", "hills dusk r4", "forest fog", "hills gold o7 tall", "night dusk")),
    Outing("2016/Museum", "2016-02-14T13:15", PHONE, "+01:00",
        ("shapes dusk", "shapes gold r3", "shapes mint", "shapes noon tall")),
    Outing("2017/Lavender", "2017-06-24T18:02", PHONE, "+02:00",
        ("fields gold r5", "fields noon", "fields dusk", "flowers gold tall", "hills gold")),
    Outing("2018/North", "2018-01-27T22:14", REFLEX, "+01:00",
        ("night night r5", "hills night", "forest night", "night night o6 tall")),
    Outing("2019/Islands", "2019-07-14T18:03", PHONE, "+02:00",
        ("sea spring", "sea dusk r4", "hills dusk", "sea winter o8 tall",
         "flowers spring", "sea gold r5")),
    Outing("2020/Near home", "2020-04-19T08:30", PHONE, "+02:00",
        ("forest spring", "flowers mint r3", "fields mint", "hills mint")),
    Outing("2021/Town", "2021-11-20T16:45", PHONE, "+01:00",
        ("city gold", "city night r4", "city dawn tall", "city fog")),
    Outing("2022/Dunes again", "2022-05-28T20:10", REFLEX, "+02:00",
        ("dunes dusk r5", "dunes mint", "sea dusk", "dunes spring o3")),
    Outing("2023/Fog", "2023-10-15T07:55", PHONE, "+02:00",
        ("forest fog r4", "hills fog", "fields fog", "forest dawn tall")),
    Outing("2024/Garden", "2024-06-08T15:22", PHONE, "+02:00",
        ("flowers noon", "flowers dawn r5", "fields spring r1", "flowers fog tall",
         "hills spring")),
)  # fmt: skip

SINGLE_PICTURES: Final = (
    SamplePicture(
        "2016/Museum/poster.png", "shapes", "autumn", 901,
        datetime.fromisoformat("2016-02-14T14:02"),
    ),
    SamplePicture(
        "2020/Near home/meadow.webp", "flowers", "spring", 902,
        datetime.fromisoformat("2020-04-19T08:52"), "+02:00", PHONE, 2,
    ),
    SamplePicture("2021/Town/2021-12-24 17.45.00.gif", "city", "winter", 903),
    SamplePicture("Received/IMG_20180811_203344.jpg", "sea", "gold", 904),
    SamplePicture("Received/postcard.jpg", "hills", "dusk", 905, tall=True),
)  # fmt: skip


def list_sample_pictures() -> list[SamplePicture]:
    """Every file of the sample, in the order of the outings."""
    pictures: list[SamplePicture] = []
    for outing in OUTINGS:
        start = datetime.fromisoformat(outing.start)
        for n, view in enumerate(outing.views):
            number = len(pictures) + 1
            scene, light, *marks = view.split()
            camera = outing.camera
            name = f"{camera.prefix}{start.year % 100 * 100 + number:04}.{camera.suffix}"
            pictures.append(
                SamplePicture(
                    path=f"{outing.folder}/{name}",
                    scene=scene,
                    light=light,
                    seed=number,
                    taken=start + timedelta(minutes=11 * n, seconds=17 * number % 60),
                    offset=outing.offset,
                    camera=camera,
                    rating=next((int(mark[1:]) for mark in marks if mark[0] == "r"), None),
                    orientation=next((int(mark[1:]) for mark in marks if mark[0] == "o"), 1),
                    tall="tall" in marks,
                )
            )
    return [*pictures, *SINGLE_PICTURES]


def make_sample_library(folder: Path) -> Path:
    """Makes the sample in `folder` unless it was made there before, and returns `folder`.

    Files that are already there are left as they are; OSError where the disk refuses.
    """
    marker = folder / MARKER
    if marker.exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        # list() so that the error of a single picture is raised here.
        list(pool.map(lambda picture: write_picture(folder, picture), list_sample_pictures()))
    marker.write_text("Pictures drawn by Lightkeep to look around in. The folder can be deleted.\n")
    return folder


def write_picture(folder: Path, picture: SamplePicture) -> None:
    """Draws one picture into its place; what is there already stays."""
    path = folder / picture.path
    path.parent.mkdir(parents=True, exist_ok=True)
    content = encode_picture(picture)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    if picture.taken is not None:
        taken_s = picture.taken.replace(tzinfo=UTC).timestamp()
        os.utime(partial, (taken_s, taken_s))
    if path.exists():
        partial.unlink()
    else:
        partial.rename(path)


def encode_picture(picture: SamplePicture) -> bytes:
    """The bytes of the file."""
    size = (LONG_SIDE_PX, SHORT_SIDE_PX)
    image = draw_picture(
        picture.scene, picture.light, picture.seed, size[::-1] if picture.tall else size
    )
    if picture.orientation in AS_STORED:
        image = image.transpose(AS_STORED[picture.orientation])
    exif, xmp = make_exif(picture), make_xmp(picture)
    stream = BytesIO()
    match Path(picture.path).suffix.lower():
        case ".png":
            info = PngInfo()
            if xmp:
                info.add_itxt("XML:com.adobe.xmp", xmp.decode())
            image.save(stream, "PNG", pnginfo=info)
        case ".webp":
            image.save(stream, "WEBP", quality=84, method=2, exif=exif, xmp=xmp)
        case ".gif":
            image.quantize(128).save(stream, "GIF")
        case _:
            image.save(stream, "JPEG", quality=88, subsampling=0, exif=exif, xmp=xmp)
    return stream.getvalue()


def rating_is_in_xmp(picture: SamplePicture) -> bool:
    """Programs differ in where they put a rating, so the sample does too."""
    return picture.rating is not None and picture.seed % 2 == 0


def make_exif(picture: SamplePicture) -> bytes:
    """The Exif block, empty where there is nothing to say."""
    exif = Image.Exif()
    if picture.camera is not None:
        exif[MAKE], exif[MODEL] = picture.camera.make, picture.camera.model
        exif[ORIENTATION] = picture.orientation
    if picture.rating is not None and not rating_is_in_xmp(picture):
        exif[RATING] = picture.rating
        exif[RATING_PERCENT_TAG] = RATING_PERCENT[picture.rating]
    if picture.taken is not None and picture.camera is not None:
        taken = picture.taken.strftime("%Y:%m:%d %H:%M:%S")
        sub_ifd = exif.get_ifd(EXIF_IFD)
        sub_ifd[DATE_TIME_ORIGINAL] = sub_ifd[CREATE_DATE] = taken
        if picture.offset is not None:
            sub_ifd[OFFSET_ORIGINAL] = picture.offset
    return exif.tobytes() if len(exif) else b""


def make_xmp(picture: SamplePicture) -> bytes:
    """The XMP packet: a rating, or the date of a picture that has no Exif; else empty."""
    marks = ""
    if rating_is_in_xmp(picture):
        marks += f' xmp:Rating="{picture.rating}"'
    if picture.taken is not None and picture.camera is None:
        marks += f' photoshop:DateCreated="{picture.taken.isoformat()}"'
    if not marks:
        return b""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        f' xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"{marks}/>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()
