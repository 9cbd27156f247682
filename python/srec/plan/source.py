# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of the image: its size, so that the means of the table count, or the image itself."""
from __future__ import annotations

import functools
import math
from typing import Optional

import numpy as np

from .curves import Curve, Picture
from .table import Table, at_bits


class Average:
    """A photograph of which only the size is known: the means of the table.

    width, height: pixels.
    channels: 1 or 3.
    """

    def __init__(self, table: Table, width: int, height: int, channels: int = 3):
        self.table, self.width, self.height, self.channels = table, width, height, channels
        self.pixels = width * height

    def scales(self) -> list[int]:
        """Return the scales at which the table knows layers."""
        return sorted(self.table.layers)

    def size_at(self, scale: int) -> tuple[int, int]:
        """Return (width, height) in pixels of the image that is sent."""
        return (self.width, self.height) if scale == 1 else ((self.width + 1) // 2, (self.height + 1) // 2)

    def psnr_at(self, scale: int, bits: float) -> float:
        """Return the PSNR in dB of layers without super-resolution. bits: per pixel of the image at full size."""
        return self.table.layers[scale].psnr_at(bits)

    def grey_psnr(self) -> float:
        """Return the PSNR in dB of a mid-grey image."""
        return self.table.grey_psnr

    def features_term(self, psnr_db: float) -> float:
        """Return by how many dB features of this image differ from the mean, where the mean is psnr_db."""
        return 0.0


class Measured(Average):
    """An image. Its curves are measured once for each scale."""

    def __init__(self, table: Table, picture: Picture):
        channels = 1 if picture.array.ndim == 2 else 3
        Average.__init__(self, table, picture.width, picture.height, channels)
        self.picture = picture
        self._curve = functools.lru_cache(maxsize=2)(self._measure)

    def _measure(self, scale: int) -> Optional[Curve]:
        return self.picture.curve(scale)

    def psnr_at(self, scale: int, bits: float) -> float:
        curve = self._curve(scale)
        return at_bits(bits, *curve) if curve else Average.psnr_at(self, scale, bits)

    def grey_psnr(self) -> float:
        return self.picture.grey_psnr

    def features_term(self, psnr_db: float) -> float:
        of_mean = self.table.layers[1]
        bits = math.exp(np.interp(psnr_db, of_mean.psnr, np.log(of_mean.bits)))
        return self.table.slope * (self.psnr_at(1, bits) - of_mean.psnr_at(bits))
