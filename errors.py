"""Errors a person can act on, and trouble with one file as a value.

Every error that leaves a room is a `LibraryError`: it carries an HTTP status, a short
code for programs, a sentence for people and the exit status of the command line.
"""

from __future__ import annotations

from dataclasses import dataclass

EXIT_REFUSED = 2
EXIT_IN_USE = 75  # EX_TEMPFAIL of sysexits.h: try again later


@dataclass(frozen=True, slots=True)
class FileProblem:
    """What went wrong with one file: its path as shown to the person, and why in a sentence."""

    path: str
    reason: str


class LibraryError(Exception):
    """Base of every error that has a sentence for the person at the other end."""

    status = 500
    code = "library_error"
    exit_status = EXIT_REFUSED

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidRequestError(LibraryError):
    """The request or the command line does not say something that can be done."""

    status = 400
    code = "invalid_request"


class NotFoundError(LibraryError):
    """The photo, month or operation asked for is not in the library."""

    status = 404
    code = "not_found"


class BusyError(LibraryError):
    """Another long operation is under way in this process."""

    status = 409
    code = "busy"


class LibraryInUseError(LibraryError):
    """Another process is writing to this library."""

    status = 409
    code = "library_in_use"
    exit_status = EXIT_IN_USE


class LibraryNotFoundError(LibraryError):
    """The library's folder does not exist, is no folder or may not be read."""

    status = 404
    code = "library_not_found"


class LibraryNotMountedError(LibraryError):
    """The folder is a library that this person has used, but its marker is not there now."""

    status = 503
    code = "library_not_mounted"


class DatabaseRefusedError(LibraryError):
    """The database is not one that this version may open: older, newer, foreign or damaged."""

    code = "database_refused"


class DatabaseDamagedError(DatabaseRefusedError):
    """What lies at the database's place is damaged; `recover` helps."""

    code = "database_damaged"


class DiskFullError(LibraryError):
    """The disk with the database has no room left."""

    status = 507
    code = "disk_full"


class SourceGoneError(LibraryError):
    """The card, disk or folder that photos are imported from is not there now; it may come back."""

    status = 409
    code = "source_gone"


class SourceNotAllowedError(LibraryError):
    """A folder that the page may not import from: it lies in none of `import_roots`."""

    status = 403
    code = "source_not_allowed"


class CopyFailedError(LibraryError):
    """One file was not copied; the sentence says why, and nothing of it was left."""

    status = 409
    code = "copy_failed"


class NetworkFileSystemError(LibraryError):
    """The database would lie on a network file system, where WAL loses data."""

    code = "network_file_system"


class AccountsError(LibraryError):
    """The file with the password cannot be read or written; until it can nobody is let in."""

    status = 503
    code = "accounts_unusable"


class TooManyAttemptsError(LibraryError):
    """So many passwords were wrong that the next one has to wait `retry_after_s` seconds."""

    status = 429
    code = "too_many_attempts"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"Too many wrong passwords. Try again in {retry_after_s} s.")
        self.retry_after_s = retry_after_s


class BrakeError(LibraryError):
    """So many files vanished at once that the index stops and changes nothing."""

    status = 409
    code = "brake"


class PictureError(LibraryError):
    """One picture cannot be read or drawn; the sentence says why."""

    status = 422
    code = "picture_unreadable"


class PictureChangedError(PictureError):
    """The file holds another picture than its row says; the next index sets that right."""

    status = 409
    code = "picture_changed"


class EditRefusedError(LibraryError):
    """A photo was not edited; its file is as it was, and the sentence says why."""

    status = 409
    code = "edit_refused"


class EditOvertakenError(EditRefusedError):
    """An edit cannot be taken back: the value is no longer the one that it wrote."""

    code = "edit_overtaken"


class EditNotNotedError(LibraryError):
    """A photo was edited, but the database could not note it; the next index does."""

    code = "edit_not_noted"


class NotWritableError(EditRefusedError):
    """This file cannot be written into; something beside it may hold what it cannot."""

    code = "file_not_writable"


class ToolMissingError(PictureError):
    """A picture that can be drawn once a program is installed."""

    status = 503
    code = "tool_missing"


class WorkerTimeoutError(PictureError):
    """A worker took longer over one file than it may."""

    code = "picture_timeout"


class WorkerCrashedError(PictureError):
    """A worker died over one file: a crash in a decoder, or a limit of memory or CPU."""

    code = "picture_crashed_worker"
