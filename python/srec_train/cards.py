# SPDX-License-Identifier: GPL-3.0-or-later
"""Drawn images for the enhancer: pages of text, charts, interfaces, test cards and line drawings.

Photographs alone teach a network to blur or ring around the edges of text. The images of a folder depend only on
--seed and their numbers.
"""
import argparse
import os
import string

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from . import pictures, ranges

SIDES = (384, 768)  # least and largest side in pixels
COLOURS = ((255, 255, 255), (0, 0, 0), (24, 24, 28), (250, 246, 230), (20, 60, 120), (200, 40, 40), (240, 200, 40))
BARS = ((235,) * 3, (235, 235, 16), (16, 235, 235), (16, 235, 16), (235, 16, 235), (235, 16, 16), (16, 16, 235))
TEXT = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSerif-Italic", "DejaVuSansMono", "STIXGeneral")
SMOOTH = 3  # shapes are drawn this many times larger and reduced, so that their edges are antialiased


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", required=True, help="folder for the images")
    parser.add_argument("--count", type=int, default=100, help="number of images")
    parser.add_argument("--seed", type=int, default=1, help="seed of all random choices")


class Card:
    """An image in work, with its random generator."""

    def __init__(self, rng: np.random.Generator, fonts: str) -> None:
        self.rng, self.fonts = rng, fonts
        self.width, self.height = (int(rng.integers(*SIDES)) // 2 * 2 for _ in range(2))
        self.ground, self.ink = self.colours()
        self.image = Image.new("RGB", (self.width, self.height), self.ground)
        self.draw = ImageDraw.Draw(self.image)

    def colours(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return a background and a colour that is easy to read on it."""
        while True:
            a, b = (COLOURS[i] for i in self.rng.choice(len(COLOURS), 2, replace=False))
            if abs(sum(a) - sum(b)) > 250:
                return a, b

    def colour(self) -> tuple[int, ...]:
        return tuple(int(v) for v in self.rng.integers(0, 256, 3))

    def font(self, low: int, high: int) -> ImageFont.FreeTypeFont:
        name = TEXT[self.rng.integers(len(TEXT))]
        return ImageFont.truetype(os.path.join(self.fonts, name + ".ttf"), int(self.rng.integers(low, high)))

    def words(self, count: int) -> str:
        letters = list(string.ascii_lowercase + "eeeaaiiooutnnrss" + string.digits[:3])
        words = ("".join(self.rng.choice(letters, int(self.rng.integers(2, 10)))) for _ in range(count))
        return " ".join(w.capitalize() if self.rng.random() < 0.15 else w for w in words)

    def point(self) -> tuple[int, int]:
        return int(self.rng.integers(self.width)), int(self.rng.integers(self.height))

    def lines(self, left: int, top: int, width: int, bottom: int, low: int, high: int, ink: tuple[int, ...]) -> None:
        """Write lines of text into a column."""
        font = self.font(low, high)
        while top + font.size < bottom:
            text = self.words(int(self.rng.integers(3, 30)))
            while text and font.getlength(text) > width:
                text = text.rpartition(" ")[0]
            self.draw.text((left, top), text, ink, font)
            top += int(font.size * 1.3)


def page(card: Card) -> None:
    """A page of text in one or two columns, with a title."""
    columns = int(card.rng.integers(1, 3))
    card.draw.text((16, 12), card.words(4), card.ink, card.font(18, 40))
    for i in range(columns):
        width = (card.width - 16) // columns - 16
        card.lines(16 + i * (width + 16), 64, width, card.height - 16, 8, 26, card.ink)


def interface(card: Card) -> None:
    """Windows with labels, over a gradient."""
    a, b = (np.array(card.colour(), float) for _ in range(2))
    ramp = np.linspace(0, 1, card.height)[:, None, None]
    card.image.paste(Image.fromarray(np.uint8(np.broadcast_to(a + (b - a) * ramp, (card.height, card.width, 3)))))
    for _ in range(int(card.rng.integers(2, 6))):
        (x, y), (w, h) = card.point(), (int(v) for v in card.rng.integers(90, 380, 2))
        ground, ink = card.colours()
        card.draw.rectangle((x, y, x + w, y + h), ground, ink)
        card.draw.rectangle((x, y, x + w, y + 20), card.colour())
        card.lines(x + 8, y + 26, w - 16, y + h, 9, 22, ink)


def chart(card: Card) -> None:
    """Curves on a grid, with numbers at the axes."""
    for i in range(1, 8):
        x, y = i * card.width // 8, i * card.height // 8
        card.draw.line((x, 0, x, card.height), (128,) * 3)
        card.draw.line((0, y, card.width, y), (128,) * 3)
        card.draw.text((x + 2, card.height - 16), f"{i * 0.25:g}", card.ink, card.font(9, 14))
        card.draw.text((2, y + 2), f"{i * 10}", card.ink, card.font(9, 14))
    for _ in range(int(card.rng.integers(2, 6))):
        steps = np.cumsum(card.rng.normal(0, card.height / 40, 40)) + card.rng.integers(card.height)
        points = list(zip(np.linspace(0, card.width, 40), steps))
        card.draw.line(points, card.colour(), int(card.rng.integers(1, 5)))


def test_card(card: Card) -> None:
    """Colour bars, grey steps, gratings, a zone plate and a checkerboard."""
    rows = np.linspace(0, card.height, 5).astype(int)
    for i, colour in enumerate(BARS):
        card.draw.rectangle((i * card.width // 7, 0, (i + 1) * card.width // 7, rows[1]), colour)
    for i in range(12):
        card.draw.rectangle((i * card.width // 12, rows[1], (i + 1) * card.width // 12, rows[2]), (i * 255 // 11,) * 3)
    x, y = np.meshgrid(np.arange(card.width), np.arange(rows[3] - rows[2]))
    sweep = 127.5 + 127.5 * np.cos(x * x * np.pi / (card.width * card.rng.uniform(2, 5)))
    radius = (x - card.width / 2) ** 2 + (y - y.max() / 2) ** 2
    zones = 127.5 + 127.5 * np.cos(radius * np.pi / (card.width * card.rng.uniform(2, 5)))
    cell = int(card.rng.integers(1, 17))
    for i, plane in enumerate((np.where(x < card.width // 2, sweep, zones), (x // cell + y // cell) % 2 * 255.0)):
        image = Image.fromarray(np.uint8(plane)).convert("RGB")
        card.image.paste(image, (0, int(rows[2 + i])))


def drawing(card: Card) -> None:
    """Flat shapes and outlines with smooth edges."""
    large = Image.new("RGB", (SMOOTH * card.width, SMOOTH * card.height), card.ground)
    draw = ImageDraw.Draw(large)
    for _ in range(int(card.rng.integers(8, 40))):
        (x, y), size = card.point(), float(card.rng.uniform(10, card.width / 3))
        box = [SMOOTH * v for v in (x, y, x + size, y + size * card.rng.uniform(0.3, 1.5))]
        outline, width = card.colour(), SMOOTH * int(card.rng.integers(1, 5))
        shape = card.rng.integers(4)
        if shape == 0:
            draw.ellipse(box, card.colour(), outline, width)
        elif shape == 1:
            draw.rectangle(box, card.colour(), outline, width)
        elif shape == 2:
            draw.polygon([tuple(SMOOTH * v for v in card.point()) for _ in range(3)], card.colour(), outline)
        else:
            draw.line([tuple(SMOOTH * v for v in card.point()) for _ in range(4)], outline, width)
    card.image.paste(large.resize(card.image.size, Image.Resampling.LANCZOS))


KINDS = (page, interface, chart, test_card, drawing)


def fonts() -> str:
    """Return the folder of the fonts that come with Matplotlib."""
    try:
        import matplotlib
    except ImportError as error:
        raise SystemExit(f"srec-train: {error}; its fonts are needed: apt-get install python3-matplotlib") from None
    return os.path.join(matplotlib.get_data_path(), "fonts", "ttf")


def _mark_of(path: str) -> str | None:
    """Return the keyword Software of a PNG file, or None."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            return image.info.get("Software")
    except pictures.UNREADABLE:
        return None


def main(args: argparse.Namespace) -> None:
    ranges.check(args, count=(1, 10**6), seed=ranges.SEED)
    os.makedirs(args.out, exist_ok=True)
    folder, mark = fonts(), f"srec-train cards --seed {args.seed}"
    kinds = [KINDS[number % len(KINDS)] for number in range(args.count)]
    paths = [os.path.join(args.out, f"{kind.__name__}_{number:04d}.png") for number, kind in enumerate(kinds)]
    for path in paths:
        if os.path.lexists(path) and _mark_of(path) != mark:
            raise SystemExit(f"srec-train: {path}: exists and is no card of this seed; name another --out")
    information = PngInfo()
    information.add_text("Software", mark)
    for number, (kind, path) in enumerate(zip(kinds, paths)):
        card = Card(np.random.default_rng((args.seed, number)), folder)
        kind(card)
        card.image.save(path, pnginfo=information)
    print(f"{args.count} images in {args.out}")
