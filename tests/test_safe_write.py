"""safe_write: whatever goes wrong, the original is byte for byte what it was."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from edit_box import needs_exiftool, read_tags
from pictures import make_jpeg
from PIL import Image

import safe_write
from errors import DiskFullError, EditRefusedError, LibraryError, NotWritableError, PictureError
from exiftool_process import ExifTool, find_exiftool
from metadata import TagValue
from picture_reading import read_picture
from safe_write import (
    CopyReport,
    Original,
    check_copy,
    name_temporary,
    refuse_unwritable,
    remove_file,
    write_bytes,
    write_tags,
)

STAR: dict[str, TagValue | None] = {
    "XMP-xmp:Rating": 5,
    "IFD0:Rating": 5,
    "IFD0:RatingPercent": 99,
}


@pytest.fixture(scope="module")
def exiftool() -> Iterator[ExifTool]:
    if not find_exiftool():
        pytest.skip("ExifTool is not installed")
    tool = ExifTool()
    yield tool
    tool.close()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return make_jpeg(tmp_path / "a.jpg", 7, date="2019:07:14 18:03:22")


def look(path: Path, exiftool: ExifTool) -> Original:
    reading = read_picture(str(path))
    assert reading.file_type
    assert reading.content_hash
    assert reading.media_hash
    return Original(
        str(path),
        reading.file_type,
        reading.content_hash,
        reading.media_hash,
        refuse_unwritable(str(path)),
        exiftool.read_every_tag(str(path)),
    )


def write(
    path: Path,
    exiftool: ExifTool,
    *,
    changes: dict[str, TagValue | None] = STAR,
    check: safe_write.CheckCopy = check_copy,
    before_replace: safe_write.BeforeReplace = lambda _: None,
    original: Original | None = None,
    may_lose: tuple[str, ...] = (),
) -> str:
    return write_tags(
        original or look(path, exiftool),
        changes,
        name_temporary(str(path)),
        exiftool=exiftool,
        check_copy=check,
        before_replace=before_replace,
        may_lose=may_lose,
    ).content_hash


def assert_refused(path: Path, exiftool: ExifTool, error: type[LibraryError], **how: object) -> str:
    """The write is refused, the original is as it was, and nothing else lies there."""
    before, names = path.read_bytes(), sorted(os.listdir(path.parent))
    with pytest.raises(error) as caught:
        write(path, exiftool, **how)  # type: ignore[arg-type]
    assert path.read_bytes() == before
    assert sorted(os.listdir(path.parent)) == names
    return caught.value.message


# -- what is written ---------------------------------------------------------------------------


def test_the_tags_are_written_and_the_hash_is_of_what_lies_there(
    photo: Path, exiftool: ExifTool
) -> None:
    said: list[str] = []
    content_hash = write(photo, exiftool, before_replace=said.append)
    reading = read_picture(str(photo))
    assert said == [content_hash] == [reading.content_hash]
    (tags,) = read_tags(photo)
    assert {name: tags[name] for name in STAR} == STAR
    assert tags["ExifIFD:DateTimeOriginal"] == "2019:07:14 18:03:22"


def test_taking_the_tags_out_again_leaves_the_very_bytes_of_before(
    photo: Path, exiftool: ExifTool
) -> None:
    before = photo.read_bytes()
    write(photo, exiftool)
    assert photo.read_bytes() != before
    write(photo, exiftool, changes=dict.fromkeys(STAR))
    assert photo.read_bytes() == before


def test_an_exif_block_goes_only_with_the_tag_that_it_came_with(
    tmp_path: Path, exiftool: ExifTool
) -> None:
    photo = tmp_path / "a.jpg"
    Image.new("RGB", (8, 8), "teal").save(photo)
    before = photo.read_bytes()
    write(photo, exiftool)
    starred = photo.read_bytes()
    write(photo, exiftool, changes=dict.fromkeys(STAR))
    assert "IFD0:YCbCrPositioning" in read_tags(photo)[0]
    photo.write_bytes(starred)
    write(photo, exiftool, changes=dict.fromkeys(STAR), may_lose=("IFD0",))
    assert photo.read_bytes() == before


def test_an_exif_block_that_held_a_rating_alone_may_go_with_it(
    tmp_path: Path, exiftool: ExifTool
) -> None:
    photo = make_jpeg(tmp_path / "a.jpg", 1, rating=4)
    write(photo, exiftool, changes={"IFD0:Rating": None})
    (tags,) = read_tags(photo)
    assert not [name for name in tags if name.startswith("IFD0:")]


def test_the_program_that_wrote_the_xmp_before_keeps_its_name(
    photo: Path, exiftool: ExifTool
) -> None:
    write(photo, exiftool, changes={"XMP-dc:Title": "a"})
    assert "XMP-x:XMPToolkit" not in read_tags(photo)[0]
    copy = name_temporary(str(photo))
    exiftool.write_copy(str(photo), copy, {"XMP-x:XMPToolkit": "Somebody's 4.2"})
    os.replace(copy, photo)
    write(photo, exiftool)
    assert read_tags(photo)[0]["XMP-x:XMPToolkit"] == "Somebody's 4.2"


def test_mode_times_and_attributes_are_kept(photo: Path, exiftool: ExifTool) -> None:
    photo.chmod(0o640)
    try:
        os.setxattr(photo, "user.note", b"mine")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    before = photo.stat()
    write(photo, exiftool)
    after = photo.stat()
    assert os.getxattr(photo, "user.note") == b"mine"
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert after.st_mtime_ns == before.st_mtime_ns


def test_a_file_that_keeps_its_size_is_a_second_younger(tmp_path: Path) -> None:
    path = tmp_path / "a.xmp"
    path.write_bytes(b"abc")
    os.utime(path, ns=(10**18, 10**18))
    write_bytes(
        str(path),
        b"xyz",
        name_temporary(str(path)),
        stamps=refuse_unwritable(str(path)),
        before_replace=lambda _: None,
    )
    assert path.read_bytes() == b"xyz"
    assert path.stat().st_mtime_ns == 10**18 + 10**9


@pytest.mark.parametrize(
    "name", ["-x.jpg", "#a.jpg", "a b '\".jpg", "%d.jpg", "ü.jpg", "x" * 251 + ".jpg", " .jpg"]
)
def test_odd_names_are_written_like_any_other(
    tmp_path: Path, exiftool: ExifTool, name: str
) -> None:
    folder = tmp_path / "100%d %%f %-.3f #1"
    photo = make_jpeg(folder / name, 3)
    write(photo, exiftool)
    assert read_tags(photo)[0]["XMP-xmp:Rating"] == 5
    assert os.listdir(folder) == [name]
    assert os.listdir(tmp_path) == [folder.name]


def test_a_folder_whose_name_exiftool_would_change_is_not_written_into(
    tmp_path: Path, exiftool: ExifTool
) -> None:
    photo = make_jpeg(tmp_path / "50%c" / "a.jpg", 3)
    assert_refused(photo, exiftool, NotWritableError)
    assert os.listdir(tmp_path) == ["50%c"]


# -- what is refused ---------------------------------------------------------------------------


def test_a_name_with_a_newline_never_reaches_exiftool(tmp_path: Path, exiftool: ExifTool) -> None:
    neighbor = make_jpeg(tmp_path / "b.jpg", 1)
    photo = make_jpeg(tmp_path / f"a\n-o\n{tmp_path.name}-canary\n.jpg", 2)
    before = neighbor.read_bytes()
    original = look(neighbor, exiftool)
    with pytest.raises(PictureError):
        exiftool.read_every_tag(str(photo))
    moved = Original(
        str(photo),
        original.file_type,
        original.content_hash,
        original.media_hash,
        refuse_unwritable(str(photo)),
        {},
    )
    assert_refused(photo, exiftool, NotWritableError, original=moved)
    assert neighbor.read_bytes() == before


@pytest.mark.parametrize("value", ["5\n-o\n/tmp/canary", "a\rb", "a\0b"])
def test_a_value_with_a_newline_is_never_written(
    photo: Path, exiftool: ExifTool, value: str
) -> None:
    before = photo.read_bytes()
    with pytest.raises(NotWritableError, match="newline"):
        write(photo, exiftool, changes={"XMP-dc:Title": value})
    with pytest.raises(NotWritableError, match="the tag"):
        write(photo, exiftool, changes={"Rating=5\n-o": 5})
    assert photo.read_bytes() == before
    assert os.listdir(photo.parent) == [photo.name]


def test_a_copy_that_holds_another_picture_never_takes_its_place(
    photo: Path, exiftool: ExifTool
) -> None:
    def other_picture(original: str, copy: str, file_type: str) -> CopyReport:
        make_jpeg(Path(copy), 8)
        return check_copy(original, copy, file_type)

    assert "same picture" in assert_refused(photo, exiftool, NotWritableError, check=other_picture)


def test_a_write_that_would_change_another_tag_is_refused(
    photo: Path, exiftool: ExifTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = look(photo, exiftool)
    real = exiftool.read_every_tag
    monkeypatch.setattr(
        exiftool,
        "read_every_tag",
        lambda path: real(path) | {"ExifIFD:DateTimeOriginal": "2020:01:01 00:00:00"},
    )
    sentence = assert_refused(photo, exiftool, NotWritableError, original=original)
    assert "DateTimeOriginal" in sentence


def test_a_tag_that_was_not_written_is_noticed(
    photo: Path, exiftool: ExifTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = look(photo, exiftool)
    monkeypatch.setattr(exiftool, "read_every_tag", lambda path: dict(original.tags))
    assert "could not be written" in assert_refused(
        photo, exiftool, NotWritableError, original=original
    )


def test_a_file_with_another_name_is_not_parted_from_it(photo: Path, exiftool: ExifTool) -> None:
    original = look(photo, exiftool)
    os.link(photo, photo.with_name("b.jpg"))
    assert "hard link" in assert_refused(photo, exiftool, NotWritableError, original=original)
    assert photo.stat().st_nlink == 2


def test_a_read_only_file_is_not_written_even_by_root(photo: Path, exiftool: ExifTool) -> None:
    original = look(photo, exiftool)
    photo.chmod(0o444)
    assert "read-only" in assert_refused(photo, exiftool, NotWritableError, original=original)


def test_a_link_in_the_photos_place_is_not_followed(photo: Path, exiftool: ExifTool) -> None:
    original = look(photo, exiftool)
    elsewhere = photo.rename(photo.with_name("b.jpg"))
    photo.symlink_to(elsewhere)
    assert_refused(photo, exiftool, EditRefusedError, original=original)
    assert photo.is_symlink()


@pytest.mark.parametrize("moment", ["before the write", "before the rename", "after the journal"])
def test_what_another_program_wrote_meanwhile_stays(
    photo: Path, exiftool: ExifTool, moment: str
) -> None:
    original = look(photo, exiftool)
    foreign = make_jpeg(photo.with_name("b.jpg"), 99).read_bytes()
    photo.with_name("b.jpg").unlink()

    def change(*_: object) -> None:
        photo.write_bytes(foreign)

    def check(before: str, copy: str, file_type: str) -> CopyReport:
        report = check_copy(before, copy, file_type)
        if moment == "before the rename":
            change()
        return report

    if moment == "before the write":
        change()
    with pytest.raises(EditRefusedError):
        write(
            photo,
            exiftool,
            original=original,
            check=check,
            before_replace=change if moment == "after the journal" else lambda _: None,
        )
    assert photo.read_bytes() == foreign
    assert os.listdir(photo.parent) == ["a.jpg"]


def test_a_file_that_vanished_is_not_made_again(photo: Path, exiftool: ExifTool) -> None:
    original = look(photo, exiftool)
    photo.unlink()
    with pytest.raises(EditRefusedError):
        write(photo, exiftool, original=original)
    assert os.listdir(photo.parent) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("call", ["fsync", "replace", "utime"])
def test_trouble_of_the_disk_leaves_the_original(
    photo: Path, exiftool: ExifTool, monkeypatch: pytest.MonkeyPatch, number: int, call: str
) -> None:
    original = look(photo, exiftool)

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    full = number in (errno.ENOSPC, errno.EDQUOT)
    monkeypatch.setattr(os, call, fail)
    error = DiskFullError if full else NotWritableError
    assert_refused(photo, exiftool, error, original=original)


def test_a_disk_without_room_is_said_before_anything_is_written(
    photo: Path, exiftool: ExifTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = look(photo, exiftool)
    usage = shutil.disk_usage(photo.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    assert "room" in assert_refused(photo, exiftool, DiskFullError, original=original)


def test_a_journal_that_fails_stops_the_write(photo: Path, exiftool: ExifTool) -> None:
    def fail(_: str) -> None:
        raise DiskFullError("The journal has no room.")

    assert_refused(photo, exiftool, DiskFullError, before_replace=fail)


@needs_exiftool
def test_an_exiftool_that_hangs_leaves_the_original(photo: Path, tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.write_text(
        "#!/bin/sh\n"
        # It stops itself at the write command, in the middle of the copy.
        f'exec "{find_exiftool()}" "$@"\n'
    )
    slow.chmod(0o755)
    folder = tmp_path / "photos"
    inside = make_jpeg(folder / "a.jpg", 7)
    tool = ExifTool(str(slow), timeout_s=2)
    try:
        original = look(inside, tool)
        os.kill(tool_pid(tool), 19)  # SIGSTOP
        sentence = assert_refused(inside, tool, NotWritableError, original=original)
        assert "longer than" in sentence
        write(inside, tool)  # a new one was started
    finally:
        tool.close()
    assert read_tags(inside)[0]["XMP-xmp:Rating"] == 5


def tool_pid(tool: ExifTool) -> int:
    process = tool._process
    assert process is not None
    return int(process._process.pid)


# -- sidecars ----------------------------------------------------------------------------------


def test_a_new_file_never_replaces_one_that_came_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "a.xmp"

    def come(_: str) -> None:
        path.write_bytes(b"theirs")

    with pytest.raises(EditRefusedError):
        write_bytes(str(path), b"ours", name_temporary(str(path)), stamps=None, before_replace=come)
    assert path.read_bytes() == b"theirs"
    assert os.listdir(tmp_path) == ["a.xmp"]


def test_a_file_that_was_changed_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.xmp"
    path.write_bytes(b"ours")
    stamps = refuse_unwritable(str(path))
    path.write_bytes(b"theirs now")
    with pytest.raises(EditRefusedError):
        remove_file(str(path), stamps=stamps, before_removal=lambda _: None)
    assert path.read_bytes() == b"theirs now"


def test_a_temporary_name_is_hidden_short_and_never_the_same(tmp_path: Path) -> None:
    names = {os.path.basename(name_temporary(str(tmp_path / ("ü" * 125)))) for _ in range(20)}
    assert len(names) == 20
    assert all(name.startswith(".") and len(name.encode()) <= 255 for name in names)
