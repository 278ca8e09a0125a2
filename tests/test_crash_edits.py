"""Killed, or refused by the disk, at any moment of an edit: every photo is whole, old or new.

The sample runs with `-m crash`; `-m crash_all` tries every point. What a process does before its
edit begins is the same for all and is left out.
"""

from __future__ import annotations

import dataclasses
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import crash_points
import pytest
from crash_points import CrashPoint, Outcome, add_failures, list_points, sample
from edit_box import needs_exiftool
from edit_deeds import NEIGHBOR, STARRED, find_photo, make_library, perform
from rebuild_box import fingerprint

import write_journal
from errors import LibraryError
from library import Library, open_library
from picture_reading import read_picture
from safe_write import TEMPORARY_SUFFIX, check_copy
from settings import load_settings

pytestmark = needs_exiftool

CHILD = Path(__file__).with_name("crash_edit_child.py")
DEEDS = ("star", "sidecar", "unstar", "undo", "bulk")
PREPARED = {"unstar": "star", "undo": "sidecar"}
SLOTS = 2
KILLED_SAMPLE = 1
FAILING_SAMPLE = 1
APP_FOLDER = ".library/"
# The only error after which a photo may be another: it says that the photo is written.
NOT_NOTED = "EditNotNotedError"


@dataclass(frozen=True, slots=True)
class Scene:
    """A library at rest before a deed, in `folder/before`, and the files of it after the deed."""

    folder: Path
    deed: str
    before: dict[str, str]
    after: dict[str, str]
    rating_after: dict[str, tuple[int | None, str | None]]

    def command(self, root: Path, deed: str | None = None) -> list[str]:
        return [sys.executable, str(CHILD), deed or self.deed, str(root)]

    def lay_out(self, slot: int) -> Path:
        """The library anew, always under the same path."""
        root = self.folder / f"slot{slot}"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(self.folder / "before", root)
        return root


@contextmanager
def opened(root: Path) -> Iterator[Library]:
    library = open_library(dataclasses.replace(load_settings(root), workers=1))
    try:
        yield library
    finally:
        library.close()


def update(library: Library) -> None:
    progress = library.runner.wait(library.start_update_index(), timeout=60)
    assert progress.status == "completed", progress.message


def list_ratings(library: Library) -> dict[str, tuple[int | None, str | None]]:
    with library.database.reading() as connection:
        rows = connection.execute(
            "SELECT current_path, rating, kept_in FROM photos WHERE missing_since IS NULL"
        )
        return {path: (rating, kept_in) for path, rating, kept_in in rows}


def hash_photos(root: Path) -> dict[str, str]:
    """Every file of the library but the app's own."""
    return {
        path: digest
        for path, digest in fingerprint(root).items()
        if not path.startswith(APP_FOLDER)
    }


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Scene:
    crash_points.require_strace()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("LIGHTKEEP_DATA_DIR", raising=False)
    deed = str(request.param)
    folder = tmp_path / "scene"
    root = folder / "before"
    root.mkdir(parents=True)
    make_library(root)
    with opened(root) as library:
        update(library)
        if deed in PREPARED:
            perform(library, PREPARED[deed])
        library.back_up("so that none is due while a deed is disturbed")
    before = hash_photos(root)
    undisturbed = Scene(folder, deed, before, {}, {}).lay_out(0)
    with opened(undisturbed) as library:
        update(library)
        perform(library, deed)
        ratings = list_ratings(library)
    after = hash_photos(undisturbed)
    assert (after == before) == (deed == "naive")
    return Scene(folder, deed, before, after, ratings)


# -- what has to hold ------------------------------------------------------------------------


def find_faults(
    scene: Scene, root: Path, outcome: Outcome, *, elsewhere: bool = False
) -> list[str]:
    """What is wrong after a run of the deed that ended in any way; also heals and repeats it.

    elsewhere: ExifTool was what failed, so that the wish may lie in a sidecar.
    """
    faults = _find_changed(scene, root, "as the run left it", elsewhere)
    excused = scene.deed == "bulk" or NOT_NOTED in outcome.output
    if outcome.status == 2 and not excused and hash_photos(root) != scene.before:
        names = set(hash_photos(root).items()) ^ set(scene.before.items())
        faults.append(f"it said {outcome.output!r} and yet wrote {sorted(names)}")
    if outcome.status == 2 and not outcome.output.strip():
        faults.append("it does not say why")
    if not outcome.is_clean and outcome.status != -9:
        faults.append(f"it ended with {outcome.status}: {outcome.output[-2000:]}")
    try:
        with opened(root) as library:
            faults += _check_journal(library)
            update(library)
            faults += _find_changed(scene, root, "healed", elsewhere)
            faults += _check_rows(library)
        with opened(root) as library:
            perform(library, scene.deed)
            faults += _check_end(scene, library, elsewhere)
    except (LibraryError, sqlite3.Error) as error:
        faults.append(f"the library cannot be used: {error!r}")
    return faults


def _find_changed(scene: Scene, root: Path, when: str, elsewhere: bool) -> list[str]:
    now = hash_photos(root)
    faults = []
    for path in scene.before.keys() | scene.after.keys() | now.keys():
        if path.endswith(TEMPORARY_SUFFIX):
            if when == "healed":
                faults.append(f"{when}: {path} is left")
            continue
        if elsewhere and path.endswith(".xmp") and path not in scene.before:
            continue
        if now.get(path) not in (scene.before.get(path), scene.after.get(path)):
            faults.append(f"{when}: {path} is neither as before nor as after")
    for path in (STARRED, NEIGHBOR):
        original, copy = scene.folder / "before" / path, root / path
        if not check_copy(str(original), str(copy), "jpeg").same_picture:
            faults.append(f"{when}: {path} holds another picture")
    return faults


def _check_journal(library: Library) -> list[str]:
    with library.database.reading() as connection:
        left = write_journal.list_unfinished(connection)
        entries = write_journal.list_edits(connection)
    return [f"{entry.path} is left {entry.state}" for entry in left] + [
        f"{entry.path} is a conflict" for entry in entries if entry.state == "conflict"
    ]


def _check_rows(library: Library) -> list[str]:
    faults = []
    root = library.settings.library
    for path, (rating, _) in list_ratings(library).items():
        row = find_photo(library, path)
        sidecar = root / f"{path}.xmp"
        reading = read_picture(str(root / path), str(sidecar) if sidecar.exists() else None)
        said = {**(reading.tags or {}), **(reading.sidecar_tags or {})}.get("XMP-xmp:Rating")
        said = (reading.tags or {}).get("IFD0:Rating") if said is None else said
        if (None if said is None else int(str(said))) != rating:
            faults.append(f"{path} says {said!r}, and its row {rating}")
        if row.content_hash != reading.content_hash:
            faults.append(f"the row of {path} has another content_hash")
    return faults


def _check_end(scene: Scene, library: Library, elsewhere: bool) -> list[str]:
    root = library.settings.library
    now, ratings = hash_photos(root), list_ratings(library)
    if elsewhere:
        now = scene.after
        ratings = {
            path: (rating, scene.rating_after[path][1]) for path, (rating, _) in ratings.items()
        }
    faults = _check_journal(library)
    if now != scene.after:
        names = {path for path, _ in set(now.items()) ^ set(scene.after.items())}
        faults.append(f"done again it ends with other files: {sorted(names)}")
    if ratings != scene.rating_after:
        faults.append(f"done again it ends with other rows: {ratings}")
    return faults


# -- trying ----------------------------------------------------------------------------------


def list_deed_points(scene: Scene) -> list[CrashPoint]:
    """The points of the deed alone."""
    # Run before it is counted: then this user remembers the library.
    subprocess.run(scene.command(scene.lay_out(0), "open"), check=True)
    opening: Counter[str] = Counter()
    for point in list_points(scene.command(scene.lay_out(0), "open")):
        opening[point.syscall] = max(opening[point.syscall], point.number)
    points = list_points(scene.command(scene.lay_out(0)))
    return [point for point in points if point.number > opening[point.syscall]]


def try_points(scene: Scene, points: Sequence[CrashPoint]) -> str:
    """The faults by point, each tried from the same beginning, some at a time."""

    def try_one(slot: int, point: CrashPoint) -> tuple[str, list[str]]:
        root = scene.lay_out(slot)
        outcome = crash_points.run_point(scene.command(root), point)
        # Through `write` a process talks to ExifTool and the workers, which then die; and a
        # photo into which a failing disk lets nothing be written gets a sidecar.
        elsewhere = point.syscall == "write" or point.fault == "EIO"
        return str(point), find_faults(scene, root, outcome, elsewhere=elsewhere)

    def try_some(slot: int) -> list[tuple[str, list[str]]]:
        return [try_one(slot, point) for point in points[slot::SLOTS]]

    with ThreadPoolExecutor(SLOTS) as threads:
        results = [answer for some in threads.map(try_some, range(SLOTS)) for answer in some]
    return "\n".join(f"{point}: {'; '.join(faults)}" for point, faults in results if faults)


@pytest.mark.crash
@pytest.mark.parametrize("scene", DEEDS, indirect=True)
def test_an_edit_that_dies_at_some_moments_leaves_the_old_or_the_new(scene: Scene) -> None:
    kills = list_deed_points(scene)
    assert len(kills) > 20
    chosen = sample(kills, KILLED_SAMPLE) + sample(add_failures(kills), FAILING_SAMPLE)
    assert not try_points(scene, chosen)


@pytest.mark.crash_all
@pytest.mark.parametrize("scene", DEEDS, indirect=True)
@pytest.mark.parametrize("kind", ["killed", "the disk is full or fails"])
def test_an_edit_that_dies_at_every_moment_leaves_the_old_or_the_new(
    scene: Scene, kind: str
) -> None:
    kills = list_deed_points(scene)
    assert not try_points(scene, kills if kind == "killed" else add_failures(kills))


@pytest.mark.crash
@pytest.mark.parametrize("scene", ["star"], indirect=True)
def test_these_checks_notice_a_write_into_the_file_itself(scene: Scene) -> None:
    naive = dataclasses.replace(scene, deed="naive")
    root = scene.lay_out(0)
    list_points(naive.command(root, "open"))
    most = max(
        p.number for p in list_points(naive.command(scene.lay_out(0))) if p.syscall == "write"
    )
    found = {}
    for number in range(most - 2, most + 1):  # the last ones are the file's
        root = scene.lay_out(0)
        outcome = crash_points.run_point(naive.command(root), CrashPoint("write", number))
        found[number] = _find_changed(scene, root, "as the run left it", elsewhere=False)
        assert outcome.fired
    assert any("neither as before nor as after" in " ".join(faults) for faults in found.values())
