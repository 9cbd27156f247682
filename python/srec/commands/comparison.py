# SPDX-License-Identifier: GPL-3.0-or-later
"""Images side by side with captions."""
from typing import Any, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PANEL_WIDTH = 512
MARGIN = 8
TITLE_HEIGHT = 28
NOTE_HEIGHT = 24


def font(size: int) -> Any:
    for name in ("DejaVuSans.ttf", "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"):
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            pass
    return ImageFont.load_default()


def side_by_side(panels: list[tuple[str, np.ndarray, str]], caption: str, notes: Sequence[str] = ()) -> Image.Image:
    """Draw images side by side.

    panels: (title, uint8 array, figure); all images have the same size.
    notes: text under each image, or nothing.
    Returns a PIL image.
    """
    height, width = panels[0][1].shape[:2]
    panel_height = max(1, min(4 * PANEL_WIDTH, round(height * PANEL_WIDTH / width)))
    top = MARGIN + TITLE_HEIGHT
    below = top + panel_height + 6
    caption_at = below + (NOTE_HEIGHT if notes else 0)
    sheet = Image.new("RGB", (len(panels) * (PANEL_WIDTH + MARGIN) + MARGIN, caption_at + TITLE_HEIGHT + 2), "white")
    draw = ImageDraw.Draw(sheet)
    for i, (title, array, figure) in enumerate(panels):
        x = MARGIN + i * (PANEL_WIDTH + MARGIN)
        draw.text((x, MARGIN), title + (": " + figure if figure else ""), "black", font=font(18))
        picture = (
            Image.fromarray(array)
            .convert("RGB")
            .resize(
                (PANEL_WIDTH, panel_height),
                Image.Resampling.LANCZOS if width > PANEL_WIDTH else Image.Resampling.NEAREST,
            )
        )
        sheet.paste(picture, (x, top))
        draw.text((x, below), notes[i] if notes else "", "black", font=font(16))
    draw.text((MARGIN, caption_at), caption, "black", font=font(16))
    return sheet
