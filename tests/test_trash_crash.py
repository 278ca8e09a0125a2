"""Killed, or refused by the disk, on the way into the trash or back: each photo is in one place.

The sample runs with `-m crash`; `-m crash_all` tries every point.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import crash_points
import pytest
from crash_points import CrashPoint, add_failures, list_points, run_point, sample
from pictures import make_jpeg
from rebuild_box import opened
from trash_crash_box import TrashCrashBox, open_trash

from db import find_damage
from media_workers import WorkerPool

CHILD = Path(__file__).with_name("trash_crash_child.py")
DEEDS = ("trash", "restore", "purge")
KILLED_SAMPLE = 4
FAILING_SAMPLE = 2
PLAIN, WITH_SIDECAR = "a.jpg", "sub/b.jpg"
SIDECAR = "<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"


@dataclass(frozen=True, slots=True)
class Scene:
    """A library at rest before a deed: the id and the bytes of each photo by its path."""

    root: Path
    data: Path
    ids: dict[str, int]
    bytes: dict[str, str]

    def command(self, deed: str) -> list[str]:
        return [sys.executable, str(CHILD), deed, str(self.root), str(self.data)]


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(workers=1, memory_mb=1024, file_timeout_s=20) as pool:
        yield pool


def make_scene(tmp_path: Path, pool: WorkerPool, deed: str) -> Scene:
    root = tmp_path / "photos"
    data = root / ".library"
    data.mkdir(parents=True)
    make_jpeg(root / PLAIN, 1, date="2019:07:14 18:03:22", rating=4)
    make_jpeg(root / WITH_SIDECAR, 2)
    (root / (WITH_SIDECAR + ".xmp")).write_text(SIDECAR)
    with opened(root, data, pool) as box:
        box.index()
    with open_trash(root, data) as box:
        ids = {photo.current_path: photo.id for photo in box.photos()}
        bytes_before = {path: hash_of(root / path) for path in ids}
        if deed != "trash":
            for key in box.list_photos():
                box.perform("trash", key)
    return Scene(root, data, ids, bytes_before)


def hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def find_faults(scene: Scene, deed: str) -> list[str]:
    """What is wrong after a run of `deed` that ended in any way, once the library was opened."""
    faults = []
    with open_trash(scene.root, scene.data) as box:
        with box.database.reading() as connection:
            if damage := find_damage(connection):
                faults.append(f"the database is damaged: {damage}")
            left = connection.execute("SELECT count(*) FROM trash_moves WHERE state = 'planned'")
            if left.fetchone()[0]:
                faults.append("a move was not ended")
        for path in scene.ids:
            faults += _check_photo(scene, box, path, deed)
        if deed != "purge":
            # The deed once more, and its opposite: all is as it was.
            for key in box.list_entries():
                box.perform("restore", key)
            now = {photo.current_path: photo.id for photo in box.photos()}
            if now != scene.ids:
                faults.append(f"ids after all was brought back: {now}")
        else:
            for key in box.list_entries():
                box.perform("purge", key)
        faults += _check_files(scene, deed)
    return faults


def _check_photo(scene: Scene, box: TrashCrashBox, path: str, deed: str) -> list[str]:
    """Each photo is whole, and in one place: in the grid or in the trash, not in both."""
    rows = {photo.current_path: photo.id for photo in box.photos()}
    trashed = {entry.original_path: entry for entry in box.entries()}
    if path not in rows and path not in trashed:
        return [] if deed == "purge" else [f"{path} is lost"]
    if path in rows and path in trashed:
        return [f"{path} is in the grid and in the trash"]
    if path in rows:
        places = [(scene.root / path, rows[path])]
        beside = scene.root / (path + ".xmp")
    else:
        entry = trashed[path]
        folder = scene.root / ".library" / "trash"
        places = [(folder / entry.trash_filename, entry.photo.id)]
        beside = folder / (entry.trash_filename + ".xmp")
    faults = []
    for place, photo_id in places:
        if photo_id != scene.ids[path]:
            faults.append(f"{path} has the id {photo_id}")
        # A purge that was cut off may have deleted the file and not yet its entry.
        if not place.exists() and deed == "purge":
            return faults
        if not place.exists() or hash_of(place) != scene.bytes[path]:
            faults.append(f"{path} is not whole")
    if path == WITH_SIDECAR and (not beside.exists() or beside.read_text() != SIDECAR):
        faults += [] if deed == "purge" else [f"the sidecar of {path} is lost"]
    return faults


def _check_files(scene: Scene, deed: str) -> list[str]:
    """After all was brought back, or deleted, nothing of ours is left over."""
    trash = scene.root / ".library" / "trash"
    left = sorted(path.name for path in trash.iterdir()) if trash.is_dir() else []
    faults = [f"left in the trash: {left}"] if left else []
    expected = set() if deed == "purge" else {*scene.ids, WITH_SIDECAR + ".xmp"}
    found = {
        path.relative_to(scene.root).as_posix()
        for path in scene.root.rglob("*")
        if path.is_file() and ".library" not in path.parts
    }
    return faults if found == expected else [*faults, f"in the library: {sorted(found)}"]


def try_points(scene: Scene, deed: str, points: list[CrashPoint]) -> dict[str, list[str]]:
    """The faults by point, each tried from the same beginning."""
    before = scene.root.with_name("before")
    found: dict[str, list[str]] = {}
    for point in points:
        shutil.rmtree(scene.root)
        shutil.copytree(before, scene.root)
        outcome = run_point(scene.command(deed), point)
        faults = find_faults(scene, deed)
        # The same count kills a worker and this process: what that says of it may come in between.
        if not outcome.is_clean and "Traceback" in outcome.output:
            faults.append(f"it ended with {outcome.status}: {outcome.output[-2000:]}")
        if faults:
            found[str(point)] = faults
    return found


def prepare(
    tmp_path: Path, pool: WorkerPool, deed: str
) -> tuple[Scene, list[CrashPoint], list[CrashPoint]]:
    crash_points.require_strace()
    scene = make_scene(tmp_path, pool, deed)
    shutil.copytree(scene.root, tmp_path / "before")
    points = list_points(scene.command(deed))
    assert len(points) > 30
    return scene, points, add_failures(points)


@pytest.mark.crash
@pytest.mark.parametrize("deed", DEEDS)
def test_killed_at_some_moments_each_photo_is_in_one_place(
    tmp_path: Path, pool: WorkerPool, deed: str
) -> None:
    scene, kills, failures = prepare(tmp_path, pool, deed)
    chosen = sample(kills, KILLED_SAMPLE) + sample(failures, FAILING_SAMPLE)
    assert try_points(scene, deed, chosen) == {}


@pytest.mark.crash_all
@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("kind", ["killed", "the disk is full or fails"])
def test_killed_at_every_moment_each_photo_is_in_one_place(
    tmp_path: Path, pool: WorkerPool, deed: str, kind: str
) -> None:
    scene, kills, failures = prepare(tmp_path, pool, deed)
    assert try_points(scene, deed, kills if kind == "killed" else failures) == {}
