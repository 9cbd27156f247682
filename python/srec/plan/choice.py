# SPDX-License-Identifier: GPL-3.0-or-later
"""The best settings for receivers at given SNRs and a budget of symbols.

Each setting is a Choice with the PSNR that every receiver expects. The best one has the greatest mean over the
receivers.
"""
from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import re
from typing import Any, Iterator, Optional, Sequence

import numpy as np
import srec_core as core

from . import features, losses
from .source import Average, Measured
from .table import Features, Table, load

LAYER_MODULATIONS = ("bpsk", "qpsk", "16qam", "64qam", "256qam")
MAX_SNRS = 8  # as many as layers
SNR_RANGE = -20.0, 60.0  # dB
STEPS = 16  # shares of the symbols are multiples of 1 / STEPS
LAYER_COST_DB = 0.02  # that a layer must gain at least, over all receivers
NEAR_DB = 0.7  # features that may be as good as layers are transmitted
MEASURED = 4  # of layers: encoded, so that their PSNR is exact
FRAME_BITS = 8 * 16000  # of a packet of features
FRAMES = 0, 32000, 64000, 1000000  # frame_symbols that are tried: from the default to the longest packets there are
DIVISION_GAIN_DB = 0.02  # that longer packets or more parity must gain at least
MAX_PARITY = 20  # that is tried
ETA_STEP = 1e-4  # resolution of eta in options


class Impossible(Exception):
    """No setting fits. Its text is one line."""


@dataclasses.dataclass(frozen=True)
class Request:
    """What is planned for.

    snrs: Es/N0 of the receivers in dB, ascending.
    cbr: greatest channel use, complex symbols / (3 * pixels).
    margin: dB between the threshold of a layer's code and its SNR.
    bursts: whether preambles and pilots count.
    modulations: those that may be chosen; (): all.
    parity: parity packets of each layer; None: chosen for the loss.
    frame_symbols: payload symbols of a packet in the mean; 0: 16000 or a sixteenth of the layer; None: chosen.
    loss: probability that a packet is lost for other reasons than noise, like interference.
    """

    snrs: tuple[float, ...]
    cbr: float
    margin: float = 0.5
    bursts: bool = True
    modulations: tuple[str, ...] = ()
    parity: Optional[int] = None
    frame_symbols: Optional[int] = None
    loss: float = 0.0

    def allows(self, modulation: str) -> bool:
        return not self.modulations or modulation in self.modulations

    def check(self) -> None:
        """Raise ValueError with one line."""
        low, high = SNR_RANGE
        if not 1 <= len(self.snrs) <= MAX_SNRS:
            raise ValueError(f"{len(self.snrs)} SNRs; 1 to {MAX_SNRS} are possible")
        for snr in self.snrs:
            if not low <= snr <= high:
                raise ValueError(f"SNR {snr:g} dB is not within {low:g} .. {high:g}")
        for snr, following in zip(self.snrs, self.snrs[1:]):
            if not snr < following:
                raise ValueError(f"{snr:g} dB before {following:g} dB: each SNR must exceed the one before")
        if not 1e-6 <= self.cbr <= 1e6:
            raise ValueError(f"cbr {self.cbr:g} is not within 1e-06 .. 1e+06")
        if not -10 <= self.margin <= 30:
            raise ValueError(f"margin {self.margin:g} is not within -10 .. 30")
        if not 0 <= self.loss <= losses.MAX_LOSS:
            raise ValueError(f"loss {self.loss:g} is not within 0 .. {losses.MAX_LOSS:g}")


@dataclasses.dataclass(frozen=True)
class Choice:
    """A setting and what to expect of it.

    psnr: dB at each SNR of the request.
    cbr: channel use; of layers the budget, of features what they take.
    enhanced: whether super-resolution adds to the PSNR.
    layers, shares, rates, thresholds: of coded layers: SNRs, shares of the symbols, code rates, and thresholds of
    the codes in dB without the margin.
    parity, frame_symbols, packets: of coded layers: parity packets of each layer, as in Request, and all packets of
    each layer.
    complete: probability that parity restores all packets that are lost, of coded layers.
    eta: of features.
    exact: whether the image itself was encoded with this setting.
    """

    coding: str
    modulation: str
    scale: int
    psnr: tuple[float, ...]
    cbr: float
    enhanced: bool
    layers: tuple[float, ...] = ()
    shares: tuple[int, ...] = ()
    rates: tuple[float, ...] = ()
    thresholds: tuple[float, ...] = ()
    parity: Optional[int] = None
    frame_symbols: Optional[int] = None
    packets: tuple[int, ...] = ()
    complete: float = 1.0
    eta: Optional[float] = None
    exact: bool = False

    @property
    def mean_psnr(self) -> float:
        return sum(self.psnr) / len(self.psnr)

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of srec.transmitter, without cbr and margin."""
        chosen: dict[str, Any] = {"coding": self.coding, "modulation": self.modulation, "scale": self.scale}
        if self.coding == "features":
            return {**chosen, "eta": self.eta}
        return {
            **chosen,
            "layers": list(self.layers),
            "shares": list(self.shares) if len(self.shares) > 1 else [],
            "parity": self.parity,
            "frame_symbols": self.frame_symbols,
        }

    def options(self, request: Request) -> list[str]:
        """Return the options of `srec simulate` and `srec send`."""
        words = ["--coding", self.coding, "--modulation", self.modulation]
        if self.coding == "features":
            words += ["--eta", f"{self.eta:g}"]
        else:
            words += ["--layers=" + ",".join(f"{snr:g}" for snr in self.layers), "--cbr", f"{request.cbr:.6g}"]
            if len(self.shares) > 1:
                words += ["--shares", ",".join(map(str, self.shares))]
            if request.margin != Request.margin:
                words += [f"--margin={request.margin:g}"]
            words += ["--parity", f"{self.parity}"]
            if self.frame_symbols:
                words += ["--frame-symbols", f"{self.frame_symbols}"]
        return words + (["--scale", "2"] if self.scale == 2 else [])


# ---- coded layers ---------------------------------------------------------------------------------------------------


def _options(request: Request, shares: Sequence[float], parity: int, frame_symbols: int) -> dict[str, Any]:
    return {
        "margin_db": request.margin,
        "parity": parity,
        "frame_symbols": frame_symbols,
        "shares": list(shares) if len(shares) > 1 else [],
        "bursts": request.bursts,
    }


def _reduced(shares: Sequence[int]) -> tuple[int, ...]:
    divisor = math.gcd(*shares)
    return tuple(share // divisor for share in shares)


def _receivers(source: Average, request: Request, layers: Sequence[float], values: Sequence[float]) -> Iterator[float]:
    """Yield the PSNR in dB at each SNR of the request. values: PSNR of the image up to each layer."""
    for snr in request.snrs:
        arrived = sum(layer <= snr for layer in layers)
        yield values[arrived - 1] if arrived else source.grey_psnr()


def _planned(source: Average, request: Request, modulation: str, scale: int, shares: dict[float, int]) -> Choice:
    """Return layers with these shares of the symbols, {SNR: share}; SNRs without a share have no layer.

    Raises ValueError if the budget is below the least.
    """
    expected = functools.partial(_expected, source, request.loss + losses.NOISE_LOSS)
    best: Optional[Choice] = None
    why: Optional[ValueError] = None
    for frame_symbols in FRAMES if request.frame_symbols is None else (request.frame_symbols,):
        for parity in range(MAX_PARITY) if request.parity is None else (request.parity,):
            try:
                choice = _divided(source, request, modulation, scale, shares, parity, frame_symbols)
            except ValueError as error:
                why = why or error
                break
            if best and choice.mean_psnr <= expected(best) + DIVISION_GAIN_DB:
                break  # even if nothing were lost, and more parity takes more
            if not best or expected(choice) > expected(best) + DIVISION_GAIN_DB:
                best = choice
    if best is None:
        assert why is not None
        raise why
    return best


def _expected(source: Average, loss: float, choice: Choice) -> float:
    """Return the mean PSNR in dB over images with and without lost packets.

    loss: probability that a packet is lost.
    """
    damage = losses.damage_db(min(choice.packets), loss, choice.mean_psnr - source.grey_psnr())
    return choice.mean_psnr - (1 - choice.complete) * damage


def _divided(
    source: Average,
    request: Request,
    modulation: str,
    scale: int,
    shares: dict[float, int],
    parity: int,
    frame_symbols: int,
) -> Choice:
    """Return the choice of _planned() with this many parity packets and packets of this length."""
    layers = [snr for snr, share in shares.items() if share]
    used = _reduced([share for share in shares.values() if share])
    plans = core.plan_layers(
        *source.size_at(scale),
        source.channels,
        modulation,
        layers,
        request.cbr,
        original_pixels=source.pixels,
        **_options(request, used, parity, frame_symbols),
    )
    totals = np.cumsum([8 * plan["data_bytes"] / source.pixels for plan in plans])
    of_table = source.table.layers[scale]
    values = [source.psnr_at(scale, total) + of_table.gain_at(total) for total in totals]
    packets = tuple(plan["n_data"] + plan["n_parity"] for plan in plans)
    loss = request.loss + losses.NOISE_LOSS
    return Choice(
        "layers",
        modulation,
        scale,
        tuple(_receivers(source, request, layers, values)),
        request.cbr,
        of_table.gain_at(totals[-1]) > 0,
        tuple(layers),
        used,
        tuple(plan["code_rate"] for plan in plans),
        tuple(plan["threshold_db"] - request.margin for plan in plans),
        parity,
        frame_symbols,
        packets,
        math.prod(losses.probability_complete(n, plan["n_parity"], loss) for n, plan in zip(packets, plans)),
    )


def _moves(shares: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield the shares with a part of one layer moved to another layer."""
    for i, j in itertools.permutations(range(len(shares)), 2):
        for step in {1, 4, shares[i]}:
            if 0 < step <= shares[i]:
                moved = list(shares)
                moved[i] -= step
                moved[j] += step
                yield tuple(moved)


def _layers(source: Average, request: Request, modulation: str, scale: int) -> Choice:
    """Return the best layers of a modulation and scale. Raises ValueError if the budget is below the least.

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
            choice = _planned(source, request, modulation, scale, dict(zip(served, shares)))
        except ValueError as error:
            why.append(error)
            return -math.inf, None
        return sum(choice.psnr) - LAYER_COST_DB * len(choice.layers), choice

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


def _encoded(source: Measured, request: Request, choice: Choice) -> Choice:
    """Return layers with the PSNR of the encoded image."""
    assert choice.parity is not None and choice.frame_symbols is not None
    options = _options(request, choice.shares, choice.parity, choice.frame_symbols)
    _, values = source.picture.encoded(choice.modulation, choice.layers, request.cbr, choice.scale, options)
    psnr = tuple(_receivers(source, request, choice.layers, values))
    return dataclasses.replace(choice, psnr=psnr, exact=True)


# ---- features -------------------------------------------------------------------------------------------------------


def _burst_factor(modulation: str) -> float:
    """Return how much preamble and pilots lengthen a packet of features."""
    frame = FRAME_BITS // {"bpsk": 1, "qpsk": 2, "16qam": 4, "64qam": 6, "256qam": 8, "pam256": 16}[modulation]
    return core.burst_symbols(frame) / frame


def _features_at(source: Average, request: Request, of: Features, eta: float, enhanced: bool) -> tuple[float, ...]:
    values = []
    for snr in request.snrs:
        psnr = of.psnr_at(snr, eta, enhanced)
        values.append(source.grey_psnr() if psnr is None else psnr + source.features_term(psnr))
    return tuple(values)


def _features(source: Average, request: Request, modulation: str, scale: int) -> Optional[Choice]:
    """Return the best features of a modulation and scale, or None if none fit or none arrive."""
    of = source.table.features[scale, modulation]
    factor = _burst_factor(modulation) if request.bursts else 1.0
    most = of.eta_for(request.cbr / factor)
    if most is None or request.snrs[-1] < of.snr[0]:
        return None
    etas = [eta for eta in of.eta if eta < most] + [math.floor(most / ETA_STEP) * ETA_STEP]
    tried = []
    for eta in etas:
        for enhanced in (True, False):
            if eta > 0:
                psnr = _features_at(source, request, of, eta, enhanced)
                tried.append((sum(psnr), enhanced, eta, psnr))
    if not tried:
        return None
    _, enhanced, eta, psnr = max(tried)
    cbr = of.cbr_at(eta) * factor
    return Choice("features", modulation, scale, psnr, cbr, enhanced, eta=round(eta, 4))


def _sent(source: Measured, request: Request, choice: Choice) -> Optional[Choice]:
    """Return features with the eta that fits the budget and the PSNR of a transmission, or None if they do not fit."""
    assert choice.eta is not None
    most = float(source.table.features[choice.scale, choice.modulation].eta[-1])
    guess = choice.modulation, choice.eta, choice.scale
    found = features.fitted(source.picture, guess, most, request.cbr, request.bursts)
    if not found:
        return None
    eta, cbr = found
    psnr = features.psnr_of(source.picture, choice.modulation, eta, choice.scale, request.snrs)
    enhanced = sum(psnr[True]) > sum(psnr[False])
    return dataclasses.replace(choice, eta=eta, cbr=cbr, psnr=psnr[enhanced], enhanced=enhanced, exact=True)


def _with_sent(source: Measured, request: Request, found: list[Choice]) -> list[Choice]:
    """Transmit the best features, unless layers are clearly better."""
    layers = max((choice.mean_psnr for choice in found if choice.coding == "layers"), default=-math.inf)
    near = [choice for choice in found if choice.coding == "features" and choice.mean_psnr > layers - NEAR_DB]
    near.sort(key=lambda choice: -choice.mean_psnr)
    others = [choice for choice in found if choice not in near]
    for number, choice in enumerate(near):
        sent = _sent(source, request, choice)
        if sent:
            return [*others, sent, *near[number + 1 :]]
    return others


# ---- all of them ----------------------------------------------------------------------------------------------------


def _least(texts: Sequence[str]) -> Optional[float]:
    """Return the least channel use that the messages of the core name, or None."""
    found = [re.search(r"([\d.e+-]+) is the least", text) for text in texts]
    return min((float(match[1]) for match in found if match), default=None)


def choose(source: Average, request: Request) -> list[Choice]:
    """Return the best setting of each coding, modulation and scale, the best one first.

    An image that is measured is encoded with the best layers, and transmitted with the best features unless layers are
    clearly better, so that their PSNR is exact.
    Raises ValueError for a bad request, and Impossible if nothing fits.
    """
    request.check()
    table: Table = source.table
    found, why = [], []
    for scale in source.scales():
        for modulation in LAYER_MODULATIONS:
            if request.allows(modulation):
                try:
                    found.append(_layers(source, request, modulation, scale))
                except ValueError as error:
                    why.append(str(error))
    found.sort(key=lambda choice: -choice.mean_psnr)
    if isinstance(source, Measured):
        found = [_encoded(source, request, choice) for choice in found[:MEASURED]] + found[MEASURED:]
    for scale, modulation in table.features:
        if request.allows(modulation):
            choice = _features(source, request, modulation, scale)
            found += [choice] if choice else []
    if isinstance(source, Measured):
        found = _with_sent(source, request, found)
    if not found:
        least = _least(why)
        raise Impossible(
            f"nothing arrives at {request.snrs[-1]:g} dB"
            if least is None
            else f"cbr {request.cbr:.4g} is below the least for these SNRs, about {least:.4g}: allow more symbols"
        )
    return sorted(found, key=lambda choice: -choice.mean_psnr)


def transmitter_parameters(
    snrs: Sequence[float],
    cbr: float,
    modulation: str,
    margin: float,
    bursts: bool,
    parity: Optional[int] = None,
    frame_symbols: Optional[int] = None,
    size: tuple[int, int] = (768, 512),
) -> dict[str, Any]:
    """Return the parameters of srec.transmitter that suit an average photograph, for one modulation.

    size: width and height of the photograph in pixels. The other parameters: see Request. With bursts, the loss is
    losses.BURST_LOSS.
    Raises ValueError with one line.
    """
    source = Average(load(), *size)
    request = Request(
        tuple(snrs), cbr, margin, bursts, (modulation,), parity, frame_symbols, losses.BURST_LOSS if bursts else 0.0
    )
    try:
        return choose(source, request)[0].parameters()
    except (Impossible, ValueError) as error:
        raise ValueError(f"plan: {error}") from None
