"""The one ExifTool of a library."""

from __future__ import annotations

import logging
import threading

from exiftool_process import ExifTool, find_exiftool

logger = logging.getLogger(__name__)


class SharedExifTool:
    """Looked for when it is first needed, and shared by all. Thread-safe.

    To ask a program for its version takes 70 ms, which most indexes need not spend; one that was
    installed since is found by the next that asks.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._missed = False
        self.begun: ExifTool | None = None

    def prepare(self) -> None:
        """Look for it now, in the background, for the first page that says whether there is one."""
        threading.Thread(target=self.find, name="exiftool-search", daemon=True).start()

    def find(self) -> ExifTool | None:
        """ExifTool, or None while there is none; that is logged once."""
        with self._lock:
            if self.begun is None and (executable := find_exiftool()):
                self.begun = ExifTool(executable)
            if self.begun is None and not self._missed:
                self._missed = True
                logger.warning(
                    "ExifTool was not found: photos are read by the fast reader alone, RAW is not "
                    "shown, and a few unusual files stay without their date or rating. Install it "
                    "(Debian: apt-get install libimage-exiftool-perl); the next index finds it."
                )
            return self.begun

    def close(self) -> None:
        """End its process, if it was begun."""
        with self._lock:
            if self.begun:
                self.begun.close()
