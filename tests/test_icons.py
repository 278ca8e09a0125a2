"""The icons of the installed app: what packaging/draw_icons.py draws, and small."""

from __future__ import annotations

import runpy
from pathlib import Path

from PIL import Image, ImageChops

REPOSITORY = Path(__file__).resolve().parent.parent
ICONS = REPOSITORY / "static" / "icons"


def test_the_icons_are_as_they_are_drawn_and_small() -> None:
    drawing = runpy.run_path(str(REPOSITORY / "packaging" / "draw_icons.py"))
    assert {path.stem for path in ICONS.glob("*")} == drawing["ICONS"].keys()
    for name, (size, round_corners) in drawing["ICONS"].items():
        with Image.open(ICONS / f"{name}.png") as kept:
            drawn = drawing["draw_icon"](size, round_corners=round_corners)
            assert (kept.size, kept.mode) == ((size, size), drawn.mode)
            assert ImageChops.difference(kept, drawn).getbbox() is None
            # A phone cuts its own shape: nothing is left out of it.
            assert round_corners == (kept.mode == "RGBA")
    assert sum(path.stat().st_size for path in ICONS.glob("*")) < 30_000
