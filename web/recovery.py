"""The page that stands in for all others where the database is damaged."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Flask, current_app, redirect, render_template
from flask.typing import ResponseReturnValue

from accounts import Accounts
from closed_library import find_backup
from errors import DatabaseDamagedError
from settings import Settings
from web import auth, common, guards, shell

blueprint = Blueprint("recovery", __name__)


class _NotServedError(DatabaseDamagedError):
    """Until the database is restored there is nothing to show but that."""

    status = 503


class Damaged:
    """What takes the library's place while there is none: enough for the guards of all pages."""

    def __init__(self, settings: Settings, sentence: str, restore: Callable[[], None]) -> None:
        self.settings = settings
        self.accounts = Accounts(settings.data_dir)
        self.sentence = sentence
        self.restore = restore


def create_recovery_app(damaged: Damaged) -> Flask:
    """One page that says what is wrong, with one button; `damaged.restore` is what that does."""
    app = Flask("app")
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.extensions[common.EXTENSION] = damaged
    common.register(app)
    guards.register(app)
    app.register_blueprint(auth.blueprint)
    app.register_blueprint(shell.blueprint)
    app.register_blueprint(blueprint)
    return app


def _get_damaged() -> Damaged:
    damaged: Damaged = current_app.extensions[common.EXTENSION]
    return damaged


@blueprint.get("/healthz")
def check_health() -> ResponseReturnValue:
    return {"status": "damaged"}, 503


@blueprint.get("/")
def show_damage() -> ResponseReturnValue:
    damaged = _get_damaged()
    page = render_template(
        "recover.html",
        sentence=damaged.sentence,
        backup=find_backup(damaged.settings),
        data_dir=damaged.settings.data_dir,
    )
    return page, 503


@blueprint.get("/<path:_anything>")
def show_nothing_else(_anything: str) -> ResponseReturnValue:
    """Programs are told why; a person's bookmark leads to the page that helps."""
    if common.wants_page():
        return redirect("/", 302)
    raise _NotServedError(
        "The database is damaged; there is only the page at / until it is restored."
    )


@blueprint.post("/recover")
def restore() -> ResponseReturnValue:
    """Put the damaged files aside, restore, and open the library."""
    _get_damaged().restore()
    return redirect("/", 303)
