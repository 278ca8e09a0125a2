"""file_opening: a regular file inside a folder, and no link on the way."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from file_opening import open_inside


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "photos/a/b").mkdir(parents=True)
    (tmp_path / "photos/a/b/c.jpg").write_bytes(b"inside")
    (tmp_path / "outside/b").mkdir(parents=True)
    (tmp_path / "outside/b/c.jpg").write_bytes(b"secret")
    return tmp_path / "photos"


@pytest.fixture
def open_descriptors() -> Callable[[], int]:
    return lambda: len(os.listdir("/proc/self/fd"))


def read(root: Path, relative: str) -> bytes:
    opened = open_inside(root, relative)
    with opened.file as file:
        return file.read()


def test_a_file_comes_open_with_its_facts(root: Path) -> None:
    opened = open_inside(root, "a/b/c.jpg")
    with opened.file as file:
        assert file.read() == b"inside"
    stamps = (root / "a/b/c.jpg").stat()
    assert (opened.name, opened.size, opened.mtime_ns) == ("c.jpg", 6, stamps.st_mtime_ns)


def test_the_library_itself_may_be_a_link(root: Path) -> None:
    (root.parent / "link").symlink_to(root)
    assert read(root.parent / "link", "a/b/c.jpg") == b"inside"


@pytest.mark.parametrize("part", ["a", "a/b", "a/b/c.jpg"])
def test_no_link_is_followed_wherever_it_stands(root: Path, part: str) -> None:
    path = root / part
    path.rename(root.parent / "aside")
    path.symlink_to(root.parent / "outside" / Path(part).relative_to("a"))
    assert (root / "a/b/c.jpg").read_bytes() == b"secret"
    with pytest.raises(OSError, match=r"Not a directory|levels of symbolic links|not a regular"):
        open_inside(root, "a/b/c.jpg")


def test_a_link_to_inside_is_none_the_less_a_link(root: Path) -> None:
    (root / "d.jpg").symlink_to("a/b/c.jpg")
    with pytest.raises(OSError, match="not a regular file"):
        open_inside(root, "d.jpg")


def test_a_link_that_slips_in_between_look_and_open_is_not_followed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, path = os.stat, root / "a/b/c.jpg"

    def look_and_swap(name: str, **options: Any) -> os.stat_result:
        result = look(name, **options)
        path.unlink()
        path.symlink_to(root.parent / "outside/b/c.jpg")
        return result

    monkeypatch.setattr("file_opening.os.stat", look_and_swap)
    with pytest.raises(OSError, match="levels of symbolic links"):
        open_inside(root, "a/b/c.jpg")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_slips_in_and_is_no_file_is_neither_waited_for_nor_kept_open(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    open_descriptors: Callable[[], int],
    make: Callable[[Path], None],
) -> None:
    look, path, before = os.stat, root / "a/b/c.jpg", open_descriptors()

    def look_and_swap(name: str, **options: Any) -> os.stat_result:
        result = look(name, **options)
        path.unlink()
        make(path)
        return result

    monkeypatch.setattr("file_opening.os.stat", look_and_swap)
    with pytest.raises(OSError, match="not a regular file"):
        open_inside(root, "a/b/c.jpg")
    assert open_descriptors() == before


def test_what_is_renamed_while_it_is_open_stays_the_file_that_was_opened(root: Path) -> None:
    opened = open_inside(root, "a/b/c.jpg")
    (root / "a").rename(root.parent / "aside")
    (root / "a").symlink_to(root.parent / "outside")
    with opened.file as file:
        assert file.read() == b"inside"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_only_a_regular_file_is_opened(root: Path, make: Callable[[Path], None]) -> None:
    make(root / "x.jpg")
    with pytest.raises(OSError, match="not a regular file"):
        open_inside(root, "x.jpg")


@pytest.mark.parametrize(
    "relative",
    [
        *("../outside/b/c.jpg", "a/../../outside/b/c.jpg", "/etc/passwd", "", ".", "a//b/c.jpg"),
        *("a/b/c.jpg/", "a/b/c.jpg\0.png", "./a/b/c.jpg", "a/b/" + "x" * 5000, "nowhere/c.jpg"),
    ],
)
def test_no_path_leads_out(root: Path, relative: str, open_descriptors: Callable[[], int]) -> None:
    before = open_descriptors()
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on the path
        open_inside(root, relative)
    assert open_descriptors() == before


def test_another_content_is_another_version(root: Path) -> None:
    first = open_inside(root, "a/b/c.jpg")
    first.file.close()
    (root / "a/b/c.jpg").write_bytes(b"longer than it was")
    second = open_inside(root, "a/b/c.jpg")
    second.file.close()
    assert first.version != second.version
