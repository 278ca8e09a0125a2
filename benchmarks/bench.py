"""`./lightkeep bench`: how long an index takes, beside what other programs take for the same files.

Everything is timed as a whole process, in turn (A B C D, A B C D, ...), so that a machine that
grows warm or busy disturbs all alike. Each first index gets a fresh folder for its data.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from make_files import make_files

REPOSITORY: Final = Path(__file__).resolve().parent.parent
DEFAULT_FILES: Final = 10_000
DEFAULT_RUNS: Final = 3


@dataclass(slots=True)
class Contender:
    """One thing that is timed. `{data}` in the command is the data folder of the round."""

    name: str
    command: Sequence[str]
    is_index: bool = False
    seconds: list[float] = field(default_factory=list)
    failure: str | None = None

    def run(self, data_dir: Path) -> None:
        command = [part.replace("{data}", str(data_dir)) for part in self.command]
        before = time.perf_counter()
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if self.is_index else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
            # Lightkeep remembers per user where libraries are; this one is not to stay.
            env={**os.environ, "XDG_STATE_HOME": str(data_dir)},
        )
        self.seconds.append(time.perf_counter() - before)
        if done.returncode != 0 and not (self.is_index and is_report(done.stdout)):
            last_line = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            self.failure = f"exit status {done.returncode}: {' '.join(last_line)}"

    @property
    def median_s(self) -> float:
        return statistics.median(self.seconds)


def is_report(output: bytes) -> bool:
    """Whether an index printed its report: exit status 1 can be problems of files, or a crash."""
    try:
        return "found" in json.loads(output)
    except ValueError:
        return False


def list_contenders(library: Path) -> list[Contender]:
    """What is timed on this machine, the index first."""
    index = [sys.executable, str(REPOSITORY / "cli.py"), "--data-dir", "{data}", "index"]
    contenders = [
        Contender("first index", [*index, str(library), "--json"], is_index=True),
        Contender("unchanged index", [*index, str(library), "--json"], is_index=True),
        Contender("quick index", [*index, str(library), "--quick", "--json"], is_index=True),
    ]
    if exiftool := shutil.which("exiftool"):
        command = [exiftool, "-fast", "-json", "-r", str(library)]
        contenders.append(Contender("exiftool -fast -json -r", command))
    if find := shutil.which("find"):
        command = [find, str(library), "-type", "f", "-printf", "%p %s %T@\\n"]
        contenders.append(Contender("find -type f -printf", command))
    return contenders


@contextlib.contextmanager
def leaving_no_marker(library: Path) -> Iterator[None]:
    """An index marks the folder as a library; a folder that was none is left as it was."""
    marker_dir = library / ".library"
    was_library = marker_dir.exists()
    try:
        yield
    finally:
        if not was_library:
            (marker_dir / "library.json").unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not there, or not ours alone
                marker_dir.rmdir()


def measure(contenders: Sequence[Contender], runs: int) -> None:
    for number in range(runs):
        with tempfile.TemporaryDirectory(prefix="lightkeep-bench-") as data_dir:
            for contender in contenders:
                say(f"round {number + 1} of {runs}: {contender.name}")
                contender.run(Path(data_dir))


def count_files(library: Path) -> tuple[int, int]:
    """Number and bytes of the files; reading the directory once also warms it for everyone."""
    sizes: list[int] = []
    for folder, folders, names in os.walk(library):
        folders[:] = [name for name in folders if not name.startswith(".")]
        shown = [name for name in names if not name.startswith(".")]
        sizes += [os.lstat(os.path.join(folder, name)).st_size for name in shown]
    return len(sizes), sum(sizes)


def describe(contenders: Sequence[Contender], library: Path, runs: int) -> dict[str, Any]:
    files, size_bytes = count_files(library)
    return {
        "files": files,
        "bytes": size_bytes,
        "runs": runs,
        "machine": {
            "cpus": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "results": [
            {
                "name": contender.name,
                "seconds": [round(seconds, 3) for seconds in contender.seconds],
                "median_s": round(contender.median_s, 3),
                "files_per_s": round(files / contender.median_s, 1),
                "times_first_index": round(contender.median_s / contenders[0].median_s, 3),
                "failure": contender.failure,
            }
            for contender in contenders
        ],
    }


def format_table(report: dict[str, Any]) -> str:
    lines = [
        f"{report['files']:,} files, {report['bytes'] / 1e6:,.0f} MB, {report['runs']} rounds, "
        f"{report['machine']['cpus']} CPUs, Python {report['machine']['python']}",
        "",
        f"{'':26}{'median':>10}{'fastest':>10}{'slowest':>10}{'files/s':>10}{'x first':>9}",
    ]
    for result in report["results"]:
        lines.append(
            f"{result['name']:26}{result['median_s']:>8.3f} s{min(result['seconds']):>8.3f} s"
            f"{max(result['seconds']):>8.3f} s{result['files_per_s']:>10,.0f}"
            f"{result['times_first_index']:>9.3f}"
        )
        if result["failure"]:
            lines.append(f"  failed: {result['failure']}")
    if not any(result["name"].startswith("exiftool") for result in report["results"]):
        lines.append("ExifTool is not on this machine, so there is no line of it.")
    return "\n".join(lines)


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0, or 2 where something that was timed failed."""
    parser = argparse.ArgumentParser(prog="lightkeep bench", description=__doc__)
    parser.add_argument("--files", type=count, default=DEFAULT_FILES, help="how many to make")
    parser.add_argument("--runs", type=count, default=DEFAULT_RUNS, help="rounds")
    parser.add_argument("--library", type=Path, help="measure with this folder; it is only read")
    parser.add_argument(
        "--files-dir", type=Path, default=Path(tempfile.gettempdir()) / "lightkeep-bench-files",
        help="where the made files are kept for the next time",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    chosen = parser.parse_args(arguments)
    library = chosen.library
    if library is None:
        say(f"making {chosen.files:,} files in {chosen.files_dir} (kept for the next time)")
        library = make_files(chosen.files_dir, chosen.files)
    elif not library.is_dir():
        parser.error(f"{library} is no folder")
    library = library.resolve()
    contenders = list_contenders(library)
    count_files(library)  # the first walk finds cold directories; it is nobody's
    with leaving_no_marker(library):
        measure(contenders, chosen.runs)
    report = describe(contenders, library, chosen.runs)
    sys.stdout.write(f"{json.dumps(report) if chosen.json else format_table(report)}\n")
    return 2 if any(contender.failure for contender in contenders) else 0


if __name__ == "__main__":
    sys.exit(main())
