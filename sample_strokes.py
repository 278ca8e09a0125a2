"""The pen of the drawn landscapes: palettes, soft skies, ridges, and what stands before them."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from PIL import Image, ImageDraw, ImageFilter

SOFTNESS: Final = 4
"""A ground without edges is painted this many times smaller: nobody sees it, and it is quick."""
MASK_PX: Final = 150
"""The width of a cloud's or glow's mask, whatever the picture's."""

Color = tuple[int, int, int]
Size = tuple[int, int]
Point = tuple[float, float]

WHITE: Final = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Palette:
    """The light of a picture: sky from top to horizon, what lies far and near, and the sun."""

    sky: tuple[Color, Color, Color]
    far: Color
    near: Color
    sun: Color


def to_color(text: str) -> Color:
    """The color of `#rrggbb`."""
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def make_palette(*colors: str) -> Palette:
    top, middle, horizon, far, near, sun = map(to_color, colors)
    return Palette((top, middle, horizon), far, near, sun)


PALETTES: Final = MappingProxyType(
    {
        "dawn": make_palette("#7d9cc0", "#e9c3b4", "#fbe6c8", "#b9a6b5", "#39445c", "#fff3d6"),
        "noon": make_palette("#5f9fd4", "#a4cdea", "#e6f2f5", "#a9c4cf", "#2f5d4a", "#fffbe8"),
        "spring": make_palette("#86b7d8", "#c6e0e4", "#f4f4de", "#b5cfc0", "#4d7d45", "#fffbe3"),
        "gold": make_palette("#c98a5a", "#efb973", "#fbe3ad", "#d8a778", "#5a3a2e", "#fff1c4"),
        "dusk": make_palette("#2f3a66", "#a2617f", "#f2a073", "#8a6284", "#1f2140", "#ffd9a0"),
        "fog": make_palette("#c3cdd0", "#d9dfdd", "#edeee8", "#c2cccb", "#4b5f62", "#fbfaf2"),
        "winter": make_palette("#9bb4cf", "#cfdde9", "#f5f1ef", "#c4d3e2", "#6f89a6", "#fffaf0"),
        "night": make_palette("#0c1430", "#1d2f57", "#3f5a80", "#2c4468", "#0a1020", "#f5f1dc"),
        "autumn": make_palette("#9fb2b8", "#dcd3bd", "#f3e3c3", "#c3a883", "#7c3f22", "#fff2d2"),
        "mint": make_palette("#8cc3c0", "#c5e3d5", "#f7f3dc", "#a6cfc4", "#1f5f63", "#fff8dd"),
    }
)


def mix(first: Color, second: Color, share: float) -> Color:
    """`first` with `share` (0..1) of `second` in it."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def draw_gradient(size: Size, colors: Sequence[Color]) -> Image.Image:
    """From top to bottom through the colors, evenly."""
    steps = 64
    column = Image.new("RGB", (1, steps))
    for y in range(steps):
        place = y / (steps - 1) * (len(colors) - 1)
        index = min(int(place), len(colors) - 2)
        column.putpixel((0, y), mix(colors[index], colors[index + 1], place - index))
    return column.resize(size, Image.Resampling.BICUBIC)


def make_ridge(
    rng: random.Random, width: int, base: float, height: float, rough: float
) -> list[float]:
    """A skyline as y over x: a few waves, the shorter the flatter; `rough` 0..1 sharpens it."""
    waves = [
        (height / 2**n, rng.uniform(0.7, 1.4) * 2**n * math.tau / width, rng.uniform(0, math.tau))
        for n in range(2 + round(rough * 5))
    ]
    ys: list[float] = []
    for x in range(0, width + 8, 8):
        wave = sum(
            a * (math.sin(f * x + p) if rough < 0.5 else 1 - 2 * abs(math.sin(f * x / 2 + p)))
            for a, f, p in waves
        )
        ys.append(base - wave / 2)
    return ys


def fill_below(draw: ImageDraw.ImageDraw, size: Size, ridge: Sequence[float], fill: Color) -> None:
    points = [(i * 8.0, y) for i, y in enumerate(ridge)]
    draw.polygon([(0.0, float(size[1])), *points, (points[-1][0], float(size[1]))], fill=fill)


def lay_over(image: Image.Image, color: Color, mask: Image.Image) -> None:
    """Paints `color` where the small gray `mask` is light, in place."""
    image.paste(color, (0, 0), mask.resize(image.size, Image.Resampling.BICUBIC))


def add_glow(image: Image.Image, center: Point, radius: float, color: Color) -> None:
    """A soft light; `center` and `radius` in pixels of the finished size."""
    scale = image.width // MASK_PX
    mask = Image.new("L", (MASK_PX, image.height // scale))
    x, y, r = (value / SOFTNESS / scale for value in (*center, radius))
    ImageDraw.Draw(mask).ellipse((x - r, y - r, x + r, y + r), fill=150)
    lay_over(image, color, mask.filter(ImageFilter.GaussianBlur(r * 0.75)))


def disc(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, fill: Color) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


def add_cloud(rng: random.Random, image: Image.Image, color: Color) -> None:
    """A long soft streak in the upper part."""
    mask = Image.new("L", (MASK_PX, MASK_PX * image.height // image.width))
    draw = ImageDraw.Draw(mask)
    x, y = rng.uniform(0, mask.width), rng.uniform(0.05, 0.4) * mask.height
    for _ in range(7):
        half = rng.uniform(8, 30)
        left, top = x + rng.uniform(-25, 25), y + rng.uniform(-2, 2)
        draw.ellipse((left - half, top - 1.4, left + half, top + 1.4), fill=rng.randint(70, 150))
    lay_over(image, color, mask.filter(ImageFilter.GaussianBlur(1.8)))


def sharpen(soft: Image.Image, size: Size) -> Image.Image:
    """A soft ground at its full size, for shapes with edges."""
    return soft.resize(size, Image.Resampling.BILINEAR)


def soften(size: Size) -> Size:
    """The size at which a ground without edges is painted."""
    return size[0] // SOFTNESS, size[1] // SOFTNESS


def draw_sky(rng: random.Random, size: Size, palette: Palette) -> Image.Image:
    """A sky with clouds and a sun."""
    width, height = size
    soft = draw_gradient(soften(size), palette.sky)
    for _ in range(rng.randint(0, 3)):
        add_cloud(rng, soft, mix(palette.sky[2], WHITE, 0.5))
    x, y = rng.uniform(0.15, 0.85) * width, rng.uniform(0.16, 0.42) * height
    radius = rng.uniform(0.035, 0.07) * max(size)
    add_glow(soft, (x, y), radius * 2.6, palette.sun)
    image = sharpen(soft, size)
    disc(ImageDraw.Draw(image), x, y, radius, palette.sun)
    return image


def draw_fir(draw: ImageDraw.ImageDraw, x: float, foot: float, tall: float, color: Color) -> None:
    """A fir of four layers, its foot at (x, foot)."""
    for layer in range(4):
        top = foot - tall + layer * tall * 0.2
        half = tall * (0.08 + 0.055 * layer)
        draw.polygon(
            [(x, top), (x - half, top + tall * 0.36), (x + half, top + tall * 0.36)], fill=color
        )


def draw_petal(
    draw: ImageDraw.ImageDraw, center: Point, angle: float, long: float, color: Color
) -> None:
    outline = []
    for n in range(24):
        t = n / 24 * math.tau
        along, across = long * (0.55 + 0.45 * math.cos(t)), long * 0.2 * math.sin(t)
        outline.append(
            (
                center[0] + along * math.cos(angle) - across * math.sin(angle),
                center[1] + along * math.sin(angle) + across * math.cos(angle),
            )
        )
    draw.polygon(outline, fill=color)


def draw_sail(
    draw: ImageDraw.ImageDraw, x: float, foot: float, tall: float, palette: Palette
) -> None:
    white, hull = mix(palette.sun, WHITE, 0.5), palette.near
    draw.polygon(
        [(x, foot - tall), (x, foot - tall * 0.16), (x + tall * 0.42, foot - tall * 0.16)],
        fill=white,
    )
    draw.polygon(
        [
            (x - 4, foot - tall * 0.85),
            (x - 4, foot - tall * 0.16),
            (x - tall * 0.3, foot - tall * 0.16),
        ],
        fill=mix(white, hull, 0.15),
    )
    draw.polygon(
        [
            (x - tall * 0.36, foot - tall * 0.1),
            (x + tall * 0.46, foot - tall * 0.1),
            (x + tall * 0.34, foot),
            (x - tall * 0.26, foot),
        ],
        fill=hull,
    )
