"""Landscapes drawn in code: what the sample library shows instead of photos.

Nothing here reads or writes a file. The same seed draws the same picture.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

from PIL import Image, ImageDraw, ImageFilter

from sample_strokes import (
    MASK_PX,
    PALETTES,
    Color,
    Palette,
    Point,
    Size,
    add_cloud,
    add_glow,
    disc,
    draw_fir,
    draw_gradient,
    draw_petal,
    draw_sail,
    draw_sky,
    fill_below,
    lay_over,
    make_ridge,
    mix,
    sharpen,
    soften,
    to_color,
)

FINENESS: Final = 2
"""Drawn at this many times the size and then made smaller: Pillow's shapes have no smooth edges."""
CUT_PAPER: Final = tuple(map(to_color, ("#d9653b", "#e8b04a", "#f2e3c6", "#6f8f7a", "#33566b")))
BLOSSOMS: Final = tuple(map(to_color, ("#e8785a", "#f4efe2", "#eac04d", "#c86b98", "#8f7cc0")))
CROPS: Final = (
    ("#7a63a8", "#9b86c4"),
    ("#c8553d", "#e5a24a"),
    ("#d9b45a", "#ecd28a"),
    ("#5d8a4a", "#8db36a"),
)
"""Lavender, tulips, wheat and lettuce: two rows each."""
NORTHERN_LIGHTS: Final = ((110, 220, 170), (120, 190, 220), (190, 140, 210))


def draw_hills(rng: random.Random, size: Size, palette: Palette) -> Image.Image:
    """Ranges one behind the other, the farther the paler; sometimes firs on the nearest."""
    width, height = size
    image = draw_sky(rng, size, palette)
    draw = ImageDraw.Draw(image)
    ranges = rng.randint(4, 6)
    for n in range(ranges):
        share = n / (ranges - 1)
        rough = 0.7 - 0.5 * share
        ridge = make_ridge(rng, width, height * (0.5 + 0.36 * share), height * 0.16, rough)
        color = mix(palette.far, palette.near, share**1.2)
        if n == ranges - 1 and rng.random() < 0.6:
            draw_firs(rng, draw, ridge, height * 0.13, color)
        fill_below(draw, size, ridge, color)
    return image


def draw_firs(
    rng: random.Random, draw: ImageDraw.ImageDraw, ridge: Sequence[float], tall: float, color: Color
) -> None:
    for i in range(0, len(ridge), 2):
        if rng.random() < 0.55:
            draw_fir(draw, i * 8.0, ridge[i] + tall * 0.1, tall * rng.uniform(0.4, 1.1), color)


def draw_forest(rng: random.Random, size: Size, palette: Palette) -> Image.Image:
    """Firs in mist: rows of them, paler the farther."""
    width, height = size
    image = draw_sky(rng, size, palette)
    rows = 5
    for n in range(rows):
        share = n / (rows - 1)
        color = mix(palette.far, palette.near, share)
        draw = ImageDraw.Draw(image)
        ridge = make_ridge(rng, width, height * (0.5 + 0.4 * share), height * 0.08, 0.2)
        for i in range(0, len(ridge), 3):
            tall = height * (0.12 + 0.2 * share) * rng.uniform(0.6, 1.2)
            draw_fir(draw, i * 8.0 + rng.uniform(-12, 12), ridge[i] + tall * 0.15, tall, color)
        fill_below(draw, size, ridge, color)
    return image


def draw_sea(rng: random.Random, size: Size, palette: Palette) -> Image.Image:
    """Water under a low sun, with its path of light and perhaps a sail."""
    width, height = size
    horizon = round(height * rng.uniform(0.5, 0.6))
    x, radius = rng.uniform(0.25, 0.75) * width, 0.055 * max(size)
    y = horizon - radius * rng.uniform(0.3, 2.2)
    soft = draw_gradient(soften((width, horizon)), palette.sky)
    add_cloud(rng, soft, palette.sky[2])
    add_cloud(rng, soft, palette.sky[1])
    add_glow(soft, (x, y), radius * 2.8, palette.sun)
    sky = sharpen(soft, (width, horizon))
    disc(ImageDraw.Draw(sky), x, y, radius, palette.sun)
    water = mix(palette.sky[2], palette.far, 0.55)
    deep = mix(palette.near, palette.sky[0], 0.35)
    image = Image.new("RGB", size)
    image.paste(sky, (0, 0))
    image.paste(
        draw_gradient((width, height - horizon), [water, mix(water, deep, 0.6), deep]), (0, horizon)
    )
    draw = ImageDraw.Draw(image)
    for _ in range(240):
        depth = rng.random() ** 1.6
        wave_y = horizon + 4 + depth * (height - horizon)
        long = (0.01 + 0.06 * depth) * width * rng.uniform(0.4, 1)
        lit = rng.random() < 0.55
        wave_x = x + rng.gauss(0, 0.6 + 1.6 * depth) * radius if lit else rng.uniform(0, width)
        color = mix(water, palette.sun, 0.75) if lit else mix(water, deep, 0.25 + depth * 0.6)
        thick = 1.5 + 4 * depth
        draw.ellipse((wave_x - long, wave_y - thick, wave_x + long, wave_y + thick), fill=color)
    if rng.random() < 0.6:
        draw_sail(
            draw, rng.uniform(0.15, 0.85) * width, horizon + height * 0.03, height * 0.12, palette
        )
    return image


def draw_dunes(rng: random.Random, size: Size, palette: Palette) -> Image.Image:
    """Sand in long curves, each with a lit and a shaded side."""
    width, height = size
    image = draw_sky(rng, size, palette)
    draw = ImageDraw.Draw(image)
    light, shade = mix(palette.sky[1], to_color("#e0a35e"), 0.55), palette.near
    for n in range(5):
        share = n / 4
        ridge = make_ridge(rng, width, height * (0.5 + 0.38 * share), height * 0.14, 0)
        fill_below(draw, size, ridge, mix(light, shade, 0.08 + 0.16 * share))
        crest = rng.randint(len(ridge) // 5, len(ridge) * 4 // 5)
        reach = len(ridge) // 2
        side = [(i * 8.0, ridge[i]) for i in range(crest, min(crest + reach, len(ridge)))]
        foot = [
            (x + width * 0.05, y + (height * 0.3) * math.sin(math.pi * i / max(1, len(side))) + 4)
            for i, (x, y) in enumerate(side)
        ]
        draw.polygon(side + foot[::-1], fill=mix(light, shade, 0.3 + 0.2 * share))
    return image


def draw_fields(rng: random.Random, size: Size, palette: Palette) -> Image.Image:
    """Rows that run to one point under a line of hills: lavender, tulips, wheat."""
    width, height = size
    image = draw_sky(rng, size, palette)
    draw = ImageDraw.Draw(image)
    horizon = height * rng.uniform(0.48, 0.58)
    for n in range(2):
        ridge = make_ridge(rng, width, horizon - height * (0.03 - 0.03 * n), height * 0.08, 0.3)
        fill_below(draw, size, ridge, mix(palette.far, palette.near, 0.15 + n * 0.3))
    rows = [to_color(color) for color in rng.choice(CROPS)]
    soil = mix(palette.near, rows[0], 0.35)
    draw.rectangle((0, horizon, width, height), fill=soil)
    point = rng.uniform(0.3, 0.7) * width
    count = 26
    for n in range(-count, count):
        left, right = ((point + (n + side) * width * 0.11) for side in (0.0, 0.62))
        top_left, top_right = point + (left - point) * 0.05, point + (right - point) * 0.05
        color = mix(rows[n % 2], palette.sky[2], 0.08 * (n % 3))
        draw.polygon(
            [(top_left, horizon), (top_right, horizon), (right, height), (left, height)], fill=color
        )
    return image


def draw_night(rng: random.Random, size: Size, palette: Palette) -> Image.Image:
    """Stars and a moon over mountains, with a band of northern light."""
    width, height = size
    x, y = rng.uniform(0.15, 0.85) * width, rng.uniform(0.12, 0.25) * height
    radius = 0.035 * max(size)
    soft = draw_gradient(soften(size), palette.sky)
    add_northern_lights(rng, soft)
    add_glow(soft, (x, y), radius * 1.8, palette.sun)
    image = sharpen(soft, size)
    draw = ImageDraw.Draw(image)
    for _ in range(260):
        shine = rng.random() ** 3
        disc(
            draw,
            rng.uniform(0, width),
            rng.uniform(0, height * 0.7),
            1.2 + 2.6 * shine,
            mix(palette.sky[1], (255, 250, 235), 0.4 + 0.6 * shine),
        )
    disc(draw, x, y, radius, palette.sun)
    for n in range(3):
        ridge = make_ridge(rng, width, height * (0.68 + 0.1 * n), height * 0.22, 0.9 - 0.3 * n)
        fill_below(draw, size, ridge, mix(palette.far, palette.near, n / 2))
    return image


def add_northern_lights(rng: random.Random, image: Image.Image) -> None:
    """A waving band of color in the upper part."""
    mask = Image.new("L", (MASK_PX, MASK_PX * image.height // image.width))
    draw = ImageDraw.Draw(mask)
    waves, phase = rng.uniform(0.75, 1.5), rng.uniform(0, math.tau)
    for x in range(mask.width):
        y = mask.height * (0.3 + 0.1 * math.sin(waves * x / mask.width * math.tau + phase))
        draw.line((x, y - mask.height * 0.2, x, y), fill=rng.randint(60, 120))
    lay_over(image, rng.choice(NORTHERN_LIGHTS), mask.filter(ImageFilter.GaussianBlur(4)))


def draw_city(rng: random.Random, size: Size, palette: Palette) -> Image.Image:
    """Houses at the end of the day, with some windows lit."""
    width, height = size
    image = draw_sky(rng, size, palette)
    draw = ImageDraw.Draw(image)
    for n in range(3):
        color = mix(palette.far, palette.near, (n + 0.4) / 2.4)
        x = -rng.uniform(0, 80)
        while x < width:
            wide = rng.uniform(0.05, 0.11) * max(size) * (0.7 + n * 0.25)
            top = height * (0.42 + 0.15 * n) + rng.uniform(-0.14, 0.1) * height
            draw_house(rng, draw, (x, top, x + wide, height), color, palette.sun)
            x += wide + rng.choice((0, 0, 6, 18))
    return image


def draw_house(
    rng: random.Random,
    draw: ImageDraw.ImageDraw,
    box: tuple[float, float, float, float],
    color: Color,
    lit: Color,
) -> None:
    left, top, right, bottom = box
    draw.rectangle(box, fill=color)
    if rng.random() < 0.4:
        peak = top - (right - left) * 0.4
        draw.polygon([(left, top), ((left + right) / 2, peak), (right, top)], fill=color)
    step = 34
    for y in range(round(top) + 24, round(bottom), step + 12):
        for x in range(round(left) + 18, round(right) - 24, step):
            if rng.random() < 0.3:
                draw.rectangle((x, y, x + 14, y + 20), fill=mix(color, lit, rng.uniform(0.35, 0.9)))


def draw_flowers(rng: random.Random, size: Size, palette: Palette) -> Image.Image:
    """Blossoms seen close, before a meadow out of focus."""
    width, height = size
    ground = mix(palette.near, to_color("#7fa05c"), 0.55)
    light, shade = mix(ground, palette.sky[2], 0.55), mix(ground, (20, 40, 30), 0.45)
    soft = draw_gradient(soften(size), [light, ground, shade])
    for _ in range(10):
        spot = mix(rng.choice(CUT_PAPER), ground, 0.2)
        place = (rng.uniform(0, width), rng.uniform(0, height * 0.8))
        add_glow(soft, place, rng.uniform(0.04, 0.09) * max(size), spot)
    image = sharpen(soft, size)
    draw = ImageDraw.Draw(image)
    for n in range(rng.randint(4, 7)):
        x = (n + 0.5 + rng.uniform(-0.3, 0.3)) * width / 6
        y, radius = rng.uniform(0.25, 0.68) * height, rng.uniform(0.055, 0.11) * max(size)
        draw.line(
            [(x, y), (x + rng.uniform(-40, 40), height)],
            fill=mix(ground, (20, 50, 25), 0.6),
            width=12,
        )
        draw_blossom(
            rng,
            draw,
            (x, y),
            radius,
            rng.choice(BLOSSOMS),
        )
    return image


def draw_blossom(
    rng: random.Random,
    draw: ImageDraw.ImageDraw,
    center: Point,
    radius: float,
    color: Color,
) -> None:
    petals, turn = rng.choice((6, 8, 10, 13)), rng.uniform(0, math.tau)
    for ring, share in ((1.0, 0.22), (0.72, 0.0)):
        for n in range(petals):
            angle = turn + (n + (0.5 if ring < 1 else 0)) * math.tau / petals
            draw_petal(
                draw, center, angle, radius * ring, mix(color, (60, 20, 40), share + 0.03 * (n % 3))
            )
    disc(draw, *center, radius * 0.24, (112, 74, 40))
    disc(draw, *center, radius * 0.17, (226, 170, 66))


def draw_shapes(rng: random.Random, size: Size, palette: Palette) -> Image.Image:
    """Paper cut-outs: circles, half circles and leaves on a quiet ground."""
    width, height = size
    ground = mix(palette.sky[2], (250, 246, 238), 0.5)
    image = Image.new("RGB", size, ground)
    columns, rows = (6, 4) if width > height else (4, 6)
    cell = width / columns
    inks = [*CUT_PAPER, palette.far]
    draw = ImageDraw.Draw(image)
    for row in range(rows):
        for column in range(columns):
            draw_tile(rng, draw, (column * cell, row * cell), cell, rng.sample(inks, 2))
    return image


def draw_tile(
    rng: random.Random,
    draw: ImageDraw.ImageDraw,
    place: Point,
    cell: float,
    inks: Sequence[Color],
) -> None:
    x, y = place
    if rng.random() < 0.5:
        draw.rectangle((x, y, x + cell, y + cell), fill=inks[1])
    kind = rng.randrange(4)
    if kind == 0:
        disc(draw, x + cell / 2, y + cell / 2, cell * 0.36, inks[0])
    elif kind == 1:
        start = rng.choice((0, 90, 180, 270))
        draw.pieslice((x, y, x + cell, y + cell), start, start + 180, fill=inks[0])
    elif kind == 2:
        start, (dx, dy) = rng.choice(((0, (0, 0)), (90, (1, 0)), (180, (1, 1)), (270, (0, 1))))
        corner_x, corner_y = x + dx * cell, y + dy * cell
        draw.pieslice(
            (corner_x - cell, corner_y - cell, corner_x + cell, corner_y + cell),
            start,
            start + 90,
            fill=inks[0],
        )
    else:
        angle = rng.choice((math.pi / 4, -math.pi / 4))
        leaf = cell * 0.62
        center = (
            x + cell / 2 - math.cos(angle) * leaf * 0.99,
            y + cell / 2 - math.sin(angle) * leaf * 0.99,
        )
        draw_petal(draw, center, angle, leaf * 1.8, inks[0])


SCENES: Final = MappingProxyType(
    {
        "hills": draw_hills,
        "forest": draw_forest,
        "sea": draw_sea,
        "dunes": draw_dunes,
        "fields": draw_fields,
        "night": draw_night,
        "city": draw_city,
        "flowers": draw_flowers,
        "shapes": draw_shapes,
    }
)


def draw_picture(scene: str, light: str, seed: int, size: Size) -> Image.Image:
    """A picture of `size` pixels: a key of `SCENES` under the light of a key of `PALETTES`."""
    rng = random.Random(seed)  # noqa: S311  a picture wants repeatable numbers, not secret ones
    large = (size[0] * FINENESS, size[1] * FINENESS)
    return SCENES[scene](rng, large, PALETTES[light]).reduce(FINENESS)
