"""A library of small photos that tests edit, opened as the program opens it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import catalog
from catalog import Photo
from exiftool_process import find_exiftool
from library import Library, open_library
from settings import load_settings

needs_exiftool = pytest.mark.skipif(not find_exiftool(), reason="ExifTool is not installed")

# What says when a file was written, or which program wrote into it last.
_NOT_COMPARED = ("SourceFile", "System:", "ExifTool:", "Composite:")


@dataclasses.dataclass(frozen=True, slots=True)
class EditBox:
    """An opened library and what its files say."""

    library: Library

    @property
    def root(self) -> Path:
        return self.library.settings.library

    @property
    def data(self) -> Path:
        return self.library.settings.data_dir

    def index(self) -> None:
        progress = self.library.runner.wait(self.library.start_update_index(), timeout=60)
        assert progress.status == "completed", progress.message

    def photo(self, path: str) -> Photo:
        """The present row at a path."""
        with self.library.database.reading() as connection:
            found = [one for one in catalog.iterate_photos(connection) if one.current_path == path]
        (photo,) = [one for one in found if one.missing_since is None]
        return photo

    def bytes(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def hashes(self) -> dict[str, str]:
        """Every file of the library but the app's own, by its path."""
        return {
            path.relative_to(self.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and ".library" not in path.parts
        }


@contextmanager
def opened_box(root: Path, **changes: Any) -> Iterator[EditBox]:
    """Open the library at `root`, index it, and close it in the end."""
    settings = dataclasses.replace(load_settings(root), **changes)
    library = open_library(settings)
    try:
        box = EditBox(library)
        box.index()
        yield box
    finally:
        library.close()


def read_tags(*paths: Path) -> list[dict[str, Any]]:
    """All tags of files as ExifTool tells them, in order; not those of the write itself."""
    executable = find_exiftool()
    assert executable
    done = subprocess.run(
        [executable, "-config", "", "-G1", "-j", "-n", "-a", *map(str, paths)],
        capture_output=True,
        check=False,
    )
    return [
        {name: value for name, value in tags.items() if not name.startswith(_NOT_COMPARED)}
        for tags in json.loads(done.stdout)
    ]
