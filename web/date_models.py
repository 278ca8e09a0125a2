"""What the JSON API takes and gives of capture dates."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import ConfigDict, Field

from web.api_models import MOST_PHOTOS, Message, PhotoId, Query

_MOST_LETTERS: Final = 200


class DateQuery(Query):
    """Whether to write."""

    dry_run: Literal["0", "1"] = Field("0", description="1: say the dates, and write nothing.")


class DateBody(Message):
    """Which photos get which dates."""

    model_config = Message.model_config | ConfigDict(
        json_schema_extra={"examples": [{"photo_ids": [1, 2], "mode": "shift", "value": "+1h"}]}
    )

    photo_ids: list[PhotoId] = Field(
        min_length=1, max_length=MOST_PHOTOS, description="An id that stands twice counts once."
    )
    mode: Literal["same", "shift", "sequence", "suggested"]
    value: str = Field(
        "",
        max_length=_MOST_LETTERS,
        description="A moment (`2019-07-14 18:03:22`, also with an offset), a span, or two zones.",
    )
    step: str | None = Field(
        None, max_length=_MOST_LETTERS, description="Of a `sequence`: a span, a minute without it."
    )
    move_files: bool = Field(
        False, description="Move imported files to the folder of their new day."
    )


class PlannedDateAnswer(Message):
    """One photo: its date now, and the one it would get."""

    photo_id: int
    path: str
    before: str | None = Field(description="ISO 8601, local time as the camera's clock said.")
    after: str | None
    utc_offset: str | None
    source: str | None = Field(description="Of a suggestion: `name`, `folder` or `neighbors`.")
    problem: str | None = Field(description="Why it gets none, as a sentence.")
    moves_to: str | None = Field(
        description="With `move_files` it goes to this folder, relative to the library."
    )


class DatesAnswer(Message):
    dates: list[PlannedDateAnswer] = Field(description="The oldest first.")
