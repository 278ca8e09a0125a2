"""The JPEG that a camera puts into its RAW files, by which they are shown.

Runs inside a worker process, which keeps an ExifTool of its own for it.
"""

from __future__ import annotations

from functools import lru_cache

from errors import PictureError, ToolMissingError
from exiftool_process import ExifTool, find_exiftool


def extract_preview(path: str) -> bytes:
    """The largest JPEG in the RAW file at the absolute `path`.

    Raises `ToolMissingError` without ExifTool, and `PictureError` where there is none.
    """
    executable = find_exiftool()
    if executable is None:
        raise ToolMissingError("RAW is shown with the help of ExifTool, which is not installed.")
    preview = _start_exiftool(executable).extract_preview(path)
    if preview is None:
        raise PictureError("There is no preview in this RAW file.")
    return preview


@lru_cache(maxsize=1)
def _start_exiftool(executable: str) -> ExifTool:
    return ExifTool(executable)
