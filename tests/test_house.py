"""Holds the rooms to the map in docs/architecture.md: imports go down, the map names every room."""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
# The launcher, which runs before anything is installed.
OUTSIDE = frozenset({"bootstrap", "bootstrap_exiftool"})
PACKAGES = ("web",)
FILES_AND_SQL = frozenset(
    {
        "execute",
        "executemany",
        "open",
        "unlink",
        "write_bytes",
        "write_text",
    }
)
JOB_LOOPS = frozenset({"operation_runner", "media_workers", "worker_process"})
MAX_LINES = 450  # a room is meant to have about 400; past this it has two subjects


@dataclass(frozen=True, slots=True)
class Room:
    floor: int
    neighbors: frozenset[str]


def read_map() -> dict[str, Room]:
    """Room -> its row in the table of docs/architecture.md."""
    rooms: dict[str, Room] = {}
    for line in (REPOSITORY / "docs" / "architecture.md").read_text().splitlines():
        row = re.fullmatch(r"\| (\d) \| `(\w+)` \| .+ \|([` \w]*)\|", line)
        if row:
            assert row[2] not in rooms, f"{row[2]} stands in the map twice"
            rooms[row[2]] = Room(int(row[1]), frozenset(re.findall(r"\w+", row[3])))
    return rooms


def list_room_files() -> dict[str, list[Path]]:
    """Room -> its files: a module at the top of the tree, or a package."""
    rooms = {path.stem: [path] for path in REPOSITORY.glob("*.py") if path.stem not in OUTSIDE}
    for package in PACKAGES:
        files = sorted((REPOSITORY / package).rglob("*.py"))
        if files:
            rooms[package] = files
    return rooms


def list_imports(path: Path) -> set[str]:
    """The top-level names of everything the file imports, wherever in it the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


ROOMS = read_map()
FILES = list_room_files()


@functools.cache
def find_used(room: str) -> frozenset[str]:
    """The other rooms that a room imports."""
    names = {name for path in FILES[room] for name in list_imports(path)}
    return frozenset(names & (FILES.keys() - {room}))


def test_the_map_names_every_room_and_no_other() -> None:
    assert ROOMS.keys() == FILES.keys()


@pytest.mark.parametrize("room", sorted(FILES))
def test_a_room_uses_only_floors_below_and_the_neighbors_it_names(room: str) -> None:
    floor = ROOMS[room].floor
    not_allowed = {
        used
        for used in find_used(room)
        if ROOMS[used].floor >= floor
        and not (ROOMS[used].floor == floor and used in ROOMS[room].neighbors)
    }
    assert not not_allowed, f"{room} on floor {floor} may not use {sorted(not_allowed)}"


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_named_neighbor_is_on_the_same_floor_and_is_used(room: str) -> None:
    for neighbor in ROOMS[room].neighbors:
        assert ROOMS[neighbor].floor == ROOMS[room].floor
        assert neighbor in find_used(room), f"{room} names {neighbor} in the map without using it"


def test_no_two_rooms_use_each_other_over_any_number_of_steps() -> None:
    def reach(room: str, seen: frozenset[str]) -> Iterator[str]:
        for used in find_used(room) - seen:
            yield used
            yield from reach(used, seen | find_used(room))

    assert not [room for room in FILES if room in set(reach(room, frozenset()))]


def test_nothing_in_the_house_uses_the_launcher_tests_or_benchmarks() -> None:
    around = OUTSIDE | {"tests", "benchmarks", "conftest", "bench"}
    for paths in FILES.values():
        for path in paths:
            assert not list_imports(path) & around, path.name


def test_the_launcher_uses_the_standard_library_only() -> None:
    for room in OUTSIDE:
        used = list_imports(REPOSITORY / f"{room}.py")
        assert used <= sys.stdlib_module_names | OUTSIDE


def test_routes_know_neither_sql_nor_files() -> None:
    for path in FILES["web"]:
        assert not list_imports(path) & {"db", "db_schema", "io", "os", "shutil"}, path.name
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func).rsplit(".", 1)[-1]
                assert called not in FILES_AND_SQL, f"{path.name}:{node.lineno} calls {called}"


def test_only_the_job_loops_catch_everything() -> None:
    for room, paths in FILES.items():
        for path in paths:
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.ExceptHandler) or room in JOB_LOOPS:
                    continue
                # To tidy up and raise the same again catches nothing.
                if ast.unparse(node.body[-1]) != "raise":
                    caught = ast.unparse(node.type) if node.type else "everything"
                    assert caught not in {"everything", "Exception", "BaseException"}, (
                        f"{path.name}:{node.lineno} catches {caught}"
                    )


def test_no_room_runs_a_script_of_sql() -> None:
    for paths in FILES.values():
        for path in paths:
            for node in ast.walk(ast.parse(path.read_text())):
                assert not (isinstance(node, ast.Attribute) and node.attr == "executescript"), path


def test_no_room_outgrows_what_can_be_read_at_once() -> None:
    lengths = {
        path.relative_to(REPOSITORY).as_posix(): len(path.read_text().splitlines())
        for paths in FILES.values()
        for path in paths
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}
