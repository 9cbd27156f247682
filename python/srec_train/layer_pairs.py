# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairs over coded layers: how an image is sent, and the sender.

The deviation of every patch is the RMS error that the packets carry, as sr_enhancer gives it to the network.
"""
import argparse

import numpy as np

import srec_core

RATES = (0.1, 2.5)  # bits per pixel, drawn with a uniform logarithm
GRID = (0.25, 0.5, 1.0, 1.6)  # bits per pixel, for validation
SNRS = ((6.0,), (3.0, 6.0), (0.0, 3.0, 6.0), (0.0, 2.0, 4.0, 6.0))  # dB, of one to four layers over QPSK
BITS_PER_SYMBOL = 1.4  # of QPSK at these SNRs, headers and parity included: a first guess
ABOVE_DB = 1.0  # channel SNR above that of the last layer to arrive
TRIES = 12


def draw(args: argparse.Namespace, number: int, count: int) -> tuple[int, dict, np.random.Generator]:
    """Return the index of an image out of count, how it is sent, and the random generator of the pair."""
    rng = np.random.default_rng((args.seed, number))
    plain = {"modulation": "qpsk", "eta": 0.0, "cipher": "add", "hard": False, "loss": 0.0}
    if args.grid:
        way = {**plain, "snr_db": SNRS[0][-1] + ABOVE_DB, "layers": 1, "bits_per_pixel": GRID[number % len(GRID)]}
        return number // len(GRID), way, rng
    snrs = SNRS[rng.choice(len(SNRS), p=(0.55, 0.15, 0.2, 0.1))]
    last = int(rng.integers(len(snrs)))  # of the layers that arrive
    way = {
        **plain,
        "snr_db": snrs[last] + ABOVE_DB,
        "layers": len(snrs),
        "bits_per_pixel": round(float(np.exp(rng.uniform(*np.log(RATES)))), 4),
        "loss": round(float(rng.uniform(0.02, 0.12)), 3) if rng.random() < 0.1 else 0.0,
    }
    return int(rng.integers(count)), way, rng


class Layers:
    """Sends and receives images as coded layers. It needs no model."""

    id = "layers"

    def send(self, picture: np.ndarray, way: dict, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Send an image. Return the received image and the deviations of its patches, (rows, cols) f32.

        picture: (height, width, 3) u8.
        way: snr_db of the channel, layers (number), bits_per_pixel, and loss, the share of lost packets. bits_per_pixel
        becomes the rate that was sent: the least possible one, if it was too low.
        """
        rng = np.random.default_rng(seed)
        coded = _encode(picture, way)
        sent = srec_core.transmit_layers(coded, seed, seed + 1)
        lost = rng.random(len(sent.frames)) < way["loss"]
        symbols = sent.symbols * np.repeat(~lost, sent.frames)
        received, gains = srec_core.channel(symbols, "awgn", way["snr_db"], seed)
        got = srec_core.receive_layers(sent, received, gains, way["snr_db"], seed)
        if got["picture"] is None:  # every packet was lost
            return self.send(picture, {**way, "loss": 0.0}, seed)
        way["bits_per_pixel"] = round(coded.bits_per_pixel, 4)
        return got["picture"], deviations(picture.shape, got["rms_error"])


def _encode(picture, way):
    snrs = list(SNRS[way["layers"] - 1])
    cbr = way["bits_per_pixel"] / (3 * BITS_PER_SYMBOL)
    for _ in range(TRIES):
        try:
            return srec_core.encode_layers(picture, way["modulation"], snrs, cbr)
        except ValueError:
            cbr *= 1.5  # the budget is below the least
    raise SystemExit(f"srec-train: {picture.shape[1]}x{picture.shape[0]} pixels cannot be sent as {len(snrs)} layers")


def deviations(shape: tuple[int, ...], rms_error: float | None) -> np.ndarray:
    """Return the deviations of all patches of an image, (rows, cols) f32. -1: the RMS error is not known."""
    rows, cols = ((n + 63) // 64 * 4 for n in shape[:2])
    return np.full((rows, cols), srec_core.layers_deviation(rms_error), np.float32)
