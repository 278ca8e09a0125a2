"""verification: which files are no longer what the index knows, and why; nothing is changed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pictures import make_jpeg

import catalog
import fresh_reading
import operation_state
import verification
from db import Database, open_database
from errors import BrakeError, FileProblem
from exiftool_process import find_exiftool
from file_indexer import SLOW_DISK_BYTES_S
from file_operations import PictureReading, read_picture
from fresh_reading import FileReading
from hash_cache import HashCache
from library_sync import Indexer
from media_workers import WorkerFailure, WorkerPool
from operation_runner import OperationContext, OperationRunner, OperationStopped
from operation_state import CheckpointHelper, OperationStatus, OperationType
from verification import Verdict, Verifier, VerifyReport


class Pool(WorkerPool):
    """Reads in this process, so that a test can have a say in what the disk gives."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.before: Callable[[str], None] = lambda path: None
        self.instead: dict[str, WorkerFailure] = {}

    def map_batches(
        self, function: Callable[[Sequence[Any]], Sequence[Any]], items: Iterable[Any], **_: Any
    ) -> Generator[tuple[Any, Any], None, None]:
        for item in items:
            self.asked.append(os.path.basename(item))
            self.before(item)
            failure = self.instead.get(os.path.basename(item))
            yield item, failure or function([item])[0]


class Observer:
    """Takes what an operation says; can stop it, as a person would."""

    def __init__(self, operation_id: str, stop_after: int | None = None) -> None:
        self.checkpoint = CheckpointHelper(operation_id)
        self.problems: list[FileProblem] = []
        self.progress: list[tuple[int, int | None]] = []
        self.stop_after = stop_after

    def report_progress(self, *, phase: str, done: int = 0, total: int | None = None) -> None:
        self.progress.append((done, total))

    def add_problem(self, problem: FileProblem) -> None:
        self.problems.append(problem)

    def check(self) -> None:
        if self.stop_after is not None and len(self.progress) > self.stop_after:
            raise OperationStopped(OperationStatus.PAUSED)


class Box:
    """An indexed library in a temporary folder, and what verifies it."""

    def __init__(self, folder: Path, pool: WorkerPool) -> None:
        self.root = folder / "photos"
        self.root.mkdir()
        self.database: Database = open_database(folder / "library.db")
        self.pool = Pool()
        self.verifier = Verifier(self.root, self.database, self.pool)
        self._indexer = Indexer(
            self.root, self.database, pool, lambda: None, HashCache(self.database), ZoneInfo("UTC")
        )

    def index(self) -> None:
        self._indexer.update(self.observe(OperationType.UPDATE_INDEX))

    def make(self, count: int) -> None:
        for number in range(count):
            make_jpeg(self.root / f"{number}.jpg", number)
        self.index()

    def observe(
        self,
        kind: OperationType = OperationType.VERIFY_LIBRARY,
        *,
        stop_after: int | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> Observer:
        with self.database.transaction() as connection:
            operation = operation_state.create_operation(connection, kind, parameters)
            operation_state.set_status(connection, operation.operation_id, OperationStatus.RUNNING)
        return Observer(operation.operation_id, stop_after)

    def verify(self, budget_s: float | None = None, **options: Any) -> VerifyReport:
        """One operation, and its end as the runner writes it."""
        observer = self.observe(**options)
        report = self.verifier.verify(observer, budget_s=budget_s)
        observer.checkpoint.report = report.as_dict()
        with self.database.transaction() as connection:
            observer.checkpoint.save(connection)
            operation_state.set_status(
                connection, observer.checkpoint.operation_id, OperationStatus.COMPLETED
            )
        return report

    def execute(self, statement: str, *values: object) -> None:
        with self.database.transaction() as connection:
            connection.execute(statement, values)

    def take_stamps(self, name: str) -> None:
        """Have the row know the file's times: nobody can set a ctime back."""
        result = (self.root / name).stat()
        self.execute(
            "UPDATE photos SET mtime_ns = ?, ctime_ns = ? WHERE current_path = ?",
            result.st_mtime_ns,
            result.st_ctime_ns,
            name,
        )

    def note_write(self, name: str, state: str) -> None:
        content_hash = hashlib.sha256((self.root / name).read_bytes()).hexdigest()
        self.execute(
            "INSERT INTO write_journal (path, state, content_hash_after, planned_at)"
            " VALUES (?, ?, ?, '2026-01-01')",
            name,
            state,
            content_hash,
        )

    def content(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table but that of the operations."""
        with self.database.reading() as connection:
            names = [
                row[0]
                for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            return {
                name: [tuple(row) for row in connection.execute(f"SELECT * FROM {name}")]
                for name in names
                if name != "operation_state"
            }

    def files(self) -> dict[str, tuple[Any, ...]]:
        return {
            path.name: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ctime_ns)
            for path in self.root.iterdir()
        }


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(workers=2, memory_mb=1024, file_timeout_s=20) as pool:
        yield pool


@pytest.fixture
def box(tmp_path: Path, pool: WorkerPool) -> Iterator[Box]:
    box = Box(tmp_path, pool)
    yield box
    box.database.close()


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "CHECKPOINT_FILES", 3)


def flip(path: Path, at: int) -> None:
    """One bit of the byte at `at` (from the end where negative), and the mtime as it was."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    with open(path, "r+b") as file:
        file.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def verdicts(report: VerifyReport) -> dict[str, str]:
    return {finding.path: finding.kind.value for finding in report.findings}


def counts(report: VerifyReport) -> dict[str, int]:
    found = {verdict.value: getattr(report, verdict.value) for verdict in Verdict}
    assert report.checked == sum(found.values())
    return {name: count for name, count in found.items() if count}


# -- what became of a file -------------------------------------------------------------------


def test_files_that_nobody_touched_are_intact(box: Box) -> None:
    box.make(5)
    report = box.verify()
    assert counts(report) == {"intact": 5}
    assert report.complete
    assert report.bytes == sum(path.stat().st_size for path in box.root.iterdir())
    assert report.findings == ()


def test_a_file_of_which_only_the_times_changed_is_intact(box: Box) -> None:
    box.make(2)
    (box.root / "1.jpg").touch()
    assert counts(box.verify()) == {"intact": 2}


@pytest.mark.parametrize(
    "at", [-20, 10, 0], ids=["in the picture", "in a header", "in the first byte"]
)
def test_a_bit_that_flips_while_size_and_times_stay_is_bit_rot(box: Box, at: int) -> None:
    box.make(2)
    flip(box.root / "1.jpg", at)
    box.take_stamps("1.jpg")
    report = box.verify()
    assert verdicts(report) == {"1.jpg": "bit_rot"}
    assert [problem.path for problem in report.problems] == ["1.jpg"]
    assert "backup" in report.problems[0].reason


def test_bit_rot_beside_the_picture_is_said_to_be_that(box: Box) -> None:
    make_jpeg(box.root / "a.jpg", 1, date="2019:07:14 18:03:22")
    box.index()
    flip(box.root / "a.jpg", (box.root / "a.jpg").read_bytes().index(b"2019:07") + 3)
    box.take_stamps("a.jpg")
    report = box.verify()
    assert verdicts(report) == {"a.jpg": "bit_rot"}
    assert "the picture is intact" in report.findings[0].reason


def test_bytes_that_differ_under_other_times_are_never_called_bit_rot(box: Box) -> None:
    box.make(2)
    flip(box.root / "1.jpg", -20)
    report = box.verify()
    assert verdicts(report) == {"1.jpg": "replaced"}
    assert "a copy may have damaged it" in report.findings[0].reason


def test_tags_that_another_program_wrote_are_a_change(box: Box) -> None:
    box.make(2)
    make_jpeg(box.root / "1.jpg", 1, rating=4)
    report = box.verify()
    assert verdicts(report) == {"1.jpg": "changed"}
    assert report.problems == []


def test_a_rating_that_exiftool_wrote_is_a_change(box: Box) -> None:
    if not find_exiftool():
        pytest.skip("ExifTool is not installed")
    box.make(2)
    command = [find_exiftool(), "-overwrite_original", "-P", "-XMP:Rating=4", box.root / "1.jpg"]
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    assert verdicts(box.verify()) == {"1.jpg": "changed"}


@pytest.mark.parametrize("state", ["done", "prepared"])
def test_bytes_that_the_journal_knows_are_our_own_change(box: Box, state: str) -> None:
    box.make(2)
    make_jpeg(box.root / "1.jpg", 1, rating=5)
    box.note_write("1.jpg", state)
    report = box.verify()
    assert verdicts(report) == {"1.jpg": "changed_by_us"}
    assert report.problems == []


def test_what_was_planned_or_written_elsewhere_is_not_our_change(box: Box) -> None:
    box.make(2)
    make_jpeg(box.root / "1.jpg", 1, rating=5)
    box.note_write("1.jpg", "planned")
    shutil.copyfile(box.root / "1.jpg", box.root / "x.jpg")
    box.note_write("x.jpg", "done")
    assert verdicts(box.verify()) == {"1.jpg": "changed"}


def test_another_picture_in_its_place_is_a_replacement(box: Box) -> None:
    box.make(2)
    make_jpeg(box.root / "1.jpg", 9)
    report = box.verify()
    assert verdicts(report) == {"1.jpg": "replaced"}
    assert [problem.path for problem in report.problems] == ["1.jpg"]


@pytest.mark.parametrize("content", [b"", b"<html>no photo</html>"])
def test_a_photo_overwritten_by_something_else_is_a_replacement(box: Box, content: bytes) -> None:
    box.make(2)
    (box.root / "1.jpg").write_bytes(content)
    report = box.verify()
    assert verdicts(report) == {"1.jpg": "replaced"}
    assert "no photo" in report.findings[0].reason


def test_a_file_without_tags_of_its_own_says_that_nobody_can_tell(box: Box) -> None:
    box.make(1)
    box.execute("UPDATE photos SET media_hash = 'file:0', content_hash = ?", "0" * 64)
    answer = FileReading("1" * 64, "file:1", (1, 2, 3))
    with box.database.reading() as connection:
        row = catalog.list_present_files(connection, [1])[0]
        finding = verification._judge_file(connection, row, answer)
    assert finding.kind == Verdict.REPLACED
    assert "cannot be told apart" in finding.reason


def test_a_file_that_is_gone_is_missing(box: Box) -> None:
    box.make(2)
    (box.root / "1.jpg").unlink()
    report = box.verify()
    assert verdicts(report) == {"1.jpg": "missing"}
    assert [problem.path for problem in report.problems] == ["1.jpg"]


def test_a_link_or_a_folder_in_its_place_is_no_file(box: Box) -> None:
    box.make(3)
    for name in ("1.jpg", "2.jpg"):
        (box.root / name).unlink()
    (box.root / "1.jpg").symlink_to(box.root / "0.jpg")
    (box.root / "2.jpg").mkdir()
    assert verdicts(box.verify()) == {"1.jpg": "missing", "2.jpg": "missing"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_unreadable(box: Box) -> None:
    box.make(2)
    (box.root / "1.jpg").chmod(0)
    assert verdicts(box.verify()) == {"1.jpg": "unreadable"}


def test_a_file_that_the_disk_does_not_give_is_unreadable_and_not_missing(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.make(2)
    read = read_picture

    def fail(path: str) -> PictureReading:
        if path.endswith("1.jpg"):
            return PictureReading(path, problem="The file cannot be read: I/O.", transient=True)
        return read(path)

    monkeypatch.setattr(fresh_reading, "read_picture", fail)
    report = box.verify()
    assert counts(report) == {"intact": 1, "unreadable": 1}
    assert report.problems == [FileProblem("1.jpg", "The file cannot be read: I/O.")]


def test_a_file_that_ends_its_worker_is_unreadable(box: Box) -> None:
    box.make(2)
    box.pool.instead["1.jpg"] = WorkerFailure("Reading it took longer than 60 s.")
    report = box.verify()
    assert report.problems == [FileProblem("1.jpg", "Reading it took longer than 60 s.")]
    assert counts(report) == {"intact": 1, "unreadable": 1}


def test_a_row_of_an_older_app_is_held_against_the_digits_it_has(box: Box) -> None:
    box.make(3)
    box.execute(
        "UPDATE photos SET content_hash = substr(content_hash, 1, 7), media_hash = NULL,"
        " mtime_ns = NULL, ctime_ns = NULL"
    )
    make_jpeg(box.root / "1.jpg", 9)
    assert verdicts(box.verify()) == {"1.jpg": "changed"}


def test_missing_rows_are_not_looked_for(box: Box) -> None:
    box.make(3)
    (box.root / "1.jpg").unlink()
    box.index()
    assert counts(box.verify()) == {"intact": 2}


def test_all_at_once_are_told_apart_by_real_workers_and_nothing_is_changed(
    box: Box, pool: WorkerPool
) -> None:
    box.make(6)
    flip(box.root / "0.jpg", -20)
    box.take_stamps("0.jpg")
    make_jpeg(box.root / "1.jpg", 1, rating=4)
    make_jpeg(box.root / "2.jpg", 2, rating=5)
    box.note_write("2.jpg", "done")
    make_jpeg(box.root / "3.jpg", 33)
    (box.root / "4.jpg").unlink()
    content, files = box.content(), box.files()
    report = Verifier(box.root, box.database, pool).verify(box.observe())
    assert verdicts(report) == {
        "0.jpg": "bit_rot",
        "3.jpg": "replaced",
        "4.jpg": "missing",
        "1.jpg": "changed",
        "2.jpg": "changed_by_us",
    }
    assert counts(report)["intact"] == 1
    assert (box.content(), box.files()) == (content, files)


# -- edits meanwhile -------------------------------------------------------------------------


def test_a_photo_that_is_edited_while_it_is_verified_is_intact(box: Box) -> None:
    box.make(3)

    def star(path: str) -> None:
        if path.endswith("1.jpg") and box.pool.asked.count("1.jpg") == 1:
            make_jpeg(box.root / "1.jpg", 1, rating=5)
            box.index()

    box.pool.before = star
    assert counts(box.verify()) == {"intact": 3}
    assert box.pool.asked.count("1.jpg") == 2


def test_a_row_that_leaves_while_it_is_verified_is_left_out(box: Box) -> None:
    box.make(3)

    def trash(path: str) -> None:
        if path.endswith("1.jpg"):
            (box.root / "1.jpg").unlink()
            box.execute("DELETE FROM photos WHERE current_path = '1.jpg'")

    box.pool.before = trash
    report = box.verify()
    assert counts(report) == {"intact": 2}
    assert report.complete


def test_a_file_that_changes_while_it_is_read_is_not_called_rotten(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.make(1)
    read = read_picture

    def change_and_read(path: str) -> PictureReading:
        make_jpeg(Path(path), 1, rating=3, size=(64, 48))
        return read(path)

    monkeypatch.setattr(fresh_reading, "read_picture", change_and_read)
    assert verdicts(box.verify()) == {"0.jpg": "replaced"}


# -- pause, resume, budget -------------------------------------------------------------------


@pytest.mark.usefixtures("small_batches")
def test_a_stopped_verify_goes_on_at_its_position_and_reports_all(box: Box) -> None:
    box.make(10)
    (box.root / "1.jpg").unlink()
    observer = box.observe(stop_after=2)
    with pytest.raises(OperationStopped):
        box.verifier.verify(observer)
    with box.database.reading() as connection:
        row = operation_state.get_operation(connection, observer.checkpoint.operation_id)
    report = row.checkpoint["report"]
    assert (report["checked"], report["position"], report["complete"]) == (6, 6, False)
    assert report["problems"] == [{"path": "1.jpg", "reason": "The file is not there."}]
    box.pool.asked.clear()
    resumed = Observer(observer.checkpoint.operation_id)
    ended = box.verifier.verify(resumed)
    assert box.pool.asked == ["6.jpg", "7.jpg", "8.jpg", "9.jpg"]
    assert counts(ended) == {"intact": 9, "missing": 1}
    assert verdicts(ended) == {"1.jpg": "missing"}
    assert resumed.problems == [FileProblem("1.jpg", "The file is not there.")]
    assert resumed.progress[0] == (6, 10)
    assert resumed.progress[-1] == (10, 10)
    assert ended.complete


@pytest.mark.usefixtures("small_batches")
def test_a_verify_that_the_runner_paused_goes_on_in_a_new_operation(box: Box) -> None:
    box.make(10)
    runner = OperationRunner(box.database)

    def deed(context: OperationContext) -> dict[str, Any]:
        return box.verifier.verify(context).as_dict()

    def pause(path: str) -> None:
        current = runner.current()
        if path.endswith("4.jpg") and current:
            runner.pause(current.operation_id)

    with closing(runner):
        box.pool.before = pause
        paused = runner.wait(runner.start(OperationType.VERIFY_LIBRARY, deed), 20)
        assert paused.status == "paused"
        parameters = runner.list_interrupted()[0].parameters
        box.pool.before = lambda path: None
        box.pool.asked.clear()
        ended = runner.wait(runner.start(OperationType.VERIFY_LIBRARY, deed, parameters), 20)
    assert box.pool.asked == ["6.jpg", "7.jpg", "8.jpg", "9.jpg"]
    assert ended.report is not None
    assert (ended.report["checked"], ended.report["complete"]) == (10, True)
    with box.database.reading() as connection:
        row = operation_state.get_operation(connection, ended.operation_id)
    assert row.parameters == {}


@pytest.mark.usefixtures("small_batches")
def test_a_budget_ends_it_between_batches_and_the_next_begins_there(box: Box) -> None:
    box.make(10)
    first = box.verify(budget_s=0)
    assert (first.checked, first.position, first.complete) == (3, 3, False)
    second = box.verify(budget_s=0)
    assert (second.checked, second.position) == (3, 6)
    assert box.pool.asked[-3:] == ["3.jpg", "4.jpg", "5.jpg"]


@pytest.mark.usefixtures("small_batches")
def test_a_verify_with_a_budget_goes_round_the_end(box: Box) -> None:
    box.make(7)
    box.verify(budget_s=0)
    box.verify(budget_s=0)
    box.pool.asked.clear()
    third = box.verify(budget_s=0)
    assert box.pool.asked == ["6.jpg", "0.jpg", "1.jpg"]
    assert (third.position, third.complete) == (2, False)
    box.pool.asked.clear()
    whole = box.verify(budget_s=60)
    assert box.pool.asked == [f"{number}.jpg" for number in (2, 3, 4, 5, 6, 0, 1)]
    assert (whole.checked, whole.position, whole.complete) == (7, 2, True)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("stop_after", [1, 2, 3, 4])
def test_a_round_that_is_interrupted_still_comes_by_every_photo_once(
    box: Box, stop_after: int
) -> None:
    box.make(10)
    box.verify(budget_s=0)
    box.verify(budget_s=0)
    box.pool.asked.clear()
    observer = box.observe(stop_after=stop_after)
    with pytest.raises(OperationStopped):
        box.verifier.verify(observer, budget_s=60)
    report = box.verifier.verify(Observer(observer.checkpoint.operation_id), budget_s=60)
    assert counts(report) == {"intact": 10}
    assert box.pool.asked == [f"{number}.jpg" for number in (6, 7, 8, 9, 0, 1, 2, 3, 4, 5)]


@pytest.mark.usefixtures("small_batches")
def test_a_verify_without_a_budget_begins_at_the_beginning(box: Box) -> None:
    box.make(7)
    box.verify(budget_s=0)
    box.pool.asked.clear()
    report = box.verify()
    assert box.pool.asked[0] == "0.jpg"
    assert (report.checked, report.complete) == (7, True)


@pytest.mark.usefixtures("small_batches")
def test_a_budget_that_ends_with_the_last_batch_is_complete(box: Box) -> None:
    box.make(3)
    assert box.verify(budget_s=0).complete


def test_an_empty_library_is_complete_at_once(box: Box) -> None:
    report = box.verify(budget_s=0)
    assert (report.checked, report.position, report.complete) == (0, 0, True)


# -- the share is not mounted ----------------------------------------------------------------


def test_a_library_that_is_not_mounted_is_refused(box: Box, tmp_path: Path) -> None:
    box.make(2)
    marker = tmp_path / "library.json"
    verifier = Verifier(box.root, box.database, box.pool, (marker,))
    observer = box.observe()
    with pytest.raises(BrakeError, match=r"library\.json"):
        verifier.verify(observer)
    assert observer.problems == []
    assert box.pool.asked == []


@pytest.mark.usefixtures("small_batches")
def test_a_share_that_goes_while_it_is_verified_makes_nothing_missing(
    box: Box, tmp_path: Path
) -> None:
    box.make(9)
    marker = box.root / "library.json"
    marker.touch()

    def unmount(path: str) -> None:
        if path.endswith("4.jpg"):
            box.root.rename(tmp_path / "elsewhere")

    box.pool.before = unmount
    observer = box.observe()
    with pytest.raises(BrakeError):
        Verifier(box.root, box.database, box.pool, (marker,)).verify(observer)
    assert observer.problems == []
    with box.database.reading() as connection:
        row = operation_state.get_operation(connection, observer.checkpoint.operation_id)
    assert (row.checkpoint["report"]["checked"], row.checkpoint["report"]["missing"]) == (3, 0)


def test_an_empty_folder_where_photos_were_is_no_library(box: Box) -> None:
    box.make(2)
    for path in box.root.iterdir():
        path.unlink()
    with pytest.raises(BrakeError, match="empty"):
        box.verify()


# -- the report ------------------------------------------------------------------------------


def test_the_report_has_the_keys_of_all_reports(box: Box) -> None:
    box.make(3)
    make_jpeg(box.root / "1.jpg", 1, rating=4)
    (box.root / "2.jpg").unlink()
    report = box.verify().as_dict()
    common = ("found", "added", "changed", "moved", "missing", "unchanged", "cache")
    assert {key: report[key] for key in common} == {
        "found": 2,
        "added": 0,
        "changed": 1,
        "moved": 0,
        "missing": 1,
        "unchanged": 1,
        "cache": {},
    }
    assert report["findings"][0] == {
        "path": "2.jpg",
        "kind": "missing",
        "reason": "The file is not there.",
    }
    assert report["problems"] == [{"path": "2.jpg", "reason": "The file is not there."}]
    assert report["seconds"] >= 0


@pytest.mark.usefixtures("small_batches")
def test_the_gravest_findings_are_named_when_there_are_too_many(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "FINDINGS_KEPT", 3)
    box.make(8)
    for number in range(7):
        make_jpeg(box.root / f"{number}.jpg", number, rating=3)
    flip(box.root / "7.jpg", -20)
    box.take_stamps("7.jpg")
    report = box.verify()
    assert counts(report) == {"changed": 7, "bit_rot": 1}
    assert verdicts(report) == {"7.jpg": "bit_rot", "0.jpg": "changed", "1.jpg": "changed"}


def test_a_large_file_gets_time(box: Box, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with open(path, "wb") as file:
        file.truncate(20 * SLOW_DISK_BYTES_S)
    assert verification._extra_s(str(path)) == 20
    assert verification._extra_s(str(tmp_path / "gone.mp4")) == 0
