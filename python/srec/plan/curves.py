# SPDX-License-Identifier: GPL-3.0-or-later
"""How well one image compresses as layers: measured by encoding it, without a channel."""
from __future__ import annotations

import functools
from typing import Any, NamedTuple, Optional, Sequence

import numpy as np
import srec_core as core

SEED = 1  # of keys and session, which do not change the number of symbols
BITS = (0.03, 0.07, 0.15, 0.3, 0.6, 1.2, 2.4, 4.8)  # bits per pixel of the image at full size, up to each layer

Curve = tuple[list[float], list[float]]  # bits per pixel of the image at full size, ascending; PSNR in dB


class Decoded(NamedTuple):
    """An image decoded up to a layer.

    image: uint8, at scale 2 half as large as the original.
    psnr: in dB, at full size.
    rms_error: what the packets tell receivers.
    """

    image: np.ndarray
    psnr: float
    rms_error: float


class Encoded(NamedTuple):
    """An image as layers.

    images: up to each layer.
    cbr: channel use, complex symbols / (3 * pixels). It is below the budget if the image has no more to send.
    packets: (data, parity) of each layer.
    """

    images: list[Decoded]
    cbr: float
    packets: tuple[tuple[int, int], ...]


class Picture:
    """An image that is encoded at scale 1 (as it is) or 2 (at half size, and doubled again).

    array: uint8, (height, width) or (height, width, 3).
    """

    def __init__(self, array: np.ndarray):
        self.array = array
        self.height, self.width = array.shape[:2]
        self.pixels = self.height * self.width
        self.grey_psnr = core.psnr(array, np.full_like(array, 128))  # of a mid-grey image, dB
        # The image that is sent at a scale. Cached in this object, which it does not outlive.
        self.sent_at = functools.lru_cache(maxsize=2)(lambda scale: array if scale == 1 else core.halve(array))

    def psnr_of(self, decoded: np.ndarray, scale: int) -> float:
        """Return the PSNR in dB of a decoded image at full size."""
        return core.psnr(self.array, decoded if scale == 1 else core.double(decoded, self.height, self.width))

    def _curve(self, layers: Any, scale: int) -> Curve:
        """Decode an image up to each of its layers."""
        totals = [float(total) * 8 / self.pixels for total in np.cumsum(layers.layer_bytes)]
        rising = [i for i in range(len(totals)) if i == 0 or totals[i] > totals[i - 1]]  # others had nothing left
        return [totals[i] for i in rising], [self.psnr_of(layers.decoded(i + 1), scale) for i in rising]

    def curve(self, scale: int, factor: float = 1.0) -> Optional[Curve]:
        """Encode the image as eight layers of BITS times factor. None: the image is too small for that."""
        totals = [factor * bits * self.pixels / 8 for bits in BITS]
        steps = [int(b - a) for a, b in zip([0.0, *totals], totals)]
        for first in range(len(steps) - 1):  # the lowest rates are left out where they are below the least
            try:
                sizes = [sum(steps[: first + 1]), *steps[first + 1 :]]
                return self._curve(core.layers_of_bytes(self.sent_at(scale), sizes), scale)
            except ValueError:
                continue
        return None

    def encoded(
        self, modulation: str, layers: Sequence[float], cbr: float, scale: int, options: dict[str, Any]
    ) -> Encoded:
        """Encode the image with the parameters of core.encode_layers(). Raises ValueError like it."""
        coded = core.encode_layers(
            self.sent_at(scale), modulation, list(layers), cbr, original_pixels=self.pixels, **options
        )
        frames = core.transmit_layers(coded, SEED, SEED, True, scale).frames
        symbols = sum(map(core.burst_symbols, frames) if options["bursts"] else frames)
        images = [coded.decoded(i + 1) for i in range(len(layers))]
        return Encoded(
            [Decoded(image, self.psnr_of(image, scale), error) for image, error in zip(images, coded.rms_errors)],
            symbols / (3 * self.pixels),
            tuple(coded.packets),
        )
