# SPDX-License-Identifier: GPL-3.0-or-later
"""What super-resolution makes of a decoded image of layers."""
from __future__ import annotations

import functools
import os
from typing import Any, Callable, Optional

import numpy as np
import srec_core as core

from ..srec_python import default_enhancer

PIXELS = 2**19  # at full size; of larger images only parts are enhanced
SIDE = 240  # of these parts, pixels at full size
BORDER = 32  # of a part, which does not count, because the network lacks its surroundings
EXACT = 1e-6  # mean squared error, where 1 is the greatest, that does not matter any more


@functools.lru_cache(maxsize=2)
def _enhancer(path: str) -> Any:
    return core.EnhancerModel(path, threads=0, precision="auto")


def _model(scale: int) -> Optional[Any]:
    """Return the installed enhancer of layers, or None."""
    path = default_enhancer(scale, "layers")
    return _enhancer(path) if os.path.exists(path) else None


class _Side:
    """At most three parts along one side of an image, evenly spread.

    length: of each part, pixels at full size.
    starts: first pixel of each part, even.
    counted: pixels of the parts in sequence that count.
    """

    def __init__(self, size: int):
        self.length = min(size, SIDE)
        count = min(3, size // self.length)
        self.starts = [((2 * i + 1) * size // (2 * count) - self.length // 2) // 2 * 2 for i in range(count)]
        border = BORDER if size > SIDE else 0
        within = np.arange(border, self.length - border)
        self.counted = np.concatenate([i * self.length + within for i in range(count)])

    def cut(self, array: np.ndarray, axis: int, scale: int = 1) -> np.ndarray:
        """Return the parts of an image, in sequence along an axis. scale 2: the image has half the size."""
        ends = [(start, start + self.length) for start in self.starts]
        parts = [np.take(array, range(a // scale, -(-b // scale)), axis) for a, b in ends]
        return np.concatenate(parts, axis)


def _sampled(array: np.ndarray) -> tuple[Callable[..., np.ndarray], Callable[[np.ndarray], np.ndarray]]:
    """Return a function that makes a sheet of the parts of an image, and one that cuts what counts from a sheet.

    array: the image at full size.
    """
    rows, columns = (_Side(size) for size in array.shape[:2])

    def sheet(image: np.ndarray, scale: int = 1) -> np.ndarray:
        return np.ascontiguousarray(columns.cut(rows.cut(image, 0, scale), 1, scale))

    def counted(image: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(image[rows.counted[:, None], columns.counted])

    return sheet, counted


def _gain_of_parts(model: Any, array: np.ndarray, decoded: np.ndarray, rms_error: float, scale: int) -> float:
    """Return the gain in dB over the parts of an image."""
    sheet, counted = _sampled(array)
    original = sheet(array)
    plain = sheet(decoded if scale == 1 else core.double(decoded, *array.shape[:2]))
    shown = core.enhance_layers(model, sheet(decoded, scale), rms_error, *original.shape[:2])
    before, after = (10 ** (-core.psnr(counted(original), counted(image)) / 10) + EXACT for image in (plain, shown))
    return float(10 * np.log10(before / after))


def enhanced_psnr(
    array: np.ndarray, decoded: np.ndarray, plain_psnr: float, rms_error: float, scale: int
) -> Optional[float]:
    """Return the PSNR in dB of a decoded image after super-resolution. None: there is no model.

    It is exact for images of at most PIXELS. Nine parts, spread over the image, show the gain of larger ones.

    array: the image, uint8, (height, width) or (height, width, 3).
    decoded: the same, or at scale 2 half of its size.
    plain_psnr: PSNR in dB of the decoded image at full size.
    rms_error: what the packets tell receivers.
    """
    model = _model(scale)
    if model is None:
        return None
    height, width = array.shape[:2]
    if height * width <= PIXELS:
        return float(core.psnr(array, core.enhance_layers(model, decoded, rms_error, height, width)))
    return plain_psnr + _gain_of_parts(model, array, decoded, rms_error, scale)
