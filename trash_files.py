"""The files of the trash: moved there and back, never over another one, and noted beside.

A trashed file lies in `LIBRARY/.library/trash`, on its own file system where that can be made,
else in `DATA_DIR/trash`; an older app's in `LIBRARY/.trash`. Beside each lies `NAME.json`, which
says what it was, so that the trash is not lost with the database.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from errors import EditRefusedError
from old_values import find_relative_path
from safe_write import (
    Stamps,
    make_stamps,
    read_small_file,
    remove_temporary,
    sync_folder,
)
from settings import LIBRARY_DIR

TRASH_FOLDER: Final = "trash"
OLD_FOLDER: Final = ".trash"
NOTE_SUFFIX: Final = ".json"
_MOST_NAME_BYTES: Final = 255 - len(".xmp.json")
_MOST_NOTE_BYTES: Final = 1 << 20
_BLOCK_BYTES: Final = 1 << 20
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class TrashPlace(StrEnum):
    """In which folder a trashed file lies."""

    LIBRARY = "library"
    DATA = "data"
    OLD = "old"


@dataclass(frozen=True, slots=True)
class TrashFiles:
    """The trash of the library at `root`, whose data lie in `data_dir`."""

    root: Path
    data_dir: Path

    # -- where -------------------------------------------------------------------------------

    def folder(self, place: TrashPlace) -> Path:
        if place == TrashPlace.OLD:
            return self.root / OLD_FOLDER
        home = self.data_dir if place == TrashPlace.DATA else self.root / LIBRARY_DIR
        return home / TRASH_FOLDER

    def choose_place(self) -> TrashPlace:
        """Where the next file goes. Raises `EditRefusedError` where no trash can be made."""
        reasons = []
        for place in (TrashPlace.LIBRARY, TrashPlace.DATA):
            folder = self.folder(place)
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                reasons.append(f"{folder}: {error.strerror}")
                continue
            if folder.is_symlink() or not os.access(folder, os.W_OK | os.X_OK):
                reasons.append(f"{folder} is a link, or cannot be written to")
                continue
            return place
        raise EditRefusedError(f"There is no place for the trash ({'; '.join(reasons)}).")

    def locate(self, place: TrashPlace, name: str) -> str:
        """The absolute path of a file in the trash. Raises `EditRefusedError` for no plain name."""
        folder = self.folder(place)
        if not name or "/" in name or "\0" in name or name in (".", "..") or folder.is_symlink():
            raise EditRefusedError(f"{name!r} does not lie in the trash.")
        return str(folder / name)

    def locate_photo(self, path: str) -> str:
        """The absolute path of a photo. Raises `EditRefusedError` where it lies outside."""
        root = os.path.realpath(self.root)
        found = os.path.join(root, path)
        folder = os.path.dirname(found)
        inside = os.path.normpath(found) == found and found.startswith(root.rstrip("/") + "/")
        # A folder of the path may have become a link to somewhere else since the index.
        if not inside or os.path.realpath(folder) != folder:
            raise EditRefusedError(f"{path} does not lie in the library.")
        return found

    def find_relative(self, path: str) -> str:
        """An older app's path as rows have it. Raises `EditRefusedError` outside the library."""
        roots = {str(self.root), os.path.realpath(self.root)}
        relative = find_relative_path(path, roots)
        if relative is None or "\0" in relative:
            raise EditRefusedError(f"{path} did not lie in the library.")
        return relative

    def choose_name(self, place: TrashPlace, photo_id: int, name: str) -> str:
        """A name that nothing in the trash has: `12-IMG_0034.jpg`."""
        stem, dot, suffix = name.rpartition(".")
        stem, ending = (stem, dot + suffix) if dot else (name, "")
        number = 1
        while True:
            start = f"{photo_id}-" if number == 1 else f"{photo_id}-{number}-"
            room = _MOST_NAME_BYTES - len(os.fsencode(start + ending))
            chosen = start + _cut(stem, room) + ending
            taken = (chosen, chosen + NOTE_SUFFIX, chosen + ".xmp")
            if not any(os.path.lexists(self.locate(place, one)) for one in taken):
                return chosen
            number += 1

    # -- folders -----------------------------------------------------------------------------

    def make_folders(self, path: str) -> None:
        """Make the folders of a photo's path that are no longer there."""
        folder = os.path.realpath(self.root)
        for part in path.split("/")[:-1]:
            above, folder = folder, os.path.join(folder, part)
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder)
                sync_folder(above)
            if not stat.S_ISDIR(os.lstat(folder).st_mode):
                raise EditRefusedError(f"{folder} is no folder, so {path} cannot lie in it.")

    def remove_empty_folders(self, paths: Iterable[str]) -> int:
        """Remove the folders that these files have left empty, and what that leaves; how many."""
        removed = 0
        folders = {path.rpartition("/")[0] for path in paths} - {""}
        for start in sorted(folders, key=len, reverse=True):
            folder = start
            while folder:
                try:
                    # Nothing but a truly empty folder can be removed so.
                    os.rmdir(self.locate_photo(folder))
                except (OSError, EditRefusedError):
                    break
                removed += 1
                folder = folder.rpartition("/")[0]
        return removed

    # -- notes -------------------------------------------------------------------------------

    def write_note(self, place: TrashPlace, name: str, said: Mapping[str, Any]) -> None:
        """Write down what a file was, before it comes to lie beside; to the disk.

        Under its own name at once: half a note is none, and the file has not been moved then.
        """
        path = self.locate(place, name + NOTE_SUFFIX)
        with open(path, "xb") as file:
            file.write((json.dumps(dict(said), indent=1) + "\n").encode())
            file.flush()
            os.fsync(file.fileno())
        sync_folder(os.path.dirname(path))

    def remove_note(self, place: TrashPlace, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.locate(place, name + NOTE_SUFFIX))

    def list_notes(self, place: TrashPlace) -> Iterator[tuple[str, dict[str, Any]]]:
        """The name of every noted file that is there, and its note; what is none is passed over."""
        try:
            names = sorted(os.listdir(self.folder(place)))
        except OSError:
            return
        there = set(names)
        for note in names:
            name = note.removesuffix(NOTE_SUFFIX)
            if name == note or name not in there:
                continue
            try:
                data, _ = read_small_file(self.locate(place, note), _MOST_NOTE_BYTES)
                said = json.loads(data)
            except (OSError, ValueError, RecursionError, EditRefusedError):
                continue
            if isinstance(said, dict):
                yield name, said


def _cut(stem: str, room: int) -> str:
    """As much of a name as has room, in bytes, and no letter in half."""
    return os.fsencode(stem)[: max(room, 0)].decode(errors="ignore")


def find_regular(path: str) -> os.stat_result | None:
    """What the disk says of a regular file; None for what is none. Raises other `OSError`s."""
    try:
        result = os.stat(path, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return result if stat.S_ISREG(result.st_mode) else None


def hash_file(path: str) -> str:
    """The SHA-256 of a file, 64 hex digits; for a worker."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# -- moving ----------------------------------------------------------------------------------


def move_file(source: str, target: str, temporary: str) -> None:
    """Give a file another name, which nothing may have yet; both folders are made to last.

    temporary: a free name beside the target, for a copy where that is another file system. Raises
    `FileExistsError` where there is something at the target, and `OSError`; then the file is
    where it was.
    """
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    try:
        # Unlike a rename a link never replaces what is there.
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.EXDEV:
            _move_by_copy(source, target, temporary)
            return
        if error.errno not in _NO_LINKS:
            raise
        os.rename(source, target)  # FAT and some shares know no links
        sync_folder(os.path.dirname(target))
    else:
        sync_folder(os.path.dirname(target))
        _remove_source(source, target)
    sync_folder(os.path.dirname(source))


def _remove_source(source: str, target: str) -> None:
    try:
        os.unlink(source)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(target)
        raise


def _move_by_copy(source: str, target: str, temporary: str) -> None:
    """To another file system: copy, read back, and only then remove what was copied."""
    before = make_stamps(os.stat(source, follow_symlinks=False))
    try:
        content_hash = _copy(source, temporary)
        if hash_file(temporary) != content_hash:
            raise OSError(errno.EIO, "the copy is not what was written", temporary)
        _give_name(temporary, target)
    finally:
        remove_temporary(temporary)
    sync_folder(os.path.dirname(target))
    if _find_stamps(source) != before:
        os.unlink(target)
        raise EditRefusedError(f"{source} was changed by another program meanwhile. Try again.")
    _remove_source(source, target)
    sync_folder(os.path.dirname(source))


def _find_stamps(path: str) -> Stamps | None:
    found = find_regular(path)
    return make_stamps(found) if found else None


def _copy(source: str, temporary: str) -> str:
    """Copy bytes, times, mode and attributes, to the disk; the `content_hash` of what was read."""
    content = hashlib.sha256()
    with open(source, "rb") as original, open(temporary, "xb") as copy:
        while block := original.read(_BLOCK_BYTES):
            content.update(block)
            copy.write(block)
        copy.flush()
        shutil.copystat(source, temporary, follow_symlinks=False)
        result = os.fstat(original.fileno())
        with contextlib.suppress(PermissionError):
            os.fchown(copy.fileno(), result.st_uid, result.st_gid)
        os.fsync(copy.fileno())
        # What is compared next shall come from the disk.
        os.posix_fadvise(copy.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return content.hexdigest()


def _give_name(temporary: str, target: str) -> None:
    try:
        os.link(temporary, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.rename(temporary, target)


def complete_move(source: str, target: str, temporary: str) -> bool:
    """End a move that was cut off; False where both are there and are not the same."""
    remove_temporary(temporary)
    before, after = find_regular(source), find_regular(target)
    if after is None:
        if before is not None:
            move_file(source, target, temporary)
        return True
    if before is None:
        return True
    same_file = (before.st_dev, before.st_ino) == (after.st_dev, after.st_ino)
    if not same_file and (
        before.st_size != after.st_size or hash_file(source) != hash_file(target)
    ):
        return False
    os.unlink(source)
    sync_folder(os.path.dirname(source))
    return True
