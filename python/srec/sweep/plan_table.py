# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures the table of `srec plan`: means over images of what layers and features reach.

Layers: curves of PSNR over bits per pixel, from encoding without a channel, and what super-resolution adds behind a
channel. Features: transmissions over a grid of scales, modulations, SNRs and etas, on the middle of each image.
"""
from __future__ import annotations

import contextlib
import math
import os
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any, Callable, Optional

import numpy as np
import srec_core as core

from ..commands import Failure
from ..io import output
from ..plan import curves, table
from ..plan.curves import Picture
from ..srec_python import default_enhancer
from . import layers, points, runner, transmission

PICTURES = 24  # by default
FEATURES_OF = 4  # features are measured on every fourth image: they take longest
SCALES = (1, 2)
ETAS = (0.001, 0.01, 0.05, 0.2, 0.4)
SNRS = {  # the first one of each modulation is the least at which headers arrive
    "bpsk": (-6, -3, 0, 4),
    "qpsk": (-1, 2, 5, 8),
    "16qam": (2, 6, 10, 14),
    "64qam": (6, 12, 18),
    "256qam": (10, 18, 26),
    "pam256": (4, 12, 20, 30),
}
GAIN_MODULATION, GAIN_SNR_DB = "256qam", 30.0  # of the transmissions that show what super-resolution adds to layers
GAIN_CBR = (0.01, 0.03, 0.1, 0.3)


def _point(job: dict, **settings: Any) -> dict:
    """Return a point as experiments have them: points.py."""
    return {
        "experiment": "plan",
        "picture": os.path.basename(job["image"]),
        "crop": job["crop"],
        "channel": "awgn",
        "coherence": 1024,
        "trial": 0,
        "decisions": "soft",
        "cipher": "auto",
        "model": "",
        "eta": ETAS[0],
        **settings,
    }


def _enhancer(job: dict, scale: int, scheme: str) -> Optional[str]:
    """Return the label of the enhancer of a scheme, or None if there is none."""
    label = f"{'layers' if scheme == 'layers' else 'features'}-x{scale}"
    return label if label in job["enhancers"] else None


def _curve(picture: Picture, scale: int, axis: list[float]) -> Optional[list[float]]:
    """Return the PSNR in dB at each of the bits per pixel, from two encodings, or None for a small image."""
    found: dict[float, float] = {}
    for factor in (1.0, math.sqrt(2)):
        curve = picture.curve(scale, factor)
        if not curve:
            return None
        found.update(zip(*curve))
    bits = sorted(found)
    return [float(value) for value in np.interp(np.log(axis), np.log(bits), [found[b] for b in bits])]


def bits_axis() -> list[float]:
    """Return the bits per pixel of the table."""
    return [round(bits, 4) for bits in sorted([*curves.BITS, *(bits * math.sqrt(2) for bits in curves.BITS)])]


def _gains(job: dict, scale: int) -> list[tuple[float, float]]:
    """Return (bits per pixel, gain in dB) of super-resolution of layers; none without super-resolution."""
    found = []
    for cbr in GAIN_CBR:
        settings = {"max_cbr": cbr, "layers": None, "shares": None, "margin": 0.5, "parity": 0, "frame_symbols": None}
        enhancer = _enhancer(job, scale, "layers")
        if enhancer is None:
            return []
        row = layers.run_layers(
            job,
            _point(
                job,
                scheme="layers",
                modulation=GAIN_MODULATION,
                snr_db=GAIN_SNR_DB,
                scale=scale,
                enhancer=enhancer,
                **settings,
            ),
        )
        if not row["lost"] and row["psnr_before_sr_db"] is not None:
            found.append((row["bits_per_pixel"] / scale**2, row["psnr_db"] - row["psnr_before_sr_db"]))
    return found


def _layer_rows(job: dict) -> Iterator[dict]:
    picture = Picture(transmission.picture(job["image"], ()))
    for scale in SCALES:
        yield {
            "kind": "layers",
            "scale": scale,
            "psnr": _curve(picture, scale, bits_axis()),
            "gains": _gains(job, scale),
            "grey": picture.grey_psnr,
        }


def _feature_rows(job: dict, scale: int) -> Iterator[dict]:
    curve = _curve(Picture(transmission.picture(job["image"], tuple(job["crop"]))), 1, bits_axis())
    enhancer = _enhancer(job, scale, "srec")
    for modulation, snrs in SNRS.items():
        for eta in ETAS:
            for snr in snrs:
                point = _point(
                    job, scheme="srec", modulation=modulation, eta=eta, scale=scale, snr_db=snr, enhancer=enhancer
                )
                row = transmission.run_point(job, point)
                yield {
                    "kind": "features",
                    "at": (scale, modulation, snr, eta),
                    "psnr": row["psnr_db"],
                    "before": row["psnr_before_sr_db"],
                    "cbr": row["cbr"],
                    "curve": curve,
                }


def rows_of(job: dict) -> Iterator[dict]:
    """Yield the rows of one image. Runs in a worker process. job["scale"]: of features; 0: layers."""
    return _feature_rows(job, job["scale"]) if job["scale"] else _layer_rows(job)


def _enhancers() -> dict[str, str]:
    """Return {label: path} of the enhancers that may be installed."""
    return {f"{coding}-x{s}": default_enhancer(s, coding) for coding in ("features", "layers") for s in SCALES}


def jobs_of(pictures: list[str]) -> list[dict]:
    """Return the jobs: for each image the layers, and the features of each scale."""
    enhancers = {label: path for label, path in _enhancers().items() if os.path.exists(path)}
    return [
        {
            "image": picture,
            "crop": [table.FEATURES_CROP, table.FEATURES_CROP] if scale else [],
            "models": {"": ""},
            "enhancers": enhancers,
            "scale": scale,
        }
        for scale in (*SCALES, 0)  # the long ones first
        for picture in (pictures[::FEATURES_OF] if scale else pictures)
    ]


# ---- means ----------------------------------------------------------------------------------------------------------


def _mean(values: list[float]) -> float:
    return round(statistics.fmean(values), 3)


def _gain_at_bits(rows: list[dict]) -> Optional[list[float]]:
    """Return the mean gain at the bits of the table, or None without super-resolution."""
    curves_ = [sorted(row["gains"]) for row in rows if row["gains"]]
    if not curves_:
        return None
    axis = np.log(bits_axis())
    each = [np.interp(axis, np.log([b for b, _ in c]), [gain for _, gain in c]) for c in curves_]
    return [round(float(gain), 3) for gain in np.mean(each, axis=0)]


def _layer_table(rows: list[dict]) -> dict:
    """Return the content for one scale."""
    values = [row["psnr"] for row in rows if row["psnr"]]
    if not values:
        raise Failure("no image is large enough to measure layers: use images of 256x256 pixels or more")
    return {
        "bits_per_pixel": bits_axis(),
        "psnr_db": [round(float(value), 3) for value in np.mean(values, axis=0)],
        "super_resolution_gain_db": _gain_at_bits(rows),
    }


def _feature_table(rows: list[dict], scale: int, modulation: str) -> dict:
    def mean(key: str, keep: Callable[[tuple], bool]) -> float:
        return _mean([row[key] for row in rows if keep(row["at"])])

    def grid(key: str) -> list[list[float]]:
        return [[mean(key, lambda at: at == (scale, modulation, snr, eta)) for eta in ETAS] for snr in SNRS[modulation]]

    return {
        "eta": list(ETAS),
        "cbr": [round(mean("cbr", lambda at: at[:2] == (scale, modulation) and at[3] == eta), 5) for eta in ETAS],
        "snr_db": list(SNRS[modulation]),
        "psnr_db": grid("psnr"),
        "psnr_before_sr_db": grid("before"),
    }


def _slope(rows: list[dict]) -> float:
    """Return how many dB features of an image gain for each dB that its layers are better than the mean.

    Least squares over all points of scale 1, at the bits at which layers reach the mean PSNR of the features.
    """
    curve_rows = [row for row in rows if row["curve"] and row["at"][0] == 1]
    if not curve_rows:
        return 0.0
    mean_curve = np.mean([row["curve"] for row in curve_rows], axis=0)
    axis = np.log(bits_axis())
    product = square = 0.0
    for at in {row["at"] for row in curve_rows}:
        here = [row for row in curve_rows if row["at"] == at]
        mean = statistics.fmean(row["psnr"] for row in here)
        bits = np.interp(mean, mean_curve, axis)
        for row in here:
            better = float(np.interp(bits, axis, row["curve"]) - np.interp(bits, axis, mean_curve))
            product += better * (row["psnr"] - mean)
            square += better**2
    return round(product / square, 3) if square else 0.0


def content_of(rows: list[dict], n_pictures: int) -> dict:
    """Return the table as JSON content."""
    of_layers = [row for row in rows if row["kind"] == "layers"]
    of_features = [row for row in rows if row["kind"] == "features"]
    return {
        "format": table.FORMAT,
        "version": table.VERSION,
        "generated": table.GENERATED,
        "release": core.version(),
        "images": n_pictures,
        "images_of_features": len(range(0, n_pictures, FEATURES_OF)),
        "models": {
            "codec": transmission.model("").id,
            **{
                f"enhancer-{label}": transmission.enhancer(path).id if os.path.exists(path) else None
                for label, path in _enhancers().items()
            },
        },
        "grey_psnr_db": _mean([row["grey"] for row in of_layers]),
        "features_slope": _slope(of_features),
        "layers": {str(s): _layer_table([row for row in of_layers if row["scale"] == s]) for s in SCALES},
        "features": {str(s): {m: _feature_table(of_features, s, m) for m in SNRS} for s in SCALES},
    }


def write(folder: str, path: str, n_pictures: int, workers: int) -> None:
    """Measure the table on the first images of a folder and write it. Raises Failure or OSError.

    n_pictures: number of images; 0: PICTURES.
    workers: number of processes.
    """
    pictures = points.pictures_of(folder)[: n_pictures or PICTURES]
    jobs = jobs_of(pictures)
    of_features = len(pictures[::FEATURES_OF]) * len(ETAS) * sum(map(len, SNRS.values()))
    total = len(SCALES) * (len(pictures) + of_features)
    print(f"srec sweep: {total} points of {len(pictures)} images", file=sys.stderr)
    rows: list[dict] = []
    started = said = time.monotonic()
    with contextlib.closing(runner.local("plan", jobs, workers)) as results:
        for row in results:
            rows.append(row)
            now = time.monotonic()
            if now - said > 10:
                said = now
                left = (total - len(rows)) * (now - started) / len(rows)
                print(f"srec sweep: {len(rows)} of {total} points, {left / 60:.1f} min left", file=sys.stderr)
    content = content_of(rows, len(pictures))
    table.Table(content)  # must be readable
    output.write_json(path, content)
    print(path)
