# SPDX-License-Identifier: GPL-3.0-or-later
"""One simulated transmission of coded layers by the C core alone, as `srec simulate --coding layers` with its seed.

Without a budget of its own, a point has the channel use of the features of the same image at the same eta.
"""
import functools
from typing import Any, Optional

import numpy as np
import srec_core as core

from ..commands.coding import FADING
from .points import point_seed
from .transmission import common_row, enhancer, enhancer_columns, grey, lost_psnr, ms_ssim, n_symbols, picture

# (path of the image, crop, scale, modulation, SNRs, cbr, options): everything that coded layers depend on
Request = tuple[str, tuple[int, ...], int, str, tuple[float, ...], float, tuple[tuple[str, Any], ...]]


@functools.lru_cache(maxsize=8)
def _coded(request: Request) -> Any:
    path, crop, scale, modulation, snrs, cbr, options = request
    original = picture(path, crop)
    return core.encode_layers(
        original if scale == 1 else core.halve(original),
        modulation,
        list(snrs),
        cbr,
        original_pixels=original.shape[0] * original.shape[1],
        **dict(options),
    )


@functools.lru_cache(maxsize=4)
def _transmission(request: Request, seed: int) -> Any:
    return core.transmit_layers(_coded(request), seed, seed + 1, True, request[2])


def snrs_of(point: dict) -> tuple[float, ...]:
    """Return Es/N0 in dB of each layer of a point."""
    return tuple(point["layers"] or [point["snr_db"]])


def budget_cbr(job: dict, point: dict) -> float:
    """Return the channel use that a point may have: that of the experiment file, else that of the features."""
    if point["max_cbr"] is not None:
        return point["max_cbr"]
    height, width = picture(job["image"], tuple(job["crop"])).shape[:2]
    return n_symbols(job, point) / (3 * height * width)


def _request(job: dict, point: dict) -> Request:
    options = {
        "margin_db": point["margin"],
        "parity": -1 if point["parity"] is None else point["parity"],
        "frame_symbols": point["frame_symbols"] or 0,
        "rate_max": FADING["rate_max"] if point["channel"] == "rayleigh" else 0.0,
        "shares": tuple(point["shares"] or ()),
    }
    return (
        job["image"],
        tuple(job["crop"]),
        point["scale"],
        point["modulation"],
        snrs_of(point),
        budget_cbr(job, point),
        tuple(options.items()),
    )


def coded(job: dict, point: dict) -> Any:
    """Return the core.CodedLayers of a point. Raises ValueError as received() describes it."""
    return _coded(_request(job, point))


def _not_sent(point: dict, budget: float, why: str) -> dict:
    """Return the figures of a point that sends nothing."""
    counts = ("n_symbols", "packets_sent", "packets_lost", "pieces_sent", "pieces_received", "layers_received")
    return dict(
        dict.fromkeys(counts, 0), cbr=budget, layers_sent=len(snrs_of(point)), code_rates=None, rms_error=None, why=why
    )


def _sent(coded: Any, sent: Any, got: dict, pixels: int) -> dict:
    """Return the figures of a transmission."""
    return dict(
        {key: value for key, value in got.items() if key != "picture"},
        cbr=sent.n_symbols / (3 * pixels),
        cbr_header=sent.header_symbols / (3 * pixels),
        n_symbols=sent.n_symbols,
        code_rates=[round(rate, 4) for rate in coded.code_rates],
        bits_per_pixel=coded.bits_per_pixel,
        why=None,
    )


def received(job: dict, point: dict) -> tuple[Optional[np.ndarray], Optional[np.ndarray], dict]:
    """Return (image before super-resolution or None, image after it, figures of the transmission) for a point.

    Both images have the original's size. Nothing is sent, and `why` of the figures says the reason, if an SNR is below
    the modulation's least, or the budget is below the least of the layers.
    """
    request, seed = _request(job, point), point_seed(point)
    height, width = picture(job["image"], tuple(job["crop"])).shape[:2]
    try:
        coded = _coded(request)
    except ValueError as error:
        return None, None, _not_sent(point, budget_cbr(job, point), str(error))
    sent = _transmission(request, seed)
    symbols, gains = core.channel(sent.symbols, point["channel"], point["snr_db"], seed, point["coherence"])
    got = core.receive_layers(sent, symbols, gains, point["snr_db"], seed)
    small, figures = got["picture"], _sent(coded, sent, got, height * width)
    if small is None:
        return None, None, figures
    before = small if point["scale"] == 1 else core.double(small, height, width)
    if not point["enhancer"]:
        return before, before, figures
    model = enhancer(job["enhancers"][point["enhancer"]])
    return before, core.enhance_layers(model, small, got["rms_error"], height, width), figures


def run_layers(job: dict, point: dict) -> dict:
    """Simulate one point of the scheme `layers`, and return its row (docs/experiments/README.md describes the keys)."""
    original = picture(job["image"], tuple(job["crop"]))
    before, shown, figures = received(job, point)
    psnr_before = lost_psnr(original) if before is None else core.psnr(original, before)
    return dict(
        common_row(job, point, original),
        psnr_db=lost_psnr(original) if shown is None else core.psnr(original, shown),
        psnr_before_sr_db=psnr_before if point["enhancer"] else None,
        ms_ssim=ms_ssim(original, grey(original) if shown is None else shown),
        lost=shown is None,
        **enhancer_columns(job, point),
        layer_snr_db=list(snrs_of(point)),
        budget_cbr=budget_cbr(job, point),
        grey_psnr_db=lost_psnr(original),
        **figures,
    )
