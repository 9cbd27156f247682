# SPDX-License-Identifier: GPL-3.0-or-later
"""What coded layers must show (docs/experiments/README.md, "Coded layers against features"): one line for each figure.

    python3 tests/bench/layers.py gain RESULTS               one layer against features with super-resolution
    python3 tests/bench/layers.py steps RESULTS              layers for 0, 4, 8 dB against the same, at each SNR
    python3 tests/bench/layers.py airtime RESULTS IMAGES     channel use of one layer at the PSNR of features, 4 dB
    python3 tests/bench/layers.py below RESULTS IMAGES       1 dB below the SNR of the first layer
    python3 tests/bench/layers.py loss RESULTS IMAGES        10 % of the packets lost, 100 seeds

RESULTS is the folder of `srec sweep --config docs/experiments/layers.toml`, IMAGES the folder of its images. The exit
code is 1 if a figure misses its bar.
"""
import argparse
import os
import statistics
import sys

import numpy as np
import srec_core as core
from gnuradio.srec.sweep import layers, points, results, transmission

GAINS_DB = {0: 6.5, 4: 7.0, 8: 7.0}  # bars: least mean gain of one layer
LEAST_GAIN_DB = 4.5  # of any image
MOST_AIRTIME = 0.29  # mean channel use at equal PSNR, over that of features
LOSS = {"picture": "05", "share": 0.1, "seeds": 100, "least_db": 24.0, "good": 95, "packets": 16}
LOSS_POINTS = (  # (name, SNR, settings) with 16 packets or more
    ("one layer, cbr 0.8, 4 dB", 4.0, {"max_cbr": 0.8}),
    ("layers for 0, 4, 8 dB, 8 dB", 8.0, {"layers": [0.0, 4.0, 8.0]}),
    ("the same with 3 parity packets each", 8.0, {"layers": [0.0, 4.0, 8.0], "parity": 3}),
)
BELOW = [0.0, 4.0, 8.0], [4.0], [6.0]  # SNRs of layers
SHARES = {"equal shares": None, "shares 2:1:1": [2.0, 1.0, 1.0]}
STEP_DB = 1.0  # between the mean PSNRs of one, two and three layers, at least
SEARCH_STEPS = 9  # of the channel use, each halves the interval
OF_POINT = ("experiment", "picture", "crop", "channel", "coherence", "eta", "scale", "modulation", "trial", "model")
DEFAULTS = {"layers": None, "shares": None, "margin": 0.5, "parity": None}


class Rows:
    """The rows of a sweep: of features, one layer, three layers, as {(image, SNR): row}."""

    def __init__(self, folder):
        rows = list(results.read(folder).values())

        def those(kind, of_layers=None, shares=None):
            found = [r for r in rows if (r["scheme"], r.get("layers"), r.get("shares")) == (kind, of_layers, shares)]
            return {(r["picture"], r["snr_db"]): r for r in found}

        self.features, self.one = those("srec"), those("layers")
        self.three = {name: those("layers", [0.0, 4.0, 8.0], shares) for name, shares in SHARES.items()}
        self.pictures = sorted({picture for picture, _ in self.features})
        self.snrs = sorted({snr for _, snr in self.features})
        if not (self.features and self.one and all(self.three.values())):
            sys.exit(f"{folder}: not the results of docs/experiments/layers.toml")

    def point(self, picture, snr_db, **settings):
        """Return a point of layers for an image with the channel use of its features."""
        row = self.features[picture, self.snrs[0]]
        own = {"scheme": "layers", "snr_db": float(snr_db), "max_cbr": row["cbr"], **settings}
        return {**{k: row[k] for k in OF_POINT}, **DEFAULTS, **own}

    def simulate(self, folder, picture, snr_db, **settings):
        """Return the row of such a point. folder: of the images."""
        point = self.point(picture, snr_db, **settings)
        return layers.run_layers(self.job(folder, point), point)

    def job(self, folder, point):
        return {
            "image": os.path.join(folder, point["picture"]),
            "crop": point["crop"],
            "models": {point["model"]: ""},
            "points": [point],
        }


def said(name, good, text):
    """Print a line, and return whether the bar is reached."""
    print(f"{name}: {text}: {'reached' if good else 'MISSED'}", flush=True)
    return good


def differences(rows, kind, snr_db):
    """Return {picture: PSNR of layers minus that of features} at an SNR."""
    return {p: kind[p, snr_db]["psnr_db"] - rows.features[p, snr_db]["psnr_db"] for p in rows.pictures}


def gain(rows, _):
    good = True
    for snr_db, bar in GAINS_DB.items():
        d = differences(rows, rows.one, snr_db)
        mean, worst = statistics.fmean(d.values()), min(d, key=d.get)
        use = statistics.fmean(rows.one[p, snr_db]["cbr"] / rows.features[p, snr_db]["cbr"] for p in d)
        good &= said(
            f"one layer, {snr_db} dB",
            mean >= bar and d[worst] >= LEAST_GAIN_DB,
            (
                f"{len(d)} images, mean gain {mean:+.2f} dB (bar {bar:g}), least {d[worst]:+.2f} dB in {worst} (bar"
                f" {LEAST_GAIN_DB:g}), channel use {use:.3f} of the features'"
            ),
        )
    return good


def steps_of(rows, name):
    good, mean, three = True, {}, rows.three[name]
    for snr_db in rows.snrs:
        d = differences(rows, three, snr_db)
        worst = min(d, key=d.get)
        mean[snr_db] = statistics.fmean(three[p, snr_db]["psnr_db"] for p in d)
        received = sorted({three[p, snr_db]["layers_received"] for p in d})
        good &= said(
            f"layers for 0, 4, 8 dB, {name}, at {snr_db:g} dB",
            d[worst] > 0,
            (
                f"{mean[snr_db]:.2f} dB, {received} layers, gain {statistics.fmean(d.values()):+.2f} dB, least"
                f" {d[worst]:+.2f} dB in {worst}"
            ),
        )
    first, second = mean[4] - mean[0], mean[8] - mean[4]
    text = f"{first:+.2f} dB at 4 dB, {second:+.2f} dB at 8 dB"
    return said(f"steps, {name}", min(first, second) >= STEP_DB, text) and good


def steps(rows, _):
    return all([steps_of(rows, name) for name in SHARES])


def least_cbr(rows, folder, picture):
    """Return the row of one layer with the least channel use that has the PSNR of features at 4 dB."""
    features = rows.features[picture, 4.0]
    low, high, best = 0.0, features["cbr"], None
    for _ in range(SEARCH_STEPS):
        middle = (low + high) / 2
        row = rows.simulate(folder, picture, 4, max_cbr=middle)
        if row["psnr_db"] >= features["psnr_db"]:
            high, best = middle, row
        else:
            low = middle
    return best


def airtime(rows, folder):
    ratios = {}
    for picture in rows.pictures:
        row = least_cbr(rows, folder, picture)
        ratios[picture] = row["cbr"] / rows.features[picture, 4.0]["cbr"]
    mean, worst = statistics.fmean(ratios.values()), max(ratios, key=ratios.get)
    return said(
        "equal PSNR at 4 dB",
        mean <= MOST_AIRTIME,
        (
            f"{len(ratios)} images, mean channel use {mean:.3f} of the features' (bar {MOST_AIRTIME}), most"
            f" {ratios[worst]:.3f} in {worst}"
        ),
    )


def below(rows, folder):
    good = True
    for snrs in BELOW:
        got = [rows.simulate(folder, p, snrs[0] - 1, layers=snrs) for p in rows.pictures]
        shown = [r for r in got if not r["lost"]]
        over_grey = min((r["psnr_db"] - r["grey_psnr_db"] for r in shown), default=0.0)
        bad = sum(r["packets_bad_tag"] for r in got)
        sent, lost = (sum(r[key] for r in got) for key in ("packets_sent", "packets_lost"))
        good &= said(
            f"layers for {', '.join(f'{s:g}' for s in snrs)} dB at {snrs[0] - 1:g} dB",
            over_grey >= 0 and bad == 0,
            (
                f"{len(got)} images, {len(got) - len(shown)} not shown, those shown at least {over_grey:.1f} dB above"
                f" mid-grey; {lost} of {sent} packets lost, {bad} with a wrong tag"
            ),
        )
    return good


def with_losses(job, point, seed):
    """Return (PSNR, packets sent, packets taken out, packets lost) of a point, for a seed of the losses."""
    sent = core.transmit_layers(layers.coded(job, point), points.point_seed(point), 1)
    erased = np.random.Generator(np.random.Philox(seed)).random(len(sent.frames)) < LOSS["share"]
    symbols = sent.symbols * np.repeat(~erased, sent.frames)
    received, gains = core.channel(symbols, "awgn", point["snr_db"], seed)
    got = core.receive_layers(sent, received, gains, point["snr_db"], points.point_seed(point))
    original = transmission.picture(job["image"], tuple(job["crop"]))
    image = transmission.grey(original) if got["picture"] is None else got["picture"]
    return core.psnr(original, image), len(sent.frames), int(erased.sum()), got["packets_lost"]


def loss(rows, folder):
    (picture,) = [p for p in rows.pictures if LOSS["picture"] in p]
    good = True
    for name, snr_db, settings in LOSS_POINTS:
        point = rows.point(picture, snr_db, **settings)
        got = [with_losses(rows.job(folder, point), point, seed) for seed in range(LOSS["seeds"])]
        psnrs = sorted(psnr for psnr, *_ in got)
        n_good = sum(psnr >= LOSS["least_db"] for psnr in psnrs)
        counted = all(erased == lost for _, _, erased, lost in got)
        packets = min(sent for _, sent, *_ in got)
        good &= said(
            f"{LOSS['share']:.0%} of the packets lost, {name}",
            n_good >= LOSS["good"] and counted and packets >= LOSS["packets"],
            (
                f"{picture}, {packets} packets, {n_good} of {len(got)} seeds from {LOSS['least_db']:g} dB on (bar"
                f" {LOSS['good']}); least {psnrs[0]:.2f}, median {statistics.median(psnrs):.2f} dB;"
                f" {sum(g[2] for g in got)} losses, {'all' if counted else 'NOT all'} counted"
            ),
        )
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    figures = {f.__name__: f for f in (gain, steps, airtime, below, loss)}
    parser.add_argument("figure", choices=figures)
    parser.add_argument("results", help="folder of the sweep")
    parser.add_argument("images", nargs="?", help="folder of its images")
    args = parser.parse_args()
    if args.images is None and args.figure in ("airtime", "below", "loss"):
        parser.error(f"{args.figure} needs IMAGES")
    return 0 if figures[args.figure](Rows(args.results), args.images) else 1


if __name__ == "__main__":
    sys.exit(main())
