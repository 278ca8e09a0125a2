"""library_location: where a library and its data lie, and who holds them."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import db
import library_location
from errors import (
    InvalidRequestError,
    LibraryInUseError,
    LibraryNotFoundError,
    NetworkFileSystemError,
)
from library_location import (
    check_folder,
    find_data_dir,
    find_library,
    is_held,
    make_data_dir,
    sample_folder,
    take_lock,
)


def test_the_data_folder_is_as_told_then_the_environment_then_the_librarys_own(
    tmp_path: Path,
) -> None:
    library = tmp_path / "photos"
    chosen = {"LIGHTKEEP_DATA_DIR": str(tmp_path / "env")}
    assert find_data_dir(library, tmp_path / "told", chosen) == tmp_path / "told"
    assert find_data_dir(library, None, chosen) == tmp_path / "env"
    assert find_data_dir(library, None, {}) == library / ".library"


def test_a_library_that_nobody_named_is_the_one_serve_would_open(home: Path) -> None:
    assert find_library({}) is None
    (home / "Pictures" / "deep").mkdir(parents=True)
    (home / "Pictures" / ".trash").mkdir()
    (home / "Pictures" / ".trash" / "a.jpg").touch()
    (home / "Pictures" / "notes.txt").touch()
    assert find_library({}) is None
    (home / "Pictures" / "deep" / "a.JPG").touch()
    assert find_library({}) == home / "Pictures"
    assert find_library({"LIGHTKEEP_LIBRARY": "~/other"}) == home / "other"
    assert sample_folder({}) == home / ".local/share/lightkeep/sample"
    assert sample_folder({"XDG_DATA_HOME": "/data"}) == Path("/data/lightkeep/sample")


def test_a_folder_that_will_not_do_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(LibraryNotFoundError, match="There is no folder"):
        check_folder(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(LibraryNotFoundError, match="is a file"):
        check_folder(tmp_path / "file")
    check_folder(tmp_path)


def test_the_data_folder_is_made_with_what_is_above_it(tmp_path: Path) -> None:
    make_data_dir(tmp_path / "a" / "b", tmp_path)
    assert (tmp_path / "a" / "b").is_dir()


def test_a_data_folder_that_will_not_do_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidRequestError, match="is the library itself"):
        make_data_dir(tmp_path, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InvalidRequestError, match="cannot be made"):
        make_data_dir(tmp_path / "file" / "data", tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *_: False)
        with pytest.raises(InvalidRequestError, match="cannot be written"):
            make_data_dir(tmp_path / "data", tmp_path)
    monkeypatch.setattr(db, "find_file_system", lambda folder: "nfs4")
    with pytest.raises(NetworkFileSystemError):
        make_data_dir(tmp_path / "share", tmp_path)
    assert not (tmp_path / "share").exists()


def test_a_lock_is_held_until_it_is_closed_and_says_by_whom(tmp_path: Path) -> None:
    with take_lock(tmp_path):
        with pytest.raises(LibraryInUseError, match=f"process {os.getpid()} on") as caught:
            take_lock(tmp_path)
        assert caught.value.exit_status == 75
    take_lock(tmp_path).close()


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(library_location.__file__).parent)!r})
from pathlib import Path
import library_location
lock = library_location.take_lock(Path({str(tmp_path)!r}))
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], check=False)
    take_lock(tmp_path).close()


def test_who_only_looks_whether_the_library_is_held_keeps_nobody_out(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    with take_lock(tmp_path):
        assert is_held(tmp_path)
        with pytest.raises(LibraryInUseError):
            take_lock(tmp_path)
    assert not is_held(tmp_path)
    # Somebody looks at this very moment.
    with open(tmp_path / "lock") as look:
        fcntl.flock(look, fcntl.LOCK_SH)
        threading.Timer(0.02, look.close).start()
        take_lock(tmp_path).close()
