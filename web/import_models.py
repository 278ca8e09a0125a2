"""What the API takes and gives of imports, as models; see `web/api_models`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from web.api_models import Message, Problem, Query, UploadId


class StartQuery(Query):
    """Whether to do it, or only to say what it would do."""

    dry_run: Literal["0", "1"] = Field(
        "0", description="1: answer with the plan of an import, and copy nothing."
    )


class UploadQuery(Query):
    """Which upload."""

    upload: UploadId = Field(description="As the first answer named it.")


class UploadForm(Message):
    """Files, each with the id that the client has for it; a repeat of an id is harmless."""

    upload: str | None = Field(
        None, description="Which upload they belong to; without it they begin a new one."
    )
    id: list[Annotated[str, Field(min_length=1, max_length=500)]] = Field(
        default_factory=list, description="One for each file, in their order; or none at all."
    )
    modified: list[int] = Field(
        default_factory=list,
        description="When each file was changed last, ms since 1970; or none at all.",
    )
    offset: int = Field(0, description="Of a piece of a file: where in the file it begins.")
    size: int | None = Field(None, description="Of a piece of a file: how large the whole is.")
    file: list[bytes] = Field(
        min_length=1, description="The files, with their names. A piece is sent alone."
    )


class PlannedFileAnswer(Message):
    path: str = Field(description="From the source's own name on, or `*.txt` of other files.")
    kind: Literal["new", "already_here", "unsupported", "unreadable"]
    size: int = Field(description="Bytes, with its sidecar; of `*.txt` 0.")
    where: str | None = Field(None, description="Of what is here already: where.")
    count: int | None = Field(None, description="Of `*.txt`: how many there are.")


class PlanSizes(Message):
    """Bytes of each kind; of what could not be looked at 0."""

    new: int
    already_here: int
    unsupported: int
    unreadable: int


class PlanAnswer(Message):
    """What an import would do; counts are of all files, the lists are cut at 1,000."""

    new: int
    already_here: int
    unsupported: int
    unreadable: int
    sizes: PlanSizes
    bytes: int = Field(description="Of all that is new.")
    cached: int = Field(
        description="How many are unchanged since the last time and were not hashed again."
    )
    files: list[PlannedFileAnswer]
    problems: list[Problem]


class StagedFileAnswer(Message):
    id: str
    name: str = Field(description="Cleaned: what it will be called, where that is free.")
    size: int = Field(description="Bytes, of the whole file.")
    received: int = Field(description="How many of them are here.")
    already_staged: bool


class UploadAnswer(Message):
    upload: str
    files: list[StagedFileAnswer]
