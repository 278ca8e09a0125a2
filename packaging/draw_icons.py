"""Draws the icons of the installed app, from the shapes of static/icon.svg.

python3 packaging/draw_icons.py     # writes static/icons
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw

FOLDER: Final = Path(__file__).resolve().parent.parent / "static" / "icons"
_DRAWN_LARGER: Final = 4
_UNITS: Final = 40
_CORNER: Final = 10
_PETALS: Final = (
    ("#6f9a6a", ((0, 0), (40, 0), (40, 40), (0, 40))),
    ("#f0b24a", ((20, 20), (0, 0), (24, 0))),
    ("#d8693c", ((20, 20), (0, 0), (0, 26))),
    ("#8b4a63", ((20, 20), (0, 26), (0, 40), (10, 40))),
    ("#3f6f86", ((20, 20), (10, 40), (34, 40))),
    ("#cfd9a4", ((20, 20), (24, 0), (40, 0), (40, 12))),
)
"""Colors and corners, in units of the drawing; each lies over the one before."""

ICONS: Final = {"icon-192": (192, True), "icon-512": (512, True)} | {
    # Phones cut their own shape out of these.
    "maskable-512": (512, False),
    "apple-touch-180": (180, False),
}
"""Size in pixels, and whether the corners are round, by file name."""


def draw_icon(size: int, *, round_corners: bool) -> Image.Image:
    """The icon, smoothed by drawing it larger."""
    large = size * _DRAWN_LARGER
    scale = large / _UNITS
    image = Image.new("RGB", (large, large))
    draw = ImageDraw.Draw(image)
    for color, corners in _PETALS:
        draw.polygon([(x * scale, y * scale) for x, y in corners], fill=color)
    if not round_corners:
        return image.resize((size, size), Image.Resampling.BOX)
    mask = Image.new("L", (large, large))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, large, large), _CORNER * scale, fill=255)
    image.putalpha(mask)
    return image.resize((size, size), Image.Resampling.BOX)


def main() -> None:
    """Write all of them."""
    FOLDER.mkdir(exist_ok=True)
    for name, (size, round_corners) in ICONS.items():
        draw_icon(size, round_corners=round_corners).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
