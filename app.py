"""Joins the parts into a Flask application, and serves it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any

import waitress
from flask import Flask
from flask.typing import ResponseReturnValue

from accounts import Accounts
from closed_library import choose_library, recover_library
from errors import BusyError, DatabaseDamagedError, InvalidRequestError, LibraryError
from library import Library, open_library
from log_output import ALREADY_SAID, LogOutput
from settings import DEFAULT_PORT, Settings, is_loopback, load_settings
from version import VERSION
from web import (
    api_document,
    auth,
    common,
    dates,
    duplicates,
    edits,
    favorites,
    filters,
    grid,
    guards,
    imports,
    metrics,
    operations,
    performance,
    photos,
    settings_page,
    shell,
    trash,
)
from web.api_contract import Answer, promise
from web.api_models import DamagedAnswer, Error, HealthAnswer
from web.recovery import Damaged, create_recovery_app

SERVER_THREADS = 32
CHANNEL_TIMEOUT_S = 60
MAX_REQUEST_BYTES = 1 << 20

logger = logging.getLogger(__name__)


def create_app(settings: Settings | None = None, *, library: Library | None = None) -> Flask:
    """The application for a library: the one given, else the one of `settings`, else the default.

    Raises a `LibraryError` where the library cannot be opened.
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_REQUEST_BYTES
    app.config["MAX_FORM_MEMORY_SIZE"] = MAX_REQUEST_BYTES
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    opened = app.extensions[common.EXTENSION] = library or _open(settings)
    metrics.register(app, opened.measure)
    common.register(app)
    guards.register(app)
    rooms = (
        *(
            auth,
            grid,
            filters,
            photos,
            operations,
            favorites,
            dates,
            edits,
            imports,
            trash,
            duplicates,
        ),
        *(performance, api_document, settings_page, shell),
    )
    for room in rooms:
        app.register_blueprint(room.blueprint)
    for word in (
        photos.picture_version,
        photos.is_drawn,
        photos.name_format,
        photos.describe_star,
        photos.name_kept,
        photos.name_rating,
    ):
        app.jinja_env.globals[word.__name__] = word
    app.jinja_env.filters["clock"] = photos.format_clock
    app.jinja_env.globals["version"] = VERSION

    @app.get("/healthz")
    @promise(
        "Health",
        {
            200: Answer("All is well.", HealthAnswer),
            503: Answer("The database is damaged or cannot be reached.", DamagedAnswer | Error),
        },
        signed_in=False,
    )
    def check_health() -> ResponseReturnValue:
        """Whether the library answers, for what watches over services."""
        with common.get_library().database.reading() as connection:
            connection.execute("SELECT 1").fetchone()
        return {"status": "ok"}

    return app


def _open(settings: Settings | None) -> Library:
    library = open_library(settings or load_settings(choose_library()))
    _begin_work(library)
    return library


def _begin_work(library: Library) -> None:
    """What is done without being asked: an index now, and what is scheduled."""
    _index_at_start(library)
    library.begin_schedule()


def _index_at_start(library: Library) -> None:
    """Photos that came while nobody served are found without being asked for.

    Where an operation was interrupted the person is asked first, by the page.
    """
    if library.list_interrupted():
        return
    try:
        library.start_update_index()
    except BusyError as error:
        raise AssertionError("a library that was just opened runs nothing") from error


def serve(settings: Settings) -> None:
    """Serve a library until SIGTERM or Ctrl-C. Raises `LibraryError` where that cannot be."""
    log = LogOutput(as_json=settings.json_logs)
    try:
        _serve(settings, log)
    except LibraryError as error:
        # Whoever called says it to the person.
        logger.error("%s", error.message, extra={ALREADY_SAID: True})
        log.close()
        raise
    # Not after any other error: the hook of those that nobody catches is the log's own.
    log.close()


def _serve(settings: Settings, log: LogOutput) -> None:
    # Also where none is needed: a damaged accounts.json is said at once, in the terminal.
    has_password = Accounts(settings.data_dir).has_password()
    if not has_password and not is_loopback(settings.host):
        raise InvalidRequestError(
            f"--host {settings.host} would open your photos to everyone who can reach this "
            f"machine. Set a password first: {settings.name_command('password')}"
        )
    listener = _listen(settings.host, settings.port)
    served = _Served(settings)
    try:
        served.open()
    except BaseException:
        listener.close()
        raise
    log.keep_in(settings.data_dir)
    try:
        server = waitress.create_server(
            served,
            sockets=[listener],
            threads=SERVER_THREADS,
            channel_timeout=CHANNEL_TIMEOUT_S,
            ident=None,
        )
        place = f"{settings.library} at {_name_address(settings)}"
        if not settings.json_logs:
            sys.stdout.write(f"Lightkeep shows {place}\nPress Ctrl-C to stop.\n")
            sys.stdout.flush()
        logger.info("Lightkeep %s shows %s", VERSION, place, extra={ALREADY_SAID: True})
        _run_until_signal(server.run)
    finally:
        served.close()
        listener.close()
        logger.info("Lightkeep has stopped", extra={ALREADY_SAID: True})


def _name_address(settings: Settings) -> str:
    """What a person types in a browser; where every address is served, by the machine's name."""
    every = settings.host in ("", "0.0.0.0", "::")  # noqa: S104
    host = socket.gethostname() if every else settings.host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


class _Served:
    """The WSGI application of a library, or the recovery page until there is one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._library: Library | None = None
        self._app: Flask | None = None
        self._lock = threading.Lock()

    def open(self) -> None:
        """Open the library and serve it; a damaged database is what its own page is about."""
        try:
            library = open_library(self._settings)
        except DatabaseDamagedError as error:
            logger.error("%s", error.message)
            self._app = create_recovery_app(Damaged(self._settings, error.message, self._restore))
            return
        self._library = library
        library.exiftool.prepare()
        self._app = create_app(library=library)
        _begin_work(library)

    def _restore(self) -> None:
        with self._lock:
            if self._library is None:
                recover_library(self._settings)
                self.open()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        assert self._app is not None
        return self._app(environ, start_response)

    def close(self) -> None:
        if self._library is not None:
            self._library.close()


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises `InvalidRequestError` where the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise InvalidRequestError(
            f"Port {port} on {host} cannot be used: {error.strerror}. Is Lightkeep running "
            f"already? Another port: --port {port + 1 if port < 65535 else DEFAULT_PORT}"
        ) from error
    return listener


def _run_until_signal(run: Callable[[], None]) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    try:
        run()
    except (KeyboardInterrupt, SystemExit):
        return


def main(words: list[str]) -> int:
    """`python3 app.py [LIBRARY]`, on the port of $LIGHTKEEP_PORT."""
    port = os.environ.get("LIGHTKEEP_PORT", str(DEFAULT_PORT))
    try:
        library = Path(words[0]) if words else choose_library()
        if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
            raise InvalidRequestError(f"LIGHTKEEP_PORT is no port: {port!r}.")
        serve(load_settings(library, port=int(port)))
    except LibraryError as error:
        sys.stderr.write(f"lightkeep: {error.message}\n")
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
