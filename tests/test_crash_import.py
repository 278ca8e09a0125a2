"""Killed again and again while photos are imported: each comes once, whole, and sources stay.

The sample runs with `-m crash`; `-m crash_all` kills twenty times on the way of 200 photos.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pictures import make_film, make_jpeg

from photo_import import OWNER

CLI = Path(__file__).resolve().parent.parent / "cli.py"
DAYS = ("2019/2019-07-14", "2020/2020-02-29", "Undated")
DATES = ("2019:07:14 18:03:22", "2020:02:29 00:00:00", None)
LONGEST_S = 60.0
SIDECAR = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    'syntax-ns#"><rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Label="%d"/>'
    "</rdf:RDF></x:xmpmeta>"
)


@dataclass(slots=True)
class Card:
    """Photos in folders that hold the same names, some with a sidecar, some with their film.

    photos: how many rows an import of it makes.
    """

    folder: Path
    photos: int
    before: dict[str, tuple[str, int, int]] = field(default_factory=dict)

    def make(self) -> None:
        for number in range(self.photos):
            path = self._name(number)
            if number % 20 == 10:
                color = f"#{number:02x}{255 - number:02x}40"
                film = self._name(number - 4).with_suffix(".mov")
                make_film(film, "mov", "mpeg4", color=color)
                continue
            make_jpeg(path, number, date=DATES[number % 3])
            if number % 10 == 0:
                path.with_name(f"{path.name}.xmp").write_text(SIDECAR % number)
        self.before = stamp(self.folder)

    def _name(self, number: int) -> Path:
        return self.folder / f"{number % 4}/IMG_{number // 4:03}.jpg"


def stamp(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Content, mtime and ctime of every file that is not the app's own."""
    return {
        path.relative_to(folder).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
            path.stat().st_ctime_ns,
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".library" not in path.parts
    }


def contents(stamps: dict[str, tuple[str, int, int]]) -> list[tuple[str, int]]:
    return sorted((digest, mtime) for digest, mtime, _ in stamps.values())


def count_copies(root: Path) -> int:
    """How many files have their names."""
    found = 0
    for day in DAYS:
        if (root / day).is_dir():
            found += sum(not name.startswith(".") for name in os.listdir(root / day))
    return found


def run(root: Path, card: Path, verb: str) -> subprocess.Popen[bytes]:
    words = ["import", str(root), str(card)] if verb == "import" else ["resume", str(root)]
    return subprocess.Popen(
        [sys.executable, str(CLI), *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill_on_the_way(root: Path, card: Path, verb: str, wanted: int, delay_s: float) -> bool:
    """Kill an import a moment after so many files came; whether it was still running."""
    child = run(root, card, verb)
    until = time.monotonic() + LONGEST_S
    while child.poll() is None and count_copies(root) < wanted and time.monotonic() < until:
        time.sleep(0.001)
    time.sleep(delay_s)
    killed = child.poll() is None
    if killed:
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    return killed


def check_half_way(root: Path, card: Card) -> None:
    """What has a name is whole, and nothing has two."""
    left = contents(card.before)
    for path, (digest, mtime, _) in stamp(root).items():
        if f".{OWNER}." not in path:
            left.remove((digest, mtime))  # ValueError: not whole, or twice


def check_done(root: Path, card: Card) -> None:
    assert contents(stamp(root)) == contents(card.before)
    assert stamp(card.folder) == card.before
    connection = sqlite3.connect(root / ".library/photo_library.db")
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = connection.execute("SELECT current_path, missing_since FROM photos").fetchall()
        paused = connection.execute(
            "SELECT count(*) FROM operation_state WHERE status IN ('pending', 'running', 'paused')"
        ).fetchone()
    finally:
        connection.close()
    assert len(rows) == card.photos
    assert not [path for path, missing in rows if missing]
    files = {path for path in stamp(root) if not path.endswith(".xmp")}
    assert {path for path, _ in rows} == files
    assert paused == (0,)


def kill_and_resume(root: Path, folder: Path, photos: int, kills: int, seed: int) -> int:
    """Kill imports until there were so many; how many of them struck while files came."""
    card = Card(folder, photos)
    card.make()
    chance = random.Random(seed)
    done = on_the_way = 0
    while done < kills:
        before = count_copies(root)
        room = -(-(len(card.before) - before) // (kills - done))
        # Every fourth at any moment of the start, the others somewhere on the way.
        early = chance.random() < 0.25 or not room
        wanted = 0 if early else before + chance.randint(1, room)
        delay = chance.uniform(0, 0.8) if early else chance.uniform(0, 0.02)
        verb = "resume" if chance.random() < 0.5 and done else "import"
        if not kill_on_the_way(root, folder, verb, wanted, delay):
            continue  # it had ended, or there was nothing to resume
        done += 1
        on_the_way += before < count_copies(root) < len(card.before)
        check_half_way(root, card)
    last = run(root, folder, "import")
    assert last.wait(timeout=LONGEST_S) == 0
    check_done(root, card)
    return on_the_way


@pytest.fixture
def root(home: Path, tmp_path: Path) -> Path:
    del home
    (tmp_path / "photos").mkdir()
    return tmp_path / "photos"


@pytest.mark.crash
def test_killed_a_few_times_every_photo_comes_once(root: Path, tmp_path: Path) -> None:
    assert kill_and_resume(root, tmp_path / "card", 150, 4, seed=1) >= 1


@pytest.mark.crash_all
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_twenty_times_every_photo_comes_once(root: Path, tmp_path: Path, seed: int) -> None:
    assert kill_and_resume(root, tmp_path / "card", 200, 20, seed=seed) >= 5
