"""Which library this is: the marker beside its data, and what this user has seen where.

A remembered path without its marker is a share that is not mounted, never a new library.
"""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from errors import InvalidRequestError, LibraryNotMountedError
from settings import LIBRARY_DIR, Settings

MARKER_NAME: Final = "library.json"

logger = logging.getLogger(__name__)


def _list_places(settings: Settings) -> list[Path]:
    """Where the marker stands: with the data, and in the photo root where that is writable."""
    places = [settings.data_dir / MARKER_NAME, settings.library / LIBRARY_DIR / MARKER_NAME]
    return list(dict.fromkeys(places))


def list_markers(settings: Settings) -> Iterator[Path]:
    return (place for place in _list_places(settings) if place.is_file())


def mark(settings: Settings, memory: LibraryMemory) -> tuple[str, list[Path]]:
    """Make sure of the markers; the library's id and where its markers stand."""
    library_id, text = _read_markers(settings, memory)
    if library_id is None:
        library_id = uuid.uuid4().hex
        created = datetime.now(UTC).isoformat(timespec="seconds")
        text = json.dumps({"id": library_id, "created": created, "version": 1}) + "\n"
    markers = []
    for place in _list_places(settings):
        if not place.is_file():
            try:
                place.parent.mkdir(exist_ok=True)
                _write_durably(place, text)
            except OSError:
                if place.parent == settings.data_dir:
                    raise
                # A read-only photo root: the marker beside the database must do.
                continue
        markers.append(place)
    return library_id, markers


def read_library_id(settings: Settings, memory: LibraryMemory) -> str | None:
    """The id that the markers give, None where there is none yet. Raises as `mark` does."""
    return _read_markers(settings, memory)[0]


def _read_markers(settings: Settings, memory: LibraryMemory) -> tuple[str | None, str]:
    """The id that the markers give, and a marker's text.

    Raises `InvalidRequestError` where the data folder is that of another library: an index
    would take that one's photos for moved or missing.
    """
    texts = {
        place: place.read_text(encoding="utf-8", errors="replace")
        for place in list_markers(settings)
    }
    ids = {place: _parse_marker(place, text) for place, text in texts.items()}
    if not ids:
        return None, ""
    library_id, text = next(iter(ids.values())), next(iter(texts.values()))
    in_root = settings.library / LIBRARY_DIR / MARKER_NAME
    other = None if in_root in ids else memory.find_other_path(settings.library, library_id)
    if len(set(ids.values())) > 1 or other:
        raise InvalidRequestError(
            f"{settings.data_dir} belongs to another library{f', {other}' if other else ''}. Each "
            f"library needs a data folder of its own: choose another --data-dir for "
            f"{settings.library}."
        )
    return library_id, text


def _parse_marker(place: Path, text: str) -> str:
    try:
        return str(json.loads(text)["id"])
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidRequestError(
            f"{place} is damaged. Move it away; the next start writes a new one."
        ) from error


def refuse_unmounted(settings: Settings, memory: LibraryMemory) -> None:
    """Raise `LibraryNotMountedError` for a remembered library whose marker is not there."""
    in_root = settings.library / LIBRARY_DIR / MARKER_NAME
    own = settings.data_dir / MARKER_NAME
    known = memory.find(settings.library)
    if (
        known is None
        or in_root.is_file()
        or (own != in_root and own.is_file() and _holds(settings))
    ):
        return
    raise LibraryNotMountedError(
        f"{settings.library} is a library that Lightkeep knows, but its marker {in_root} is not "
        "there: the disk or share is likely not mounted. Mount it and start again. Nothing was "
        "changed. Where the marker was removed on purpose, start the library anew: "
        f"./lightkeep index {settings.library} --accept-missing"
    )


def _holds(settings: Settings) -> bool:
    """Whether anything at all lies in the root: a read-only library has no marker of its own."""
    with os.scandir(settings.library) as entries:
        return next(entries, None) is not None


class LibraryMemory:
    """Which path was which library, per user: `$XDG_STATE_HOME/lightkeep/libraries.json`."""

    def __init__(self) -> None:
        state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
        self.path = Path(state) / "lightkeep" / "libraries.json"

    def find(self, library: Path) -> str | None:
        """The id of the library that was at this path."""
        return self._load().get(str(library))

    def find_other_path(self, library: Path, library_id: str) -> Path | None:
        """Another folder that is there and carries the marker of this very library."""
        for path, known_id in self._load().items():
            place = Path(path) / LIBRARY_DIR / MARKER_NAME
            if known_id == library_id and path != str(library) and place.is_file():
                return Path(path)
        return None

    def remember(self, library: Path, library_id: str) -> None:
        known = self._load()
        if known.get(str(library)) == library_id:
            return
        known[str(library)] = library_id
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _write_durably(self.path, json.dumps(known, indent=1) + "\n")
        except OSError as error:
            logger.warning(
                "%s cannot be written (%s): an unmounted library at %s would not be "
                "noticed at start.",
                self.path,
                error.strerror,
                library,
            )

    def _load(self) -> dict[str, str]:
        try:
            known = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError):
            logger.warning("%s cannot be read; it is made anew.", self.path)
            return {}
        return (
            {str(path): str(key) for path, key in known.items()} if isinstance(known, dict) else {}
        )


def _write_durably(path: Path, text: str) -> None:
    """Write a small file so that it is either the old or the new one, whenever power goes."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
