"""A photo moved to the folder of its new day, and back: noted first, then moved, never over a file.

The intent is an entry of the journal, a part of the edit that changed the date. The photo is
renamed, then its sidecar; then row, companions and journal follow in one transaction. After a
crash the disk says how far it came: forward where the photo has its new name, back where not.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import catalog
import write_journal
from catalog import Photo, PhotoRecord
from edit_recovery import EditParts
from errors import EditRefusedError, LibraryError
from file_indexer import find_file
from file_operations import sync_folder
from hash_cache import Hashes
from import_naming import FolderNames, stem_of
from import_plan import day_folder
from pair_rows import pair_folders
from trash_files import find_regular
from verified_copy import make_folder, rename_new
from write_journal import Edit, EditKind, EditState, Place, PlannedEdit, Values

_OWNER: Final = "day-folder"


def find_import_folder(photo: Photo) -> str | None:
    """The folder that an import gave this photo by its date; None where it lies elsewhere."""
    folder = os.path.dirname(photo.current_path)
    return folder if folder == day_folder(photo.date_taken) else None


@dataclass(frozen=True, slots=True)
class DayFolders:
    """Moves photos of one library; who calls sees to it that nobody edits them meanwhile."""

    parts: EditParts

    def move_to_day(
        self, photo: Photo, left: str, main_id: int, operation_id: str | None
    ) -> str | None:
        """Move a photo that lies in the folder `left` to that of its day; its new path.

        None where nothing was to be moved. Raises `EditRefusedError`; all is then as it was.
        """
        folder = day_folder(photo.date_taken)
        if os.path.dirname(photo.current_path) != left or folder == left:
            return None
        return self._move(photo, folder, stem_of(_name(photo)), main_id, operation_id)

    def move_back(
        self, photo: Photo, move: Edit, main_id: int, operation_id: str | None
    ) -> str | None:
        """Take a move back: to the old path, numbered where that is taken; its path then.

        Raises `EditRefusedError`, also where somebody has moved the photo since.
        """
        assert move.before.path
        assert move.after.path
        if os.path.dirname(photo.current_path) != os.path.dirname(move.after.path):
            raise EditRefusedError(f"{photo.current_path} was moved since, and stays there.")
        folder, name = os.path.split(move.before.path)
        exactly = self._is_free(move, stem_of(name))
        return self._move(
            photo, folder, stem_of(name), main_id, operation_id, move.id, exactly=exactly
        )

    def _is_free(self, move: Edit, stem: str) -> bool:
        """Whether all that left a folder under one name with this photo could have it again."""
        with self.parts.database.reading() as connection:
            moved = write_journal.list_moves(connection, move.operation_id, stem)
        left = [one for one in moved if _belong(one.before.path or "", move.before.path or "")]
        paths = [
            path for one in [move, *left] for path in (one.before.path, one.before.sidecar_path)
        ]
        return not any(os.path.lexists(self._locate(path)) for path in paths if path)

    def settle(self, entry: Edit) -> EditState | None:
        """End a move that was interrupted; None where that cannot be told now."""
        assert entry.before.path
        assert entry.after.path
        assert entry.photo_id is not None
        with self.parts.database.reading() as connection:
            photo = catalog.get_photo(connection, entry.photo_id)
        source, target = self._locate(entry.before.path), self._locate(entry.after.path)
        before, after = find_regular(source), find_regular(target)
        if before is None and after is None:
            return None  # on a disk that is not there: nothing is touched
        if before and after and (before.st_dev, before.st_ino) == (after.st_dev, after.st_ino):
            os.unlink(source)  # where a rename was a link first
            before = None
        if before or after is None or after.st_size != photo.file_size:
            with self.parts.database.transaction() as connection:
                write_journal.drop(connection, entry.id)
            return EditState.PLANNED
        self._move_sidecar(entry)
        self._finish(entry, photo)
        return EditState.DONE

    def remove_empty(self, paths: Iterable[str]) -> None:
        """Remove the folders that moves from these paths have left empty, and what that leaves."""
        for start in sorted({os.path.dirname(path) for path in paths}, key=len, reverse=True):
            self._remove_while_empty(_list_upwards(start))

    def _remove_while_empty(self, folders: Iterable[str]) -> None:
        for folder in folders:
            try:
                # Nothing but a truly empty folder can be removed so.
                os.rmdir(self._locate(folder))
            except (OSError, EditRefusedError):
                break

    def _list_absent(self, folder: str) -> list[str]:
        """Those of a folder and the ones around it that are not there, the inmost first."""
        return [one for one in _list_upwards(folder) if not os.path.lexists(self._locate(one))]

    # -- one move ----------------------------------------------------------------------------

    def _move(
        self,
        photo: Photo,
        folder: str,
        stem: str,
        main_id: int,
        operation_id: str | None,
        undoes: int | None = None,
        *,
        exactly: bool = False,
    ) -> str:
        path = photo.current_path
        made_here = self._list_absent(folder)
        try:
            found = find_file(self.parts.places.root, path)
            sidecar = found.sidecar.path if found.sidecar else None
            target, beside = self._choose(
                photo, sidecar, folder, stem, operation_id, exactly=exactly
            )
            entry = self._plan(
                PlannedEdit(
                    photo_id=photo.id,
                    path=path,
                    place=Place.FILE,
                    before=Values(None, None, {}, path=path, sidecar_path=sidecar),
                    after=Values(None, None, {}, path=target, sidecar_path=beside),
                    operation_id=operation_id,
                    main_id=main_id,
                    undoes=undoes,
                    kind=EditKind.MOVE,
                )
            )
            try:
                self._rename(path, target)
                self._move_sidecar(entry)
                self._finish(entry, photo)
            except OSError:
                if self.settle(entry) != EditState.DONE:
                    raise
        except (OSError, LibraryError) as error:
            if isinstance(error, LibraryError) and error.status >= 500:
                raise
            self._remove_while_empty(made_here)
            why = error.message if isinstance(error, LibraryError) else error.strerror or error
            raise EditRefusedError(f"{path} has its date, but was not moved: {why}") from error
        return target

    def _choose(
        self,
        photo: Photo,
        sidecar: str | None,
        folder: str,
        stem: str,
        operation_id: str | None,
        *,
        exactly: bool,
    ) -> tuple[str, str | None]:
        """Free paths for a photo and its sidecar, under the stem of what belongs to it."""
        absolute = make_folder(self.parts.places.root, folder)
        name, own_stem = _name(photo), stem_of(_name(photo))
        with self.parts.database.reading() as connection:
            rows = [path for _, path, *_ in catalog.list_pair_facts(connection, folder)]
            moved = write_journal.list_moves(connection, operation_id, own_stem)
        partner = next(
            (
                stem_of(os.path.basename(move.after.path or ""))
                for move in moved
                if _belong(move.before.path or "", photo.current_path)
                and os.path.dirname(move.after.path or "") == folder
            ),
            None,
        )
        here = [os.path.basename(path) for path in rows if os.path.dirname(path) == folder]
        wanted = [name] + ([os.path.basename(sidecar)] if sidecar else [])
        # The name of before, which the choice below may number.
        wanted = [f"{stem}{one[len(own_stem) :]}" for one in wanted]
        chosen = FolderNames(absolute, here, _OWNER).choose(
            wanted, stem, sidecars={}, beside=partner or (stem if exactly else None)
        )
        paths = [f"{folder}/{chosen[one]}" if folder else chosen[one] for one in wanted]
        return paths[0], paths[1] if sidecar else None

    def _plan(self, planned: PlannedEdit) -> Edit:
        with self.parts.database.transaction() as connection:
            return write_journal.get_edit(connection, write_journal.plan(connection, planned))

    def _rename(self, path: str, target: str) -> None:
        source, goal = self._locate(path), self._locate(target)
        rename_new(source, goal)
        sync_folder(os.path.dirname(goal))
        sync_folder(os.path.dirname(source))

    def _move_sidecar(self, entry: Edit) -> None:
        source, target = entry.before.sidecar_path, entry.after.sidecar_path
        if not source or not target:
            return
        before, after = find_regular(self._locate(source)), find_regular(self._locate(target))
        if before and after and (before.st_dev, before.st_ino) == (after.st_dev, after.st_ino):
            os.unlink(self._locate(source))
        elif before and not after:
            self._rename(source, target)

    def _finish(self, entry: Edit, photo: Photo) -> None:
        """The row, its companions and the journal follow the files, in one transaction."""
        path = entry.after.path
        assert path
        file = find_file(self.parts.places.root, path)
        stat, sidecar = file.stat, file.sidecar
        moved = replace(
            catalog.get_record(photo),
            current_path=path,
            original_filename=os.path.basename(path),
            ctime_ns=stat.ctime_ns,
            inode=stat.inode,
            sidecar_path=sidecar.path if sidecar else None,
        )
        paths = {entry.before.path or "": path}
        if entry.before.sidecar_path and entry.after.sidecar_path:
            paths[entry.before.sidecar_path] = entry.after.sidecar_path
        known = (stat.size, stat.mtime_ns) == (photo.file_size, photo.mtime_ns)
        with self.parts.database.transaction() as connection:
            catalog.update_photos(connection, {photo.id: moved})
            write_journal.follow_move(connection, photo.id, paths)
            write_journal.finish(connection, entry.id, EditState.DONE)
            pair_folders(connection, {os.path.dirname(one) for one in (photo.current_path, path)})
            if known:
                self._keep_hashes(connection, moved)

    def _keep_hashes(self, connection: sqlite3.Connection, photo: PhotoRecord) -> None:
        """A rename changes no bytes: they need not be read again."""
        stamps = photo.mtime_ns, photo.file_size, photo.ctime_ns
        hashes = Hashes(photo.content_hash, photo.media_hash)
        entry = (photo.current_path, *stamps, hashes)
        self.parts.cache.put_many([entry], connection, own_write=True)

    def _locate(self, path: str) -> str:
        return self.parts.places.locate(Place.FILE, path)


def _list_upwards(folder: str) -> Iterator[str]:
    """A relative folder and those around it, without the library itself."""
    while folder:
        yield folder
        folder = os.path.dirname(folder)


def _name(photo: Photo) -> str:
    return os.path.basename(photo.current_path)


def _belong(path: str, other: str) -> bool:
    """Whether two paths are of files that one name makes one photo."""
    (folder, name), (second, other_name) = os.path.split(path), os.path.split(other)
    return folder == second and stem_of(name).casefold() == stem_of(other_name).casefold()
