"""Small pictures: made when asked for or ahead of it, kept for good, keyed by the picture.

The key is `media_hash` and orientation, so a star, a new date or a move changes nothing
here, and the bytes behind a key never change. Files: `folder/ab/cd/<key>-320.webp` and
`-1600.webp`, drawn in a worker.

A JPEG is decoded for each by itself, because its decoder gives an eighth of the size for little:
the picture of the grid takes 50 ms then and not 190, and the viewer's is drawn for what is opened.
All other formats have to be decoded whole, so both come from one decoding.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from errors import PictureChangedError, PictureError, ToolMissingError
from job_queue import Priority
from media_workers import WorkerPool
from picture_bytes import media_hash
from picture_colors import PictureColors
from picture_decoder import SmallPictures, draw_small_pictures, read_colors

GRID_PX: Final = 320
"""The shorter side of a grid picture (its cell is square); the longer is at most 3 times that."""
VIEW_PX: Final = 1600
"""The longer side of a viewer's picture."""
MAX_FAILURES: Final = 10_000
FAILURE_LIFE_S: Final = 3600.0
"""How long a failure is remembered: a crash may have been the machine's, not the file's."""
MAX_AHEAD: Final = 10_000
_CLOSE_TIMEOUT_S: Final = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ThumbnailSource:
    """A picture to draw. `path` is relative to the library, the rest as in its row.

    With `stamps` (size, mtime_ns, ctime_ns) a file that differs is looked at again before it is
    drawn: a new picture must not be kept under the hash of the one before.
    """

    path: str
    file_type: str
    media_hash: str
    orientation: int
    stamps: tuple[int, int, int] | None = None

    @property
    def key(self) -> str:
        """The start of its file names; nothing but letters, digits and hyphens."""
        return f"{re.sub(r'[^0-9a-zA-Z]', '-', self.media_hash)}-{self.orientation}"


@dataclass(frozen=True, slots=True)
class ThumbnailFigures:
    """Counts since the start. drawn: drawings of one or both pictures of a photo, in `drawn_s`
    seconds of workers; served: pictures that were asked for and given; failed: drawings.
    """

    drawn: int = 0
    drawn_s: float = 0.0
    drawn_bytes: int = 0
    served: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class _Sizes:
    """What one drawing gives; 0 where it gives none of that kind."""

    grid_px: int
    view_px: int

    @property
    def wanted(self) -> tuple[int, ...]:
        return tuple(px for px in (self.grid_px, self.view_px) if px)


@dataclass(slots=True)
class _Flight:
    """One drawing under way, and everybody who waits for its files."""

    priority: Priority
    drawing: Future[SmallPictures]
    landed: Future[None] = field(default_factory=Future)


class ThumbnailStore:
    """The small pictures of one library. Thread-safe.

    folder: where they are kept; made when the first is written.
    library_root: what the paths of sources are relative to.
    colors: where the colors of every picture that is drawn are kept.
    """

    def __init__(
        self, folder: Path, pool: WorkerPool, library_root: Path, colors: PictureColors
    ) -> None:
        self._colors = colors
        self._folder = folder
        self._pool = pool
        self._root = library_root.resolve()
        self._lock = threading.Lock()
        self._flights: dict[tuple[str, _Sizes], _Flight] = {}
        self._failures: OrderedDict[str, tuple[PictureError, float]] = OrderedDict()
        self._ahead: OrderedDict[str, ThumbnailSource] = OrderedDict()
        self._ahead_changed = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._closed = False
        self._figures = ThumbnailFigures()

    @property
    def figures(self) -> ThumbnailFigures:
        with self._lock:
            return self._figures

    def get(self, photo: ThumbnailSource, size: int) -> Path:
        """The file with this picture (WebP); size is GRID_PX or VIEW_PX. Made if need be.

        Raises `PictureError` when it cannot be drawn or kept. That a file cannot be drawn
        is remembered for an hour, so that a page full of such files stays quick.
        """
        path = self._path(photo, size)
        if not _is_whole(path):
            self._make(photo, _choose_sizes(photo, size), Priority.VIEW)
        with self._lock:
            self._figures = replace(self._figures, served=self._figures.served + 1)
        return path

    def has(self, photo: ThumbnailSource, size: int) -> bool:
        return _is_whole(self._path(photo, size))

    def prepare(self, photos: Iterable[ThumbnailSource]) -> None:
        """Draw these when nobody waits for anything else. Does not wait.

        Of more than MAX_AHEAD waiting photos the oldest are left to be made when asked for.
        """
        with self._ahead_changed:
            if self._closed:
                return
            for photo in photos:
                self._ahead[photo.key] = photo
                if len(self._ahead) > MAX_AHEAD:
                    self._ahead.popitem(last=False)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._draw_ahead, name="thumbnails-ahead", daemon=True
                )
                self._thread.start()
            self._ahead_changed.notify()

    def close(self) -> None:
        """Give up what was to be prepared. The pool stays open."""
        with self._ahead_changed:
            self._closed = True
            self._ahead.clear()
            for flight in self._flights.values():
                flight.drawing.cancel()
            self._ahead_changed.notify()
        if self._thread is not None:
            self._thread.join(_CLOSE_TIMEOUT_S)
        self._colors.flush()

    def _path(self, photo: ThumbnailSource, size: int) -> Path:
        if size not in (GRID_PX, VIEW_PX):
            raise ValueError(f"there is no thumbnail of {size} px")
        digits = re.sub(r"[^0-9a-zA-Z]", "", photo.media_hash.rpartition(":")[2]).rjust(4, "0")
        return self._folder / digits[:2] / digits[2:4] / f"{photo.key}-{size}.webp"

    def _make(self, photo: ThumbnailSource, sizes: _Sizes, priority: Priority) -> None:
        """Draw these sizes, or wait for whoever is at it already."""
        key = photo.key, sizes
        path = self._locate(photo)
        with self._lock:
            self._raise_known_failure(photo.key)
            flight = self._flights.get(key)
            if flight is None and all(_is_whole(self._path(photo, px)) for px in sizes.wanted):
                return  # it landed since the caller looked
            if flight and flight.priority > priority and flight.drawing.cancel():
                flight = None  # it had not begun: it begins now, for somebody who waits
            leads = flight is None
            if flight is None:
                drawing = self._submit(path, photo, sizes, priority)
                flight = self._flights[key] = _Flight(priority, drawing)
        if leads:
            self._land(photo, sizes, flight)
        try:
            flight.landed.result()
        except CancelledError:
            raise PictureError("Its drawing was called off.") from None

    def _locate(self, photo: ThumbnailSource) -> str:
        path = Path(os.path.abspath(self._root / photo.path))
        if not path.parent.resolve().is_relative_to(self._root):
            raise PictureError("It lies outside of the library.")
        return str(path)

    def _submit(
        self, path: str, photo: ThumbnailSource, sizes: _Sizes, priority: Priority
    ) -> Future[SmallPictures]:
        try:
            return self._pool.submit(
                draw_photo,
                path,
                photo,
                sizes,
                priority=priority,
            )
        except CancelledError:
            raise PictureError("Lightkeep is being closed.") from None

    def _land(self, photo: ThumbnailSource, sizes: _Sizes, flight: _Flight) -> None:
        """Wait for the drawing, keep it, tell those who wait."""
        try:
            self._keep(photo, flight.drawing.result())
            flight.landed.set_result(None)
        except (PictureChangedError, ToolMissingError) as error:
            # Other files, or this one after the next index or with the tool, give the picture.
            flight.landed.set_exception(error)
        except PictureError as error:
            self._remember_failure(photo.key, error)
            flight.landed.set_exception(error)
        except OSError as error:
            # The disk's trouble or an absent file, not the picture's: not remembered.
            reason = error.strerror or str(error)
            flight.landed.set_exception(PictureError(f"Its small picture: {reason}."))
        except CancelledError:
            flight.landed.cancel()
        finally:
            with self._lock:
                if self._flights.get((photo.key, sizes)) is flight:
                    del self._flights[photo.key, sizes]
            if not flight.landed.done():  # Ctrl-C in this thread
                flight.landed.cancel()

    def _keep(self, photo: ThumbnailSource, pictures: SmallPictures) -> None:
        written = 0
        for size, picture in ((VIEW_PX, pictures.view), (GRID_PX, pictures.grid)):
            if picture is not None:
                _write_whole(self._path(photo, size), picture)
                written += len(picture)
        self._colors.note(photo.key, pictures.colors)
        with self._lock:
            old = self._figures
            self._figures = replace(
                old,
                drawn=old.drawn + 1,
                drawn_s=old.drawn_s + pictures.seconds,
                drawn_bytes=old.drawn_bytes + written,
            )

    def _raise_known_failure(self, key: str) -> None:
        known = self._failures.get(key)
        if known is None:
            return
        error, at = known
        if time.monotonic() - at < FAILURE_LIFE_S:
            raise type(error)(error.message)
        del self._failures[key]

    def _remember_failure(self, key: str, error: PictureError) -> None:
        with self._lock:
            self._figures = replace(self._figures, failed=self._figures.failed + 1)
            self._failures[key] = (error, time.monotonic())
            if len(self._failures) > MAX_FAILURES:
                self._failures.popitem(last=False)

    def _draw_ahead(self) -> None:
        """The background thread: one picture at a time, so that it never fills the pool."""
        while photo := self._take_ahead():
            try:
                if not self.has(photo, GRID_PX):
                    self._make(photo, _choose_sizes(photo, GRID_PX), Priority.AHEAD)
                elif not self._colors.has(photo.key):
                    self._read_colors(photo)
            except PictureError as error:
                log.info("no thumbnail of %r: %s", photo.path, error)

    def _take_ahead(self) -> ThumbnailSource | None:
        """The next to draw; None at the end. Colors are written in between, and in the pauses."""
        if self._colors.is_due or not self._ahead:
            self._colors.flush()
        with self._ahead_changed:
            while not self._ahead and not self._closed:
                self._ahead_changed.wait()
            return None if self._closed else self._ahead.popitem(last=False)[1]

    def _read_colors(self, photo: ThumbnailSource) -> None:
        """Of a picture that was drawn before its colors were kept, or whose were lost."""
        path = str(self._path(photo, GRID_PX))
        try:
            reading = self._pool.submit(read_colors, path, priority=Priority.AHEAD)
            self._colors.note(photo.key, reading.result())
        except (CancelledError, OSError) as error:
            raise PictureError(f"Its colors cannot be read: {error}") from error


def _choose_sizes(photo: ThumbnailSource, size: int) -> _Sizes:
    """What is drawn where this size is wanted."""
    if photo.file_type != "jpeg":
        return _Sizes(GRID_PX, VIEW_PX)
    return _Sizes(GRID_PX, 0) if size == GRID_PX else _Sizes(0, VIEW_PX)


def draw_photo(path: str, photo: ThumbnailSource, sizes: _Sizes) -> SmallPictures:
    """The small pictures of a file that still holds the picture of its row; in a worker."""
    if not _holds_its_picture(path, photo):
        raise PictureChangedError(
            "The file holds another picture since the last index. Update the index."
        )
    began = time.perf_counter()
    pictures = draw_small_pictures(
        path, photo.file_type, photo.orientation, sizes.grid_px, sizes.view_px
    )
    return replace(pictures, seconds=time.perf_counter() - began)


def _holds_its_picture(path: str, photo: ThumbnailSource) -> bool:
    if photo.stamps is None:
        return True
    result = os.stat(path, follow_symlinks=False)
    if (result.st_size, result.st_mtime_ns, result.st_ctime_ns) == photo.stamps:
        return True
    if not stat.S_ISREG(result.st_mode):
        return False
    with open(path, "rb") as file:
        return media_hash(file, photo.file_type) == photo.media_hash


def _is_whole(path: Path) -> bool:
    """An empty file is what a power cut can leave of one that was just written."""
    try:
        return path.stat().st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False


def _write_whole(path: Path, data: bytes) -> None:
    """All of it or nothing: a temporary name in the same folder, then a rename.

    The temporary name is always the same, so that a crash leaves at most one, which the
    next attempt overwrites; one flight a picture and one process a library write it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
