"""Films: size, rotation, duration and dates from their containers, and a frame to show them by.

FFmpeg (PyAV) reads, inside a worker process. It gets an open file and the one demuxer that the
bytes call for, never a name: a playlist that calls itself a film must not open other files.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, BinaryIO, Final

from PIL import Image

from capture_date import AVI_DATE_TAG, CREATE_DATE_TAG, CREATION_DATE_TAG
from errors import PictureError
from metadata import DURATION_TAG, IMAGE_SIZE_TAG, MAKE_TAGS, MODEL_TAGS, VIDEO_ROTATION_TAG

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

MAX_FRAME_PIXELS: Final = 80_000_000
"""8K twice over. A decoder holds some sixteen frames of 1.5 bytes a pixel."""

_OPTIONS: Final = {
    "protocol_whitelist": "file",
    "max_streams": "64",
    "probesize": "5000000",
    "analyzeduration": "5000000",
}
_POSTER_AT_S: Final = 1.0
"""Films of phones begin with the jerk of the button being pressed."""
_FRAMES_TRIED: Final = 12
_DARK: Final = 18.0
"""Mean brightness (of 255) up to which a frame is a fade-in, if a later one is brighter."""
_MAX_PACKETS: Final = 5000
_MAX_BYTES: Final = 64 << 20
_EASY_PIXEL_ASPECTS: Final = (0.2, 5.0)


def read_film(file: BinaryIO, demuxer: str) -> tuple[dict[str, str | int | float], str | None]:
    """What the container says, as ExifTool spells it, and what is wrong with the film, if that.

    `Composite:ImageSize` is as stored, but in square pixels, and `Composite:Rotation` leads to
    how it is shown. Raises `OSError` where the disk does.
    """
    tags: dict[str, str | int | float] = {}
    try:
        with _open_film(file, demuxer) as film:
            tags.update(_describe(film))
            stream = _find_picture_stream(film)
            width, height = _square_pixel_size(stream)
            if width and height:
                tags[IMAGE_SIZE_TAG] = f"{width} {height}"
            _check_size(stream)
            frame = next(_decode(film, stream, _FRAMES_TRIED), None)
            if frame is None:
                return tags, "None of the film's pictures can be decoded."
            tags[VIDEO_ROTATION_TAG] = -frame.rotation % 360
    except PictureError as error:
        return tags, error.message
    return tags, None


def draw_poster(file: BinaryIO, demuxer: str) -> Image.Image:
    """A frame from near the beginning that is not black, upright, as RGB in square pixels.

    Raises `PictureError` where there is none, and `OSError` where the disk does.
    """
    with _open_film(file, demuxer) as film:
        stream = _find_picture_stream(film)
        _check_size(stream)
        frame = _choose_frame(film, stream)
        if frame is None:
            raise PictureError("None of the film's pictures can be decoded.")
        width, height = _square_pixel_size(stream)
        picture: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
        if width and height and (width, height) != picture.size:
            picture = picture.resize((width, height), Image.Resampling.BILINEAR)
        if frame.rotation % 360:
            picture = picture.rotate(frame.rotation % 360, expand=True)
        return picture


class _Reading:
    """The file as FFmpeg gets it: a place that no file has, where a film may point, is 0."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read
        self.tell = file.tell
        self._seek = file.seek

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._seek(offset, whence)
        except (ValueError, OverflowError):
            return self._seek(0)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return self._seek(0)


@contextmanager
def _open_film(file: BinaryIO, demuxer: str) -> Iterator[InputContainer]:
    import av  # late: it takes longer to load than most pictures to draw

    file.seek(0)
    try:
        with av.open(
            _Reading(file), "r", format=demuxer, options=dict(_OPTIONS), metadata_errors="ignore"
        ) as film:
            yield film
    except av.FFmpegError as error:
        raise PictureError(f"The film cannot be read: {error.strerror}.") from error
    except (ValueError, EOFError, OverflowError) as error:
        raise PictureError(f"The film cannot be read: {error}.") from error


def _find_picture_stream(film: InputContainer) -> VideoStream:
    from av.video.stream import VideoStream

    stream = film.streams.best("video")  # not a cover, which is a picture track as well
    if stream is None:
        raise PictureError("There is no picture in this film, only sound.")
    assert isinstance(stream, VideoStream)
    if stream.codec_context is None:
        raise PictureError("The film's pictures are of a kind that is not known here.")
    stream.codec_context.thread_count = 1
    return stream


def _describe(film: InputContainer) -> dict[str, str | int | float]:
    """The container's own words: dates, maker, duration."""
    said = film.metadata
    tags: dict[str, str | int | float] = {}
    if film.duration and film.duration > 0:
        tags[DURATION_TAG] = film.duration / 1_000_000
    local = _to_exif_date(said.get("com.apple.quicktime.creationdate"))
    if local:
        tags[CREATION_DATE_TAG] = local
    moment = _to_exif_date(said.get("creation_time"))
    if moment:
        # What FFmpeg calls so is AVI's IDIT, which is local time.
        tags[AVI_DATE_TAG if film.format.name == "avi" else CREATE_DATE_TAG] = moment
    for names, key in ((MAKE_TAGS, "make"), (MODEL_TAGS, "model")):
        text = said.get(f"com.apple.quicktime.{key}")
        if text:
            tags[names[1]] = text
    return tags


def _to_exif_date(text: str | None) -> str | None:
    """`2019-02-12T15:27:12+0800` as ExifTool spells it; None for what is no such date."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    offset = moment.strftime("%z")
    return f"{moment:%Y:%m:%d %H:%M:%S}{offset[:3]}{':' if offset else ''}{offset[3:5]}"


def _square_pixel_size(stream: VideoStream) -> tuple[int, int]:
    """Width and height before rotation; HDV stores 1440 pixels a line and shows 1920."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if not _EASY_PIXEL_ASPECTS[0] < aspect < _EASY_PIXEL_ASPECTS[1]:
        aspect = Fraction(1)
    context = stream.codec_context
    return int(context.width * aspect), context.height


def _check_size(stream: VideoStream) -> None:
    width, height = stream.codec_context.width, stream.codec_context.height
    if max(width, _square_pixel_size(stream)[0]) * height > MAX_FRAME_PIXELS:
        raise PictureError(
            f"It has {width} × {height} pixels a frame; "
            f"more than {MAX_FRAME_PIXELS // 1_000_000} megapixels are not decoded."
        )


def _choose_frame(film: InputContainer, stream: VideoStream) -> av.VideoFrame | None:
    """The first frame from `_POSTER_AT_S` on that is bright enough, else the brightest seen."""
    seconds = (film.duration or 0) / 1_000_000
    if seconds > 2 * _POSTER_AT_S:
        _seek(film, _POSTER_AT_S)
    best = _brightest(_decode(film, stream, _FRAMES_TRIED))
    if best is None and seconds > 2 * _POSTER_AT_S:
        _seek(film, 0)
        best = _brightest(_decode(film, stream, _FRAMES_TRIED))
    return best


def _brightest(frames: Iterator[av.VideoFrame]) -> av.VideoFrame | None:
    best, best_light = None, -1.0
    for frame in frames:
        small = bytes(frame.reformat(width=32, height=32, format="gray").planes[0])
        light = sum(small) / len(small)
        if light > best_light:
            best, best_light = frame, light
        if light > _DARK:
            break
    return best


def _seek(film: InputContainer, seconds: float) -> None:
    film.seek((film.start_time or 0) + int(seconds * 1_000_000), backward=True)


def _decode(film: InputContainer, stream: VideoStream, most: int) -> Iterator[av.VideoFrame]:
    """Up to `most` key frames; a packet that does not decode is passed over.

    Each is decoded by itself, for a decoder that waits for the frames in between would have
    half a film read.
    """
    import av

    context = stream.codec_context
    found = packets = size = 0
    try:
        for packet in film.demux(stream):
            packets += 1
            size += packet.size
            for frame in _decode_alone(context, packet) if packet.is_keyframe else ():
                found += 1
                yield frame
            if found >= most or packets >= _MAX_PACKETS or size >= _MAX_BYTES:
                return
    except av.FFmpegError:
        return  # the film ends where its bytes do


def _decode_alone(
    context: VideoCodecContext, packet: av.Packet[VideoStream]
) -> list[av.VideoFrame]:
    import av

    try:
        return context.decode(packet) + context.decode(None)
    except (av.FFmpegError, EOFError):
        return []
    finally:
        if context.is_open:
            context.flush_buffers()
