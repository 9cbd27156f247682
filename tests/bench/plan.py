#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the choices of `srec plan` against transmissions of every setting of a grid, by hand as it were.

    ./dev run python3 tests/bench/plan.py --images FOLDER [--pictures 6] [--features]
    ./dev run python3 tests/bench/plan.py --images FOLDER --choices
    ./dev run python3 tests/bench/plan.py --images FOLDER --pictures 24 --average

For each image, SNR and budget: the plan with the image and the plan without it, then transmissions with the chosen
setting and with each setting of the grid whose channel use fits. The margin is the default everywhere. Prints one line
for each case, and the bars: error of the PSNR in the mean, and by how much a setting of the grid beats the choice.
--choices: the chosen settings only, in a minute or two; the grid takes two hours of one core.
--average: only the plan without an image, which expects an average photograph, against the mean over the images.
"""
import argparse
import functools
import itertools
import os
import statistics

import numpy as np
import srec_core as core
from gnuradio import srec
from gnuradio.srec.io.picture_file import load_picture, pictures_of
from gnuradio.srec.plan.choice import choose
from gnuradio.srec.plan.curves import Picture
from gnuradio.srec.plan.layers import MODULATIONS
from gnuradio.srec.plan.request import Request
from gnuradio.srec.plan.source import Average, Measured
from gnuradio.srec.plan.table import load

CASES = [((-2,), 0.05), ((4,), 0.2), ((10,), 0.05), ((18,), 0.2), ((0, 6, 12), 0.2), ((-2, 8), 0.1)]
ALONE = [((-5,), 0.2), ((-5,), 0.05), ((4,), 0.05), ((12,), 0.05)]  # cases in which features are transmitted too
AVERAGES = [((4,), 0.2), ((10,), 0.05)]  # cases of --average
SHARES = {2: [(1, 1), (3, 1), (1, 3), (7, 1)], 3: [(1, 1, 1), (2, 1, 1), (4, 2, 1), (1, 1, 2)]}
PACKETS = [{}, {"parity": 0, "frame_symbols": 64000}]  # the defaults, and few long packets without parity
FEATURES = ("bpsk", "qpsk", "16qam", "pam256")


def layers_psnr(image, snrs, cbr, modulation, layers, shares, scale, packets, with_sr=True):
    """Return the PSNR in dB of layers at each SNR, or None if they do not fit.

    packets: options of encode_layers().
    with_sr: whether the receiver uses super-resolution.
    """
    height, width = image.shape[:2]
    try:
        coded = core.encode_layers(
            image if scale == 1 else core.halve(image),
            modulation,
            list(layers),
            cbr,
            original_pixels=height * width,
            shares=list(shares) if len(shares) > 1 else [],
            **packets,
        )
    except ValueError:
        return None
    sent = core.transmit_layers(coded, 1, 2, True, scale)
    out = []
    for snr in snrs:
        symbols, _ = core.channel(sent.symbols, "awgn", snr, 1)
        got = core.receive_layers(sent, symbols, None, snr, 1)
        out.append(psnr(image, enhanced(image, got, scale) if with_sr else got["picture"], scale))
    return out


@functools.lru_cache(maxsize=2)
def enhancer_of_layers(scale):
    """Return the model, or None if it is not installed."""
    path = srec.default_enhancer(scale, "layers")
    return core.EnhancerModel(path, threads=0, precision="auto") if os.path.exists(path) else None


def enhanced(image, got, scale):
    """Return the received image of layers after super-resolution, or as it came without a model."""
    model = enhancer_of_layers(scale)
    if got["picture"] is None or model is None:
        return got["picture"]
    return core.enhance_layers(model, got["picture"], got["rms_error"], *image.shape[:2])


def psnr(image, got, scale):
    if got is None:
        return core.psnr(image, np.full_like(image, 128))
    return core.psnr(image, got if got.shape == image.shape else core.double(got, *image.shape[:2]))


class Features:
    """Transmissions of features with super-resolution."""

    def __init__(self):
        self.model = core.Model(srec.default_model(), 0)
        self.enhancers = {scale: core.EnhancerModel(srec.default_enhancer(scale)) for scale in (1, 2)}

    def psnr(self, image, snr, cbr, modulation, eta, scale, enhanced=True):
        """Return (PSNR in dB, channel use); (None, channel use) if the channel use exceeds cbr."""
        small = image if scale == 1 else core.halve(image)
        coded = core.encode(self.model, small, eta, modulation)
        sent = core.transmit(self.model, coded, modulation, 1, 2)
        used = sent.n_symbols / (3 * image.shape[0] * image.shape[1])
        if used > cbr:
            return None, used
        symbols, _ = core.channel(sent.symbols, "awgn", snr, 1)
        got = core.receive(self.model, sent, symbols, None, snr, 1, 1)
        if got["picture"] is None or not enhanced:
            return psnr(image, got["picture"], scale), used
        shown = core.enhance(self.enhancers[scale], got["picture"], got["deviation"], *image.shape[:2])
        return core.psnr(image, shown), used


def grid_of(image, snrs, cbr, features):
    """Yield (description, mean PSNR in dB) of each setting of the grid."""
    for modulation in MODULATIONS:
        served = [snr for snr in snrs if snr >= core.layer_least_snr_db(modulation)]
        settings = [((snr,), (1,)) for snr in served]
        settings += [(served, shares) for shares in SHARES.get(len(served), ())]
        for layers, shares in settings:
            for scale, packets in itertools.product((1, 2), PACKETS):
                values = layers_psnr(image, snrs, cbr, modulation, layers, shares, scale, packets)
                if values:
                    yield f"layers {modulation} {layers} {shares} x{scale} {packets}", statistics.fmean(values)
    if features and len(snrs) == 1:
        for modulation in FEATURES:
            for scale in (1, 2):
                for eta in (0.02, 0.05, 0.1, 0.2, 0.3):
                    value, _ = features.psnr(image, snrs[0], cbr, modulation, eta, scale)
                    if value is not None:
                        yield f"features {modulation} eta {eta} x{scale}", value


def transmitted(image, request, choice, features):
    """Return the mean PSNR in dB of a choice, or None if it takes more than the budget."""
    if choice.coding == "layers":
        packets = {"parity": choice.parity, "frame_symbols": choice.frame_symbols}
        values = layers_psnr(
            *(image, request.snrs, request.cbr, choice.modulation, choice.layers, choice.shares, choice.scale),
            packets,
            choice.enhanced,
        )
        return values and statistics.fmean(values)
    found = [
        features.psnr(image, snr, 1e6, choice.modulation, choice.eta, choice.scale, choice.enhanced)
        for snr in request.snrs
    ]
    print(f"    features take cbr {found[0][1]:.4f} of {request.cbr:g}")
    return statistics.fmean(value for value, _ in found)


def check(path, cases, table, features, grid):
    """Yield (error with the image, error without it, what the best setting of the grid gains), all in dB.

    grid: False: without the grid, whose gain is then 0.
    """
    image = load_picture(path)
    measured = Measured(table, Picture(image))
    average = Average(table, image.shape[1], image.shape[0])
    for snrs, cbr in cases:
        request = Request(snrs, cbr, bursts=False)
        choice, blind = choose(measured, request)[0], choose(average, request)[0]
        real = transmitted(image, request, choice, features)
        other = transmitted(image, request, blind, features)
        settings = grid_of(image, snrs, cbr, features) if grid else ()
        name, best = max(settings, key=lambda pair: pair[1], default=("nothing", real))
        print(
            (
                f"{path.rsplit('/', 1)[-1]} {snrs} cbr {cbr:g}: {choice.coding} {choice.modulation} x{choice.scale}"
                f" planned {choice.mean_psnr:.2f}, sent {real:.2f}; without the image {blind.mean_psnr:.2f}, sent"
                f" {other:.2f}"
                + (f"; best of the grid {best:.2f} ({name})" if grid else "")
            ),
            flush=True,
        )
        yield choice.mean_psnr - real, blind.mean_psnr - other, best - real


def check_average(paths, table):
    """Print the error of the plan without an image for each case: its mean and its mean absolute value."""
    for snrs, cbr in AVERAGES:
        errors = []
        for path in paths:
            image, request = load_picture(path), Request(snrs, cbr, bursts=False)
            blind = choose(Average(table, image.shape[1], image.shape[0]), request)[0]
            errors.append(blind.mean_psnr - transmitted(image, request, blind, None))
        print(
            f"{snrs} cbr {cbr:g}, {len(errors)} images: mean error {statistics.fmean(errors):+.2f} dB,"
            f" mean absolute error {statistics.fmean(map(abs, errors)):.2f} dB"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", required=True, help="folder of images that made no table")
    parser.add_argument("--pictures", type=int, default=6, help="number of images, evenly chosen")
    parser.add_argument("--features", action="store_true", help="the cases in which features are transmitted too")
    parser.add_argument("--choices", action="store_true", help="only the chosen settings, not the grid")
    parser.add_argument("--average", action="store_true", help="only the plan without an image")
    args = parser.parse_args()
    files = pictures_of(args.images)
    chosen = files[:: max(1, len(files) // args.pictures)][: args.pictures]
    if args.average:
        check_average(chosen, load())
        return
    features, cases = (Features(), ALONE) if args.features else (None, CASES)
    rows = [row for path in chosen for row in check(path, cases, load(), features, not args.choices)]
    with_image, without, gained = zip(*rows)
    print(f"{len(rows)} cases of {len(chosen)} images")
    for name, errors in (("with", with_image), ("without", without)):
        print(
            f"{name} the image: error {statistics.fmean(errors):+.2f} dB in the mean,"
            f" {statistics.fmean(map(abs, errors)):.2f} in size, {max(map(abs, errors)):.2f} at most"
        )
    if not args.choices:
        print(f"the best setting of the grid beats the choice by {max(gained):.2f} dB at most")


if __name__ == "__main__":
    main()
