"""An app served by the server it has in earnest."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import waitress
from flask import Flask

from app import SERVER_THREADS


def run_server(app: Flask) -> tuple[int, Callable[[], None]]:
    """The port of an app that is served in this process, and what stops it."""
    server = waitress.create_server(app, host="127.0.0.1", port=0, threads=SERVER_THREADS)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()

    def close() -> None:
        for channel in list(server.active_channels.values()):
            channel.handle_close()  # as the end of a process does
        server.close()

    def stop() -> None:
        # In the server's own thread, which must not be waiting for a socket as it is closed.
        with contextlib.suppress(OSError):  # it looked there already, and is closed
            server.trigger.pull_trigger(close)
        server.task_dispatcher.shutdown(timeout=5)

    return int(server.effective_port), stop
