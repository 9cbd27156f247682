# SPDX-License-Identifier: GPL-3.0-or-later
"""Features of one image, measured by encoding and transmitting them."""
from __future__ import annotations

import functools
import os
from typing import Any, Optional, Sequence

import numpy as np
import srec_core as core

from ..srec_python import default_enhancer, default_model
from .curves import Picture

ROUNDS = 5  # of the search for eta
FILLED = 0.95  # of the budget: good enough
CROP = 768  # pixels a side of the part that is transmitted: the whole image would take minutes
SEED = 1  # of keys and noise
ALL_THREADS = 0


@functools.lru_cache(maxsize=1)
def _model(path: str) -> Any:
    return core.Model(path, ALL_THREADS)


def _middle(array: np.ndarray) -> np.ndarray:
    top, left = (max(0, side - CROP) // 2 for side in array.shape[:2])
    return np.ascontiguousarray(array[top : top + CROP, left : left + CROP])


def channel_use(picture: Picture, modulation: str, eta: float, scale: int, bursts: bool) -> float:
    """Encode the image. Return complex symbols / (3 * pixels), headers included, and preambles and pilots of bursts."""
    model = _model(default_model())
    coded = core.encode(model, picture.sent_at(scale), eta, modulation)
    frames = core.transmit(model, coded, modulation, SEED, SEED + 1).frames
    return sum(core.burst_symbols(n) if bursts else n for n in frames) / (3 * picture.pixels)


def fitted(
    picture: Picture, choice: tuple[str, float, int], most: float, budget: float, bursts: bool
) -> Optional[tuple[float, float]]:
    """Return (eta, channel use) for a budget of channel use, or None if none was found that fits.

    choice: modulation, first guess of eta, scale.
    most: greatest eta.
    """
    modulation, trial, scale = choice
    best = None
    for _ in range(ROUNDS):
        trial = max(0.001, round(trial, 4))
        used = channel_use(picture, modulation, trial, scale, bursts)
        if used <= budget and (best is None or trial > best[0]):
            best = trial, used
            if trial >= most or used > FILLED * budget:
                break
        trial = min(most, trial * (0.98 * budget / used) ** 1.1)
    return best


def psnr_of(
    picture: Picture, modulation: str, eta: float, scale: int, snrs: Sequence[float]
) -> dict[bool, tuple[float, ...]]:
    """Transmit the middle of the image at each SNR. Return {with super-resolution: PSNR in dB at each SNR}."""
    part = Picture(_middle(picture.array))
    model, path = _model(default_model()), default_enhancer(scale)
    enhancer = core.EnhancerModel(path) if os.path.exists(path) else None
    coded = core.encode(model, part.sent_at(scale), eta, modulation)
    sent = core.transmit(model, coded, modulation, SEED, SEED + 1)
    found: dict[bool, list[float]] = {False: [], True: []}
    for snr in snrs:
        symbols, _ = core.channel(sent.symbols, "awgn", snr, SEED)
        got = core.receive(model, sent, symbols, None, snr, SEED, SEED)
        if got["picture"] is None:
            values = part.grey_psnr, part.grey_psnr
        else:
            plain = part.psnr_of(got["picture"], scale)
            values = plain, plain
            if enhancer:
                shown = core.enhance(enhancer, got["picture"], got["deviation"], part.height, part.width)
                values = plain, core.psnr(part.array, shown)
        for enhanced, value in zip((False, True), values):
            found[enhanced].append(value)
    return {enhanced: tuple(values) for enhanced, values in found.items()}
