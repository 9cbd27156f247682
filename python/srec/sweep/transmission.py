# SPDX-License-Identifier: GPL-3.0-or-later
"""One simulated transmission by the C core alone.

There is no flowgraph, but packets, keys, noise and figures are those of `srec simulate` with the same seed. Expensive
results are cached within the process: models, images, coded images.
"""
import functools
import hashlib
import os
from typing import Any, Optional

import numpy as np
import srec_core as core

from ..io.picture_file import load_picture
from ..srec_python import default_model
from .config import SCHEMES
from .points import point_id, point_seed

EVE = 0xE7E  # as in `srec simulate`: her payload key is made from seed ^ EVE
MS_SSIM_SIDE = 11  # pixels of the shorter side, at least
Source = tuple[str, str, tuple[int, ...], int]  # paths of model and image, crop, scale
SNR_DEFINITION = "Es/N0 per complex symbol, dB"


@functools.lru_cache(maxsize=8)
def model(path: str) -> Any:
    """Return a core.Model; path "" is the installed one. Raises RuntimeError with one line."""
    return core.Model(path or default_model())


@functools.lru_cache(maxsize=4)
def picture(path: str, crop: tuple[int, ...]) -> np.ndarray:
    """Return an image as uint8 array, cropped to its middle `crop` = (width, height) if it is at least that large.

    Raises ValueError with one line.
    """
    array = load_picture(path)
    if crop and array.shape[1] >= crop[0] and array.shape[0] >= crop[1]:
        top, left = (array.shape[0] - crop[1]) // 2, (array.shape[1] - crop[0]) // 2
        array = array[top : top + crop[1], left : left + crop[0]]
    return np.ascontiguousarray(array)


@functools.lru_cache(maxsize=8)
def enhancer(path: str) -> Any:
    """Return a core.EnhancerModel. Raises RuntimeError with one line."""
    return core.EnhancerModel(path)


# Cached under hashable keys: everything that a point's image, its coded form, its symbols and its reception depend on.


@functools.lru_cache(maxsize=4)
def _coded(model_path: str, path: str, crop: tuple[int, ...], scale: int, eta: float, amplitude: bool) -> Any:
    original = picture(path, crop)
    return core.encode(
        model(model_path), original if scale == 1 else core.halve(original), eta, "pam256" if amplitude else "qpsk"
    )


@functools.lru_cache(maxsize=16)
def _transmission(source: Source, eta: float, modulation: str, seed: int, cipher: str) -> Any:
    return core.transmit(
        model(source[0]), _coded(*source, eta, modulation == "pam256"), modulation, seed, seed + 1, cipher
    )


@functools.lru_cache(maxsize=16)
def _received(
    source: Source,
    eta: float,
    modulation: str,
    seed: int,
    cipher: str,
    channel: str,
    snr_db: float,
    coherence: int,
    bob: bool,
    soft: bool,
) -> dict:
    sent = _transmission(source, eta, modulation, seed, cipher)
    symbols, gains = core.channel(sent.symbols, channel, snr_db, seed, coherence)
    return core.receive(model(source[0]), sent, symbols, gains, snr_db, seed, seed if bob else seed ^ EVE, soft)


def _source(job: dict, point: dict) -> Source:
    return job["models"][point["model"]], job["image"], tuple(job["crop"]), point["scale"]


def n_symbols(job: dict, point: dict) -> int:
    """Return the number of complex symbols of a point's image, headers included."""
    return _transmission(_source(job, point), point["eta"], point["modulation"], 1, "none").n_symbols


def transmission(job: dict, point: dict) -> Any:
    """Return the symbols of a point before the channel."""
    return _transmission(_source(job, point), point["eta"], point["modulation"], point_seed(point), point["cipher"])


def received(job: dict, point: dict) -> tuple[Optional[np.ndarray], Optional[np.ndarray], dict]:
    """Return (image before super-resolution or None, image after it, dict of core.receive) for a point of a scheme.

    Both images have the original's size.
    """
    got = _received(
        _source(job, point),
        point["eta"],
        point["modulation"],
        point_seed(point),
        point["cipher"],
        point["channel"],
        point["snr_db"],
        point["coherence"],
        SCHEMES[point["scheme"]][1],
        point["decisions"] == "soft",
    )
    small = got["picture"]
    if small is None:
        return None, None, got
    height, width = picture(job["image"], tuple(job["crop"])).shape[:2]
    before = small if point["scale"] == 1 else core.double(small, height, width)
    if not point["enhancer"]:
        return before, before, got
    return (
        before,
        core.enhance(enhancer(job["enhancers"][point["enhancer"]]), small, got["deviation"], height, width),
        got,
    )


def grey(original: np.ndarray) -> np.ndarray:
    """Return the mid-grey image that a receiver shows that has received nothing."""
    return np.full_like(original, 128)


def lost_psnr(original: np.ndarray) -> float:
    """Return the PSNR of the mid-grey image."""
    return core.psnr(original, grey(original))


def ms_ssim(original: np.ndarray, shown: np.ndarray) -> Optional[float]:
    """Return the MS-SSIM, or None for an image that is too small for it."""
    return None if min(original.shape[:2]) < MS_SSIM_SIDE else core.ms_ssim(original, shown)


def hash_of(original: np.ndarray) -> str:
    """Return the hash of an image in its rows."""
    return hashlib.blake2b(original.tobytes(), digest_size=8).hexdigest()


def common_row(job: dict, point: dict, original: np.ndarray) -> dict:
    """Return the columns that identify the origin of a row."""
    return dict(
        point,
        id=point_id(point),
        seed=point_seed(point),
        model_id=model(job["models"][point["model"]]).id,
        model_file=os.path.basename(job["models"][point["model"]] or default_model()),
        snr=SNR_DEFINITION,
        width=original.shape[1],
        height=original.shape[0],
        picture_hash=hash_of(original),
        version=core.version(),
    )


def enhancer_columns(job: dict, point: dict) -> dict:
    """Return the columns that identify the enhancer of a point."""
    if not point["enhancer"]:
        return dict(enhancer_id=None, enhancer_file=None)
    file = job["enhancers"][point["enhancer"]]
    return dict(enhancer_id=enhancer(file).id, enhancer_file=os.path.basename(file))


def run_point(job: dict, point: dict) -> dict:
    """Simulate one point of a scheme, and return its row (docs/experiments/README.md describes the keys)."""
    original = picture(job["image"], tuple(job["crop"]))
    sent, (before, after, got) = transmission(job, point), received(job, point)
    pixels = original.shape[0] * original.shape[1]
    lost = after is None
    psnr_before = lost_psnr(original) if lost else core.psnr(original, before)
    with_sr = SCHEMES[point["scheme"]][2]
    return dict(
        common_row(job, point, original),
        psnr_db=lost_psnr(original) if lost else core.psnr(original, after),
        psnr_before_sr_db=psnr_before if with_sr else None,
        ms_ssim=ms_ssim(original, grey(original) if lost else after),
        lost=lost,
        **enhancer_columns(job, point),
        cbr=sent.n_symbols / (3 * pixels),
        cbr_header=sent.header_symbols / (3 * pixels),
        n_symbols=sent.n_symbols,
        n_features=sent.n_features,
        packets_sent=got["packets_sent"],
        packets_lost=got["packets_lost"],
        patches_lost=got["patches_lost"],
        mean_deviation=got["mean_deviation"],
    )
