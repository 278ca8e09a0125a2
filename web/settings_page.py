"""The settings: a page that shows them, and what its forms change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from zoneinfo import available_timezones

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from accounts import LONGEST_PASSWORD, SHORTEST_PASSWORD
from errors import InvalidRequestError, LibraryError, TooManyAttemptsError
from settings import VARIABLES, Settings, find_fixed, find_machine_zone, is_loopback
from settings_values import LANGUAGES, MOST, WritePolicy, make_value, read_words
from web.auth import give_session
from web.common import get_library
from web.guards import Caller, find_caller

MACHINE_ZONE: Final = "machine"
_YES, _NO = "yes", "no"
_NUMBERS: Final = ("trash_days", "index_every_min", "verify_weekly_min")
_SWITCHES: Final = ("draw_ahead", "daily_backup")
_SAVED: Final = frozenset({"values", "password", "no_password", "backup", "revoked"})
_BACKUP_REASON: Final = "by hand"

blueprint = Blueprint("settings_page", __name__)


class _FormError(Exception):
    """What was typed into one field cannot be; the sentence stands beside it."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What is to be said beside the fields, by their names, and of the page as a whole.

    aged: how many photos a number of days would delete at once. token: one that was just made.
    """

    errors: Mapping[str, str] = field(default_factory=dict)
    sentence: str = ""
    aged: int = 0
    token: str = ""
    status: int = 200


@blueprint.get("/settings")
def show_settings() -> ResponseReturnValue:
    """All that can be set, each with a sentence of help."""
    return _render(_Trouble())


@blueprint.post("/settings")
def save_settings() -> ResponseReturnValue:
    """Keep what the form says; what cannot be stands beside its field, with what was typed."""
    library = get_library()
    changes, errors = _read_form(library.settings)
    aged = 0
    days = changes.get("trash_days", 0)
    if days and request.form.get("delete_aged") != str(days):
        aged = library.count_aged(days)
    if errors or aged:
        return _render(_Trouble(errors, aged=aged, status=400))
    if changes:
        try:
            library.change_settings(changes)
        except LibraryError as error:
            return _render(_Trouble(sentence=error.message, status=error.status))
    return _go_back("values")


def _read_form(settings: Settings) -> tuple[dict[str, Any], dict[str, str]]:
    """What the form changes, and what is wrong with it; by the names of the settings."""
    changes: dict[str, Any] = {}
    errors: dict[str, str] = {}
    fixed = find_fixed()
    for key, read in _READERS.items():
        words = request.form.getlist(key)
        if not words or key in fixed:
            continue
        try:
            value = read(key, words[-1])
        except _FormError as error:
            errors[key] = error.sentence
            continue
        wanted = find_machine_zone() if key == "time_zone" and value is None else value
        if wanted != getattr(settings, key):
            changes[key] = value
    return changes, errors


def _read_number(key: str, text: str) -> Any:
    try:
        return read_words(key, text)
    except InvalidRequestError as error:
        raise _FormError(f"This is a whole number from 0 to {MOST[key]:,}.") from error


def _read_time(key: str, text: str) -> Any:
    if request.form.getlist("full_index")[-1:] == [_NO]:
        return None
    try:
        # Some browsers send the seconds too.
        value = read_words(key, text.strip()[:5])
    except InvalidRequestError as error:
        raise _FormError("This is a time of day, as 02:30.") from error
    if value is None:
        raise _FormError("This is a time of day, as 02:30.")
    return value


def _read_zone(key: str, text: str) -> Any:
    if text == MACHINE_ZONE:
        return None
    try:
        return read_words(key, text)
    except InvalidRequestError as error:
        raise _FormError("There is no such time zone; it is written as Europe/Berlin.") from error


def _read_roots(key: str, text: str) -> Any:
    folders = [line.strip() for line in text.splitlines() if line.strip()]
    for folder in folders:
        try:
            make_value(key, [folder])
        except InvalidRequestError as error:
            raise _FormError(
                f"Each line is a folder of this server that begins with a slash, as /media/card. "
                f"This one does not: {folder}"
            ) from error
    return make_value(key, folders)


def _read_choice(key: str, text: str) -> Any:
    try:
        return read_words(key, text)
    except InvalidRequestError as error:
        raise _FormError("Choose one of these.") from error


_READERS: Final[Mapping[str, Callable[[str, str], Any]]] = {
    "time_zone": _read_zone,
    "write_policy": _read_choice,
    "language": _read_choice,
    "import_roots": _read_roots,
    "full_index_at": _read_time,
    **dict.fromkeys(_NUMBERS, _read_number),
    **dict.fromkeys(_SWITCHES, _read_choice),
}
assert _READERS.keys() == VARIABLES.keys()


# -- sign-in and tokens --------------------------------------------------------------------------


@blueprint.post("/settings/password")
def set_password() -> ResponseReturnValue:
    """Set the password, or another one: `current` where there is one, `new` and `again`."""
    _refuse_programs()
    accounts = get_library().accounts
    new, again = request.form.get("new", ""), request.form.get("again", "")
    if not SHORTEST_PASSWORD <= len(new) <= LONGEST_PASSWORD:
        sentence = f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters."
        return _render(_Trouble({"new": sentence}, status=400))
    if new != again:
        return _render(_Trouble({"again": "This is not the same as above."}, status=400))
    refused = _check_current("current")
    if refused:
        return _render(refused)
    try:
        accounts.set_password(new)
    except InvalidRequestError as error:
        return _render(_Trouble({"new": error.message}, status=error.status))
    response = make_response(_go_back("password"))
    key = accounts.sign_in(new, request.remote_addr or "")
    return give_session(response, key) if key else response


@blueprint.post("/settings/password/remove")
def remove_password() -> ResponseReturnValue:
    """Go on without a password; only where no other machine could come in then."""
    _refuse_programs()
    if not _may_be_open():
        return _render(
            _Trouble(
                {"old": "Other machines can reach this library: it needs a password."}, status=400
            )
        )
    refused = _check_current("old")
    if refused:
        return _render(refused)
    get_library().accounts.remove_password()
    return _go_back("no_password")


@blueprint.post("/settings/tokens")
def make_token() -> ResponseReturnValue:
    """Make a token; this answer is the only one that shows it."""
    _refuse_programs()
    try:
        key = get_library().accounts.add_token(request.form.get("name", "").strip())
    except InvalidRequestError as error:
        sentence = error.message.replace(" (--revoke)", "")
        return _render(_Trouble({"name": sentence}, status=error.status))
    return _render(_Trouble(token=key))


@blueprint.post("/settings/tokens/revoke")
def revoke_token() -> ResponseReturnValue:
    """Make the token of a name worthless."""
    _refuse_programs()
    get_library().accounts.revoke_token(request.form.get("name", ""))
    return _go_back("revoked")


@blueprint.post("/settings/backup")
def back_up() -> ResponseReturnValue:
    """A verified backup of the database, now."""
    try:
        get_library().back_up(_BACKUP_REASON)
    except LibraryError as error:
        return _render(_Trouble({"backup": error.message}, status=error.status))
    return _go_back("backup")


def _refuse_programs() -> None:
    """A token opens the photos, not the door: what it could be changed into would outlive it."""
    if find_caller() is Caller.TOKEN:
        raise _SignInOnlyError(
            "Passwords and tokens are changed in a browser that signed in, or in the terminal: "
            "./lightkeep password, ./lightkeep token."
        )


class _SignInOnlyError(LibraryError):
    """A token may not do this."""

    status = 403
    code = "sign_in_needed"


def _check_current(name: str) -> _Trouble | None:
    """What is to be said where the password that there is was not typed into a field."""
    accounts = get_library().accounts
    if not accounts.has_password():
        return None
    try:
        right = accounts.check_password(request.form.get(name, ""), request.remote_addr or "")
    except TooManyAttemptsError as error:
        return _Trouble({name: error.message}, status=error.status)
    return None if right else _Trouble({name: "That is not the password."}, status=400)


def _may_be_open() -> bool:
    """Whether nobody but this machine could come in without a password."""
    settings = get_library().settings
    return is_loopback(settings.host) and not settings.allowed_hosts


# -- the page ------------------------------------------------------------------------------------


def _go_back(saved: str) -> ResponseReturnValue:
    return redirect(url_for(".show_settings", saved=saved), 303)


def _render(trouble: _Trouble) -> ResponseReturnValue:
    library = get_library()
    with library.database.reading():
        counts = library.listing.count_photos()
    saved = request.args.get("saved", "")
    zone = find_machine_zone().key
    page = render_template(
        "settings.html",
        library=library,
        counts=counts,
        values=_list_values(library.settings, trouble),
        fixed=find_fixed(),
        trouble=trouble,
        saved=saved if saved in _SAVED and request.method == "GET" else "",
        zones=sorted(available_timezones()),
        machine_zone=zone,
        policies=list(WritePolicy),
        languages=LANGUAGES,
        roots=library.list_import_roots(),
        backups=library.list_backups(),
        planned=library.list_planned(),
        protected=library.accounts.has_password(),
        tokens=library.accounts.list_tokens(),
        may_be_open=_may_be_open(),
        may_change_accounts=find_caller() is not Caller.TOKEN,
        most=MOST,
        shortest=SHORTEST_PASSWORD,
        longest=LONGEST_PASSWORD,
    )
    return page, trouble.status


def _list_values(settings: Settings, trouble: _Trouble) -> dict[str, str]:
    """What stands in the fields: the settings, or what was typed where that cannot be."""
    at = settings.full_index_at
    zone = settings.time_zone.key
    values = {
        "time_zone": MACHINE_ZONE if zone == find_machine_zone().key else zone,
        "write_policy": settings.write_policy.value,
        "language": settings.language,
        "import_roots": "\n".join(map(str, settings.import_roots)),
        "full_index_at": f"{at:%H:%M}" if at else "02:30",
        "full_index": _YES if at else _NO,
    }
    values |= {key: str(getattr(settings, key)) for key in _NUMBERS}
    values |= {key: _YES if getattr(settings, key) else _NO for key in _SWITCHES}
    if request.method == "POST" and (trouble.errors or trouble.aged or trouble.sentence):
        values |= {key: request.form.getlist(key)[-1] for key in values if key in request.form}
    return values
