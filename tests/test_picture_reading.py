"""picture_reading: one pass over a file."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import pickle
import time
from pathlib import Path

import pytest
from PIL import Image

import picture_reading
from errors import FileProblem
from file_operations import (
    KnownHashes,
    PictureReading,
    extract_metadata_batch,
    read_picture,
    read_pictures,
)
from metadata import Facts
from picture_bytes import hash_picture
from tag_reader import read_tags

SIDECAR = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="{rating}"/></rdf:RDF></x:xmpmeta>'
)


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Files of a test are always fresh; waiting for their clock is noted and not done."""
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited


def make_jpeg(path: Path, date: str | None = None, rating: int | None = None) -> str:
    exif = Image.Exif()
    if rating is not None:
        exif[0x4746] = rating
    if date:
        exif.get_ifd(0x8769)[0x9003] = date
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (48, 32), (1, 2, 3)).save(path, "JPEG", exif=exif)
    return str(path)


def write(path: Path, content: str | bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# -- one pass over a file --------------------------------------------------------------------


def test_one_pass_gives_hashes_tags_and_the_stat_of_what_was_read(tmp_path: Path) -> None:
    path = make_jpeg(tmp_path / "a.jpg", "2019:07:14 18:03:22", 4)
    with open(path, "ab") as file:
        file.write(bytes(20_000))
    data = Path(path).read_bytes()
    reading = read_picture(path)
    assert reading.content_hash == hashlib.sha256(data).hexdigest()
    assert reading.media_hash == hash_picture(io.BytesIO(data), "jpeg").media_hash
    assert (reading.file_type, reading.unsure, reading.problem) == ("jpeg", None, None)
    assert reading.tags
    assert reading.tags["IFD0:Rating"] == 4
    assert reading.stat
    assert reading.stat.size == len(data)
    assert reading.stat.mtime_ns == os.stat(path).st_mtime_ns
    assert reading.bytes_read == len(data)
    assert pickle.loads(pickle.dumps(reading)) == reading


def test_known_hashes_spare_the_reading_of_the_picture(tmp_path: Path) -> None:
    path = make_jpeg(tmp_path / "a.jpg", rating=4)
    with open(path, "ab") as file:
        file.write(bytes(1_000_000))
    result = os.stat(path)
    stamps = (result.st_size, result.st_mtime_ns, result.st_ctime_ns)
    reading = read_picture(path, known=KnownHashes("content", "media", stamps))
    assert (reading.content_hash, reading.media_hash) == ("content", "media")
    assert reading.tags
    assert reading.tags["IFD0:Rating"] == 4
    assert 0 < reading.bytes_read < 100_000


def test_known_hashes_of_a_file_that_changed_since_are_not_believed(tmp_path: Path) -> None:
    path = make_jpeg(tmp_path / "a.jpg", rating=4)
    result = os.stat(path)
    stamps = (result.st_size, result.st_mtime_ns, result.st_ctime_ns - 1)
    reading = read_picture(path, known=KnownHashes("content", "media", stamps))
    assert reading.content_hash == hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_a_big_file_is_streamed_and_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_jpeg(tmp_path / "a.jpg", "2019:07:14 18:03:22", 4)
    whole = read_picture(path)
    monkeypatch.setattr(picture_reading, "WHOLE_READ_BYTES", 10)
    streamed = read_picture(path)
    for name in ("content_hash", "media_hash", "tags", "stat", "unsure"):
        assert getattr(streamed, name) == getattr(whole, name)


def test_what_is_read_of_a_big_file_is_let_go_and_a_photo_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go: list[tuple[int, int, int]] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _, *advice: let_go.append(advice))
    path = Path(make_jpeg(tmp_path / "a.jpg"))
    os.truncate(path, 30 << 20)
    read_picture(str(path))
    assert let_go == []
    monkeypatch.setattr(picture_reading, "WHOLE_READ_BYTES", 20 << 20)
    read_picture(str(path), known=picture_reading.TAGS_ONLY)
    assert let_go == []
    read_picture(str(path))
    assert let_go[-1][1] > 20 << 20
    assert {(start, advice) for start, _, advice in let_go} == {(0, os.POSIX_FADV_DONTNEED)}


def test_what_a_file_is_its_bytes_say(tmp_path: Path) -> None:
    path = make_jpeg(tmp_path / "a.heic")
    assert read_picture(path).file_type == "jpeg"
    facts = extract_metadata_batch([path])[path]
    assert isinstance(facts, Facts)
    assert (facts.width, facts.height) == (48, 32)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "The file is empty."),
        (b"<!DOCTYPE html>", "This is neither photo nor video"),
        (b"\xff\xd8", "This is neither photo nor video"),
        (bytes(100), "This is neither photo nor video"),
    ],
)
def test_what_is_not_a_picture_is_a_lasting_problem(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    path = str(write(tmp_path / "a.jpg", content))
    reading = read_picture(path)
    assert reading.problem
    assert reading.problem.startswith(reason)
    assert (reading.content_hash, reading.tags, reading.transient) == (None, None, False)
    assert isinstance(extract_metadata_batch([path])[path], FileProblem)


def test_a_damaged_picture_has_hashes_and_a_problem(tmp_path: Path) -> None:
    data = Path(make_jpeg(tmp_path / "a.jpg")).read_bytes()
    path = str(write(tmp_path / "cut.jpg", data[: len(data) - 20]))
    reading = read_picture(path)
    assert reading.content_hash
    assert reading.problem
    assert "damaged" in reading.problem
    assert not reading.transient


def test_what_is_no_regular_file_is_never_opened_for_reading(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.jpg")
    os.mkdir(tmp_path / "dir.jpg")
    os.symlink(make_jpeg(tmp_path / "real.jpg"), tmp_path / "link.jpg")
    started = time.monotonic()
    for name in ("fifo.jpg", "dir.jpg", "link.jpg"):
        reading = read_picture(str(tmp_path / name))
        assert reading.problem
        assert reading.content_hash is None
        assert not reading.transient
    assert read_picture("/dev/zero").problem == "This is no regular file."
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ENOENT, errno.ESTALE])
def test_trouble_with_the_disk_is_transient(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_jpeg(tmp_path / "a.jpg")

    def fail(name: str, flags: int) -> int:
        raise OSError(number, os.strerror(number), name)

    monkeypatch.setattr(os, "open", fail)
    reading = read_picture(path)
    assert reading.transient
    assert reading.problem == f"The file cannot be read: {os.strerror(number)}."


def test_an_error_of_the_disk_in_the_middle_is_transient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_jpeg(tmp_path / "a.jpg")

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    for name in ("read_tags", "hash_picture"):
        with monkeypatch.context() as patch:
            patch.setattr(picture_reading, name, fail)
            reading = read_picture(path)
        assert reading.transient
        assert reading.content_hash is None


def test_a_file_that_changes_while_it_is_read_is_read_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_jpeg(tmp_path / "a.jpg", rating=1)
    changed = Path(make_jpeg(tmp_path / "b.jpg", rating=5)).read_bytes()
    changes = 1

    def change_behind(file: io.BytesIO, file_type: str) -> object:
        nonlocal changes
        fast = read_tags(file, file_type)
        if changes:
            changes -= 1
            Path(path).write_bytes(changed + bytes(changes))
        return fast

    monkeypatch.setattr(picture_reading, "read_tags", change_behind)
    reading = read_picture(path)
    assert reading.tags
    assert reading.tags["IFD0:Rating"] == 5
    assert reading.content_hash == hashlib.sha256(changed).hexdigest()
    changes = 9
    reading = read_picture(path)
    assert reading.transient
    assert reading.content_hash is None


def test_a_reading_waits_until_another_write_would_show(
    tmp_path: Path, settled: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_jpeg(tmp_path / "a.jpg")
    changed_ns = os.stat(path).st_ctime_ns
    assert changed_ns % 1_000_000_000
    for age_ns, wait_s in ((1_000_000, 0.049), (60_000_000, None), (-1_000_000, 0.051)):
        settled.clear()
        monkeypatch.setattr(time, "time_ns", lambda age=age_ns: changed_ns + age)
        read_picture(path)
        assert settled == ([] if wait_s is None else [pytest.approx(wait_s)])


def test_a_clock_of_whole_seconds_is_waited_for_longer(settled: list[float]) -> None:
    values = [0] * 10 + [0.0] * 3 + [0, 0, int(time.time()) * 1_000_000_000]
    result = os.stat_result(values)
    if result.st_ctime_ns % 1_000_000_000:
        pytest.skip("this Python orders the fields in another way")
    picture_reading._wait_until_settled(result)
    assert len(settled) == 1
    assert 0.9 < settled[0] <= 2


def test_a_batch_is_read_in_order(tmp_path: Path) -> None:
    good = make_jpeg(tmp_path / "a.jpg")
    bad = str(write(tmp_path / "b.jpg", b"rubbish"))
    readings = read_pictures(
        [(bad, None, None), (good, None, None), (bad, None, KnownHashes("a", "b", None))]
    )
    assert [reading.path for reading in readings] == [bad, good, bad]
    assert [reading.content_hash is None for reading in readings] == [True, False, True]


# -- sidecars of a reading -------------------------------------------------------------------


def read_facts(path: str, sidecar: Path) -> tuple[PictureReading, Facts]:
    reading = read_picture(path, str(sidecar))
    facts = extract_metadata_batch([path], readings=[reading])[path]
    assert isinstance(facts, Facts)
    return reading, facts


def test_the_sidecar_is_read_with_the_photo(tmp_path: Path) -> None:
    path = make_jpeg(tmp_path / "a.jpg", rating=2)
    sidecar = write(tmp_path / "a.jpg.xmp", SIDECAR.format(rating=5))
    reading, facts = read_facts(path, sidecar)
    assert reading.sidecar_tags == {"XMP-xmp:Rating": "5"}
    assert (facts.rating, facts.rating_in) == (5, "sidecar")


@pytest.mark.parametrize(
    "content", [b"", b"rubbish", b"<a>", b'<!DOCTYPE a [<!ENTITY b "c">]><a/>']
)
def test_a_broken_sidecar_is_reported_and_the_file_counts(content: bytes, tmp_path: Path) -> None:
    path = make_jpeg(tmp_path / "a.jpg", rating=2)
    reading, facts = read_facts(path, write(tmp_path / "a.jpg.xmp", content))
    assert (facts.rating, facts.rating_in) == (2, "file")
    assert reading.problem
    assert "a.jpg.xmp" in reading.problem
    assert reading.content_hash


def test_a_sidecar_that_is_gone_or_no_regular_file_is_none(tmp_path: Path) -> None:
    path = make_jpeg(tmp_path / "a.jpg", rating=2)
    os.mkfifo(tmp_path / "fifo.xmp")
    for name in ("absent.xmp", "fifo.xmp"):
        reading, facts = read_facts(path, tmp_path / name)
        assert (facts.rating, reading.problem) == (2, None)


def test_a_sidecar_that_the_disk_does_not_give_puts_the_photo_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_jpeg(tmp_path / "a.jpg", rating=2)
    sidecar = str(write(tmp_path / "a.jpg.xmp", SIDECAR.format(rating=5)))
    real_open = os.open

    def fail(name: str, flags: int) -> int:
        if name == sidecar:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), name)
        return real_open(name, flags)

    monkeypatch.setattr(os, "open", fail)
    reading = read_picture(path, sidecar)
    assert (reading.transient, reading.content_hash) == (True, None)
    assert reading.problem == "Its sidecar a.jpg.xmp cannot be read: Permission denied."
