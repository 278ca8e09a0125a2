"""Where the log of a server goes, and in which form: lines for people, or JSON for programs.

Every record goes to standard error and, once the library is open, into a file beside its data,
`logs/lightkeep.log`, which makes room for itself. In JSON a record is one line:
{"time", "level", "room", "message"}, and with an error {"error": {"type", "message",
"traceback"}}; `time` is ISO 8601 in UTC with milliseconds.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from datetime import UTC, datetime
from logging.handlers import MemoryHandler, RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import Any, Final

LOG_DIR: Final = "logs"
LOG_NAME: Final = "lightkeep.log"
FILE_BYTES: Final = 5_000_000
OLD_FILES: Final = 4
ALREADY_SAID: Final = "already_said"
"""A record with this attribute was said to the person by other means, so not by a plain line."""
_KEPT_RECORDS: Final = 1000

logger = logging.getLogger(__name__)


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON, in ASCII: no text of others begins a line of its own."""

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "room": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0]:
            kind, error, _ = record.exc_info
            event["error"] = {
                "type": kind.__name__,
                "message": str(error),
                "traceback": "".join(traceback.format_exception(*record.exc_info)),
            }
        return json.dumps(event)


class LineFormatter(logging.Formatter):
    """A record as a line for people; only a traceback has more of them."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the name of logging
        record.message = escape(record.message)
        return super().formatMessage(record)


def escape(text: str) -> str:
    """Text without signs that begin a line or steer a terminal."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


class _LogFile(RotatingFileHandler):
    """A log file whose disk may fail: standard error still has every record."""

    failed = False

    def handleError(self, _record: logging.LogRecord) -> None:  # noqa: N802  the name of logging
        if not self.failed:
            self.failed = True
            reason = sys.exc_info()[1]
            sys.stderr.write(f"lightkeep: the log file cannot be written: {reason}\n")


class LogOutput:
    """Sends every record to standard error, and keeps it for a file that can be named later."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._root = logging.getLogger()
        self._before = (self._root.level, sys.excepthook, threading.excepthook)
        # Of `basicConfig` alone: others may listen too.
        self._replaced = [one for one in self._root.handlers if type(one) is logging.StreamHandler]
        for handler in self._replaced:
            self._root.removeHandler(handler)
        shown = logging.StreamHandler(sys.stderr)
        shown.setFormatter(JsonFormatter() if as_json else LineFormatter("lightkeep: %(message)s"))
        if not as_json:
            shown.addFilter(lambda record: not hasattr(record, ALREADY_SAID))
        self._kept = MemoryHandler(_KEPT_RECORDS, logging.CRITICAL + 1, flushOnClose=False)
        self._handlers: list[logging.Handler] = [shown, self._kept]
        for own in self._handlers:
            self._root.addHandler(own)
        self._root.setLevel(logging.INFO)
        sys.excepthook = _log_uncaught
        threading.excepthook = _log_uncaught_of_thread

    def keep_in(self, data_dir: Path) -> None:
        """Write what was said so far, and all that follows, into the log file of this folder."""
        path = data_dir / LOG_DIR / LOG_NAME
        try:
            path.parent.mkdir(exist_ok=True)
            file = _LogFile(
                path,
                maxBytes=FILE_BYTES,
                backupCount=OLD_FILES,
                encoding="utf-8",
                errors="backslashreplace",
            )
        except OSError as error:
            logger.warning("%s cannot be written: %s", path, error.strerror)
            return
        lines = LineFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
        file.setFormatter(JsonFormatter() if self._as_json else lines)
        self._root.removeHandler(self._kept)
        self._root.addHandler(file)
        self._handlers.append(file)
        self._kept.setTarget(file)
        self._kept.flush()

    def close(self) -> None:
        """Log as before."""
        for handler in self._handlers:
            self._root.removeHandler(handler)
            handler.close()
        for handler in self._replaced:
            self._root.addHandler(handler)
        level, sys.excepthook, threading.excepthook = self._before
        self._root.setLevel(level)


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    logger.critical("Lightkeep ends by an error of its own", exc_info=(kind, error, trace))


def _log_uncaught_of_thread(found: threading.ExceptHookArgs) -> None:
    if found.exc_value is not None and found.exc_type is not SystemExit:
        name = found.thread.name if found.thread else "a thread"
        logger.critical(
            "%s ended by an error of its own",
            name,
            exc_info=(found.exc_type, found.exc_value, found.exc_traceback),
        )
