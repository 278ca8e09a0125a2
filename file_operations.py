"""The door to photo files: the walk, what files say, and the safe write of a rating."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path

from errors import EditRefusedError, FileProblem, NotWritableError, PictureError
from exiftool_process import ExifTool, find_exiftool
from folder_scan import (
    SIDECAR_SUFFIX,
    FileStat,
    FolderNotes,
    FolderScan,
    FolderStamp,
    find_sidecar,
    find_sidecars,
    make_file_stat,
    scan_folder,
    show_path,
)
from media_types import Kind, kind_of, rating_tags_of
from metadata import (
    DURATION_TAG,
    IMAGE_SIZE_TAG,
    ROTATION_TAG,
    SIZE_TAGS,
    VIDEO_ROTATION_TAG,
    Facts,
    TagValue,
    derive_facts,
    plan_rating_tags,
)
from picture_reading import (
    MAX_SIDECAR_BYTES,
    TAGS_ONLY,
    KnownHashes,
    PictureReading,
    ReadRequest,
    read_picture,
    read_pictures,
)
from safe_write import (
    BeforeReplace,
    CopyReport,
    Original,
    Replaced,
    Stamps,
    check_copy,
    list_missing_blocks,
    name_temporary,
    read_small_file,
    refuse_unwritable,
    remove_file,
    remove_temporary,
    sync_folder,
    write_bytes,
    write_tags,
)

__all__ = [
    "MAX_SIDECAR_BYTES",
    "SIDECAR_SUFFIX",
    "TAGS_ONLY",
    "BeforeReplace",
    "CopyReport",
    "FileStat",
    "FolderNotes",
    "FolderScan",
    "FolderStamp",
    "KnownHashes",
    "Original",
    "PictureReading",
    "ReadRequest",
    "Replaced",
    "Stamps",
    "check_copy",
    "extract_exif_date",
    "extract_exif_rating",
    "extract_metadata_batch",
    "find_sidecar",
    "find_sidecars",
    "get_dimensions",
    "list_missing_blocks",
    "name_temporary",
    "read_picture",
    "read_pictures",
    "read_small_file",
    "refuse_unwritable",
    "remove_file",
    "remove_temporary",
    "scan_folder",
    "stat_file",
    "sync_folder",
    "write_bytes",
    "write_exif_rating",
    "write_tags",
]

LOGGER = logging.getLogger(__name__)


def stat_file(root: Path, path: str) -> FileStat:
    """The file at `path` under `root`; a link is not followed. Raises `OSError`."""
    return make_file_stat(path, os.stat(root / path, follow_symlinks=False))


# -- facts of many files ---------------------------------------------------------------------


def extract_metadata_batch(
    paths: Sequence[str],
    *,
    exiftool: ExifTool | None = None,
    readings: Sequence[PictureReading] | None = None,
    problems: list[FileProblem] | None = None,
    time_zone: tzinfo | None = None,
) -> dict[str, Facts | FileProblem]:
    """The facts of each file by its path as given (absolute).

    The fast reader comes first (`readings`, where somebody has them already); what it is
    unsure of goes to ExifTool in one command. Without ExifTool, or where that fails over a
    file, what the fast reader found stands, and `problems` is told of the failure. A date that
    a film says in UTC is brought to `time_zone` (None: the machine's).
    """
    if readings is None:
        readings = [read_picture(path, known=TAGS_ONLY) for path in paths]
    by_path = {reading.path: reading for reading in readings}
    unsure = [path for path in paths if by_path[path].unsure and by_path[path].tags is not None]
    answers = exiftool.read_tags(unsure) if exiftool and unsure else {}
    facts: dict[str, Facts | FileProblem] = {}
    for path in paths:
        reading = by_path[path]
        answer = answers.get(path)
        if isinstance(answer, FileProblem):
            LOGGER.warning("%s: %s", show_path(path), answer.reason)
            if problems is not None:
                problems.append(answer)
            answer = None
        facts[path] = _derive(reading, answer, time_zone)
    return facts


def _derive(
    reading: PictureReading, answer: dict[str, TagValue] | None, time_zone: tzinfo | None
) -> Facts | FileProblem:
    if reading.tags is None or reading.file_type is None:
        return FileProblem(reading.path, reading.problem or "The file cannot be read.")
    return derive_facts(
        _merge(reading.tags, answer, reading.file_type),
        file_name=os.path.basename(reading.path),
        file_type=reading.file_type,
        sidecar_tags=reading.sidecar_tags,
        time_zone=time_zone,
    )


def _merge(
    fast: dict[str, TagValue], answer: dict[str, TagValue] | None, file_type: str
) -> dict[str, TagValue]:
    """ExifTool's tags, with the size that the decoder gives.

    The decoder's size is the one that will be drawn: it knows crops and rotations that
    ExifTool's raw numbers leave out.
    """
    if answer is None:
        return fast
    if kind_of(file_type) == Kind.VIDEO:
        shape: dict[str, TagValue] = {
            tag: fast[tag] for tag in (IMAGE_SIZE_TAG, VIDEO_ROTATION_TAG) if tag in fast
        }
        if answer.get(DURATION_TAG) in (0, "0"):  # of a film in fragments ExifTool knows none
            shape[DURATION_TAG] = fast.get(DURATION_TAG, 0)
        return fast | answer | shape
    size = {tag: fast[tag] for tag in SIZE_TAGS.get(file_type, ()) if tag in fast}
    if not size:
        return answer
    return {name: value for name, value in answer.items() if name != ROTATION_TAG} | size


def _read_facts(path: str) -> Facts | None:
    """The facts of one file by itself; an ExifTool is started only if it is needed."""
    path = os.path.abspath(path)
    readings = [read_picture(path, known=TAGS_ONLY)]
    with contextlib.ExitStack() as stack:
        exiftool = None
        if readings[0].unsure and find_exiftool():
            exiftool = stack.enter_context(contextlib.closing(ExifTool()))
        facts = extract_metadata_batch([path], exiftool=exiftool, readings=readings)[path]
    return facts if isinstance(facts, Facts) else None


def extract_exif_date(path: str) -> str | None:
    """When the photo at `path` was taken, `2019-07-14T18:03:22`, or None."""
    facts = _read_facts(path)
    return facts.date_taken if facts else None


def get_dimensions(path: str) -> tuple[int, int] | None:
    """Width and height in pixels, as shown, of the picture at `path`."""
    facts = _read_facts(path)
    if facts is None or facts.width is None or facts.height is None:
        return None
    return facts.width, facts.height


def extract_exif_rating(path: str) -> int | None:
    """The rating, -1 to 5, that the photo at `path` holds itself; None without one."""
    facts = _read_facts(path)
    return facts.rating if facts else None


def write_exif_rating(
    path: str, rating: int | None, *, before_replace: BeforeReplace = lambda _: None
) -> bool:
    """Write a rating of 1 to 5 into the photo at `path` itself, None to take it out.

    By the safe write, with an ExifTool of its own: the file is replaced only by a copy that was
    proven to hold the same picture and all other tags. `before_replace` is called with the
    new `content_hash` just before that. Whether anything had to be written. Raises
    `NotWritableError` where the file cannot hold a rating, and as `safe_write.write_tags`.
    """
    if rating is not None and not 1 <= rating <= 5:
        raise ValueError(f"a rating is 1 to 5, not {rating}")
    path = os.path.abspath(path)
    reading = read_picture(path)
    if reading.content_hash is None or reading.media_hash is None or reading.file_type is None:
        raise EditRefusedError(f"{path}: {reading.problem}")
    if not find_exiftool():
        raise NotWritableError("ExifTool is not installed, so nothing is written into photos.")
    with contextlib.closing(ExifTool()) as exiftool:
        taken = rating_tags_of(reading.file_type, exiftool.number)
        if not taken or reading.problem:
            raise NotWritableError(f"{path} is not written into: its format or damage forbids it.")
        stamps = refuse_unwritable(path)
        try:
            tags = exiftool.read_every_tag(path)
        except PictureError as error:
            raise NotWritableError(f"{path}: {error.message}") from error
        changes = plan_rating_tags(tags, rating, taken)
        if changes:
            kinds = (reading.file_type, reading.content_hash, reading.media_hash)
            write_tags(
                Original(path, *kinds, stamps, tags),
                changes,
                name_temporary(path),
                exiftool=exiftool,
                check_copy=check_copy,
                before_replace=before_replace,
            )
    return bool(changes)
