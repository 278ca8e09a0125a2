"""What the JSON API takes and gives, as models: they check requests and make the document."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field
from pydantic.json_schema import WithJsonSchema

from errors import InvalidRequestError
from operation_parameters import MOST_BUDGET_S
from operation_state import OperationStatus
from photo_filter import LONGEST_QUERY, RECENT_DAYS, PhotoFilter
from photo_listing import check_cursor

MOST_PHOTOS: Final = 10_000
MOST_LISTED: Final = 500
LARGEST_ID: Final = 2**63 - 1
_MOST_DIGITS: Final = 12
_ID_DIGITS: Final = 19
_STRICT: Final = ConfigDict(extra="forbid", strict=True, frozen=True)


class Query(BaseModel):
    """Parameters of an address. Other names than these are passed over."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class Message(BaseModel):
    """A body or an answer: exactly these keys."""

    model_config = _STRICT


def _read_digits(most: int) -> BeforeValidator:
    def read(text: object) -> object:
        whole = isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= most
        return int(str(text)) if whole else text

    return BeforeValidator(read)


def _read_whole(value: object) -> object:
    """JSON has one kind of number: to JSON Schema 5.0 is whole."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _check_cursor(text: object) -> object:
    if not isinstance(text, str) or not text:
        return text
    try:
        check_cursor(text)
    except InvalidRequestError as error:
        raise ValueError(error.message) from error
    return text


Listed = Annotated[int, Field(ge=1, le=MOST_LISTED), _read_digits(_MOST_DIGITS)]
Cursor = Annotated[
    str,
    BeforeValidator(_check_cursor),
    WithJsonSchema({"type": "string", "format": "cursor"}),
]
GivenId = Annotated[int, Field(ge=1, le=LARGEST_ID), _read_digits(_ID_DIGITS)]
"""An id in an address."""
FewestStars = Annotated[int, Field(ge=0, le=5), _read_digits(1)]
GivenYear = Annotated[int, Field(ge=1, le=9999), _read_digits(4)]
PhotoId = Annotated[int, Field(ge=1, le=LARGEST_ID), BeforeValidator(_read_whole)]
Rating = Annotated[int, Field(ge=0, le=5), BeforeValidator(_read_whole)]

UploadId = Annotated[str, Field(pattern="^[0-9a-f]{16}$", examples=["0123456789abcdef"])]


# -- queries -----------------------------------------------------------------------------------


class PhotosQuery(Query):
    """Which photos, and from which end."""

    limit: Listed = Field(100, description="Photos of one page.")
    cursor: Cursor = Field("", description="The `next_cursor` of the page before.")
    favorites: Literal["0", "1"] = Field("0", description="1: favorites alone.")
    order: Literal["newest", "oldest"] = Field("newest", description="Which end comes first.")
    rating: FewestStars = Field(0, description="This many stars or more.")
    kind: Literal["", "photo", "video"] = Field("", description="Photos or videos alone.")
    camera: str = Field("", max_length=4096, description="Of this camera, as `camera` says it.")
    folder: str = Field("", max_length=4096, description="In this folder and all below it.")
    year: GivenYear | None = Field(None, description="Taken in this year.")
    undated: Literal["0", "1"] = Field("0", description="1: those without a capture date alone.")
    recent: Literal["0", "1"] = Field(
        "0", description=f"1: those added in the last {RECENT_DAYS} days alone."
    )
    missing: Literal["0", "1"] = Field("0", description="1: those whose file is gone, alone.")
    q: str = Field(
        "",
        max_length=LONGEST_QUERY,
        description="Words in the path, the camera or the date: `july canon`, `2019-07`, `/trips`.",
    )

    @property
    def photo_filter(self) -> PhotoFilter:
        return PhotoFilter(
            self.favorites == "1",
            self.order == "newest",
            companions=True,
            rating=self.rating,
            kind=self.kind,
            camera=self.camera,
            folder=self.folder.strip("/"),
            year=self.year,
            undated=self.undated == "1",
            recent=self.recent == "1",
            missing=self.missing == "1",
            query=self.q,
        )


class FavoritesQuery(Query):
    """All favorites, or one page of them."""

    limit: Listed | None = Field(None, description="Photos of one page; all without it.")
    cursor: Cursor = Field("", description="Of the `Link` of the page before.")


class EditsQuery(Query):
    """Which edits."""

    photo_id: GivenId | None = Field(None, description="Edits of this photo alone.")
    limit: Listed = Field(50, description="How many, the newest first.")


class VersionQuery(Query):
    """The version of a picture."""

    v: str | None = Field(
        None, description="The picture's version: the answer may then be kept for good."
    )


class FileQuery(Query):
    """How a file is sent."""

    download: str | None = Field(
        None, description="1: to be saved rather than shown.", examples=["1"]
    )


# -- bodies ------------------------------------------------------------------------------------


class FavoriteBody(Message):
    """The rating that a photo shall have."""

    model_config = _STRICT | ConfigDict(json_schema_extra={"examples": [{"rating": 5}]})

    rating: Rating | None = Field(
        None, description="5 is a favorite, 0 clears; null or nothing toggles between the two."
    )


class BulkFavoriteBody(Message):
    """The rating that many photos shall have."""

    model_config = _STRICT | ConfigDict(
        json_schema_extra={"examples": [{"photo_ids": [1, 2, 3], "rating": 5}]}
    )

    photo_ids: list[PhotoId] = Field(
        min_length=1, max_length=MOST_PHOTOS, description="An id that stands twice counts once."
    )
    rating: Rating = Field(description="5 is a favorite, 0 clears.")


class IndexBody(Message):
    """Bring the index to what lies on disk."""

    model_config = _STRICT | ConfigDict(json_schema_extra={"examples": [{"type": "update_index"}]})

    type: Literal["update_index"]
    accept_missing: bool = Field(False, description="Go on where many photos have vanished.")
    quick: bool = Field(
        False,
        description="Read only folders that changed; a file changed in place is not seen.",
    )


class RebuildBody(Message):
    """Build the database anew."""

    type: Literal["rebuild_database"]
    accept_missing: bool = Field(False, description="Go on where many photos have vanished.")


class VerifyBody(Message):
    """Read every photo again, and name what has rotted."""

    type: Literal["verify_library"]
    budget_s: float = Field(
        MOST_BUDGET_S,
        gt=0,
        le=MOST_BUDGET_S,
        description="Seconds after which it stops; the next one goes on from there.",
    )


class ImportBody(Message):
    """Bring photos into the library: of folders on the server, of an upload, or of both."""

    model_config = _STRICT | ConfigDict(
        json_schema_extra={"examples": [{"type": "import_photos", "sources": ["/media/card"]}]}
    )

    type: Literal["import_photos"]
    sources: list[Annotated[str, Field(min_length=1, max_length=4096)]] = Field(
        default_factory=list,
        max_length=100,
        description="Absolute paths within the `import_roots` of settings.toml.",
    )
    upload: UploadId | None = Field(None, description="What `/api/import/files` named.")


OperationBody = Annotated[IndexBody | RebuildBody | VerifyBody | ImportBody, Discriminator("type")]


# -- answers -----------------------------------------------------------------------------------


class ErrorWords(Message):
    code: str = Field(description="For programs.", examples=["not_found"])
    message: str = Field(description="For people: what is wrong, and what can be done.")


class Error(Message):
    """Every refusal has this shape."""

    error: ErrorWords


class PhotoAnswer(Message):
    """A photo: what its files say, and where they lie."""

    id: int
    current_path: str = Field(description="Relative to the library.")
    original_filename: str
    file_type: str
    date_taken: str | None = Field(description="ISO 8601, local time as the camera's clock said.")
    date_source: Literal["exif", "xmp", "quicktime", "sidecar", "filename", "none"]
    utc_offset: str | None
    rating: int | None = Field(description="1 to 5, -1 is rejected, null is none.")
    favorited: bool = Field(description="Whether the rating is 5.")
    kept_in: str | None = Field(
        description="Where the rating is: `file`, `sidecar`, `beside`, `database`."
    )
    width: int | None = Field(description="Pixels, as shown.")
    height: int | None
    duration_s: float | None
    camera: str | None
    file_size: int = Field(description="Bytes.")
    content_hash: str = Field(description="SHA-256 of the file.")
    media_hash: str = Field(description="Of the picture without its metadata.")
    missing_since: str | None = Field(description="When its file was first not there.")


class PhotosAnswer(Message):
    photos: list[PhotoAnswer]
    next_cursor: str | None = Field(description="Null on the last page.")


class FavoritesAnswer(Message):
    photos: list[PhotoAnswer]
    count: int = Field(description="Of all favorites, whatever the page.")


class RatedAnswer(Message):
    photo_id: int
    rating: int | None
    favorited: bool


class PhotoError(Message):
    photo_id: int
    error: str = Field(description="Why, as a sentence.")


class BulkAnswer(Message):
    success_count: int
    error_count: int
    errors: list[PhotoError]


class EditValues(Message):
    rating: int | None
    kept_in: str | None
    date_taken: str | None


class EditAnswer(Message):
    """A change of one photo: what was there before, and what is since."""

    id: int
    operation_id: str | None
    photo_id: int | None
    path: str
    kind: Literal["rating", "date"] = Field(description="What was changed.")
    state: str
    before: EditValues
    after: EditValues
    planned_at: str = Field(description="ISO 8601 in UTC, as all times of edits.")
    done_at: str | None
    undoable: bool


class EditsAnswer(Message):
    edits: list[EditAnswer]


class OperationStarted(Message):
    operation_id: str


class Problem(Message):
    path: str
    reason: str


class OperationAnswer(Message):
    """How far a long operation is, and what it did."""

    operation_id: str
    operation_type: str
    status: OperationStatus
    phase: str
    done: int
    total: int | None
    files_per_s: float
    seconds_left: float | None = Field(description="Of this phase.")
    problems: list[Problem] = Field(description="The last few; the report has more.")
    problem_count: int
    message: str | None = Field(description="Why it failed.")
    report: dict[str, Any] | None = Field(description="Once it has ended; its keys are the type's.")
    error_code: str | None
    started_at: str | None = Field(description="ISO 8601 in UTC.")
    ended_at: str | None
    phase_words: str


class OperationsAnswer(Message):
    operations: list[OperationAnswer]


class HealthAnswer(Message):
    status: Literal["ok"]


class DamagedAnswer(Message):
    """What there is to say until a damaged database is restored."""

    status: Literal["damaged"]
