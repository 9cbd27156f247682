# SPDX-License-Identifier: GPL-3.0-or-later
"""The best features for a request, by the table, or measured by encoding and transmitting one image."""
from __future__ import annotations

import dataclasses
import functools
import math
import os
from typing import Any, Optional, Sequence

import numpy as np
import srec_core as core

from ..srec_python import default_enhancer, default_model
from . import losses
from .curves import Picture
from .request import Choice, Request
from .source import Average, Measured
from .table import Features

ROUNDS = 5  # of the search for eta
FILLED = 0.95  # of the budget: good enough
CROP = 768  # pixels a side of the part that is transmitted: the whole image would take minutes
SEED = 1  # of keys and noise
ALL_THREADS = 0
FRAME_BITS = 8 * 16000  # of a packet
ETA_STEP = 1e-4  # resolution of eta in options


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


def _burst_factor(modulation: str) -> float:
    """Return how much preamble and pilots lengthen a packet."""
    frame = _frame_symbols(modulation)
    return core.burst_symbols(frame) / frame


def _frame_symbols(modulation: str) -> int:
    return FRAME_BITS // int(core.bits_per_symbol(modulation))


def _with_values(source: Average, request: Request, choice: Choice, values: Sequence[float]) -> Choice:
    """Return a choice with its PSNR. values: dB at each SNR of the request."""
    packets = math.ceil(choice.cbr * 3 * source.pixels / _frame_symbols(choice.modulation))
    of_value = functools.partial(losses.expected_psnr, none_db=source.grey_psnr(), layers=[(packets, 0)])
    expected = [of_value([value], loss=request.packet_loss)[0] for value in values]
    return dataclasses.replace(choice, psnr=tuple(values), expected=tuple(expected))


def _features_at(source: Average, request: Request, of: Features, eta: float, enhanced: bool) -> tuple[float, ...]:
    values = []
    for snr in request.snrs:
        psnr = of.psnr_at(snr, eta, enhanced)
        values.append(source.grey_psnr() if psnr is None else psnr + source.features_term(psnr))
    return tuple(values)


def least_cbr(source: Average, request: Request) -> Optional[float]:
    """Return the least channel use of features that arrive, or None if none arrive at any budget."""
    kinds = source.table.features.items()
    found = [
        (of.cbr[0] + of.head_cbr(source.pixels)) * (_burst_factor(modulation) if request.bursts else 1.0)
        for (_, modulation), of in kinds
        if request.allows(modulation) and request.snrs[-1] >= of.snr[0]
    ]
    return min(found, default=None)


def best(source: Average, request: Request, modulation: str, scale: int) -> Optional[Choice]:
    """Return the best features of a modulation and scale, or None if none fit or none arrive."""
    of = source.table.features[scale, modulation]
    factor = _burst_factor(modulation) if request.bursts else 1.0
    head = of.head_cbr(source.pixels)
    most = of.eta_for(request.cbr / factor - head)
    if most is None or request.snrs[-1] < of.snr[0]:
        return None
    etas = [eta for eta in of.eta if eta < most] + [math.floor(most / ETA_STEP) * ETA_STEP]
    tried = []
    for eta in etas:
        for enhanced in (True, False) if request.enhance else (False,):
            if eta > 0:
                psnr = _features_at(source, request, of, eta, enhanced)
                tried.append((sum(psnr), enhanced, eta, psnr))
    if not tried:
        return None
    _, enhanced, eta, psnr = max(tried)
    cbr = (of.cbr_at(eta) + head) * factor
    choice = Choice("features", modulation, scale, (), (), cbr, enhanced, eta=round(eta, 4))
    return _with_values(source, request, choice, psnr)


def sent(source: Measured, request: Request, choice: Choice) -> Optional[Choice]:
    """Return features with the eta that fits the budget and the PSNR of a transmission, or None if they do not fit."""
    assert choice.eta is not None
    most = float(source.table.features[choice.scale, choice.modulation].eta[-1])
    guess = choice.modulation, choice.eta, choice.scale
    found = fitted(source.picture, guess, most, request.cbr, request.bursts)
    if not found:
        return None
    eta, cbr = found
    psnr = psnr_of(source.picture, choice.modulation, eta, choice.scale, request.snrs)
    enhanced = request.enhance and sum(psnr[True]) > sum(psnr[False])
    measured = dataclasses.replace(choice, eta=eta, cbr=cbr, enhanced=enhanced, exact=True)
    return _with_values(source, request, measured, psnr[enhanced])
