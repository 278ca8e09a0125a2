"""Sound files with bytes flipped, cut, repeated and zeroed: nobody falls over them."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from monsters import SAMPLE_TYPES, is_film, make_sample, pack_exif, suffix_of, text

from errors import LibraryError
from exif_block import read_exif_block
from file_operations import PictureReading, ReadRequest, read_picture, read_pictures
from media_types import SIGNATURE_BYTES, detect_format
from media_workers import WorkerFailure, WorkerPool
from picture_bytes import hash_picture, media_hash, picture_ranges, same_picture
from picture_decoder import SmallPictures, draw_small_pictures
from tag_reader import read_tags
from xmp_reader import read_xmp

MOST_SECONDS = 3.0
PICTURE_TYPES = tuple(name for name in SAMPLE_TYPES if not is_film(name))
XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4" '
    b'xmp:CreateDate="2019-07-14T18:03:22"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
EXIF = pack_exif(b"2019:07:14 18:03:22", first=[text(0x010F, b"Acme"), text(0x0110, b"One")])


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change; where it begins, and how long it is, in shares of the file."""

    kind: str
    at: float
    length: float
    value: int

    def apply(self, data: bytes) -> bytes:
        start = int(self.at * len(data))
        end = min(len(data), start + 1 + int(self.length * 64))
        if self.kind == "cut":
            return data[:start]
        if self.kind == "remove":
            return data[:start] + data[end:]
        if self.kind == "repeat":
            return data[:end] + data[start:end] * (1 + self.value % 9) + data[end:]
        changed = {
            "flip": bytes(byte ^ (self.value or 1) for byte in data[start : start + 1]),
            "zero": bytes(end - start),
            "fill": b"\xff" * (end - start),
        }[self.kind]
        return data[:start] + changed + data[start + len(changed) :]


# Most of what a file says of itself stands near its beginning, or its end.
_shares = st.floats(0, 1, exclude_max=True)
_places = st.one_of(
    _shares, _shares.map(lambda share: share / 20), _shares.map(lambda share: 1 - share / 20)
)
_mutations = st.lists(
    st.builds(
        Mutation,
        st.sampled_from(("flip", "flip", "flip", "zero", "fill", "repeat", "remove", "cut")),
        _places.map(lambda share: min(share, 0.999999)),
        _shares,
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=4,
)


def mutate(data: bytes, mutations: Sequence[Mutation]) -> bytes:
    for mutation in mutations:
        data = mutation.apply(data)
    return data


# -- our own parsers, in this process --------------------------------------------------------


def _parse_with_everything(data: bytes, file_type: str) -> None:
    started = time.monotonic()
    detect_format(data[:SIGNATURE_BYTES], f"x{suffix_of(file_type)}")
    hashes = hash_picture(io.BytesIO(data), file_type)
    assert len(hashes.content_hash) == 64
    assert hashes.complete or hashes.damage or file_type not in _HASHED
    assert media_hash(io.BytesIO(data), file_type) == hashes.media_hash
    assert all(
        0 <= offset <= offset + length <= len(data)
        for offset, length in picture_ranges(io.BytesIO(data), file_type)
    )
    assert same_picture(io.BytesIO(data), io.BytesIO(data), file_type)
    if not is_film(file_type):
        reading = read_tags(io.BytesIO(data), file_type)
        assert all(isinstance(value, str | int | float) for value in reading.tags.values())
    assert time.monotonic() - started < MOST_SECONDS


_HASHED = ("jpeg", "png", "gif", "webp", "tiff", "heic", "avif", "mp4", "mov", "m4v", "3gp")


def _check_parsers(file_type: str, mutations: Sequence[Mutation]) -> None:
    _parse_with_everything(mutate(make_sample(file_type), mutations), file_type)


@given(st.sampled_from(SAMPLE_TYPES), _mutations)
@_settings(300)
def test_no_mutated_file_makes_a_parser_raise_or_dawdle(
    file_type: str, mutations: list[Mutation]
) -> None:
    _check_parsers(file_type, mutations)


@pytest.mark.slow
@pytest.mark.parametrize("file_type", SAMPLE_TYPES)
def test_no_one_of_many_mutated_files_makes_a_parser_raise_or_dawdle(file_type: str) -> None:
    @given(_mutations)
    @_settings(100)
    def check(mutations: list[Mutation]) -> None:
        _check_parsers(file_type, mutations)

    check()


@given(st.sampled_from(SAMPLE_TYPES), st.sampled_from(PICTURE_TYPES), _mutations)
@_settings(60)
def test_a_file_in_another_formats_clothes_makes_no_parser_raise(
    file_type: str, other: str, mutations: list[Mutation]
) -> None:
    _parse_with_everything(mutate(make_sample(file_type), mutations), other)


@given(_mutations)
@_settings(200)
def test_a_mutated_exif_block_is_read_as_far_as_it_goes(mutations: list[Mutation]) -> None:
    reading = read_exif_block(mutate(EXIF, mutations))
    assert all(len(str(value)) <= 1000 for value in reading.tags.values())


@given(st.binary(max_size=300))
@_settings(200)
@example(b"")
@example(b"II*\0\x08\0\0\0")
@example(b"MM\0*\0\0\0\x08\xff\xff")
def test_any_bytes_are_an_exif_block_with_oddities(data: bytes) -> None:
    assert isinstance(read_exif_block(data).tags, dict)


@given(_mutations)
@_settings(200)
def test_a_mutated_xmp_packet_is_read_or_refused_in_a_sentence(mutations: list[Mutation]) -> None:
    with contextlib.suppress(ValueError):
        assert read_xmp(mutate(XMP, mutations)).keys() <= {"XMP-xmp:Rating", "XMP-xmp:CreateDate"}


# -- everything, in worker processes ---------------------------------------------------------


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(workers=2, memory_mb=1024, file_timeout_s=10) as pool:
        yield pool


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A sound file and what is read of it."""

    path: Path
    reading: PictureReading


@pytest.fixture(scope="module")
def neighbors(tmp_path_factory: pytest.TempPathFactory) -> list[Neighbor]:
    folder = tmp_path_factory.mktemp("neighbors")
    made = []
    for file_type in ("jpeg", "png", "heic", "mp4"):
        path = folder / f"sound{suffix_of(file_type)}"
        path.write_bytes(make_sample(file_type, seed=9))
        made.append(Neighbor(path, read_picture(str(path))))
        assert made[-1].reading.problem is None
    return made


def _same_reading(found: object, expected: PictureReading) -> bool:
    """Whether two readings are the same, but for how often the disk was asked and how long."""
    assert isinstance(found, PictureReading), found
    figures: dict[str, Any] = {"bytes_read": 0, "hash_s": 0.0, "tags_s": 0.0}
    return replace(found, **figures) == replace(expected, **figures)


def _check_in_workers(
    pool: WorkerPool,
    neighbors: Sequence[Neighbor],
    folder: Path,
    mutants: Sequence[tuple[str, bytes]],
) -> None:
    """Each mutant in a batch between two sound files; then each is drawn."""
    requests: list[ReadRequest] = []
    expected: list[PictureReading | None] = []
    paths: list[tuple[str, Path]] = []
    for number, (file_type, data) in enumerate(mutants):
        before, behind = (
            neighbors[number % len(neighbors)],
            neighbors[(number + 1) % len(neighbors)],
        )
        path = folder / f"{number}{suffix_of(file_type)}"
        path.write_bytes(data)
        paths.append((file_type, path))
        requests += [
            (str(before.path), None, None),
            (str(path), None, None),
            (str(behind.path), None, None),
        ]
        expected += [before.reading, None, behind.reading]
    results = list(pool.map_batches(read_pictures, requests, batch_size=3))
    assert [request for request, _ in results] == requests
    for (_, found), wanted in zip(results, expected, strict=True):
        if wanted is not None:
            assert _same_reading(found, wanted)
        else:
            assert isinstance(found, PictureReading | WorkerFailure)
            assert not isinstance(found, PictureReading) or found.content_hash or found.problem
    drawings = [
        (path, pool.submit(draw_small_pictures, str(path), file_type, 1, 320, 1600))
        for file_type, path in paths
    ]
    for path, drawing in drawings:
        _assert_a_value(path, drawing)


def _assert_a_value(path: Path, drawing: Future[SmallPictures]) -> None:
    """What a page shows: two pictures or a sentence."""
    error = drawing.exception()
    if error is None:
        assert (drawing.result().grid or b"")[:4] == b"RIFF"
    else:
        assert isinstance(error, LibraryError), (path.name, error)
        assert error.message


def _collect(file_types: Sequence[str], examples: int) -> list[tuple[str, bytes]]:
    """The same mutants in every run."""
    found: list[tuple[str, bytes]] = []

    @given(st.sampled_from(file_types), _mutations)
    @_settings(examples)
    def collect(file_type: str, mutations: list[Mutation]) -> None:
        found.append((file_type, mutate(make_sample(file_type), mutations)))

    run: Callable[[], None] = collect
    run()
    return found


def test_a_mutant_in_a_batch_costs_only_itself(
    pool: WorkerPool, neighbors: list[Neighbor], tmp_path: Path
) -> None:
    _check_in_workers(pool, neighbors, tmp_path, _collect(SAMPLE_TYPES, 100))


@pytest.mark.slow
@pytest.mark.parametrize("file_type", SAMPLE_TYPES)
def test_no_one_of_many_mutants_of_a_format_costs_its_neighbors(
    pool: WorkerPool, neighbors: list[Neighbor], tmp_path: Path, file_type: str
) -> None:
    _check_in_workers(pool, neighbors, tmp_path, _collect([file_type], 40))
