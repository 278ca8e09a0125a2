"""The door to photo files: one pass over a file, facts of many."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import pickle
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pictures import make_film
from PIL import Image

import picture_reading
from errors import FileProblem
from exiftool_process import ExifTool, find_exiftool
from file_operations import (
    KnownHashes,
    PictureReading,
    extract_exif_date,
    extract_exif_rating,
    extract_metadata_batch,
    find_sidecars,
    get_dimensions,
    read_picture,
    read_pictures,
    scan_folder,
)
from media_types import Kind, kind_of_name
from metadata import Facts, TagValue
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


@pytest.fixture(scope="module")
def exiftool() -> Iterator[ExifTool]:
    if find_exiftool() is None:
        pytest.skip("ExifTool is not installed")
    tool = ExifTool()
    yield tool
    tool.close()


def make_jpeg(path: Path, date: str | None = None, rating: int | None = None) -> str:
    exif = Image.Exif()
    if rating is not None:
        exif[0x4746] = rating
    if date:
        exif.get_ifd(0x8769)[0x9003] = date
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (48, 32), (1, 2, 3)).save(path, "JPEG", exif=exif)
    return str(path)


def make_undated_png_with_date_text(path: Path) -> str:
    """A picture whose date only ExifTool reads."""
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_text("Creation Time", "2019-07-14T18:03:22")
    Image.new("RGB", (4, 3)).save(path, "PNG", pnginfo=texts)
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


# -- facts of many files ---------------------------------------------------------------------


class CountingExifTool(ExifTool):
    """Stands in for `ExifTool`: notes what it is asked, and fails over what it is told to."""

    def __init__(self, fails: bool = False) -> None:
        self.commands: list[list[str]] = []
        self._fails = fails

    def read_tags(self, paths: Sequence[str]) -> dict[str, dict[str, TagValue] | FileProblem]:
        self.commands.append(list(paths))
        if self._fails:
            return {path: FileProblem(path, "ExifTool cannot read the file.") for path in paths}
        return {path: {"IFD0:Rating": 3} for path in paths}


def test_exiftool_is_asked_once_and_only_for_what_the_fast_reader_is_unsure_of(
    tmp_path: Path,
) -> None:
    sure = make_jpeg(tmp_path / "a.jpg", rating=4)
    unsure = [make_undated_png_with_date_text(tmp_path / f"{index}.png") for index in range(3)]
    rubbish = str(write(tmp_path / "b.jpg", b"rubbish"))
    tool = CountingExifTool()
    facts = extract_metadata_batch([sure, rubbish, *unsure], exiftool=tool)
    assert tool.commands == [unsure]
    assert list(facts) == [sure, rubbish, *unsure]
    assert isinstance(facts[rubbish], FileProblem)
    sure_facts, unsure_facts = facts[sure], facts[unsure[0]]
    assert isinstance(sure_facts, Facts)
    assert isinstance(unsure_facts, Facts)
    assert (sure_facts.rating, unsure_facts.rating) == (4, 3)
    assert (unsure_facts.width, unsure_facts.height) == (4, 3)


def test_without_an_answer_of_exiftool_the_fast_reader_counts(tmp_path: Path) -> None:
    path = make_undated_png_with_date_text(tmp_path / "2018-01-01.png")
    problems: list[FileProblem] = []
    tool = CountingExifTool(fails=True)
    for answers in (
        extract_metadata_batch([path], exiftool=tool, problems=problems),
        extract_metadata_batch([path]),
    ):
        facts = answers[path]
        assert isinstance(facts, Facts)
        assert (facts.width, facts.date_source) == (4, "filename")
    assert [problem.path for problem in problems] == [path]


def test_the_real_exiftool_answers_where_the_fast_reader_is_unsure(
    tmp_path: Path, exiftool: ExifTool
) -> None:
    path = make_undated_png_with_date_text(tmp_path / "a.png")
    facts = extract_metadata_batch([path], exiftool=exiftool)[path]
    assert isinstance(facts, Facts)
    assert (facts.date_taken, facts.date_source) == ("2019-07-14T18:03:22", "xmp")
    assert extract_exif_date(path) == "2019-07-14T18:03:22"


def test_what_exiftool_says_of_a_film_wins_but_its_shape_is_that_of_its_frames(
    tmp_path: Path,
) -> None:
    class SaysOfFilms(CountingExifTool):
        def read_tags(self, paths: Sequence[str]) -> dict[str, dict[str, TagValue] | FileProblem]:
            tags: dict[str, TagValue] = {
                "Composite:ImageSize": "1 1",
                "Composite:Rotation": 90,
                "QuickTime:Duration": 99.5,
                "QuickTime:CreateDate": "2019:07:14 16:03:22",
                "XMP-xmp:Rating": 4,
            }
            return dict.fromkeys(paths, tags)

    path = str(make_film(tmp_path / "a.mp4", "mp4", "mpeg4"))
    zone = ZoneInfo("Europe/Berlin")
    facts = extract_metadata_batch([path], exiftool=SaysOfFilms(), time_zone=zone)[path]
    assert isinstance(facts, Facts)
    assert (facts.width, facts.height, facts.orientation) == (64, 48, 1)
    assert (facts.duration_s, facts.rating) == (99.5, 4)
    assert (facts.date_taken, facts.utc_offset) == ("2019-07-14T18:03:22", "+02:00")


def test_a_film_is_read_also_without_exiftool(tmp_path: Path) -> None:
    path = str(make_film(tmp_path / "VID_20190714_180322.mp4", "mp4", "mpeg4"))
    reading = read_picture(path)
    assert (reading.file_type, reading.problem, bool(reading.unsure)) == ("mp4", None, True)
    facts = extract_metadata_batch([path], readings=[reading])[path]
    assert isinstance(facts, Facts)
    assert (facts.width, facts.height, facts.duration_s) == (64, 48, 1.0)
    assert (facts.date_taken, facts.date_source) == ("2019-07-14T18:03:22", "filename")


def test_single_facts_of_a_file(tmp_path: Path) -> None:
    path = make_jpeg(tmp_path / "a.jpg", "2019:07:14 18:03:22", 4)
    assert extract_exif_date(path) == "2019-07-14T18:03:22"
    assert get_dimensions(path) == (48, 32)
    assert extract_exif_rating(path) == 4
    for nothing in (str(write(tmp_path / "b.jpg", b"rubbish")), str(tmp_path / "absent.jpg")):
        assert extract_exif_date(nothing) is None
        assert get_dimensions(nothing) is None
        assert extract_exif_rating(nothing) is None


# -- the real files --------------------------------------------------------------------------


def test_every_real_photo_has_the_facts_that_are_written_down(
    media: Path, exiftool: ExifTool
) -> None:
    """Dates and ratings of `expected.json` (ExifTool's answers), sizes of `facts.json`."""
    expected = {
        item["SourceFile"]: item for item in json.loads((media / "expected.json").read_text())
    }
    decoded = json.loads((media / "facts.json").read_text())["files"]
    names = [file.path for file in scan_folder(media).files]
    paths = {name: str(media / name) for name in names}
    facts = extract_metadata_batch(list(paths.values()), exiftool=exiftool)
    # Dates of these kinds are not among the tags that were written down.
    described = {
        path: {key: str(value) for key, value in tags.items() if "DateCreated" in key}
        for path, tags in exiftool.read_tags(list(paths.values())).items()
        if isinstance(tags, dict)
    }
    for name in names:
        found = facts[paths[name]]
        if decoded[name].get("filetype") is None:
            assert isinstance(found, FileProblem), name
            continue
        assert isinstance(found, Facts), name
        if "upright_size" in decoded[name]:
            assert [found.width, found.height] == decoded[name]["upright_size"], name
        _check_date(name, found, {**described[paths[name]], **expected[name]})
        _check_rating(name, found, expected[name])


def _check_date(name: str, facts: Facts, tags: dict[str, str]) -> None:
    original = tags.get("ExifIFD:DateTimeOriginal", "")
    created = tags.get("ExifIFD:CreateDate", "")
    for text in (original, created):
        if "1800" <= text[:4] <= "2100":
            day, clock = text.split(" ")
            assert facts.date_taken == f"{day.replace(':', '-')}T{clock}", name
            assert facts.date_source == "exif", name
            if text is original:
                assert facts.utc_offset == tags.get("ExifIFD:OffsetTimeOriginal"), name
            return
    assert facts.date_source != "exif", name
    if kind_of_name(name) == Kind.VIDEO:
        _check_film_date(name, facts, tags)
        return
    described = [
        value
        for key, value in tags.items()
        if key.startswith(("XMP", "Composite"))
        and "Date" in key
        and "Modify" not in key
        and not value.startswith("1970")
    ]
    if described:
        assert facts.date_source == "xmp", name
        assert facts.date_taken is not None, name
        assert any(facts.date_taken[:10].replace("-", ":") == value[:10] for value in described), (
            name
        )


def _check_film_date(name: str, facts: Facts, tags: dict[str, str]) -> None:
    """What a phone says with its offset, else what the container says in UTC."""
    local = tags.get("Keys:CreationDate", "")
    utc = tags.get("QuickTime:CreateDate", tags.get("Matroska:DateTimeOriginal", ""))
    if not (local or utc):
        assert facts.date_source == "none", name
        return
    assert facts.date_source == "quicktime", name
    assert facts.from_utc == (not local), name
    day, clock = (local or utc)[:19].split(" ")
    moment = datetime.fromisoformat(f"{day.replace(':', '-')}T{clock}{local[19:] or '+00:00'}")
    assert datetime.fromisoformat(f"{facts.date_taken}{facts.utc_offset}") == moment, name
    if local:
        assert facts.utc_offset == local[19:], name


def _check_rating(name: str, facts: Facts, tags: dict[str, int]) -> None:
    percents = {1: 1, 25: 2, 50: 3, 75: 4, 99: 5}
    rating = tags.get("XMP-xmp:Rating", tags.get("IFD0:Rating"))
    if rating is None:
        rating = percents.get(tags.get("XMP-microsoft:RatingPercent", 0))
    assert facts.rating == (rating or None), name


def test_every_real_sidecar_is_read_and_belongs_to_its_photo(media: Path) -> None:
    scan = scan_folder(media)
    assert len(scan.sidecars) == 20
    owners = find_sidecars([file.path for file in scan.files], scan.sidecars)
    assert owners["pigallery2/sidecar/Chars.jpg"] == "pigallery2/sidecar/Chars.jpg.xmp"
    assert owners["pigallery2/sidecar/flatxmp.jpg"] == "pigallery2/sidecar/flatxmp.xmp"
    assert owners["pigallery2/sidecar/bunny_1sec.mp4"] == "pigallery2/sidecar/bunny_1sec.mp4.xmp"
    assert len(owners) == 12
    for name in scan.sidecars:
        tags, trouble = picture_reading._read_sidecar(str(media / name))
        assert (tags is not None, trouble) == (True, None), name
    requests = [(str(media / photo), str(media / owners[photo]), None) for photo in owners]
    readings = read_pictures(requests)
    facts = extract_metadata_batch([reading.path for reading in readings], readings=readings)
    rated = facts[str(media / "pigallery2/sidecar/Chars.jpg")]
    assert isinstance(rated, Facts)
    assert (rated.rating, rated.rating_in) == (-1, "sidecar")
