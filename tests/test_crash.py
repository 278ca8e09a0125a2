"""Killed, or refused by the disk, at any moment: the library stays whole and the next run heals it.

The sample runs with `-m crash`; `-m crash_all` tries every point, which takes most of an hour.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import crash_points
import pytest
from crash_points import CrashPoint, Outcome, add_failures, list_points, run_point, sample
from rebuild_box import (
    DATABASE,
    FOREIGN,
    add_history,
    comparable,
    fingerprint,
    fresh_rows,
    list_history,
    make_photos,
    opened,
    read_rows,
)

import backups
import hash_cache
from db import find_damage, open_database
from db_schema import SCHEMA_VERSION
from errors import LibraryError
from media_workers import WorkerPool

CHILD = Path(__file__).with_name("crash_child.py")
DEEDS = ("index", "rebuild", "backup")
KILLED_SAMPLE = 4
FAILING_SAMPLE = 2
# What a kill may leave, each under a name of its own that is never taken for the real thing.
LEFT = (".part", ".tmp", "-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Scene:
    """A library at rest before a deed, and what must be true of it ever after."""

    root: Path
    data: Path
    files: dict[str, str]
    rows: dict[str, dict[str, Any]]
    history: dict[str, Any] | None

    def command(self, deed: str) -> list[str]:
        return [sys.executable, str(CHILD), deed, str(self.root), str(self.data)]


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(workers=1, memory_mb=1024, file_timeout_s=20) as pool:
        yield pool


@pytest.fixture(autouse=True)
def trust_young_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hash cache trusts no file younger than 2 s; these tests do not wait so long."""
    monkeypatch.setattr(hash_cache, "UNTRUSTED_NS", 0)


def make_scene(tmp_path: Path, pool: WorkerPool, deed: str, photos: int = 12) -> Scene:
    """An empty data folder for a first index; else an indexed library with a history."""
    root, data = tmp_path / "photos", tmp_path / "data"
    root.mkdir()
    data.mkdir()
    make_photos(root, photos)
    (data / FOREIGN).write_text("kept")
    history: dict[str, Any] | None = None
    if deed == "index":
        rows = fresh_rows(root, tmp_path / "fresh", pool)
    else:
        with opened(root, data, pool) as box:
            add_history(box)
            rows, history = comparable(box.rows()), list_history(box)
            # What a rebuild sets right, so that the old and the new rows can be told apart.
            box.change("UPDATE photos SET width = 1 WHERE missing_since IS NULL")
    return Scene(root, data, fingerprint(root), rows, history)


def find_faults(scene: Scene, pool: WorkerPool, deed: str) -> list[str]:
    """What is wrong with the library after a run of `deed` that ended in any way.

    Also runs the deed that heals it: the next index, and the rebuild again.
    """
    faults = [f"{path} is not what it was" for path in _find_changed(scene)]
    faults += _check_backups(scene.data / "backups")
    faults += [
        f"{path} is half and has a final name"
        for path in fingerprint(scene.data)
        if not _is_allowed(path)
    ]
    try:
        faults += _check_database(scene)
        with opened(scene.root, scene.data, pool) as box:
            if deed == "rebuild":
                box.rebuild()
            elif deed == "index":
                box.index()
            else:
                box.change("UPDATE photos SET width = 48 WHERE missing_since IS NULL")
                box.index()
            if comparable(box.rows()) != scene.rows:
                faults.append("the next run does not give the rows of an undisturbed one")
            if scene.history is not None and list_history(box) != scene.history:
                faults.append("ids, trash, journal or ratings are not what they were")
    except (LibraryError, sqlite3.Error) as error:
        faults.append(f"the library cannot be used: {error}")
    return faults


def _find_changed(scene: Scene) -> list[str]:
    now = fingerprint(scene.root)
    changed = [path for path, digest in scene.files.items() if now.get(path) != digest]
    changed += sorted(now.keys() - scene.files.keys())
    foreign = scene.data / FOREIGN
    return changed + [FOREIGN] * (not foreign.exists() or foreign.read_text() != "kept")


def _is_allowed(path: str) -> bool:
    name = path.rpartition("/")[2]
    return (
        path in (DATABASE, FOREIGN, "backups/manifest.jsonl", f"rebuild/{DATABASE}")
        or name.endswith(LEFT)
        or (path.startswith("backups/") and name.endswith(".db"))
    )


def _check_backups(folder: Path) -> list[str]:
    """Every file with the name of a backup is a whole one, noted or not."""
    faults = []
    for path in folder.glob("*.db"):
        try:
            with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as connection:
                count = connection.execute("SELECT count(*) FROM photos").fetchone()[0]
                damage = find_damage(connection)
        except sqlite3.Error as error:
            count, damage = 0, str(error)
        if damage or not count:
            faults.append(f"the backup {path.name} is not whole: {damage}")
    for backup in backups.list_backups(folder):
        if reason := backups.verify_backup(backup):
            faults.append(f"the backup {backup.path.name}: {reason}")
    return faults


def _check_database(scene: Scene) -> list[str]:
    """The live database as the run left it: it opens, is sound, and all old or all new."""
    faults: list[str] = []
    existed = (scene.data / DATABASE).exists()
    if not existed and scene.history is not None:
        faults.append("the database is gone")
    database = open_database(scene.data / DATABASE)
    try:
        with database.reading() as connection:
            if damage := find_damage(connection):
                faults.append(f"the database is damaged: {damage}")
            if connection.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
                faults.append("the database is of an unknown version")
        rows = read_rows(database)
    finally:
        database.close()
    if scene.history is not None:
        widths = {row["width"] for row in rows.values()}
        if len(rows) != len(scene.rows) or widths not in ({1}, {48}):
            faults.append(f"the rows are a mixture: {len(rows)} with widths {widths}")
    return faults


def try_points(
    scene: Scene, pool: WorkerPool, deed: str, points: list[CrashPoint]
) -> dict[str, list[str]]:
    """The faults by point, each tried from the same beginning."""
    before = scene.data.with_name("before")
    found: dict[str, list[str]] = {}
    for point in points:
        shutil.rmtree(scene.data)
        shutil.copytree(before, scene.data)
        outcome = run_point(scene.command(deed), point)
        faults = find_faults(scene, pool, deed)
        if not outcome.is_clean:
            faults.append(f"it ended with {outcome.status}: {outcome.output[-2000:]}")
        if faults:
            found[str(point)] = faults
    return found


def prepare(
    tmp_path: Path, pool: WorkerPool, deed: str
) -> tuple[Scene, list[CrashPoint], list[CrashPoint]]:
    crash_points.require_strace()
    scene = make_scene(tmp_path, pool, deed)
    shutil.copytree(scene.data, tmp_path / "before")
    points = list_points(scene.command(deed))
    assert len(points) > 50
    return scene, points, add_failures(points)


@pytest.mark.crash
@pytest.mark.parametrize("deed", DEEDS)
def test_killed_at_some_moments_nothing_is_lost(
    tmp_path: Path, pool: WorkerPool, deed: str
) -> None:
    scene, kills, failures = prepare(tmp_path, pool, deed)
    chosen = sample(kills, KILLED_SAMPLE) + sample(failures, FAILING_SAMPLE)
    assert try_points(scene, pool, deed, chosen) == {}


@pytest.mark.crash_all
@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("kind", ["killed", "the disk is full or fails"])
def test_killed_at_every_moment_nothing_is_lost(
    tmp_path: Path, pool: WorkerPool, deed: str, kind: str
) -> None:
    scene, kills, failures = prepare(tmp_path, pool, deed)
    assert try_points(scene, pool, deed, kills if kind == "killed" else failures) == {}


@pytest.mark.crash
def test_these_checks_notice_a_swap_that_copies_over_a_database_in_use(
    tmp_path: Path, pool: WorkerPool
) -> None:
    """The proof that the checks above see anything: a swap as it must not be done."""
    scene, points, _ = prepare(tmp_path, pool, "naive")
    late = [point for point in points if point.syscall in ("rename", "sendfile")]
    assert late
    undisturbed = CrashPoint("fsync", 10_000)
    faults = try_points(scene, pool, "naive", [*late, undisturbed])
    assert "SIGKILL at sendfile 1" in faults
    assert str(undisturbed) in faults


# -- kill -9 at random -----------------------------------------------------------------------


def _run_and_kill(command: list[str], after_s: float | None) -> Outcome:
    """Run; kill the whole group after so many seconds, if it lasts so long."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    fired = False
    try:
        _, errors = process.communicate(timeout=after_s)
    except subprocess.TimeoutExpired:
        fired = True
        os.killpg(process.pid, signal.SIGKILL)
        _, errors = process.communicate()
    return Outcome(process.returncode, fired, errors)


@pytest.mark.crash
@pytest.mark.parametrize("deed", ["index", "rebuild"])
def test_killed_at_random_and_resumed_until_done_gives_the_same(
    tmp_path: Path, pool: WorkerPool, deed: str
) -> None:
    scene = make_scene(tmp_path, pool, deed, photos=300)
    if deed == "rebuild":
        # Nothing may be known from before, so that there is something to kill.
        with opened(scene.root, scene.data, pool) as box:
            box.change("DELETE FROM hash_cache")
            box.change("DELETE FROM fact_seals")
    untouched = tmp_path / "untouched"
    shutil.copytree(scene.data, untouched)
    undisturbed = replace(scene, data=tmp_path / "undisturbed")
    shutil.copytree(scene.data, undisturbed.data)
    began = time.monotonic()
    assert _run_and_kill(undisturbed.command(deed), None).status == 0
    duration = time.monotonic() - began
    choice = random.Random(len(deed))
    kills = 0
    for _ in range(5):
        outcome = _run_and_kill(scene.command(deed), duration * (0.3 + choice.random() * 0.5))
        kills += outcome.fired
        assert outcome.fired or outcome.status == 0, outcome.output
        assert _check_database(scene) == []
        if not kills:  # the machine is quicker now than it was for the measure
            shutil.rmtree(scene.data)
            shutil.copytree(untouched, scene.data)
            duration /= 2
    assert kills
    outcome = _run_and_kill(scene.command(deed), None)
    assert outcome.status == 0, outcome.output
    assert find_faults(scene, pool, deed) == []


def test_a_fault_that_is_not_reached_is_told_apart_from_one_that_is() -> None:
    crash_points.require_strace()
    command = [sys.executable, "-c", "import os; os.mkdir('/dev/null/x')"]
    assert not run_point(command, CrashPoint("mkdir", 5)).fired
    assert run_point(command, CrashPoint("mkdir", 1)).fired
    full = run_point(command, CrashPoint("mkdir", 1, "ENOSPC"))
    assert "No space left" in full.output
