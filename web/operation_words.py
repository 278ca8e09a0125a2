"""Operations in the words of a person, in the language of the request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from operation_state import OperationStatus, OperationType
from schedule import Planned
from web.texts import gettext, gettext_noop, ngettext

_DEEDS: Final = {
    OperationType.UPDATE_INDEX: (
        gettext_noop("Update of the index"),
        gettext_noop("Updating the index"),
    ),
    OperationType.REBUILD_DATABASE: (
        gettext_noop("Rebuild of the database"),
        gettext_noop("Rebuilding the database"),
    ),
    OperationType.VERIFY_LIBRARY: (
        gettext_noop("Verification of the files"),
        gettext_noop("Verifying the files"),
    ),
    "import_photos": (gettext_noop("Import of photos"), gettext_noop("Importing photos")),
    OperationType.TRASH_PHOTOS: (
        gettext_noop("Move to the trash"),
        gettext_noop("Moving photos to the trash"),
    ),
    OperationType.RESTORE_PHOTOS: (
        gettext_noop("Restore from the trash"),
        gettext_noop("Restoring photos"),
    ),
    OperationType.PURGE_TRASH: (
        gettext_noop("Emptying of the trash"),
        gettext_noop("Deleting from the trash"),
    ),
    OperationType.MERGE_DUPLICATES: (
        gettext_noop("Merge of duplicates"),
        gettext_noop("Merging duplicates"),
    ),
    "rate_photos": (gettext_noop("Change of ratings"), gettext_noop("Writing ratings")),
    "keep_ratings": (
        gettext_noop("Writing of ratings into the files"),
        gettext_noop("Writing ratings into the files"),
    ),
    "undo_edits": (gettext_noop("Undo of changes"), gettext_noop("Taking changes back")),
    "update_date": (gettext_noop("Change of capture dates"), gettext_noop("Writing capture dates")),
}
_PHASES: Final = {
    "walk": gettext_noop("looking through the folders"),
    "match": gettext_noop("comparing with the rows"),
    "read": gettext_noop("reading files"),
    "write": gettext_noop("writing the rows"),
    "build": gettext_noop("reading files into a new database"),
    "check": gettext_noop("checking the new database"),
    "swap": gettext_noop("putting it in place"),
    "verify": gettext_noop("reading files again"),
    "look": gettext_noop("looking through what is to be imported"),
    "compare": gettext_noop("looking which photos are new"),
    "copy": gettext_noop("copying"),
    "trash": gettext_noop("moving to the trash"),
    "restore": gettext_noop("bringing back"),
    "purge": gettext_noop("deleting"),
    "merge": gettext_noop("comparing and merging"),
    "edit": gettext_noop("writing into photos"),
    "hash": gettext_noop("reading and hashing bytes"),
    "tags": gettext_noop("reading tags"),
    "exiftool": gettext_noop("ExifTool"),
    "decode": gettext_noop("drawing small pictures"),
    "database": gettext_noop("transactions"),
}


_STATUSES: Final[Mapping[str, str]] = {
    OperationStatus.COMPLETED: gettext_noop("completed"),
    OperationStatus.FAILED: gettext_noop("failed"),
    OperationStatus.CANCELLED: gettext_noop("cancelled"),
    OperationStatus.PAUSED: gettext_noop("paused"),
    OperationStatus.RUNNING: gettext_noop("running"),
    OperationStatus.PENDING: gettext_noop("pending"),
}
_KINDS: Final = {
    "changed_by_us": gettext_noop("changed by us"),
    "changed": gettext_noop("changed"),
    "replaced": gettext_noop("replaced"),
    "bit_rot": gettext_noop("bit rot"),
    "unreadable": gettext_noop("unreadable"),
    "missing": gettext_noop("missing"),
    "added": gettext_noop("added"),
    "facts differ": gettext_noop("facts differ"),
}


def name_deed(operation_type: str, *, running: bool = False) -> str:
    """What a person calls an operation, done or under way."""
    return gettext(_DEEDS.get(operation_type, (operation_type, operation_type))[running])


def describe_phase(phase: str) -> str:
    """What a phase does, in English."""
    return _PHASES.get(phase, phase)


def name_phase(phase: str) -> str:
    return gettext(describe_phase(phase))


def name_status(status: str) -> str:
    """How far an operation is, as a word."""
    return gettext(_STATUSES.get(status, status))


def name_kind(kind: str) -> str:
    """What a verification found of a file, or a rebuild of a row."""
    return gettext(_KINDS.get(kind, kind))


def format_duration(seconds: float) -> str:
    """`200` as about 3 minutes."""
    if seconds >= 1.5 * 3600:
        return ngettext("about {count} hour", "about {count} hours", round(seconds / 3600))
    if seconds >= 1.5 * 60:
        return ngettext("about {count} minute", "about {count} minutes", round(seconds / 60))
    return ngettext("about {count} second", "about {count} seconds", max(1, round(seconds)))


_PLANNED: Final = {
    "quick_index": gettext_noop("Look for changed folders"),
    "full_index": gettext_noop("Update of the whole index"),
    "verify": gettext_noop("Verification of some files"),
    "backup": gettext_noop("Backup of the database"),
}


def name_planned(planned: Planned) -> str:
    """What a person calls something that is done by itself, and how often it is."""
    name = gettext(_PLANNED[planned.deed])
    if planned.every is None:
        return gettext("{operation}, switched off", operation=name)
    if planned.every == 7 * 86_400:
        return gettext("{operation}, every week", operation=name)
    if planned.every == 86_400:
        return gettext("{operation}, every day", operation=name)
    return ngettext(
        "{operation}, every minute",
        "{operation}, every {count} minutes",
        round(planned.every / 60),
        operation=name,
    )


def sum_up(report: Mapping[str, Any] | None) -> str:
    """A report in a few words: `3 added, 1 moved`, or `9 of 10 intact, 1 rotten`."""
    if not report:
        return ""
    if "already_here" in report:
        return _join(report, _FOUND_BY_IMPORT) or gettext("there were no photos")
    if "checked" in report:
        intact = gettext(
            "{intact} of {checked} intact", intact=report["intact"], checked=report["checked"]
        )
        return ", ".join(filter(None, (intact, _join(report, _FOUND_BY_VERIFY))))
    return _join(report, _COUNTS) or gettext("nothing had changed")


_COUNTS: Final = {
    "added": gettext_noop("{count} added"),
    "changed": gettext_noop("{count} changed"),
    "moved": gettext_noop("{count} moved"),
    "missing": gettext_noop("{count} missing"),
    "deleted": gettext_noop("{count} deleted"),
}
_FOUND_BY_VERIFY: Final = {
    "changed_by_us": gettext_noop("{count} changed by Lightkeep"),
    "changed": gettext_noop("{count} edited elsewhere"),
    "replaced": gettext_noop("{count} replaced"),
    "bit_rot": gettext_noop("{count} rotten"),
    "unreadable": gettext_noop("{count} unreadable"),
    "missing": gettext_noop("{count} missing"),
}
_FOUND_BY_IMPORT: Final = {
    "added": gettext_noop("{count} imported"),
    "already_here": gettext_noop("{count} already here"),
    "unsupported": gettext_noop("{count} no photos"),
    "unreadable": gettext_noop("{count} unreadable"),
}


def _join(report: Mapping[str, Any], words: Mapping[str, str]) -> str:
    """What there is of each of these, with a comma in between."""
    return ", ".join(
        gettext(said, count=report[key]) for key, said in words.items() if report.get(key)
    )
