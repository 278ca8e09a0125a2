"""Films made in code in every container, their poster frames, and what is no film at all."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.video.stream import VideoStream
from PIL import Image

from errors import PictureError
from film_reader import _square_pixel_size, draw_poster, read_film
from media_types import MEDIA_TYPES, SIGNATURE_BYTES, Kind, detect_format, kind_of
from metadata import Facts, derive_facts

REPOSITORY = Path(__file__).resolve().parent.parent
Color = tuple[int, int, int]
RED, BLUE, BLACK = (200, 30, 30), (30, 30, 200), (0, 0, 0)
SIZE = (64, 48)
CREATED = "2019-07-14T18:03:22Z"


def make_film(
    container: str = "mp4",
    codec: str = "mpeg4",
    *,
    colors: Sequence[Color] = (RED,) * 10,
    rate: int = 10,
    turned: int = 0,
    aspect: Fraction | None = None,
    metadata: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
    codec_options: Mapping[str, str] | None = None,
) -> bytes:
    """A film with a frame of each color, all of them key frames unless `codec_options` differ.

    container, codec: as FFmpeg names them. turned: in degrees, counterclockwise.
    """
    out = io.BytesIO()
    with av.open(out, "w", format=container, options=dict(options or {})) as film:
        film.metadata.update(metadata or {})
        stream = film.add_stream(codec, rate=rate, options=dict(codec_options or {"g": "1"}))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if turned:
            stream.set_display_rotation(turned)
        for color in colors:
            film.mux(stream.encode(make_frame(Image.new("RGB", SIZE, color))))
        film.mux(stream.encode())
    return out.getvalue()


def make_frame(picture: Image.Image) -> av.VideoFrame:
    frame: av.VideoFrame = av.VideoFrame.from_image(picture)  # type: ignore[no-untyped-call]
    return frame


def make_sound(container: str = "mp4", codec: str = "aac") -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=container) as film:
        stream = film.add_stream(codec, rate=48_000)
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
        frame.sample_rate = 48_000
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        film.mux(stream.encode(frame))
        film.mux(stream.encode())
    return out.getvalue()


def read(data: bytes, demuxer: str = "mov") -> dict[str, str | int | float]:
    """The tags of a film that must be in order."""
    tags, trouble = read_film(io.BytesIO(data), demuxer)
    assert trouble is None
    return tags


def facts_of(data: bytes, file_type: str = "mp4") -> Facts:
    tags = read(data, MEDIA_TYPES[file_type].decoder)
    return derive_facts(tags, file_name="x", file_type=file_type)


def draw(data: bytes, demuxer: str = "mov") -> Image.Image:
    poster = draw_poster(io.BytesIO(data), demuxer)
    assert poster.mode == "RGB"
    return poster


def is_close(poster: Image.Image, color: Color) -> bool:
    found = poster.getpixel((poster.width // 2, poster.height // 2))
    assert isinstance(found, tuple)
    return all(abs(a - b) <= 12 for a, b in zip(found, color, strict=True))


# -- every container -------------------------------------------------------------------------

CONTAINERS = {
    "mp4": ("mp4", "mpeg4", 10, {}),
    "mov": ("mov", "mpeg4", 10, {}),
    "m4v": ("ipod", "mpeg4", 10, {"brand": "M4V "}),
    "3gp": ("3gp", "mpeg4", 10, {}),
    "mkv": ("matroska", "mpeg4", 10, {}),
    "webm": ("webm", "vp8", 10, {}),
    "avi": ("avi", "mpeg4", 10, {}),
    "m2ts": ("mpegts", "mpeg2video", 25, {"mpegts_m2ts_mode": "1"}),
    "mpeg": ("vob", "mpeg2video", 25, {}),
    "wmv": ("asf", "wmv2", 10, {}),
}
SAYS_DATE = {"mp4", "mov", "m4v", "3gp", "mkv", "webm"}


def test_a_film_of_every_type_is_made_here() -> None:
    assert CONTAINERS.keys() == {name for name in MEDIA_TYPES if kind_of(name) == Kind.VIDEO}


@pytest.mark.parametrize("file_type", CONTAINERS)
def test_size_duration_date_and_poster_come_from_every_container(file_type: str) -> None:
    container, codec, rate, options = CONTAINERS[file_type]
    data = make_film(
        container,
        codec,
        rate=rate,
        colors=[RED] * 2 * rate,
        metadata={"creation_time": CREATED},
        options=options,
    )
    assert detect_format(data[:SIGNATURE_BYTES]) == file_type
    facts = facts_of(data, file_type)
    assert (facts.width, facts.height, facts.orientation) == (*SIZE, 1)
    # MPEG's system stream counts its clock from packet to packet.
    assert facts.duration_s == pytest.approx(2, abs=0.7 if file_type == "mpeg" else 0.05)
    assert (facts.date_taken is not None) == (file_type in SAYS_DATE)
    if file_type in SAYS_DATE:
        assert (facts.date_source, facts.from_utc) == ("quicktime", True)
    poster = draw(data, MEDIA_TYPES[file_type].decoder)
    assert poster.size == SIZE
    assert is_close(poster, RED)


def test_the_date_that_a_phone_writes_is_found_with_its_offset() -> None:
    apple = {
        "com.apple.quicktime.creationdate": "2019-02-12T15:27:12+0800",
        "com.apple.quicktime.make": "Acme",
        "com.apple.quicktime.model": "Phone 1",
        "creation_time": CREATED,
    }
    facts = facts_of(
        make_film("mov", metadata=apple, options={"movflags": "use_metadata_tags"}), "mov"
    )
    assert (facts.date_taken, facts.utc_offset) == ("2019-02-12T15:27:12", "+08:00")
    assert (facts.from_utc, facts.camera) == (False, "Acme Phone 1")


@pytest.mark.parametrize("words", ["yesterday", "2019", "", "9" * 5000])
def test_a_date_that_is_none_is_not_passed_on(words: str) -> None:
    metadata = {"com.apple.quicktime.creationdate": words, "creation_time": words}
    data = make_film("mov", metadata=metadata, options={"movflags": "use_metadata_tags"})
    assert not {tag for tag in read(data) if "Date" in tag}


# -- shape -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("turned", "orientation", "size"),
    [(90, 8, (48, 64)), (180, 3, (64, 48)), (270, 6, (48, 64)), (-90, 6, (48, 64))],
)
@pytest.mark.parametrize("file_type", ["mp4", "mov", "mkv"])
def test_a_turned_film_is_turned_in_its_facts_and_in_its_poster(
    file_type: str, turned: int, orientation: int, size: tuple[int, int]
) -> None:
    container = CONTAINERS[file_type][0]
    data = make_film(container, turned=turned)
    facts = facts_of(data, file_type)
    assert (facts.width, facts.height, facts.orientation) == (*size, orientation)
    assert draw(data, MEDIA_TYPES[file_type].decoder).size == size


def test_a_poster_is_turned_in_the_direction_that_players_turn() -> None:
    left_half = Image.new("RGB", SIZE, BLACK)
    left_half.paste(RED, (0, 0, SIZE[0] // 2, SIZE[1]))
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as film:
        stream = film.add_stream("mpeg4", rate=10)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.set_display_rotation(90)  # counterclockwise: what was left is below
        film.mux(stream.encode(make_frame(left_half)))
        film.mux(stream.encode())
    poster = draw(out.getvalue())
    above, below = poster.crop((0, 0, 48, 32)), poster.crop((0, 32, 48, 64))
    assert is_close(above, BLACK)
    assert is_close(below, RED)


@pytest.mark.parametrize("turned", [0, 90])
@pytest.mark.parametrize(
    ("aspect", "width"), [(Fraction(4, 3), 85), (Fraction(16, 15), 68), (Fraction(5, 4), 80)]
)
def test_pixels_that_are_not_square_are_made_so(aspect: Fraction, width: int, turned: int) -> None:
    data = make_film(aspect=aspect, turned=turned)
    shown = (SIZE[1], width) if turned else (width, SIZE[1])
    facts = facts_of(data)
    assert (facts.width, facts.height) == shown
    assert draw(data).size == shown


def test_a_width_in_square_pixels_is_exact() -> None:
    stream = _StreamOfSize(1760, 1080, Fraction(12, 11))
    assert _square_pixel_size(stream) == (1920, 1080)  # type: ignore[arg-type]


class _StreamOfSize:
    def __init__(self, width: int, height: int, aspect: Fraction) -> None:
        self.sample_aspect_ratio = aspect
        self.width, self.height = width, height

    @property
    def codec_context(self) -> _StreamOfSize:
        return self


def test_a_pixel_aspect_that_makes_no_sense_is_ignored() -> None:
    assert draw(make_film(aspect=Fraction(40, 1))).size == SIZE


# -- the poster ------------------------------------------------------------------------------


def test_the_first_second_is_passed_over_for_the_poster() -> None:
    assert is_close(draw(make_film(colors=[BLUE] * 10 + [RED] * 20)), RED)


def test_of_a_film_of_two_seconds_the_first_frame_is_the_poster() -> None:
    assert is_close(draw(make_film(colors=[BLUE] * 5 + [RED] * 5)), BLUE)


@pytest.mark.parametrize("seconds", [1, 4])
def test_black_frames_are_passed_over_for_a_bright_one(seconds: int) -> None:
    frames = seconds * 10
    start = 0 if seconds == 1 else 10
    colors = [BLACK] * (start + 5) + [RED] * (frames - start - 5)
    assert is_close(draw(make_film(colors=colors)), RED)


def test_a_film_that_is_all_black_has_a_black_poster() -> None:
    assert is_close(draw(make_film(colors=[BLACK] * 30)), BLACK)


@pytest.mark.parametrize("b_frames", [0, 3])
def test_a_long_film_with_one_key_frame_has_a_poster_soon(b_frames: int) -> None:
    data = make_film(
        codec="libx264",
        colors=[RED] * 2100,
        rate=30,
        codec_options={"preset": "ultrafast", "g": "100000", "bf": str(b_frames)},
    )
    assert read(data)["Composite:ImageSize"] == "64 48"
    assert is_close(draw(data), RED)


def test_a_film_that_ends_before_a_second_has_passed_falls_back_to_its_start() -> None:
    whole = make_film("mpegts", "mpeg2video", rate=25, colors=[RED] * 75)
    for data in (whole[: len(whole) // 5], whole):
        assert is_close(draw(data, "mpegts"), RED)
    # An index says 3 s, the frames behind the first second are rubbish.
    film = bytearray(make_film(colors=[RED] * 30))
    start = film.index(b"mdat") + 4
    end = film.index(b"moov") - 4
    film[start + (end - start) // 4 : end] = bytes(end - start - (end - start) // 4)
    assert is_close(draw(bytes(film)), RED)


# -- damage and malice -----------------------------------------------------------------------


def test_sound_alone_is_said_in_words() -> None:
    tags, trouble = read_film(io.BytesIO(make_sound()), "mov")
    assert trouble == "There is no picture in this film, only sound."
    assert tags["QuickTime:Duration"]
    with pytest.raises(PictureError, match="only sound"):
        draw_poster(io.BytesIO(make_sound()), "mov")


def test_pictures_of_an_unknown_kind_are_said_in_words() -> None:
    data = make_film().replace(b"mp4v", b"zzzz").replace(b"esds", b"zzzz")
    tags, trouble = read_film(io.BytesIO(data), "mov")
    assert trouble
    assert tags["QuickTime:Duration"] == 1.0
    with pytest.raises(PictureError):
        draw_poster(io.BytesIO(data), "mov")


def test_a_frame_beyond_all_measure_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("film_reader.MAX_FRAME_PIXELS", 64 * 48 - 1)
    data = make_film()
    tags, trouble = read_film(io.BytesIO(data), "mov")
    assert trouble
    assert "64 × 48" in trouble
    assert tags["Composite:ImageSize"] == "64 48"
    with pytest.raises(PictureError, match="64 × 48"):
        draw_poster(io.BytesIO(data), "mov")


PLAYLISTS = {
    "HLS": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{film}\n#EXT-X-ENDLIST\n",
    "concat": b"ffconcat version 1.0\nfile '{film}'\n",
    "page": b"<html><video src='{film}'></html>",
    "nothing": b"",
}
DEMUXERS = sorted({MEDIA_TYPES[file_type].decoder for file_type in CONTAINERS})


@pytest.mark.parametrize("demuxer", DEMUXERS)
@pytest.mark.parametrize("name", PLAYLISTS)
def test_a_list_of_other_files_is_no_film_to_any_demuxer(
    tmp_path: Path, name: str, demuxer: str
) -> None:
    (tmp_path / "film.mp4").write_bytes(make_film())
    path = tmp_path / "list.mp4"
    path.write_bytes(PLAYLISTS[name].replace(b"{film}", bytes(tmp_path / "film.mp4")))
    with path.open("rb") as file:
        tags, trouble = read_film(file, demuxer)
        assert (tags, bool(trouble)) == ({}, True)
        with pytest.raises(PictureError):
            draw_poster(file, demuxer)


OPENED = """
import sys
from errors import PictureError
from film_reader import draw_poster, read_film
with open(sys.argv[1], "rb") as file:
    read_film(file, "mov")
    try:
        draw_poster(file, "mov")
    except PictureError:
        pass
"""


def make_film_that_refers_to(other: str) -> bytes:
    """A film whose frames lie, by its data reference, in another file."""
    film = make_film()
    name = other.encode() + b"\0"
    alias = bytes(150) + b"\0\x02" + _pack_name(name) + b"\xff\xff\0\0"
    reference = (len(alias) + 12).to_bytes(4, "big") + b"alis" + bytes(4) + alias
    at = film.index(b"dref") - 4
    size = int.from_bytes(film[at : at + 4], "big")
    dref = b"dref" + bytes(4) + (1).to_bytes(4, "big") + reference
    grown = (len(dref) + 4).to_bytes(4, "big") + dref
    result = bytearray(film[:at] + grown + film[at + size :])
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        place = result.index(kind) - 4
        length = int.from_bytes(result[place : place + 4], "big") + len(grown) - size
        result[place : place + 4] = length.to_bytes(4, "big")
    return bytes(result)


def _pack_name(name: bytes) -> bytes:
    return len(name).to_bytes(2, "big") + name + b"\0" * (len(name) % 2)


def test_nothing_but_the_file_itself_is_opened(tmp_path: Path) -> None:
    other = tmp_path / "other.mp4"
    os.mkfifo(other)  # who opens it waits without end
    for name, data in (
        ("list.mp4", PLAYLISTS["HLS"].replace(b"{film}", bytes(other))),
        ("refers.mp4", make_film_that_refers_to(str(other))),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        command = [sys.executable, "-c", OPENED, str(path)]
        subprocess.run(command, cwd=REPOSITORY, check=True, timeout=20)


@pytest.mark.parametrize("file_type", CONTAINERS)
def test_the_wrong_demuxer_says_so_in_words(file_type: str) -> None:
    container, codec, rate, options = CONTAINERS[file_type]
    data = make_film(container, codec, rate=rate, options=options)
    for demuxer in DEMUXERS:
        if demuxer != MEDIA_TYPES[file_type].decoder:
            tags, trouble = read_film(io.BytesIO(data), demuxer)
            assert trouble
            assert "Composite:Rotation" not in tags


@pytest.mark.parametrize("file_type", CONTAINERS)
def test_broken_films_are_told_in_words_and_never_an_error(tmp_path: Path, file_type: str) -> None:
    container, codec, rate, options = CONTAINERS[file_type]
    data = make_film(container, codec, rate=rate, options=options)
    demuxer = MEDIA_TYPES[file_type].decoder
    chance = random.Random(file_type)
    broken = [data[:end] for end in range(0, len(data), len(data) // 40)]
    for _ in range(40):
        flipped = bytearray(data)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(min(len(data), chance.choice((200, 700, len(data)))))
            flipped[at] = chance.choice((0, 0x7F, 0xFF, chance.randrange(256)))
        broken.append(bytes(flipped))
    path = tmp_path / "film"
    for content in broken:
        path.write_bytes(content)
        with path.open("rb") as file:
            read_film(file, demuxer)
            with contextlib.suppress(PictureError):
                draw_poster(file, demuxer)


@pytest.mark.parametrize("file_type", ["mp4", "mkv", "m2ts"])
def test_an_error_of_the_disk_is_raised_as_such(file_type: str) -> None:
    class Failing(io.BytesIO):
        left = 400

        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            self.left -= len(data)
            if self.left < 0:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return data

    container, codec, rate, options = CONTAINERS[file_type]
    data = make_film(container, codec, rate=rate, options=options)
    for work in (read_film, draw_poster):
        with pytest.raises(OSError, match="Input/output") as caught:
            work(Failing(data), MEDIA_TYPES[file_type].decoder)
        assert caught.value.errno == errno.EIO


# -- the real files --------------------------------------------------------------------------

NOT_DRAWN = {"nom-exif/compatible-brands-fail.mov", "nom-exif/sony-a7-xavc.MP4"}
ODD_SIZE = {"phockup/exif.mp4"}  # its boxes say 524288 × 524288, its frames are 8 × 8


def test_every_real_film_has_the_size_and_duration_that_are_written_down(media: Path) -> None:
    seen = 0
    for item in json.loads((media / "expected.json").read_text()):
        name = item["SourceFile"]
        if not name.lower().endswith((".mp4", ".mov", ".mkv")):
            continue
        seen += 1
        with (media / name).open("rb") as file:
            file_type = detect_format(file.read(SIGNATURE_BYTES), name)
            assert file_type
            demuxer = MEDIA_TYPES[file_type].decoder
            tags, trouble = read_film(file, demuxer)
            assert (trouble is not None) == (name in NOT_DRAWN), name
            if trouble:
                with pytest.raises(PictureError):
                    draw_poster(file, demuxer)
                continue
            poster = draw_poster(file, demuxer)
        facts = derive_facts(tags, file_name=name, file_type=file_type)
        assert poster.size == (facts.width, facts.height), name
        if name not in ODD_SIZE:
            _check_film(name, facts, item)
    assert seen == 15


def _check_film(name: str, facts: Facts, item: dict[str, object]) -> None:
    sizes = [
        (item[f"Track{number}:ImageWidth"], item[f"Track{number}:ImageHeight"])
        for number in (1, 2)
        if f"Track{number}:ImageWidth" in item
    ]
    shown = (facts.width, facts.height)
    turned = item.get("Composite:Rotation") in (90, 270)
    assert (shown[::-1] if turned else shown) in sizes, name
    if "QuickTime:Duration" in item:
        # The container may say the length of the longest track, or of the film as edited.
        assert facts.duration_s == pytest.approx(item["QuickTime:Duration"], abs=0.06), name
