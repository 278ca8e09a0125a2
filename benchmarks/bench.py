"""`./lightkeep bench`: how fast Lightkeep is, beside what plain programs take for the same files.

It makes the libraries it measures with, and keeps them for the next time. Every measure is taken
in turn with its yardstick (A B A B ...), so that a machine that grows warm or busy disturbs both
alike. docs/performance.md says what is measured and how.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parent.parent
sys.path.insert(1, str(REPOSITORY))  # behind this folder: the rooms of the house

import measure_busy  # noqa: E402
import measure_index  # noqa: E402
import measure_memory  # noqa: E402
import measure_page  # noqa: E402
import measure_pictures  # noqa: E402
import measure_star  # noqa: E402
import measure_tags  # noqa: E402
from bench_report import describe_machine, format_machine, format_table, make_report  # noqa: E402
from outcomes import Outcome  # noqa: E402
from workshop import FULL_FILES, MeasureError, Workshop, leaving_no_marker, say  # noqa: E402

DEFAULT_ROUNDS: Final = 3

MEASURES: Final = MappingProxyType(
    {
        "first": measure_index.measure_first_small,
        "again": measure_index.measure_again,
        "tags": measure_tags.measure_tags,
        "camera": measure_index.measure_first_camera,
        "thumbnails": measure_pictures.measure_thumbnails,
        "page": measure_page.measure_page,
        "star": measure_star.measure_star,
        "busy": measure_busy.measure_busy,
        "memory": measure_memory.measure_memory,
    }
)
OF_CAMERA_FILES: Final = frozenset({"camera", "thumbnails"})
OF_MADE_FILES: Final = frozenset({"page", "star", "busy", "memory"})
"""These change files, or need to know them: they are not taken of a person's library."""


def choose_measures(only: Sequence[str] | None, size: str | None, *, made: bool) -> list[str]:
    """Names of the measures to take, in the order of the table."""
    return [
        name
        for name in MEASURES
        if (not only or name in only)
        and (size is None or (name in OF_CAMERA_FILES) == (size == "camera"))
        and (made or name not in OF_MADE_FILES)
    ]


def take(
    name: str, measure: Callable[[Workshop], Iterator[Outcome]], workshop: Workshop
) -> list[Outcome]:
    """The outcomes of one measure; one that cannot be taken says why and stops no other."""
    say(f"{name}:")
    outcomes: list[Outcome] = []
    try:
        outcomes += measure(workshop)
    except (MeasureError, OSError, subprocess.SubprocessError) as error:
        outcomes.append(Outcome(name, "", failure=f"failed: {error}"))
    return outcomes


def count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lightkeep bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--files", type=count, default=FULL_FILES,
        help=f"how many small files; ten times as many tiny ones, and 6 camera files to a hundred. "
        f"The marks speak of {FULL_FILES:,}",
    )  # fmt: skip
    parser.add_argument("--size", choices=["small", "camera"], help="only measures of these files")
    parser.add_argument("--rounds", type=count, default=DEFAULT_ROUNDS)
    parser.add_argument(
        "--only", nargs="+", choices=MEASURES, metavar="NAME", help=", ".join(MEASURES)
    )
    parser.add_argument("--library", type=Path, help="measure with this folder; it is only read")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures into FILE")
    parser.add_argument(
        "--files-dir", type=Path, default=Path(tempfile.gettempdir()) / "lightkeep-bench-files",
        help="where the made files are kept for the next time",
    )  # fmt: skip
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0, also where marks are missed; 2 where a measure could not be taken."""
    parser = make_parser()
    chosen = parser.parse_args(arguments)
    library: Path | None = chosen.library and chosen.library.resolve()
    if library is not None and not library.is_dir():
        parser.error(f"{chosen.library} is no folder")
    names = choose_measures(chosen.only, chosen.size, made=library is None)
    if not names:
        parser.error("none of these measures can be taken so")
    chosen.files_dir.mkdir(parents=True, exist_ok=True)
    machine = describe_machine(library or chosen.files_dir)
    outcomes: list[Outcome] = []
    with (
        leaving_no_marker(library),
        tempfile.TemporaryDirectory(prefix="run-", dir=chosen.files_dir) as place,
    ):
        files_dir = chosen.files_dir.resolve()
        workshop = Workshop(chosen.files, chosen.rounds, files_dir, Path(place).resolve(), library)
        for name in names:
            outcomes += take(name, MEASURES[name], workshop)
    if chosen.json:
        settings = {"files": chosen.files, "rounds": chosen.rounds, "full": FULL_FILES}
        report = make_report(outcomes, machine, **settings)
        chosen.json.write_text(json.dumps(report, indent=1) + "\n")
    sys.stdout.write(f"{format_machine(machine)}\n\n{format_table(outcomes)}\n")
    if chosen.files < FULL_FILES:
        sys.stdout.write(f"\nA rehearsal: the marks speak of {FULL_FILES:,} files.\n")
    return 2 if any(outcome.failure for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
