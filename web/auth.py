"""Signing in and out."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from errors import TooManyAttemptsError
from web.common import get_library
from web.guards import find_caller, is_local_path, session_cookie

_COOKIE_LIFE_S: Final = 400 * 86_400
"""As long as browsers keep one: the server ends a session that nobody uses."""

blueprint = Blueprint("auth", __name__)


@blueprint.get("/login")
def show_login() -> ResponseReturnValue:
    """The page that asks for the password; who is signed in already goes on."""
    if not get_library().accounts.has_password() or find_caller() is not None:
        return redirect(_read_next(), 303)
    return _answer_login(200)


@blueprint.post("/login")
def sign_in() -> ResponseReturnValue:
    """`password` and `next` of the form; a wrong one is 401, too many of them 429."""
    accounts = get_library().accounts
    if not accounts.has_password():
        return redirect(_read_next(), 303)
    try:
        key = accounts.sign_in(
            request.form.get("password", ""),
            request.remote_addr or "",
            before=request.cookies.get(session_cookie(), ""),
        )
    except TooManyAttemptsError as error:
        answer = _answer_login(error.status, error.message)
        answer.headers["Retry-After"] = str(error.retry_after_s)
        return answer
    if key is None:
        answer = _answer_login(401, "That is not the password.")
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    return give_session(make_response(redirect(_read_next(), 303)), key)


def give_session(response: Response, key: str) -> Response:
    """Hand the browser the key of its session."""
    response.set_cookie(
        session_cookie(),
        key,
        max_age=_COOKIE_LIFE_S,
        path="/",
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )
    return response


@blueprint.post("/logout")
def sign_out() -> ResponseReturnValue:
    """End every session of the person, on every device."""
    get_library().accounts.end_sessions()
    response = make_response(redirect(url_for("auth.show_login"), 303))
    response.delete_cookie(
        session_cookie(), path="/", secure=request.is_secure, httponly=True, samesite="Lax"
    )
    return response


@blueprint.app_template_global("has_password")
def has_password() -> bool:
    """Whether there is a session to end."""
    return get_library().accounts.has_password()


def _answer_login(status: int, message: str = "") -> Response:
    page = render_template("login.html", message=message, next=_read_next())
    return make_response(page, status)


def _read_next() -> str:
    """Where to go after signing in: a path of this server, else the photos."""
    there = request.values.get("next", "/")
    return there if is_local_path(there) else "/"
