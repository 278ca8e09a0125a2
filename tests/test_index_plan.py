"""index_plan: which row belongs to which file."""

from __future__ import annotations

from catalog import KnownFile
from file_operations import FileStat
from index_plan import PhotoFile, assign_rows, compare_files


def _file(
    path: str, *, inode: int = 1, size: int = 10, mtime: int = 5, ctime: int = 6
) -> PhotoFile:
    return PhotoFile(FileStat(path, size, mtime, ctime, inode), None)


def _row(
    key: int,
    path: str,
    *,
    picture: str = "p",
    inode: int = 1,
    mtime: int = 5,
    ctime: int = 6,
    missing: bool = False,
) -> KnownFile:
    return KnownFile(
        id=key,
        current_path=path,
        content_hash="c",
        media_hash=picture,
        file_size=10,
        mtime_ns=mtime,
        ctime_ns=ctime,
        inode=inode,
        sidecar_path=None,
        sidecar_mtime_ns=None,
        sidecar_size=None,
        reader_version=1,
        missing_since="then" if missing else None,
    )


def test_a_file_with_the_same_stamps_is_unchanged() -> None:
    result = compare_files([_file("a.jpg")], [_row(1, "a.jpg")], is_settled={1}.__contains__)
    assert [row.id for row in result.unchanged] == [1]
    assert [*result.moved, *result.to_read, *result.lost] == []


def test_a_file_whose_ctime_alone_differs_is_read() -> None:
    result = compare_files(
        [_file("a.jpg", ctime=7)], [_row(1, "a.jpg")], is_settled={1}.__contains__
    )
    assert [file.path for file in result.to_read] == ["a.jpg"]


def test_a_row_of_an_older_reader_is_read_again() -> None:
    result = compare_files([_file("a.jpg")], [_row(1, "a.jpg")], is_settled={2}.__contains__)
    assert [file.path for file in result.to_read] == ["a.jpg"]


def test_a_new_sidecar_makes_its_photo_be_read() -> None:
    file = PhotoFile(_file("a.jpg").stat, FileStat("a.jpg.xmp", 3, 4, 5, 6))
    result = compare_files([file], [_row(1, "a.jpg")], is_settled={1}.__contains__)
    assert result.to_read == [file]


def test_the_very_file_at_another_path_has_moved_and_is_not_read() -> None:
    rows = [_row(1, "old/a.jpg", inode=7)]
    result = compare_files([_file("new/a.jpg", inode=7)], rows, is_settled={1}.__contains__)
    assert [(row.id, file.path) for row, file in result.moved] == [(1, "new/a.jpg")]
    assert [*result.to_read, *result.lost] == []


def test_a_file_that_moved_by_itself_is_read_for_it_may_have_been_edited_before() -> None:
    rows = [_row(1, "old/a.jpg", inode=7)]
    result = compare_files(
        [_file("new/a.jpg", inode=7, ctime=9)], rows, is_settled={1}.__contains__
    )
    assert [file.path for file in result.to_read] == ["new/a.jpg"]


def test_an_inode_used_again_for_another_file_is_read() -> None:
    rows = [_row(1, "a.jpg", inode=7)]
    result = compare_files([_file("b.jpg", inode=7, mtime=99)], rows, is_settled={1}.__contains__)
    assert [file.path for file in result.to_read] == ["b.jpg"]
    assert [row.id for row in result.lost] == [1]


def test_rows_of_a_folder_that_cannot_be_listed_are_not_lost() -> None:
    rows = [_row(1, "shut/in/a.jpg"), _row(2, "open/b.jpg")]
    result = compare_files([], rows, is_settled={1}.__contains__, unreadable_folders={"shut"})
    assert [row.id for row in result.unchanged] == [1]
    assert [row.id for row in result.lost] == [2]


def test_swapped_names_swap_their_rows() -> None:
    occupied = {"a": _row(1, "a", picture="A"), "b": _row(2, "b", picture="B")}
    rows = assign_rows({"a": "B", "b": "A"}, occupied, [])
    assert {path: row.id for path, row in rows.items()} == {"a": 2, "b": 1}


def test_a_picture_edited_in_place_keeps_its_row_by_path() -> None:
    rows = assign_rows({"a": "new"}, {"a": _row(1, "a", picture="old")}, [])
    assert rows["a"].id == 1


def test_a_picture_that_overwrote_another_brings_its_own_row() -> None:
    occupied = {"a": _row(1, "a", picture="A")}
    gone = [_row(2, "b", picture="B")]
    rows = assign_rows({"a": "B"}, occupied, gone)
    assert {path: row.id for path, row in rows.items()} == {"a": 2}


def test_of_equal_pictures_the_same_file_name_wins_then_the_nearest_folder() -> None:
    gone = [_row(1, "x/one.jpg"), _row(2, "y/z/two.jpg"), _row(3, "y/three.jpg")]
    rows = assign_rows({"y/z/new.jpg": "p", "far/one.jpg": "p"}, {}, gone)
    assert {path: row.id for path, row in rows.items()} == {"y/z/new.jpg": 2, "far/one.jpg": 1}


def test_one_row_is_never_given_twice() -> None:
    rows = assign_rows({"a": "p", "b": "p"}, {}, [_row(1, "c")])
    assert len(rows) == 1


def test_thousands_of_equal_pictures_are_assigned_at_once() -> None:
    pictures = {f"new/{number:05}": "p" for number in range(5_000)}
    gone = [_row(number, f"old/{number:05}") for number in range(5_000)]
    rows = assign_rows(pictures, {}, gone)
    assert rows["new/00042"].current_path == "old/00042"
    assert len({row.id for row in rows.values()}) == 5_000
