# SPDX-License-Identifier: GPL-3.0-or-later
"""The best coded layers for a request: shares of the symbols, parity, length of packets."""
from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from typing import Any, Iterator, Optional, Sequence

import numpy as np
import srec_core as core

from . import losses
from .enhancement import enhanced_psnr
from .request import Choice, Request
from .source import Average, Measured

MODULATIONS = ("bpsk", "qpsk", "16qam", "64qam", "256qam")
STEPS = 16  # shares of the symbols are multiples of 1 / STEPS
LAYER_COST_DB = 0.02  # that a layer must gain at least, over all receivers
FRAMES = 0, 32000, 64000, 1000000  # frame_symbols that are tried; 0: the default; 1000000: the longest packets
PACKETS_GAIN_DB = 0.02  # that other packets than the default ones must gain at least


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is tried for one modulation and size. layers, shares: SNRs in dB, and parts of the symbols."""

    modulation: str
    scale: int
    layers: tuple[float, ...]
    shares: tuple[int, ...]

    def options(self, request: Request, parity: int, frame_symbols: int) -> dict[str, Any]:
        """Return the options of core.encode_layers() and core.plan_layers()."""
        return {
            "margin_db": request.margin,
            "parity": parity,
            "frame_symbols": frame_symbols,
            "shares": list(self.shares) if len(self.shares) > 1 else [],
            "bursts": request.bursts,
        }


def _reduced(shares: Sequence[int]) -> tuple[int, ...]:
    divisor = math.gcd(*shares)
    return tuple(share // divisor for share in shares)


def _plans(source: Average, request: Request, setting: Setting, parity: int, frame_symbols: int) -> list[dict]:
    """Return the plan of each layer. Raises ValueError if the budget is below the least."""
    return core.plan_layers(
        *source.size_at(setting.scale),
        source.channels,
        setting.modulation,
        list(setting.layers),
        request.cbr,
        original_pixels=source.pixels,
        **setting.options(request, parity, frame_symbols),
    )


def _receivers(source: Average, request: Request, layers: Sequence[float], values: Sequence[float]) -> Iterator[float]:
    """Yield the PSNR in dB at each SNR of the request. values: PSNR of the image up to each layer."""
    for snr in request.snrs:
        arrived = sum(layer <= snr for layer in layers)
        yield values[arrived - 1] if arrived else source.grey_psnr()


def _with_values(source: Average, request: Request, choice: Choice, values: Sequence[float]) -> Choice:
    """Return a choice with its PSNR. values: PSNR in dB of the image up to each layer."""
    expected = losses.expected_psnr(values, source.grey_psnr(), choice.packets, request.packet_loss)
    return dataclasses.replace(
        choice,
        psnr=tuple(_receivers(source, request, choice.layers, values)),
        expected=tuple(_receivers(source, request, choice.layers, expected)),
    )


def _complete(request: Request, packets: Sequence[tuple[int, int]]) -> float:
    """Return the probability that all layers are complete."""
    return math.prod(losses.probability_complete(layer, request.packet_loss) for layer in packets)


def _in_packets(source: Average, request: Request, setting: Setting, parity: int, frame_symbols: int) -> Choice:
    """Return a setting with this many parity packets and packets of this length. Raises ValueError as _plans()."""
    plans = _plans(source, request, setting, parity, frame_symbols)
    totals = np.cumsum([8 * plan["data_bytes"] / source.pixels for plan in plans])
    of_table = source.table.layers[setting.scale]
    gains = [of_table.gain_at(total) if request.enhance else 0.0 for total in totals]
    packets = tuple((plan["n_data"], plan["n_parity"]) for plan in plans)
    choice = Choice(
        coding="layers",
        modulation=setting.modulation,
        scale=setting.scale,
        psnr=(),
        expected=(),
        cbr=request.cbr,
        enhanced=gains[-1] > 0,
        layers=setting.layers,
        shares=setting.shares,
        rates=tuple(plan["code_rate"] for plan in plans),
        thresholds=tuple(plan["threshold_db"] - request.margin for plan in plans),
        parity=max(parity for _, parity in packets),
        frame_symbols=frame_symbols,
        packets=packets,
        complete=_complete(request, packets),
    )
    values = [source.psnr_at(setting.scale, total) + gain for total, gain in zip(totals, gains)]
    return _with_values(source, request, choice, values)


def _parities(source: Average, request: Request, setting: Setting, frame_symbols: int) -> Sequence[int]:
    """Return the numbers of parity packets to try, ascending. Raises ValueError as _plans()."""
    if request.parity is not None:
        return (request.parity,)
    packets = max(plan["n_data"] for plan in _plans(source, request, setting, 0, frame_symbols))
    return losses.parity_candidates(packets, request.packet_loss)


def _planned(source: Average, request: Request, setting: Setting) -> Choice:
    """Return a setting with the parity and the length of packets that suit the loss.

    Raises ValueError if the budget is below the least for all of them.
    """
    best: Optional[Choice] = None
    why = []
    for frame_symbols in FRAMES if request.frame_symbols is None else (request.frame_symbols,):
        try:
            for parity in _parities(source, request, setting, frame_symbols):
                choice = _in_packets(source, request, setting, parity, frame_symbols)
                if best and choice.mean_psnr <= best.mean_expected + PACKETS_GAIN_DB:
                    break  # no better even without losses, and more parity only lowers the PSNR
                if not best or choice.mean_expected > best.mean_expected + PACKETS_GAIN_DB:
                    best = choice
        except ValueError as error:
            why.append(error)
    if best is None:
        raise why[0]
    return best


def _moves(shares: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield the shares with a part of one layer moved to another layer."""
    for i, j in itertools.permutations(range(len(shares)), 2):
        for step in {1, 4, shares[i]}:
            if 0 < step <= shares[i]:
                moved = list(shares)
                moved[i] -= step
                moved[j] += step
                yield tuple(moved)


def best(source: Average, request: Request, modulation: str, scale: int) -> Choice:
    """Return the best layers of a modulation and size.

    Raises ValueError if no SNR suffices, or the budget is below the least.

    PSNR is concave enough in the symbols that moving parts of the shares finds the best ones. The search starts from
    equal shares and from each layer alone.
    """
    served = [snr for snr in request.snrs if snr >= core.layer_least_snr_db(modulation)]
    if not served:
        raise ValueError(f"no SNR reaches the least of {modulation}")
    why = []

    @functools.lru_cache(maxsize=None)
    def quality(shares: tuple[int, ...]) -> tuple[float, Optional[Choice]]:
        try:
            used = [(snr, share) for snr, share in zip(served, shares) if share]
            setting = Setting(modulation, scale, tuple(snr for snr, _ in used), _reduced([share for _, share in used]))
            choice = _planned(source, request, setting)
        except ValueError as error:
            why.append(error)
            return -math.inf, None
        return sum(choice.expected) - LAYER_COST_DB * len(choice.layers), choice

    count = len(served)
    starts = [tuple(STEPS // count + (i < STEPS % count) for i in range(count))]
    starts += [tuple(STEPS * (i == j) for i in range(count)) for j in range(count)]
    shares = max(starts, key=lambda start: quality(start)[0])
    while True:
        better = max(_moves(shares), key=lambda moved: quality(moved)[0], default=shares)
        if quality(better)[0] <= quality(shares)[0] + 1e-9:
            break
        shares = better
    choice = quality(shares)[1]
    if choice is None:
        raise why[-1]
    return choice


def encoded(source: Measured, request: Request, choice: Choice) -> Choice:
    """Return a choice with the PSNR of the encoded image, without super-resolution if that is better."""
    assert choice.parity is not None and choice.frame_symbols is not None
    setting = Setting(choice.modulation, choice.scale, choice.layers, choice.shares)
    options = setting.options(request, choice.parity, choice.frame_symbols)
    images, cbr, packets = source.picture.encoded(choice.modulation, choice.layers, request.cbr, choice.scale, options)
    measured = dataclasses.replace(choice, cbr=cbr, packets=packets, complete=_complete(request, packets), exact=True)

    def with_values(enhanced: bool, values: Sequence[float]) -> Choice:
        return _with_values(source, request, dataclasses.replace(measured, enhanced=enhanced), values)

    found = [with_values(False, [image.psnr for image in images])]
    if request.enhance:
        shown = [enhanced_psnr(source.picture.array, *image, choice.scale) for image in images]
        values = [psnr for psnr in shown if psnr is not None]
        found += [with_values(True, values)] if len(values) == len(images) else []
    return max(found, key=lambda one: one.mean_expected)
