"""What the JSON API of the trash and of duplicates takes and gives, as models."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from web.api_models import (
    MOST_PHOTOS,
    GivenId,
    Listed,
    Message,
    PhotoAnswer,
    PhotoId,
    Problem,
    Query,
)


class TrashBody(Message):
    """Photos to be moved into the trash."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"photo_ids": [4, 5]}]})

    photo_ids: list[PhotoId] = Field(min_length=1, max_length=MOST_PHOTOS)
    with_companions: bool = Field(False, description="RAW and JPEG of one name, both of them.")


class RestoreBody(Message):
    """Photos to be brought back, by the ids that they had."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"photo_ids": [4, 5]}]})

    photo_ids: list[PhotoId] = Field(min_length=1, max_length=MOST_PHOTOS)


class EntriesBody(Message):
    """Entries of the trash."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"entry_ids": [4, 5]}]})

    entry_ids: list[PhotoId] = Field(min_length=1, max_length=MOST_PHOTOS)


class EverythingBody(Message):
    """All that lies in the trash now."""

    all: Literal[True]


class MergeBody(Message):
    """One of equal photos that is kept, and those that go to the trash."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"keep": 1, "trash": [2, 3]}]})

    keep: PhotoId
    trash: list[PhotoId] = Field(min_length=1, max_length=MOST_PHOTOS)


class DryRunQuery(Query):
    """Whether it is done, or only planned."""

    dry_run: Literal["0", "1"] = Field("0", description="1: say what would be done.")


class TrashQuery(Query):
    """Which entries of the trash."""

    limit: Listed = Field(100, description="Entries of one page.")
    cursor: GivenId | None = Field(None, description="The `next_cursor` of the page before.")


class DuplicatesQuery(Query):
    """Which groups of equal photos."""

    limit: Listed = Field(100, description="Groups of one page.")
    same_bytes: Literal["0", "1"] = Field("0", description="1: of files that are equal as a whole.")
    cursor: str = Field("", description="The `next_cursor` of the page before.")


class TrashedPhoto(PhotoAnswer):
    """A photo in the trash, as it was; of one of an older app what is known."""

    original_path: str
    deleted_at: str
    entry_id: int = Field(description="What restores or deletes it.")


class TrashAnswer(Message):
    photos: list[TrashedPhoto]
    count: int = Field(description="Of all, whatever the page.")
    next_cursor: int | None = Field(description="Null on the last page.")


class PlannedPhoto(Message):
    photo_id: int
    path: str
    bytes: int


class TrashPlanAnswer(Message):
    """What would be done; nothing was."""

    photos: list[PlannedPhoto]
    companions: list[PlannedPhoto] = Field(
        description="RAW files of these photos, which go along only `with_companions`."
    )
    count: int
    bytes: int
    problems: list[Problem]


class DuplicateGroupAnswer(Message):
    """Photos of one picture."""

    key: str
    keep: int = Field(description="The photo that is suggested to be kept.")
    same_bytes: bool = Field(description="Whether the files are equal as a whole.")
    differs: list[str] = Field(description="The keys in which they differ.")
    photos: list[PhotoAnswer]


class DuplicatesAnswer(Message):
    groups: list[DuplicateGroupAnswer]
    next_cursor: str | None = Field(description="Null on the last page.")
