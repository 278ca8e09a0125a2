"""Who may ask: by which name, from which page, and signed in. What is not allowed is refused."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable
from enum import Enum
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from flask import Flask, g, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import UnsupportedMediaType

from machine_names import list_machine_names
from settings import is_loopback
from web.common import answer_error, get_library, wants_fragment, wants_page
from web.texts import translate

OPEN_ENDPOINTS: Final = frozenset(
    {"static", "auth.show_login", "auth.sign_in", "check_health", "recovery.check_health"}
)
"""What is answered to everybody; every other address, known or not, needs sign-in."""

FILES_ENDPOINT: Final = "imports.receive_files"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_NAMES_LIFE_S: Final = 60.0
_LONGEST_NEXT: Final = 2000


class Caller(Enum):
    """How a request showed that it may ask."""

    SESSION = "session"
    TOKEN = "token"  # noqa: S105
    THIS_MACHINE = "this machine"
    """No password is set, and the request comes from the machine that serves."""


def register(app: Flask) -> None:
    """Ask these four of every request, also of those for static files and unknown addresses."""
    app.before_request(_refuse_foreign_hosts)
    app.before_request(_refuse_forged_requests)
    app.before_request(_require_sign_in)
    app.before_request(_refuse_other_bodies)


# -- by which name -------------------------------------------------------------------------------


class _MachineNames:
    """The names of this machine, looked up anew now and then: addresses come and go."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: frozenset[str] = frozenset()
        self._looked_up: float | None = None

    def contains(self, host: str) -> bool:
        with self._lock:
            now = time.monotonic()
            old = self._looked_up is None or now - self._looked_up > _NAMES_LIFE_S
            if host not in self._names and old:
                self._names, self._looked_up = list_machine_names(), now
            return host in self._names


_machine_names = _MachineNames()


def _refuse_foreign_hosts() -> ResponseReturnValue | None:
    """Answer only under names of this machine, against DNS rebinding (any port)."""
    host = _plain_host(request.host)
    if host and (is_loopback(host) or host in _list_chosen_names() or _is_own_name(host)):
        return None
    sentence = (
        "This name is not one that Lightkeep answers to. Add it to allowed_hosts in settings.toml."
    )
    if wants_page():
        # Nothing else is answered under this name: the page has to stand by itself.
        port = get_library().settings.port
        return render_template("refused_name.html", message=sentence, port=port), 400
    return answer_error(400, "host_not_allowed", sentence)


def _plain_host(text: str) -> str:
    """A Host header's name in lower case without port and last dot; an address as Python writes it.

    Empty where it is none.
    """
    for host in (text, _cut_port(text)):
        with contextlib.suppress(ValueError):
            return str(ip_address(host))
    return _cut_port(text).removesuffix(".")


def _cut_port(text: str) -> str:
    try:
        return urlsplit(f"//{text}").hostname or ""
    except ValueError:
        return ""


def _list_chosen_names() -> Iterable[str]:
    return {_plain_host(name) for name in get_library().settings.allowed_hosts}


def _is_own_name(host: str) -> bool:
    """Whether it is a name of this machine, and others may reach it at all."""
    served = get_library().settings.host
    if is_loopback(served):
        return False
    unspecified = host in ("0.0.0.0", "::")  # noqa: S104
    return not unspecified and (host == _plain_host(served) or _machine_names.contains(host))


# -- from which page -----------------------------------------------------------------------------


def _refuse_forged_requests() -> ResponseReturnValue | None:
    """Let only our own pages, and programs that are no browser, change anything.

    `Sec-Fetch-Site` decides where it is sent; on plain http to another machine it is not, and
    `Origin` must be our own. Browsers send one of the two with every unsafe method; what sends
    neither shows a token, or no cookie that somebody else could have made it send.
    """
    if request.method in _SAFE_METHODS:
        return None
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        own = site in ("same-origin", "none")
    elif origin is not None:
        # Not request.host_url: that is decoded for people, xn-- names too.
        own = origin.lower() == f"{request.scheme}://{request.host}".lower()
    else:
        own = session_cookie() not in request.cookies or find_caller() == Caller.TOKEN
    if own:
        return None
    return answer_error(403, "forged_request", "This request came from a page of another site.")


# -- signed in -----------------------------------------------------------------------------------


def session_cookie() -> str:
    """The cookie's name. Browsers share cookies between ports: each library has its own."""
    return f"lightkeep_{get_library().settings.port}"


def find_caller() -> Caller | None:
    """How this request may ask, or None where it may not.

    Raises `AccountsError` where that cannot be told.
    """
    if "caller" not in g:
        g.caller = _find_caller()
    caller: Caller | None = g.caller
    return caller


def _find_caller() -> Caller | None:
    accounts = get_library().accounts
    authorization = request.authorization
    if authorization is not None and authorization.type == "bearer":
        return Caller.TOKEN if accounts.knows_token(authorization.token or "") else None
    if accounts.has_password():
        key = request.cookies.get(session_cookie(), "")
        return Caller.SESSION if accounts.use_session(key) else None
    # Whichever server this runs in, and whatever became of the password since it started.
    near = is_loopback(get_library().settings.host) and is_loopback(request.remote_addr or "")
    return Caller.THIS_MACHINE if near else None


def _require_sign_in() -> ResponseReturnValue | None:
    if request.endpoint in OPEN_ENDPOINTS or find_caller() is not None:
        return None
    if not get_library().accounts.has_password() and request.authorization is None:
        return answer_error(
            403,
            "password_needed",
            "Without a password Lightkeep answers this machine only. Set one, on the machine "
            "that serves: ./lightkeep password LIBRARY",
        )
    # A part that the page's script asks for must not become the login page.
    if wants_page() and not wants_fragment():
        query = request.query_string.decode(errors="replace")
        address = f"{request.path}?{query}" if query else request.path
        there = address if address != "/" and is_local_path(address) else None
        return redirect(url_for("auth.show_login", next=there), 303)
    error = {
        "code": "sign_in_needed",
        "message": translate("Sign in at /login, or send a token: Authorization: Bearer TOKEN."),
    }
    return jsonify(error=error), 401, {"WWW-Authenticate": "Bearer"}


def is_local_path(text: str) -> bool:
    """Whether an address leads nowhere but to this server, however a browser reads it."""
    return (
        len(text) <= _LONGEST_NEXT
        and text.isprintable()
        and text.startswith("/")
        and not text.startswith("//")
        and "\\" not in text
    )


# -- what they send ------------------------------------------------------------------------------


def _refuse_other_bodies() -> None:
    """The API takes bodies as `application/json` alone: a form of another site cannot send that.

    But for the one address that takes files, which are forms to every browser.
    """
    if request.routing_exception is not None or not request.path.startswith("/api/"):
        return
    sends = bool(request.content_length) or "Transfer-Encoding" in request.headers
    takes_files = request.endpoint == FILES_ENDPOINT
    wanted = "multipart/form-data" if takes_files else "application/json"
    if request.method not in _SAFE_METHODS and sends and request.mimetype != wanted:
        raise UnsupportedMediaType
