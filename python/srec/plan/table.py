# SPDX-License-Identifier: GPL-3.0-or-later
"""The table that `srec sweep --plan` measures and `srec plan` reads: docs/plan.md describes its keys."""
from __future__ import annotations

import json
import math
import os
from typing import Any, Optional, Sequence

import numpy as np

from ..modulations import MODULATIONS

FORMAT = "srec plan table"
VERSION = 1
GENERATED = "by `srec sweep --plan --images DIR --out FILE`: measure it again instead of editing it"
PATH = os.path.join(os.path.dirname(os.path.realpath(__file__)), "table.json")  # the installed table
BYTES_MAX = 4_000_000
FEATURES_CROP = 192  # pixels a side of the images with which features are measured
REDO = "make it again: srec sweep --plan --images DIR --out FILE"


class TableError(ValueError):
    """The table cannot be used. Its text is one line."""


def _numbers(value: Any, n: Optional[int], what: str) -> np.ndarray:
    """Return a list of finite numbers as array. n: its length, or None for any above 0."""
    good = isinstance(value, list) and value and (n is None or len(value) == n)
    if not good or not all(isinstance(v, (int, float)) and math.isfinite(v) for v in value):
        raise TableError(f"{what} must be a list of {'' if n is None else f'{n} '}numbers")
    return np.array(value, float)


def _axis(value: Any, what: str) -> np.ndarray:
    numbers = _numbers(value, None, what)
    if np.any(np.diff(numbers) <= 0):
        raise TableError(f"{what} must ascend")
    return numbers


def _rows(value: Any, shape: tuple[int, int], what: str) -> np.ndarray:
    if not isinstance(value, list) or len(value) != shape[0]:
        raise TableError(f"{what} must be a list of {shape[0]} lists")
    return np.array([_numbers(row, shape[1], what) for row in value])


class Layers:
    """Coded layers at one scale: mean PSNR over the bits per pixel of the image at full size.

    bits: bits per pixel, ascending; without headers and parity.
    psnr: mean PSNR in dB without super-resolution.
    gain: what super-resolution adds in dB; None: there is none.
    """

    def __init__(self, content: dict, where: str):
        self.bits = _axis(content.get("bits_per_pixel"), f"{where}.bits_per_pixel")
        if self.bits[0] <= 0:
            raise TableError(f"{where}.bits_per_pixel must be above 0")
        self.psnr = _numbers(content.get("psnr_db"), len(self.bits), f"{where}.psnr_db")
        gain = content.get("super_resolution_gain_db")
        self.gain = None if gain is None else _numbers(gain, len(self.bits), f"{where}.super_resolution_gain_db")

    def psnr_at(self, bits: float) -> float:
        return at_bits(bits, self.bits, self.psnr)

    def gain_at(self, bits: float) -> float:
        """Return what super-resolution adds in dB, never below 0: it can be left out."""
        return 0.0 if self.gain is None else max(0.0, at_bits(bits, self.bits, self.gain))


class Features:
    """Features at one scale and modulation: means over (SNR, eta).

    eta: ascending.
    cbr: complex symbols per sample at each eta, headers included.
    snr: Es/N0 in dB, ascending; below the first one packets are lost.
    psnr, psnr_before: PSNR in dB with and without super-resolution, (snr, eta).
    """

    def __init__(self, content: dict, where: str):
        self.eta = _axis(content.get("eta"), f"{where}.eta")
        self.cbr = _numbers(content.get("cbr"), len(self.eta), f"{where}.cbr")
        self.snr = _axis(content.get("snr_db"), f"{where}.snr_db")
        shape = len(self.snr), len(self.eta)
        self.psnr = _rows(content.get("psnr_db"), shape, f"{where}.psnr_db")
        self.psnr_before = _rows(content.get("psnr_before_sr_db"), shape, f"{where}.psnr_before_sr_db")

    def head_cbr(self, pixels: int) -> float:
        """Return by how much the channel use exceeds that of the table: the head of a packet does not shrink with the
        image. The least eta is nearly all head.
        """
        return self.cbr[0] * max(0.0, FEATURES_CROP**2 / pixels - 1)

    def cbr_at(self, eta: float) -> float:
        return float(np.exp(np.interp(math.log(eta), np.log(self.eta), np.log(self.cbr))))

    def eta_for(self, cbr: float) -> Optional[float]:
        """Return the greatest eta with this channel use, or None if the least eta takes more."""
        if cbr < self.cbr[0]:
            return None
        rising = np.maximum.accumulate(self.cbr)
        return float(np.exp(np.interp(math.log(cbr), np.log(rising), np.log(self.eta))))

    def psnr_at(self, snr_db: float, eta: float, enhanced: bool) -> Optional[float]:
        """Return the mean PSNR in dB, or None if packets are lost at this SNR."""
        if snr_db < self.snr[0]:
            return None
        rows = self.psnr if enhanced else self.psnr_before
        over_snr = [np.interp(snr_db, self.snr, column) for column in rows.T]
        return float(np.interp(math.log(eta), np.log(self.eta), over_snr))


def at_bits(bits: float, axis: Sequence[float], values: Sequence[float]) -> float:
    """Interpolate over the logarithm of bits per pixel.

    Below the axis the slope of its first two points goes on, above it the last value.
    """
    at = math.log(max(bits, 1e-9) / axis[0])
    if at < 0 and len(axis) > 1:
        return float(values[0] + at * (values[1] - values[0]) / math.log(axis[1] / axis[0]))
    return float(np.interp(at, np.log(np.divide(axis, axis[0])), values))


class Table:
    """A checked table.

    layers: {scale: Layers}; features: {(scale, modulation): Features}.
    slope: dB of features for each dB by which layers of an image differ from the mean.
    grey_psnr: PSNR in dB of a mid-grey image, what a receiver has that receives nothing.
    models: {"codec": id, "enhancer-features-x1": id or None, ...} of the measurement.
    """

    def __init__(self, content: dict):
        self.layers = {int(scale): Layers(c, f"layers.{scale}") for scale, c in content["layers"].items()}
        self.features = {
            (int(scale), modulation): Features(c, f"features.{scale}.{modulation}")
            for scale, of_scale in content["features"].items()
            for modulation, c in of_scale.items()
        }
        self.slope = float(_numbers([content.get("features_slope")], 1, "features_slope")[0])
        self.grey_psnr = float(_numbers([content.get("grey_psnr_db")], 1, "grey_psnr_db")[0])
        self.models: dict[str, Optional[str]] = content["models"]
        if 1 not in self.layers:
            raise TableError("layers.1 is missing")
        for scale, modulation in self.features:
            if modulation not in MODULATIONS or scale not in (1, 2):
                raise TableError(f"features.{scale}.{modulation}: no such scale or modulation")


def parse(text: str) -> Table:
    """Read a table. Raises TableError."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise TableError("not JSON") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise TableError("not a plan table")
    if content.get("version") != VERSION:
        raise TableError(f"version {content.get('version')!r}; this release reads version {VERSION}")
    try:
        return Table(content)
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise TableError(f"a key is missing or of the wrong kind ({error})") from None


def load(path: str = "") -> Table:
    """Read a table from a file; "": the installed one. Raises TableError, which names the file and the cure."""
    path = path or PATH
    try:
        with open(path, encoding="utf-8") as f:
            return parse(f.read(BYTES_MAX))
    except OSError as error:
        raise TableError(f"plan table {path}: {error.strerror}; {REDO}") from None
    except (UnicodeDecodeError, TableError) as error:
        why = "not text" if isinstance(error, UnicodeDecodeError) else error
        raise TableError(f"plan table {path}: {why}; {REDO}") from None
