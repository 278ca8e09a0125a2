"""What the benchmark says at its end: the table, the machine, and all figures as JSON."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import PIL
from outcomes import Kind, Mark, Outcome
from PIL import features

from exiftool_process import find_exiftool
from version import VERSION

HEAD = (
    "measure",
    "median (least to most)",
    "yardstick",
    "median (least to most)",
    "figure",
    "mark",
)


def describe_machine(folder: Path) -> dict[str, Any]:
    """What the figures depend on; `folder` is where the files lie."""
    return {
        "cpu": _read_field("/proc/cpuinfo", "model name") or platform.processor() or "unknown",
        "cores": os.cpu_count(),
        "load_before": [round(load, 2) for load in os.getloadavg()],
        "memory": _read_field("/proc/meminfo", "MemTotal") or "unknown",
        "file_system": _find_file_system(folder),
        "system": platform.platform(),
        "versions": {
            "lightkeep": VERSION,
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "pillow": PIL.__version__,
            "libjpeg_turbo": features.version_feature("libjpeg_turbo"),
            "exiftool": _ask_version(find_exiftool(), "-ver"),
            "openssl": _ask_version(shutil.which("openssl"), "version"),
            "vipsthumbnail": _ask_version(shutil.which("vipsthumbnail"), "--vips-version"),
            "find": _ask_version(shutil.which("find"), "--version"),
        },
    }


def _read_field(path: str, name: str) -> str | None:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return None
    values = [line.partition(":")[2].strip() for line in lines if line.startswith(name)]
    return values[0] if values else None


def _find_file_system(folder: Path) -> str:
    """The kind of the file system that a folder lies on, by the longest mount point above it."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    real = folder.resolve()
    above = [(place, kind) for _, place, kind, *_ in mounts if real.is_relative_to(place)]
    return max(above, key=lambda mount: len(mount[0]))[1] if above else "unknown"


def _ask_version(program: str | None, option: str) -> str | None:
    if program is None:
        return None
    done = subprocess.run(
        [program, option], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return (done.stdout or done.stderr).partition("\n")[0].strip()


def make_report(
    outcomes: Sequence[Outcome], machine: dict[str, Any], **settings: Any
) -> dict[str, Any]:
    return {**settings, "machine": machine, "results": [outcome.as_dict() for outcome in outcomes]}


def format_table(outcomes: Sequence[Outcome]) -> str:
    """The outcomes as a Markdown table: it reads well in a terminal too."""
    rows = [HEAD, *(row for outcome in outcomes for row in _list_rows(outcome))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _list_rows(outcome: Outcome) -> list[tuple[str, ...]]:
    """A row a mark, the figures in the first one."""
    own, other = (
        _format_values(values, outcome.unit) for values in (outcome.own, outcome.yardstick)
    )
    if outcome.items and outcome.own:
        own += f", {outcome.items / statistics.median(outcome.own):,.0f}/s"
    trouble = outcome.failure or outcome.missing
    yardstick = outcome.yardstick_name + (f": {trouble}" if trouble else "")
    figures = [
        (_format_figure(mark, figure, outcome.unit), _format_mark(mark, figure, outcome.unit))
        for mark, figure in outcome.figures
    ] or [("", "")]
    first = (outcome.name, own, yardstick, other, *figures[0])
    return [first, *(("", "", "", "", *more) for more in figures[1:])]


def _format_values(values: Sequence[float], unit: str) -> str:
    if not values:
        return ""
    middle, least, most = (f"{v:,.3g}" if v < 100 else f"{v:,.0f}" for v in _sum_up(values))
    spread = f" ({least} to {most})" if len(values) > 1 else ""
    return f"{middle} {unit}{spread}"


def _sum_up(values: Sequence[float]) -> tuple[float, float, float]:
    return statistics.median(values), min(values), max(values)


def _format_figure(mark: Mark, figure: float | None, unit: str) -> str:
    if figure is None:
        return "not measured"
    if mark.kind is Kind.SAVES:
        return f"{figure:.1%}"
    return f"{figure:,.3g} {unit}" if mark.kind is Kind.AT_MOST else f"{figure:,.3g} ×"


def _format_mark(mark: Mark, figure: float | None, unit: str) -> str:
    said = {None: "not measured", True: "reached", False: "MISSED"}
    return f"{mark.describe(unit)}: {said[None if figure is None else mark.is_reached(figure)]}"


def format_machine(machine: dict[str, Any]) -> str:
    versions = ", ".join(
        f"{name} {version or 'not installed'}" for name, version in machine["versions"].items()
    )
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory']} of memory, "
        f"{machine['file_system']}, {machine['system']}; load before: "
        f"{' '.join(map(str, machine['load_before']))}\n{versions}"
    )
