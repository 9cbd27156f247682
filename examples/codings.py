#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""codings.py IMAGE FOLDER [SNR_DB]: sends an image as features and as coded layers, with equally many QPSK symbols.

The results go to FOLDER/features and FOLDER/layers, and FOLDER/comparison.png shows them side by side with their
airtime. Default: 4 dB.
"""
import json
import os
import subprocess
import sys

import numpy as np
from PIL import Image

from gnuradio.srec.commands.comparison import side_by_side

SYMBOL_RATE = 250e3  # symbols/s


def simulate(image, folder, snr_db, *options):
    """Run `srec simulate` with its results in a folder. Returns its figures."""
    os.makedirs(folder, exist_ok=True)
    figures = os.path.join(folder, "figures.json")
    command = ["srec", "simulate", "--image", image, "--out", folder, "--json", figures, "--modulation", "qpsk"]
    subprocess.run([*command, "--snr", str(snr_db), *options], check=True)
    with open(figures, encoding="utf-8") as file:
        return json.load(file)


def panel(title, folder, figures):
    """Return title, image after super-resolution and its figure for the comparison."""
    image = np.asarray(Image.open(os.path.join(folder, "enhanced.png")))
    return title, image, f"{figures['psnr_db']:.2f} dB, MS-SSIM {figures['ms_ssim']:.3f}"


def airtime(figures):
    return f"{figures['n_symbols']} symbols, {figures['n_symbols'] / SYMBOL_RATE:.2f} s at 250 ksymbol/s"


def main():
    image, folder = sys.argv[1:3]
    snr_db = float(sys.argv[3]) if len(sys.argv) > 3 else 4.0
    folders = {coding: os.path.join(folder, coding) for coding in ("features", "layers")}
    features = simulate(image, folders["features"], snr_db)
    layers = simulate(image, folders["layers"], snr_db, "--coding", "layers", "--cbr", str(features["cbr"]))
    sent = np.asarray(Image.open(os.path.join(folders["features"], "sent.png")))
    sheet = side_by_side(
        [
            ("sent", sent, ""),
            panel("features", folders["features"], features),
            panel("coded layers", folders["layers"], layers),
        ],
        (
            f"QPSK, {snr_db:g} dB, {features['cbr']:.3f} symbols per sample of the image (cbr), headers counted; both"
            " with super-resolution"
        ),
        ["", airtime(features), airtime(layers)],
    )
    sheet.save(os.path.join(folder, "comparison.png"))
    for name, figures in (("features", features), ("layers", layers)):
        print(f"{name:8s} {figures['psnr_db']:.2f} dB, {airtime(figures)}")


if __name__ == "__main__":
    main()
