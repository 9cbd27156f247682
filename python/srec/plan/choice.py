# SPDX-License-Identifier: GPL-3.0-or-later
"""The best settings for receivers at given SNRs and a budget of symbols.

Each setting is a Choice with the PSNR that every receiver expects. The best one has the greatest mean over the
receivers, lost packets included.
"""
from __future__ import annotations

import math
import re
from typing import Optional, Sequence

from . import features, layers, losses
from .request import Choice, Impossible, Request
from .source import Average, Measured
from .table import load

NEAR_DB = 0.7  # features that may be as good as layers are transmitted
MEASURED = 4  # of layers: encoded, so that their PSNR is exact
SIZE = 768, 512  # pixels, of an average photograph


def _by_rank(choices: Sequence[Choice]) -> list[Choice]:
    return sorted(choices, key=lambda choice: -choice.mean_expected)


def _of_layers(source: Average, request: Request) -> tuple[list[Choice], list[str]]:
    """Return the best layers of each modulation and size, and why others do not fit."""
    found, why = [], []
    for scale in source.scales():
        for modulation in filter(request.allows, layers.MODULATIONS):
            try:
                found.append(layers.best(source, request, modulation, scale))
            except ValueError as error:
                why.append(str(error))
    return found, why


def _of_features(source: Average, request: Request) -> list[Choice]:
    """Return the best features of each modulation and size."""
    if request.layers_only():
        return []
    kinds = [kind for kind in source.table.features if request.allows(kind[1])]
    found = [features.best(source, request, modulation, scale) for scale, modulation in kinds]
    return [choice for choice in found if choice]


def _measured(source: Measured, request: Request, choice: Choice) -> list[Choice]:
    """Return a choice with the PSNR of the image itself, alone in a list, or an empty list if it does not fit."""
    if choice.coding == "layers":
        return [layers.encoded(source, request, choice)]
    sent = features.sent(source, request, choice)
    return [sent] if sent else []


def _with_measured(source: Measured, request: Request, found: list[Choice]) -> list[Choice]:
    """Measure the best layers, the best features if they may be as good, then the first choice until it is exact."""
    of_layers = _by_rank([choice for choice in found if choice.coding == "layers"])
    of_features = _by_rank([choice for choice in found if choice.coding == "features"])
    encoded = [measured for choice in of_layers[:MEASURED] for measured in _measured(source, request, choice)]
    near = max((choice.mean_expected for choice in encoded), default=-math.inf) - NEAR_DB
    sent: list[Choice] = []
    while of_features and of_features[0].mean_expected > near and not sent:
        sent = _measured(source, request, of_features.pop(0))
    ranked = _by_rank(encoded + of_layers[MEASURED:] + sent + of_features)
    while ranked and not ranked[0].exact:
        ranked = _by_rank(ranked[1:] + _measured(source, request, ranked[0]))
    return ranked


def _least(texts: Sequence[str]) -> Optional[float]:
    """Return the least channel use that the messages of the core name, or None."""
    found = [re.search(r"([\d.e+-]+) suffices", text) for text in texts]
    return min((float(match[1]) for match in found if match), default=None)


def choose(source: Average, request: Request) -> list[Choice]:
    """Return the best setting of each coding, modulation and scale, the best one first.

    An image that is measured is encoded with the best layers, and transmitted with the best features unless layers are
    clearly better. The PSNR of the first choice is then exact.
    Raises ValueError for a bad request, and Impossible if nothing fits.
    """
    request.check()
    found, why = _of_layers(source, request)
    found += _of_features(source, request)
    if isinstance(source, Measured):
        found = _with_measured(source, request, found)
    if not found:
        least = _least(why)
        of_features = None if request.layers_only() else features.least_cbr(source, request)
        if least is None and of_features is not None:
            least = max(of_features, 1.1 * request.cbr)  # the image itself may need more than the table says
        what = "nothing arrives"
        if request.layers_only():
            what = "no layer arrives (parity and frame_symbols exclude features)"
        raise Impossible(
            f"{what} at {request.snrs[-1]:g} dB"
            if least is None
            else f"cbr {request.cbr:.4g} is below the least for these SNRs, about {least:.4g}: allow more symbols"
        )
    return _by_rank(found)


def transmitter_choice(
    snrs: Sequence[float],
    cbr: float,
    modulation: str,
    *,
    margin: float,
    bursts: bool,
    parity: Optional[int] = None,
    frame_symbols: Optional[int] = None,
) -> Choice:
    """Return what suits an average photograph of SIZE, for one modulation.

    The parameters are those of Request. With bursts, the loss is losses.BURST_LOSS.
    Raises ValueError with one line.
    """
    loss = losses.BURST_LOSS if bursts else 0.0
    request = Request(tuple(snrs), cbr, margin, bursts, (modulation,), parity, frame_symbols, loss)
    try:
        return choose(Average(load(), *SIZE), request)[0]
    except (Impossible, ValueError) as error:
        raise ValueError(f"plan: {error}") from None
