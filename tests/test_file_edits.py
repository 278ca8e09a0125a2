"""file_edits: what a person rates is kept, whatever happens at the same time."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from edit_box import EditBox, needs_exiftool, opened_box, read_tags
from pictures import make_jpeg
from PIL import Image
from rebuild_box import Observer

import edit_recovery
import edit_run
import file_indexer
import safe_write
import write_journal
from beside_store import FOLDER as BESIDE
from date_edit import DateMode
from errors import EditRefusedError, NotWritableError
from operation_state import OperationStatus, OperationType, create_operation, set_status
from picture_reading import read_picture
from safe_write import BeforeReplace
from settings import load_settings

pytestmark = needs_exiftool

A, B = "a.jpg", "sub/b.jpg"


@pytest.fixture
def root(home: Path) -> Path:
    root = home / "photos"
    make_jpeg(root / A, 1, date="2019:07:14 18:03:22", rating=3)
    make_jpeg(root / B, 2)
    return root


@pytest.fixture
def box(root: Path) -> Iterator[EditBox]:
    with opened_box(root, workers=1) as box:
        yield box


def star(box: EditBox, path: str = A) -> int | None:
    return box.library.favorites.rate(box.photo(path).id, 5).edit_id


def ratings(path: Path) -> list[Any]:
    (tags,) = read_tags(path)
    return [tags.get("XMP-xmp:Rating"), tags.get("IFD0:Rating")]


def observe(box: EditBox, operation_type: OperationType, hook: Callable[[str], None]) -> Observer:
    """An observer that calls `hook` with each phase, once."""
    with box.library.database.transaction() as connection:
        operation_id = create_operation(connection, operation_type, {}).operation_id
        set_status(connection, operation_id, OperationStatus.RUNNING)

    class Hooked(Observer):
        def report_progress(self, *, phase: str, done: int = 0, total: int | None = None) -> None:
            before = list(self.phases)
            super().report_progress(phase=phase, done=done, total=total)
            name = f"{phase} done" if total and done == total else phase
            if before != self.phases:
                hook(phase)
            if name != phase:
                hook(name)

    return Hooked(operation_id)


def assert_settled(box: EditBox) -> None:
    """Rows and files agree, nothing is left over, and the next index finds nothing changed."""
    with box.library.database.reading() as connection:
        assert write_journal.list_unfinished(connection) == []
    assert not list(box.root.rglob("*.lightkeep-tmp"))
    for path in box.hashes():
        if path.endswith((".jpg", ".bmp", ".dng")):
            row, reading = box.photo(path), read_picture(str(box.root / path))
            assert (row.content_hash, row.media_hash) == (reading.content_hash, reading.media_hash)
    report = box.library.make_indexer().update(
        observe(box, OperationType.UPDATE_INDEX, lambda _: None)
    )
    assert (report.changed, report.added, report.moved, report.missing) == (0, 0, 0, 0)


# -- two at once -------------------------------------------------------------------------------


def test_two_edits_of_one_photo_at_once_are_done_one_after_the_other(box: EditBox) -> None:
    photo_id = box.photo(A).id
    threads = [
        threading.Thread(target=box.library.favorites.rate, args=(photo_id, rating))
        for rating in (1, 2, 4, 5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    rating = box.photo(A).rating
    assert ratings(box.root / A) == [rating, rating]
    edits = box.library.list_edits(photo_id=photo_id)
    assert [edit.state for edit in edits] == ["done"] * 4
    # Each stands on the one before it.
    chain = [edit.before.rating for edit in edits] + [edits[0].after.rating]
    assert chain[0] == edits[1].after.rating
    assert edits[-1].before.rating == 3
    assert_settled(box)


def test_two_that_take_one_star_away_never_take_the_rating_before_it(
    box: EditBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    star(box)
    photo = box.photo(A)
    both = threading.Barrier(2)
    real = box.library.favorites.edits.write

    def together(*args: Any, **options: Any) -> Any:
        both.wait(10)
        return real(*args, **options)

    monkeypatch.setattr(type(box.library.favorites.edits), "write", staticmethod(together))
    errors: list[EditRefusedError] = []

    def toggle() -> None:
        try:
            box.library.rate_photo(photo.id, None)
        except EditRefusedError as error:
            errors.append(error)

    threads = [threading.Thread(target=toggle) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(errors) == 1
    assert box.photo(A).rating == 3
    assert ratings(box.root / A) == [None, 3]
    assert_settled(box)


@pytest.mark.parametrize("moment", ["walk", "read", "read done", "write"])
@pytest.mark.parametrize("path", [A, "odd.bmp"])
def test_a_star_during_an_index_is_kept(root: Path, moment: str, path: str) -> None:
    Image.new("RGB", (8, 8), "teal").save(root / "odd.bmp")
    with opened_box(root, workers=1) as box:
        os.utime(root / path)  # so that the index reads it
        make_jpeg(root / B, 2, rating=1)
        seen: list[str] = []

        def hook(phase: str) -> None:
            if phase == moment and not seen:
                seen.append(phase)
                star(box, path)

        box.library.make_indexer().update(observe(box, OperationType.UPDATE_INDEX, hook))
        assert seen
        assert box.photo(path).rating == 5
        assert box.photo(B).rating == 1
        assert_settled(box)


def test_an_index_that_is_faster_than_the_row_of_an_edit_wins(
    box: EditBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The photo is moved, and found there, between the edit's write and its row."""
    real = edit_recovery.bring_row

    def bring_row(*args: Any) -> None:
        (box.root / A).rename(box.root / "moved.jpg")
        box.library.make_indexer().update(observe(box, OperationType.UPDATE_INDEX, lambda _: None))
        real(*args)

    monkeypatch.setattr(edit_run, "bring_row", bring_row)
    photo_id = box.photo(A).id
    star(box)
    monkeypatch.undo()
    box.index()
    assert box.photo("moved.jpg").id == photo_id
    assert box.photo("moved.jpg").rating == 5
    assert_settled(box)


@pytest.mark.parametrize("moment", ["build", "build done", "check", "swap"])
def test_a_star_during_a_rebuild_is_kept(box: EditBox, moment: str) -> None:
    photo_id = box.photo(A).id
    seen: list[int | None] = []

    def hook(phase: str) -> None:
        if phase == moment and not seen:
            seen.append(star(box))

    box.library.make_rebuilder().rebuild(observe(box, OperationType.REBUILD_DATABASE, hook))
    assert (box.photo(A).id, box.photo(A).rating) == (photo_id, 5)
    assert [edit.id for edit in box.library.list_edits()] == seen
    assert_settled(box)
    assert box.library.undo_edit(seen[0] or 0).rating == 3


def rebuild_meanwhile(box: EditBox) -> None:
    def rebuild() -> None:
        observer = observe(box, OperationType.REBUILD_DATABASE, lambda _: None)
        box.library.make_rebuilder().rebuild(observer)

    thread = threading.Thread(target=rebuild)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()


@pytest.mark.parametrize("moment", ["planned", "copied", "prepared", "replaced"])
def test_a_rebuild_within_an_edit_keeps_it(
    box: EditBox, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    photo_id = box.photo(A).id
    with disturbed(monkeypatch, moment, lambda: rebuild_meanwhile(box)):
        edit_id = star(box)
    assert (box.photo(A).id, box.photo(A).rating) == (photo_id, 5)
    assert edit_id
    assert_settled(box)
    assert box.library.undo_edit(edit_id).rating == 3


# -- another program at the same file ----------------------------------------------------------


@contextmanager
def disturbed(
    monkeypatch: pytest.MonkeyPatch, moment: str, disturb: Callable[[], None]
) -> Iterator[None]:
    """Call `disturb` at a moment of the write into a photo."""
    real = safe_write.write_tags

    def write_tags(*args: Any, before_replace: BeforeReplace, **options: Any) -> Any:
        def prepare(content_hash: str) -> None:
            if moment == "copied":
                disturb()
            before_replace(content_hash)
            if moment == "prepared":
                disturb()

        if moment == "planned":
            disturb()
        content_hash = real(*args, before_replace=prepare, **options)
        if moment == "replaced":
            disturb()
        return content_hash

    with monkeypatch.context() as patch:
        patch.setattr(edit_run, "write_tags", write_tags)
        yield


def change(path: Path) -> None:
    """Another program writes into the file."""
    data = path.read_bytes()
    with path.open("r+b") as file:
        file.write(data[:-2] + b"\xff\xfe\x00\x04hm\xff\xd9")


def change_unseen(path: Path) -> None:
    """The same, keeping size and time."""
    before, data = path.stat(), path.read_bytes()
    path.write_bytes(data.replace(b"18:03:22", b"18:03:23"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(path: Path) -> None:
    make_jpeg(path.with_name("new"), 77).replace(path)


def move(path: Path) -> None:
    path.rename(path.with_name("moved.jpg"))


def delete(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("moment", ["planned", "copied", "prepared", "replaced"])
@pytest.mark.parametrize("act", [change, change_unseen, replace, move, delete])
def test_what_another_program_does_meanwhile_stays(
    box: EditBox, monkeypatch: pytest.MonkeyPatch, moment: str, act: Callable[[Path], None]
) -> None:
    files: dict[str, str] = {}

    def disturb() -> None:
        act(box.root / A)
        files.update(
            (path, digest) for path, digest in box.hashes().items() if not path.endswith("-tmp")
        )

    with disturbed(monkeypatch, moment, disturb):
        if moment == "replaced":
            star(box)
        else:
            with pytest.raises(EditRefusedError):
                star(box)
    assert box.hashes() == files
    box.index()
    if act in (delete, move) and moment != "replaced":
        # The photo is gone from where it was to be written: its entry is left for later.
        with box.library.database.transaction() as connection:
            for entry in write_journal.list_unfinished(connection):
                assert entry.path == A
                write_journal.drop(connection, entry.id)
    assert_settled(box)
    if act is move:
        assert star(box, "moved.jpg") or moment == "replaced"
        assert box.photo("moved.jpg").rating == 5


def test_a_photo_that_goes_before_it_is_read_is_refused_with_a_sentence(
    box: EditBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = file_indexer.find_file

    def find_file(*args: Any) -> Any:
        (box.root / A).unlink(missing_ok=True)
        return real(*args)

    monkeypatch.setattr(edit_run, "find_file", find_file)
    with pytest.raises(EditRefusedError, match=r"a\.jpg is not there now"):
        star(box)


def test_a_photo_that_was_moved_while_its_edit_was_interrupted_is_found(box: EditBox) -> None:
    photo = box.photo(A)
    values = write_journal.Values(3, "file", {})
    with box.library.database.transaction() as connection:
        write_journal.plan(
            connection,
            write_journal.PlannedEdit(
                photo.id, A, write_journal.Place.FILE, values, values, ".a.lightkeep-tmp", "0" * 64
            ),
        )
    (box.root / A).rename(box.root / "moved.jpg")
    box.index()
    assert box.photo("moved.jpg").id == photo.id


# -- where nothing can be written --------------------------------------------------------------


@contextmanager
def read_only(root: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if how == "mounted":
        mount("-o", "remount,ro", str(root))
        try:
            yield
        finally:
            mount("-o", "remount,rw", str(root))
        return

    def refuse(path: str, *_: Any, **__: Any) -> Any:
        raise NotWritableError(f"{path} cannot be written: Read-only file system.")

    real = safe_write.write_bytes
    with monkeypatch.context() as patch:
        patch.setattr(edit_run, "refuse_unwritable", refuse)
        patch.setattr(
            edit_run,
            "write_bytes",
            lambda path, *args, **options: (refuse if path.startswith(str(root) + "/") else real)(
                path, *args, **options
            ),
        )
        yield


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)


@pytest.fixture(params=["refused", "mounted"])
def shared(home: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Path, str]]:
    """A folder of two equal photos and another, which can become read-only."""
    root = home / "share"
    root.mkdir()
    if request.param == "mounted":
        if os.geteuid():
            pytest.skip("only root mounts")
        try:
            mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", str(root))
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("nothing can be mounted here")
    try:
        make_jpeg(root / A, 1, rating=3)
        make_jpeg(root / B, 2)
        shutil.copy2(root / B, root / "twin.jpg")
        yield root, request.param
    finally:
        if request.param == "mounted":
            subprocess.run(["umount", "-l", str(root)], check=True)


def test_a_rating_of_a_read_only_library_lies_beside_it_and_survives(
    shared: tuple[Path, str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, how = shared
    data = home / "data"
    before = {path: path.read_bytes() for path in root.rglob("*.jpg")}
    with opened_box(root, data_dir=data, workers=1) as box:
        old = box.library.back_up("before the star").path
        with read_only(root, how, monkeypatch):
            star(box, B)
            assert (box.photo(B).rating, box.photo(B).kept_in) == (5, "beside")
            # It is kept of the picture, wherever that lies.
            assert (box.photo("twin.jpg").rating, box.photo("twin.jpg").kept_in) == (5, "beside")
            box.library.favorites.rate(box.photo(A).id, 0)
            assert (box.photo(A).rating, box.photo(A).kept_in) == (None, None)
            rebuild_meanwhile(box)
            assert (box.photo(B).rating, box.photo(A).rating) == (5, None)
    assert {path: path.read_bytes() for path in root.rglob("*.jpg")} == before
    database = load_settings(root, data_dir=data).database_path
    with read_only(root, how, monkeypatch):
        for restore in (lambda: None, lambda: shutil.copyfile(old, database)):
            for path in data.glob(database.name + "*"):
                path.unlink()
            restore()
            with opened_box(root, data_dir=data, workers=1) as box:
                assert (box.photo(B).rating, box.photo(B).kept_in) == (5, "beside")
                assert box.photo(A).rating is None
                assert_settled(box)
    with opened_box(root, data_dir=data, workers=1) as box:
        box.library.favorites.rate(box.photo(B).id, 4)
        assert (box.photo(B).rating, box.photo(B).kept_in) == (4, "file")
        box.library.favorites.rate(box.photo(A).id, 1)
        assert ratings(root / A) == [1, 1]
        assert list((data / BESIDE).iterdir()) == []
        assert_settled(box)


def test_a_date_of_a_read_only_library_lies_beside_it_and_is_taken_back(
    shared: tuple[Path, str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, how = shared
    data = home / "data"
    database = load_settings(root, data_dir=data).database_path
    with opened_box(root, data_dir=data, workers=1) as box:
        first = box.photo(B).date_taken
        with read_only(root, how, monkeypatch):
            photos = [box.photo(B).id]
            done = box.library.start_dates(photos, DateMode.SAME, "2020-02-29 12:00:00+01:00")
            assert box.library.runner.wait(done, timeout=60).status == "completed"
            for path in (B, "twin.jpg"):
                dated = box.photo(path)
                assert (dated.date_taken, dated.utc_offset) == ("2020-02-29T12:00:00", "+01:00")
            undone = box.library.runner.wait(box.library.start_undo(done), timeout=60)
            assert undone.status == "completed"
            assert (box.photo(B).date_taken, box.photo("twin.jpg").date_taken) == (first, first)
            assert list((data / BESIDE).iterdir()) == []
            box.library.runner.wait(
                box.library.start_dates(photos, DateMode.SAME, "2021-01-01 12:00"), timeout=60
            )
    for left in data.glob(database.name + "*"):
        left.unlink()
    with read_only(root, how, monkeypatch), opened_box(root, data_dir=data, workers=1) as box:
        assert box.photo(B).date_taken == "2021-01-01T12:00:00"
        assert_settled(box)


def make_dng(path: Path) -> None:
    Image.new("RGB", (64, 48), "teal").save(path, "TIFF")


def make_immutable(path: Path) -> None:
    make_jpeg(path, 30)
    done = subprocess.run(["chattr", "+i", str(path)], check=False, capture_output=True)
    if done.returncode:
        pytest.skip("this file system has no immutable files")


def make_damaged(path: Path) -> None:
    data = make_jpeg(path, 31, size=(640, 480)).read_bytes()
    path.write_bytes(data[: len(data) // 2])


def make_read_only(path: Path) -> None:
    make_jpeg(path, 32).chmod(0o444)


def make_linked(path: Path) -> None:
    make_jpeg(path, 33)
    os.link(path, path.with_name("other name.txt"))


def make_plain(path: Path) -> None:
    make_jpeg(path, 34)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("x.dng", make_dng),
        ("x.jpg", make_immutable),
        ("x.jpg", make_damaged),
        ("x.jpg", make_read_only),
        ("x.jpg", make_linked),
        ("x\n-o\ncanary\n-XMP-dc:Title=x\n.jpg", make_plain),
    ],
)
def test_what_cannot_be_written_keeps_its_bytes_and_a_sidecar_holds_the_rating(
    root: Path, name: str, make: Callable[[Path], None]
) -> None:
    photo = root / name
    Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.txt")).write_bytes(b"neighbor")
    make(photo)
    try:
        with opened_box(root, workers=1) as box:
            before = box.hashes()
            star(box, name)
            assert (box.photo(name).rating, box.photo(name).kept_in) == (5, "sidecar")
            after = box.hashes()
            assert after.keys() - before.keys() == {f"{name}.xmp"}
            assert {path: after[path] for path in before} == before
            assert_settled(box)
            (edit,) = box.library.list_edits()
            assert edit.reason
            # Un-starring takes the sidecar away that we made.
            box.library.rate_photo(box.photo(name).id, None)
            assert box.photo(name).rating is None
            assert box.hashes() == before
            assert_settled(box)
    finally:
        if make is make_immutable:
            subprocess.run(["chattr", "-i", str(photo)], check=False)


@pytest.mark.parametrize("name", ["-o x.jpg", "#x.jpg", "%d.jpg", " x |", "x&y;.jpg"])
def test_odd_names_are_written_like_any_other(root: Path, name: str) -> None:
    name = name if name.endswith(".jpg") else f"{name}.jpg"
    make_jpeg(root / name, 9)
    with opened_box(root, workers=1) as box:
        before = box.hashes()
        star(box, name)
        after = box.hashes()
        assert after.keys() == before.keys()
        assert {path for path in before if before[path] != after[path]} == {name}
        assert (box.photo(name).rating, box.photo(name).kept_in) == (5, "file")
        assert_settled(box)


# -- sidecars ----------------------------------------------------------------------------------

FOREIGN = """<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><!-- kept -->
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:darktable="http://darktable.sf.net/" {rating} darktable:history="1,2,3">
   <darktable:masks>gz12eJw=</darktable:masks>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""


def test_a_foreign_sidecar_that_says_a_rating_is_kept_in_step(root: Path) -> None:
    sidecar = root / f"{A}.xmp"
    sidecar.write_text(FOREIGN.format(rating='xmp:Rating="2"'))
    before = (root / A).read_bytes()
    with opened_box(root, workers=1) as box:
        assert box.photo(A).rating == 2
        edit_id = star(box)
        assert sidecar.read_text() == FOREIGN.format(rating='xmp:Rating="5"')
        assert ratings(root / A) == [5, 5]
        assert_settled(box)
        assert edit_id
        assert box.library.undo_edit(edit_id).rating == 2
        assert sidecar.read_text() == FOREIGN.format(rating='xmp:Rating="2"')
        assert (root / A).read_bytes() == before
        assert_settled(box)


def test_a_foreign_sidecar_without_a_rating_is_not_touched(root: Path) -> None:
    sidecar = root / f"{A}.xmp"
    sidecar.write_text(FOREIGN.format(rating=""))
    stat = sidecar.stat()
    with opened_box(root, workers=1) as box:
        star(box)
        box.library.rate_photo(box.photo(A).id, None)
        assert sidecar.stat().st_ctime_ns == stat.st_ctime_ns
        assert box.photo(A).rating == 3
        assert_settled(box)


def test_a_sidecar_that_may_be_of_two_photos_is_not_written(root: Path) -> None:
    make_read_only(root / "x.jpg")
    make_dng(root / "x.dng")
    shared = root / "x.xmp"
    shared.write_text(FOREIGN.format(rating='xmp:Rating="2"'))
    before = shared.read_bytes()
    with opened_box(root, workers=1) as box:
        star(box, "x.jpg")
        assert shared.read_bytes() == before
        assert (root / "x.jpg.xmp").exists()
        assert box.photo("x.jpg").rating == 5
        assert box.photo("x.dng").rating != 5
        assert_settled(box)


def test_un_starring_leaves_a_foreign_sidecar_as_it_was(root: Path) -> None:
    make_read_only(root / "x.jpg")
    sidecar = root / "x.xmp"
    sidecar.write_text(FOREIGN.format(rating=""))
    with opened_box(root, workers=1) as box:
        star(box, "x.jpg")
        assert (box.photo("x.jpg").rating, box.photo("x.jpg").kept_in) == (5, "sidecar")
        assert not (root / "x.jpg.xmp").exists()
        box.library.rate_photo(box.photo("x.jpg").id, None)
        assert box.photo("x.jpg").rating is None
        text = sidecar.read_text()
        assert "darktable:masks" in text
        assert "Rating" not in text
        assert_settled(box)


def test_a_rating_that_cannot_be_taken_out_of_a_file_is_zero_in_its_sidecar(root: Path) -> None:
    make_jpeg(root / "x.jpg", 5, rating=4).chmod(0o444)
    with opened_box(root, workers=1) as box:
        before = box.bytes("x.jpg")
        edit = box.library.favorites.rate(box.photo("x.jpg").id, 0).edit_id
        assert b"0" in (root / "x.jpg.xmp").read_bytes()
        assert read_tags(root / "x.jpg.xmp")[0]["XMP-xmp:Rating"] == 0
        assert (box.photo("x.jpg").rating, box.bytes("x.jpg")) == (None, before)
        assert_settled(box)
        assert edit
        assert box.library.undo_edit(edit).rating == 4
        assert not (root / "x.jpg.xmp").exists()
        assert_settled(box)


def test_a_sidecar_on_a_disk_that_is_not_there_is_left_for_later(box: EditBox) -> None:
    """Its folder is an empty mount point: what lies there cannot be told."""
    photo = box.photo(B)
    none = write_journal.Values(None, None, {}, exists=False)
    with box.library.database.transaction() as connection:
        entry_id = write_journal.plan(
            connection,
            write_journal.PlannedEdit(
                photo.id, f"{B}.xmp", write_journal.Place.SIDECAR, none, none, "sub/.t"
            ),
        )
        write_journal.prepare(connection, entry_id, "1" * 64)
    (box.root / "sub").rename(box.root / "elsewhere")
    (box.root / "sub").mkdir()
    assert box.library.favorites.edits.finish_interrupted() == []
    with box.library.database.reading() as connection:
        assert [one.id for one in write_journal.list_unfinished(connection)] == [entry_id]
    (box.root / "sub").rmdir()
    (box.root / "elsewhere").rename(box.root / "sub")
    box.library.favorites.edits.finish_interrupted()
    with box.library.database.reading() as connection:
        assert write_journal.list_unfinished(connection) == []


# -- hostile names -----------------------------------------------------------------------------

HOSTILE = [
    *(
        "-overwrite_original.jpg",
        "-o",
        "#comment.jpg",
        "@arguments.jpg",
        "%f-%c.jpg",
        "$(touch x).jpg",
    ),
    *(" a .jpg", "a\n-o\ncanary\n-all=\n.jpg", "a\r\n-execute\n.jpg", "ü´.jpg"),
]


def test_no_name_of_a_photo_is_taken_for_a_command(home: Path) -> None:
    root = home / "photos"
    names = [name if name.endswith(".jpg") else f"{name}.jpg" for name in HOSTILE]
    for number, name in enumerate(names):
        make_jpeg(root / name, number)
    neighbor = make_jpeg(root / "neighbor.jpg", 99, rating=2)
    before = neighbor.read_bytes()
    with opened_box(root) as box:
        for name in names:
            kept = box.library.favorites.rate(box.photo(name).id, 5)
            assert (kept.rating, kept.kept_in) == (5, "sidecar" if "\n" in name else "file")
        assert_settled(box)
        for name in names:
            box.library.favorites.rate(box.photo(name).id, 0)
        assert sorted(os.listdir(root)) == sorted([".library", "neighbor.jpg", *names])
        assert_settled(box)
    assert neighbor.read_bytes() == before
