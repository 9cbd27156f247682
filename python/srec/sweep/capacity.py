# SPDX-License-Identifier: GPL-3.0-or-later
"""Capacity of a constellation over AWGN: mutual information of equally likely points, bits per complex symbol.

See Ungerboeck 1982, eq. 5. All constellations here are products of two PAMs (BPSK: one), so a single integral over a
real axis suffices.
"""
import functools

import numpy as np

_LEVELS = {"bpsk": 2, "qpsk": 2, "16qam": 4, "64qam": 8, "256qam": 16, "pam256": 256}  # per real axis


def pam_information(levels: int, snr: float) -> float:
    """Return the bits per real sample of equally spaced, equally likely amplitudes.

    levels: number of amplitudes.
    snr: mean power / noise variance of the real axis.
    """
    points = np.arange(levels) * 2.0 - (levels - 1)
    points *= np.sqrt(snr / np.mean(points**2))  # for noise variance 1
    # Integral over the received value y of p(y) log2(p(y|x) / p(y)), with fine steps and wide limits. The trapezium
    # rule converges exponentially here.
    step = min(0.05, (points[1] - points[0]) / 8) if snr > 0 else 0.05
    y = np.arange(points[0] - 9, points[-1] + 9, step)
    density = np.zeros_like(y)
    for x in points:
        density += np.exp(-0.5 * (y - x) ** 2)
    density /= levels * np.sqrt(2 * np.pi)
    entropy = -np.sum(density * np.log2(np.maximum(density, 1e-300))) * step
    return max(0.0, float(entropy - 0.5 * np.log2(2 * np.pi * np.e)))


@functools.lru_cache(maxsize=4096)
def capacity(modulation: str, snr_db: float) -> float:
    """Return the bits per complex symbol at Es/N0 = snr_db."""
    snr = 10 ** (snr_db / 10)
    if modulation == "bpsk":  # all power is on one axis, which has half the noise
        return pam_information(2, 2 * snr)
    return 2 * pam_information(_LEVELS[modulation], snr)
