"""The verb `doctor`: how a library and the machine below it are."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from cli_common import EXIT_PROBLEMS, data_dir_option, json_option, library_argument
from doctor_finding import Finding, Level
from terminal import quote

_WIDTH: Final = 100
_LEVEL_WIDTH: Final = max(map(len, Level)) + 2


def register(group: click.Group) -> None:
    """Add the verb to the others."""
    group.add_command(doctor)


@click.command()
@library_argument
@json_option
@data_dir_option
@click.pass_context
def doctor(ctx: click.Context, library: Path, as_json: bool, own_data_dir: Path | None) -> None:
    """Look at all that LIBRARY needs, and say what to do; works while another process serves it."""
    from doctor import examine  # late: it brings the decoders of pictures and films

    findings = examine(library, own_data_dir or ctx.obj)
    bad = [one for one in findings if one.level != Level.OK]
    if as_json:
        listed = [dataclasses.asdict(one) for one in findings]
        click.echo(json.dumps({"status": worst(findings), "findings": listed}))
    else:
        click.echo("\n".join(map(describe, findings)))
        click.echo(_sum_up(len(bad)))
    ctx.exit(EXIT_PROBLEMS if bad else 0)


def worst(findings: Sequence[Finding]) -> Level:
    """The level of the worst finding."""
    order = list(Level)
    return max((one.level for one in findings), key=order.index, default=Level.OK)


def describe(finding: Finding) -> str:
    """A finding as lines: level, subject, sentence, and below it what to do."""
    head = f"{finding.level:<{_LEVEL_WIDTH}}{finding.subject}: "
    lines = _wrap(head + quote(finding.sentence))
    if finding.remedy:
        lines += _wrap(f"{'':{_LEVEL_WIDTH}}-> {quote(finding.remedy)}")
    return "\n".join(lines)


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        subsequent_indent=" " * _LEVEL_WIDTH,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _sum_up(bad: int) -> str:
    if not bad:
        return "All is well."
    return f"{bad} {'thing is' if bad == 1 else 'things are'} worth a look."
