"""The walk, and which sidecar belongs to which photo."""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from pathlib import Path

import pytest

import folder_scan
from errors import FileProblem
from file_operations import find_sidecar, find_sidecars, scan_folder, stat_file
from folder_scan import LINK, SPECIAL_FILE, SYSTEM_DIRS, _Walk, make_file_stat


def write(path: Path, content: str | bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# -- the walk --------------------------------------------------------------------------------


def test_the_walk_finds_photos_sidecars_folders_and_counts_the_rest(tmp_path: Path) -> None:
    for name in (
        "b.JPG",
        "a/z.heic",
        "a/y.Png",
        "a/z.heic.xmp",
        "Y.XMP",
        "a/m.mov",
        "x",
        "n.txt",
        "a/s.aae",
    ):
        write(tmp_path / name)
    for name in (".hidden.jpg", ".library/t.jpg", "@eaDir/t.jpg", "data/d.jpg", ".jpg"):
        write(tmp_path / name)
    scan = scan_folder(tmp_path, skip=[tmp_path / "data"])
    assert [file.path for file in scan.files] == ["a/m.mov", "a/y.Png", "a/z.heic", "b.JPG"]
    assert sorted(scan.sidecars) == ["Y.XMP", "a/z.heic.xmp"]
    mtimes = {name: stamp.mtime_ns for name, stamp in scan.folders.items()}
    assert mtimes == {name: (tmp_path / name).stat().st_mtime_ns for name in ("", "a")}
    assert scan.ignored == {"": 1, ".aae": 1, ".txt": 1}
    assert (scan.problems, scan.unreadable_folders) == ([], frozenset())
    assert scan.files[3] == stat_file(tmp_path, "b.JPG")
    assert "@eaDir" in SYSTEM_DIRS


def test_links_and_special_files_are_counted_and_not_followed(tmp_path: Path) -> None:
    library, outside = tmp_path / "library", tmp_path / "outside"
    write(library / "real.jpg")
    write(outside / "secret.jpg")
    os.symlink(outside, library / "out")
    os.symlink(library, library / "loop")
    os.symlink(outside / "secret.jpg", library / "secret.jpg")
    os.symlink("nowhere", library / "broken.jpg")
    os.mkfifo(library / "fifo.jpg")
    os.mkfifo(library / "fifo.xmp")
    os.mkdir(library / "folder.jpg")
    here = os.getcwd()
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(library)
        try:
            server.bind("socket.jpg")
        finally:
            os.chdir(here)
        scan = scan_folder(library)
    assert [file.path for file in scan.files] == ["real.jpg"]
    assert scan.ignored == {LINK: 4, SPECIAL_FILE: 3}
    assert sorted(scan.folders) == ["", "folder.jpg"]
    assert scan.sidecars == {}
    link = "This is a symbolic link; links are not followed."
    assert {problem.path: problem.reason for problem in scan.problems} == {
        "out": link,
        "loop": link,
        "secret.jpg": link,
        "broken.jpg": link,
        "fifo.jpg": "This is a named pipe, not a file.",
        "fifo.xmp": "This is a named pipe, not a file.",
        "socket.jpg": "This is a socket, not a file.",
        "folder.jpg": "This is a folder. What lies in it is indexed all the same.",
    }


def test_a_root_that_is_a_link_is_walked(tmp_path: Path) -> None:
    write(tmp_path / "real" / "a.jpg")
    os.symlink(tmp_path / "real", tmp_path / "link")
    assert [file.path for file in scan_folder(tmp_path / "link").files] == ["a.jpg"]


def test_names_that_are_not_utf8_are_problems_that_can_be_shown(tmp_path: Path) -> None:
    root = os.fsencode(tmp_path)
    os.mkdir(root + b"/dir\xff")
    for name in (b"/caf\xe9.jpg", b"/dir\xff/a.jpg", "/café.jpg".encode(), b"/a\nb.jpg"):
        with open(root + name, "wb"):
            pass
    scan = scan_folder(tmp_path)
    assert [file.path for file in scan.files] == ["a\nb.jpg", "café.jpg"]
    assert sorted(problem.path for problem in scan.problems) == ["caf\\xe9.jpg", "dir\\xff"]
    json.dumps([problem.path for problem in scan.problems]).encode()


def test_a_folder_that_cannot_be_listed_is_named_and_not_taken_for_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "good" / "a.jpg")
    write(tmp_path / "bad" / "b.jpg")
    scandir = os.scandir

    def fail(path: str) -> object:
        if path.endswith("bad"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", fail)
    scan = scan_folder(tmp_path)
    assert [file.path for file in scan.files] == ["good/a.jpg"]
    assert scan.unreadable_folders == {"bad"}
    assert scan.problems == [
        FileProblem("bad", f"The folder cannot be read: {os.strerror(errno.EIO)}.")
    ]
    assert "bad" not in scan.folders


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody with fewer rights")
def test_folders_without_rights_are_named_once_each(tmp_path: Path) -> None:
    for folder in ("unlisted", "not-entered"):
        write(tmp_path / folder / "a.jpg")
        write(tmp_path / folder / "b.jpg")
    tmp_path.chmod(0o755)
    (tmp_path / "unlisted").chmod(0o000)
    (tmp_path / "not-entered").chmod(0o444)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.chdir(tmp_path)
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        # Relative, because what leads to the folder of a test is closed to others as well.
        walk = _Walk(".", frozenset())
        walk.run()
        answer = f"{sorted(walk.unreadable)} {len(walk.problems)} {walk.files}"
        os.write(writer, answer.encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as answers:
        assert answers.read() == "['not-entered', 'unlisted'] 2 []"


def test_a_root_that_is_gone_is_a_problem(tmp_path: Path) -> None:
    scan = scan_folder(tmp_path / "absent")
    assert (scan.files, scan.unreadable_folders) == ([], frozenset({""}))
    assert len(scan.problems) == 1


def test_big_inode_numbers_fit_into_a_column_of_the_database(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg")
    values = list((tmp_path / "a.jpg").stat())
    values[1] = 2**64 - 1
    assert make_file_stat("a.jpg", os.stat_result(values)).inode == -1


def test_a_hundred_thousand_entries_take_seconds(tmp_path: Path) -> None:
    for folder in range(10):
        os.mkdir(tmp_path / str(folder))
        for name in range(500):
            os.close(os.open(tmp_path / str(folder) / f"{name}.jpg", os.O_CREAT | os.O_WRONLY))
    started = time.process_time()
    scan = scan_folder(tmp_path)
    seconds = time.process_time() - started
    assert len(scan.files) == 5_000
    assert seconds * 20 < 5


# -- sidecars --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("photos", "sidecars", "expected"),
    [
        (["a.jpg"], ["a.jpg.xmp"], {"a.jpg": "a.jpg.xmp"}),
        (["a.jpg"], ["a.xmp"], {"a.jpg": "a.xmp"}),
        (["a.jpg"], ["a.xmp", "a.jpg.xmp"], {"a.jpg": "a.jpg.xmp"}),
        (["a.jpg", "a.png"], ["a.xmp"], {}),
        (["a.jpg", "A.png"], ["a.xmp"], {}),
        (["a.jpg", "a.png"], ["a.xmp", "a.jpg.xmp"], {"a.jpg": "a.jpg.xmp"}),
        (["x/a.jpg", "y/a.png"], ["x/a.xmp"], {"x/a.jpg": "x/a.xmp"}),
        (["x/a.jpg"], ["y/a.xmp", "X/a.jpg.xmp", "a.xmp"], {}),
        (["A.JPG"], ["a.jpg.XMP"], {"A.JPG": "a.jpg.XMP"}),
        (["A.JPG"], ["a.XMP"], {"A.JPG": "a.XMP"}),
        (["A.jpg", "a.jpg"], ["a.jpg.xmp"], {"a.jpg": "a.jpg.xmp"}),
        (
            ["A.jpg", "a.jpg"],
            ["a.jpg.xmp", "A.jpg.xmp"],
            {"A.jpg": "A.jpg.xmp", "a.jpg": "a.jpg.xmp"},
        ),
        (["a.b.jpg"], ["a.xmp"], {}),
        (["a.jpg"], [], {}),
    ],
)
def test_a_sidecar_belongs_to_one_photo(
    photos: list[str], sidecars: list[str], expected: dict[str, str]
) -> None:
    assert find_sidecars(photos, sidecars) == expected
    for photo in photos:
        assert find_sidecar(photo, photos, sidecars) == expected.get(photo)


@pytest.mark.parametrize(
    ("photos", "owner"),
    [
        (["a/IMG.jpg", "a/IMG.CR3"], "a/IMG.CR3"),
        (["a/IMG.HEIC", "a/IMG.MOV"], "a/IMG.HEIC"),
        (["a/IMG.HEIC", "a/IMG.jpg", "a/IMG.MOV"], None),
        (["a/IMG.nef", "a/IMG.dng", "a/IMG.jpg"], None),
        (["a/IMG.mp4"], "a/IMG.mp4"),
    ],
)
def test_a_sidecar_without_suffix_is_for_the_raw_or_the_only_one(
    photos: list[str], owner: str | None
) -> None:
    expected = {owner: "a/IMG.xmp"} if owner else {}
    assert find_sidecars(photos, ["a/IMG.xmp"]) == expected


def test_a_long_walk_tells_how_far_it_is_and_can_be_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_scan, "TELL_EVERY_S", 0)
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / name).write_text("")
    told: list[int] = []
    assert len(scan_folder(tmp_path, tell=told.append).files) == 3
    assert told == [0, 1, 2]

    def stop(found: int) -> None:
        if found == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan_folder(tmp_path, tell=stop)
