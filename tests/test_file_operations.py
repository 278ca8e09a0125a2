"""file_operations: the door to photo files, facts of many, a rating written."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pictures import make_film
from PIL import Image

import picture_reading
from errors import EditRefusedError, FileProblem, NotWritableError
from exiftool_process import ExifTool, find_exiftool
from file_operations import (
    extract_exif_date,
    extract_exif_rating,
    extract_metadata_batch,
    find_sidecars,
    get_dimensions,
    read_picture,
    read_pictures,
    scan_folder,
    write_exif_rating,
)
from media_types import Kind, kind_of_name
from metadata import Facts, TagValue

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


# -- a rating into a file ----------------------------------------------------------------------


def test_a_rating_goes_into_the_file_and_out_again(tmp_path: Path, exiftool: ExifTool) -> None:
    path = Path(make_jpeg(tmp_path / "a.jpg", "2019:07:14 18:03:22"))
    before, picture = path.read_bytes(), read_picture(str(path)).media_hash
    hashes: list[str] = []
    assert write_exif_rating(str(path), 5, before_replace=hashes.append)
    assert hashes == [hashlib.sha256(path.read_bytes()).hexdigest()]
    tags = exiftool.read_every_tag(str(path))
    assert (tags["XMP-xmp:Rating"], tags["IFD0:Rating"], tags["IFD0:RatingPercent"]) == (5, 5, 99)
    assert read_picture(str(path)).media_hash == picture
    assert extract_exif_rating(str(path)) == 5
    assert not write_exif_rating(str(path), 5)
    assert write_exif_rating(str(path), None)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.jpg"]


@pytest.mark.usefixtures("exiftool")
def test_a_file_that_cannot_hold_a_rating_stays_as_it_is(tmp_path: Path) -> None:
    picture = tmp_path / "a.bmp"
    Image.new("RGB", (8, 8)).save(picture)
    damaged = Path(make_jpeg(tmp_path / "b.jpg"))
    damaged.write_bytes(damaged.read_bytes()[:-200])
    linked = Path(make_jpeg(tmp_path / "c.jpg"))
    os.link(linked, tmp_path / "d.jpg")
    for path in (picture, damaged, linked):
        before = path.read_bytes()
        with pytest.raises(NotWritableError):
            write_exif_rating(str(path), 4)
        assert path.read_bytes() == before
    with pytest.raises(EditRefusedError):
        write_exif_rating(str(tmp_path / "absent.jpg"), 4)
    with pytest.raises(ValueError, match="1 to 5"):
        write_exif_rating(str(picture), 6)


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
