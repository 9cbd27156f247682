# SPDX-License-Identifier: GPL-3.0-or-later
"""What lost packets cost: the probability that layers are complete, and the expected PSNR."""
from __future__ import annotations

import itertools
import math
from typing import Sequence

MAX_LOSS = 0.5
MAX_PARITY = 200  # packets of a layer
BURST_LOSS = 0.01  # of bursts by default: radios overrun, and other stations interfere
NOISE_LOSS = 0.001  # probability that noise alone loses a packet, at the threshold of its code
COMPLETE_GOALS = 0.9, 0.97, 0.99, 0.999  # probabilities of a complete layer for which parity is tried
# Each lost packet of n costs LOSS_COST_DB / sqrt(n), a rough fit: without parity packets, Kodak 1, 5, 13 and 21 lose
# 4.8, 3.7 and 1.9 dB on average in 2, 3 and 7 packets (cbr 0.1), and 6.0, 4.0 and 3.0 dB in 5, 10 and 15 (cbr 0.3).
# It was measured on layers, and is used for features too.
LOSS_COST_DB = 11.0

Packets = tuple[int, int]  # data and parity packets of a layer


def _probabilities(packets: int, loss: float) -> list[float]:
    """Return the probabilities that at most 0, 1, 2, ... of some packets are lost."""
    logs = [
        math.lgamma(packets + 1)
        - math.lgamma(lost + 1)
        - math.lgamma(packets - lost + 1)
        + lost * math.log(loss)
        + (packets - lost) * math.log1p(-loss)
        for lost in range(min(packets, MAX_PARITY) + 1)
    ]
    return [min(1.0, total) for total in itertools.accumulate(map(math.exp, logs))]


def probability_complete(layer: Packets, loss: float) -> float:
    """Return the probability that a layer loses no more packets than parity restores.

    loss: probability that a packet is lost, of each one independently, above 0.
    """
    data, parity = layer
    return _probabilities(data + parity, loss)[min(parity, MAX_PARITY)]


def parity_candidates(packets: int, loss: float) -> list[int]:
    """Return the numbers of parity packets to try, ascending, from 0.

    packets: of a layer, data and parity together.
    """
    reached = _probabilities(packets, loss)
    wanted = {next((k for k, p in enumerate(reached) if p >= goal), len(reached) - 1) for goal in COMPLETE_GOALS}
    return sorted({0, *wanted})


def _incomplete(whole_db: float, below_db: float, layer: Packets, loss: float) -> float:
    """Return the PSNR in dB of an image whose last layer lacks packets.

    whole_db, below_db: its PSNR with the whole layer and without it.
    """
    data, parity = layer
    if data <= 1:
        return below_db
    lost_data = max(parity + 1.0, loss * (data + parity)) * data / (data + parity)
    return max(below_db, whole_db - lost_data * LOSS_COST_DB / math.sqrt(data))


def expected_psnr(values: Sequence[float], none_db: float, layers: Sequence[Packets], loss: float) -> list[float]:
    """Return the mean PSNR in dB, over images with and without lost packets, of the images up to each layer.

    values: PSNR in dB of the image up to each layer without losses.
    none_db: PSNR in dB of no image.
    """
    expected, below, mean, complete = [], none_db, none_db, 1.0
    for value, layer in zip(values, layers):
        p = probability_complete(layer, loss)
        mean += complete * (p * value + (1 - p) * _incomplete(value, below, layer, loss) - below)
        complete, below = complete * p, value
        expected.append(mean)
    return expected
