"""What the file of one photo says, for somebody who looks at it now; nothing is written.

ExifTool reads it where there is one, else Pillow in a worker. Trouble with the file is a sentence
beside what is known all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path

from catalog import Photo
from errors import LibraryError
from exiftool_process import ExifTool
from job_queue import Priority
from media_workers import WorkerPool
from metadata import TagValue
from photo_facts import Fact, join_facts, list_facts, list_tags
from plain_tags import read_plain_tags, read_sidecar_tags


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """What a file and its sidecar say. tags: every tag of the file, where ExifTool read it.

    reader: who read it. troubles: sentences about what could not be read.
    """

    facts: tuple[Fact, ...]
    tags: tuple[tuple[str, str], ...]
    reader: str
    troubles: tuple[str, ...]


def read_facts(root: Path, photo: Photo, exiftool: ExifTool | None, pool: WorkerPool) -> PhotoFacts:
    """The facts of a photo below `root`, whose file was looked for there."""
    troubles: list[str] = []

    def ask(read: Callable[[], dict[str, TagValue]]) -> dict[str, TagValue]:
        try:
            return read()
        except LibraryError as error:
            troubles.append(error.message)
        except OSError as error:
            troubles.append(f"It cannot be read: {error.strerror or error}.")
        except CancelledError:
            troubles.append("Lightkeep is being closed.")
        return {}

    def read_file() -> dict[str, TagValue]:
        path = str(root / photo.current_path)
        if exiftool:
            return exiftool.read_every_tag(path)
        return pool.run(read_plain_tags, path, photo.file_type, priority=Priority.VIEW)

    def read_sidecar() -> dict[str, TagValue]:
        path = str(root / str(photo.sidecar_path))
        if exiftool:
            return exiftool.read_every_tag(path)
        return pool.run(read_sidecar_tags, path, priority=Priority.VIEW)

    tags = ask(read_file)
    sidecar_tags = ask(read_sidecar) if photo.sidecar_path else {}
    return PhotoFacts(
        tuple(join_facts(list_facts(tags), list_facts(sidecar_tags, in_sidecar=True))),
        tuple(list_tags(tags)) if exiftool else (),
        "ExifTool" if exiftool else "Pillow",
        tuple(dict.fromkeys(troubles)),
    )
