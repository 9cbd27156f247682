# SPDX-License-Identifier: GPL-3.0-or-later
"""Classical references at equal channel use: JPEG, WebP or HEVC-intra behind a channel code.

Each image gets the best quality that fits the symbols that the semantic codec spends on it.

    ideal   carries the constellation's capacity at every SNR without errors; all real codes are worse
    ldpc    the LDPC code of coded layers (5G NR) at the highest rate that leaves LDPC_MARGIN_DB to the SNR. No errors:
            at the threshold itself 1 of 1000 packets is lost
    ccsds   the classical concatenated code of CCSDS 131.0-B: Reed-Solomon (255,223), interleaving depth 5, then the
            convolutional code K = 7, rate 1/2, soft Viterbi decoding (libfec, which the core uses too); rate 0.437.
            An image with a block in error is lost.
"""
import functools
import io
import os
import subprocess
import tempfile
from typing import Any, NamedTuple, Optional

import numpy as np
import srec_core as core
from PIL import Image

from ..commands import Failure
from .capacity import capacity
from .points import WITHOUT_NOISE, point_seed
from .transmission import common_row, grey, lost_psnr, ms_ssim, n_symbols, picture

# --- source codecs: quality 0 .. 100 -> (bytes, decoded image) -----------------------------------------------------

Tried = tuple[int, np.ndarray]  # bytes, decoded image


def _pillow(image: Image.Image, **options: Any) -> Tried:
    file = io.BytesIO()
    image.save(file, **options)
    return len(file.getvalue()), np.array(Image.open(file))


def _jpeg(image: Image.Image, quality: int, full_chroma: bool) -> Tried:
    return _pillow(
        image,
        format="JPEG",
        quality=max(1, quality),
        subsampling=0 if full_chroma else 2,
        optimize=True,
        progressive=True,
    )


def _webp(image: Image.Image, quality: int, full_chroma: bool) -> Tried:  # lossy WebP always halves the chroma
    return _pillow(image, format="WEBP", quality=quality, method=4)


def _hevc(image: Image.Image, quality: int, full_chroma: bool) -> Tried:
    with tempfile.TemporaryDirectory() as folder:
        before, coded_file, after = (os.path.join(folder, name) for name in ("in.png", "x.heic", "out.png"))
        image.save(before, compress_level=1)
        options = [
            "-p",
            f"chroma={444 if full_chroma else 420}",
            "-p",
            "tune=psnr",
            "-p",
            "x265:pools=1",
        ]  # tuned for PSNR; one thread, like all workers
        for command in (
            ["heif-enc", "-q", str(quality), *options, "-o", coded_file, before],
            ["heif-convert", coded_file, after],
        ):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise Failure(
                    f"{command[0]} failed:"
                    f" {((done.stderr or done.stdout).strip().splitlines() or ['it says nothing'])[-1]}"
                )
        return os.path.getsize(coded_file), np.array(Image.open(after).convert(image.mode))


_ENCODERS = {"jpeg": (_jpeg, (False, True)), "webp": (_webp, (False,)), "hevc": (_hevc, (False, True))}


class Coded(NamedTuple):
    """An image in a classical file format."""

    bytes: int  # of its file
    psnr_db: float
    ms_ssim: Optional[float]  # None for an image that is too small for it


@functools.lru_cache(maxsize=2048)
def _tried(codec: str, quality: int, full_chroma: bool, path: str, crop: tuple[int, ...]) -> tuple[int, float]:
    original = picture(path, crop)
    size, decoded = _ENCODERS[codec][0](Image.fromarray(original), quality, full_chroma)
    return size, core.psnr(original, decoded)


@functools.lru_cache(maxsize=2048)
def _ms_ssim_of(codec: str, quality: int, full_chroma: bool, path: str, crop: tuple[int, ...]) -> Optional[float]:
    original = picture(path, crop)
    return ms_ssim(original, _ENCODERS[codec][0](Image.fromarray(original), quality, full_chroma)[1])


def best_within(codec: str, budget_bytes: int, path: str, crop: tuple[int, ...]) -> Optional[Coded]:
    """Return the best image that fits, over quality and chroma format: Coded.

    Return None if not even the coarsest fits.
    """
    best = None
    for full_chroma in _ENCODERS[codec][1]:
        low, high = 0, 100  # the size rises with the quality
        while low <= high:
            quality = (low + high) // 2
            size, psnr = _tried(codec, quality, full_chroma, path, crop)
            if size <= budget_bytes:
                if best is None or psnr > best[1]:
                    best = size, psnr, (codec, quality, full_chroma, path, crop)
                low = quality + 1
            else:
                high = quality - 1
    return best and Coded(*best[:2], _ms_ssim_of(*best[2]))


# --- the real code ----------------------------------------------------------------------------------------------

DEPTH, RS_N, RS_K, TAIL = 5, 255, 223, 6
FRAME_BYTES = DEPTH * RS_K  # of the image's file
FRAME_BITS = 2 * (8 * DEPTH * RS_N + TAIL)  # on the channel
_POLYNOMIALS = (0x6D, 0x4F)  # libfec's V27POLYA, V27POLYB
_LLR_SCALE = 16  # in 127.5 steps: a bit with an LLR beyond 8 counts as certain


def convolutional_encode(bits: np.ndarray) -> np.ndarray:
    """Encode with K = 7, rate 1/2.

    bits: (n) uint8, including the tail.
    Returns (2 n) coded bits.
    """
    out = np.zeros((len(bits), 2), np.uint8)
    for branch, polynomial in enumerate(_POLYNOMIALS):
        for delay in range(7):  # the newest bit is the least significant one of the register
            if polynomial >> delay & 1:
                out[delay:, branch] ^= bits[: len(bits) - delay]
    return out.ravel()


def viterbi(llr: np.ndarray, n: int) -> np.ndarray:
    """Return the n / 8 most likely bytes.

    llr: (2 (n + TAIL)), positive for bit 0.
    """
    soft = np.clip(np.round(127.5 - _LLR_SCALE * llr), 0, 255).astype(np.uint8)
    return core.viterbi27(soft[: 2 * (n + TAIL)])


def ccsds_encode(data: bytes) -> np.ndarray:
    """Encode FRAME_BYTES of data into FRAME_BITS coded bits."""
    columns = np.frombuffer(bytes(data), np.uint8).reshape(RS_K, DEPTH).T
    words = np.stack([core.rs_ccsds_encode(column) for column in columns])
    return convolutional_encode(np.concatenate([np.unpackbits(words.T.ravel()), np.zeros(TAIL, np.uint8)]))


def ccsds_decode(llr: np.ndarray) -> Optional[bytes]:
    """Decode FRAME_BITS LLRs into FRAME_BYTES of data. Return None if the decoder detects a failure."""
    received = viterbi(llr, 8 * DEPTH * RS_N).reshape(RS_N, DEPTH).T
    words = [core.rs_ccsds_decode(word) for word in received]
    if any(word is None for word in words):
        return None
    return np.stack(words, 1).tobytes()


def ccsds_budget(symbols: int, modulation: str) -> int:
    """Return the bytes of a file that a number of symbols carries in whole frames."""
    return symbols * core.bits_per_symbol(modulation) // FRAME_BITS * FRAME_BYTES


def ccsds_arrives(n_bytes: int, modulation: str, snr_db: float, seed: int) -> bool:
    """Return whether a file of n_bytes random bytes arrives without error over AWGN."""
    random = np.random.Generator(np.random.Philox(seed))
    granule = {"64qam": 3}.get(modulation, 1)
    for frame in range(-(-n_bytes // FRAME_BYTES)):
        data = random.bytes(FRAME_BYTES)
        packed = np.packbits(ccsds_encode(data))
        packed = np.concatenate([packed, np.zeros(-len(packed) % granule, np.uint8)])
        symbols, _ = core.channel(
            core.map_bytes(modulation, packed), "awgn", snr_db, (seed + frame + 1) & (2**63 - 1)
        )
        if ccsds_decode(core.demap(modulation, symbols, snr_db)[:FRAME_BITS]) != data:
            return False
    return True


# --- codes whose rate follows the SNR ---------------------------------------------------------------------------

LDPC_MARGIN_DB = 0.5  # between the threshold of the code rate and the SNR


def bits_a_symbol(code: str, modulation: str, snr_db: float) -> float:
    """Return the information bits that a symbol carries without errors; 0 if there is no code for the SNR."""
    if code == "ideal":
        return capacity(modulation, snr_db)
    return core.bits_per_symbol(modulation) * core.ldpc_code_rate(modulation, snr_db - LDPC_MARGIN_DB)


# --- a point ----------------------------------------------------------------------------------------------------


def run_reference(job: dict, point: dict) -> dict:
    """Compute one point of a reference, and return its row.

    `cbr` is the budget; `bytes` is the part of it that the image's file takes.
    """
    path, crop = job["image"], tuple(job["crop"])
    original = picture(path, crop)
    modulation, snr_db, seed = point["modulation"], point["snr_db"], point_seed(point)
    symbols = n_symbols(job, point)
    follows = point["code"] in WITHOUT_NOISE
    if follows:
        budget = int(symbols * bits_a_symbol(point["code"], modulation, snr_db) / 8)
    else:
        budget = ccsds_budget(symbols, modulation)
    best = best_within(point["codec"], budget, path, crop)
    shown = best if best and (follows or ccsds_arrives(best.bytes, modulation, snr_db, seed)) else None
    pixels = original.shape[0] * original.shape[1]
    return dict(
        common_row(job, point, original),
        psnr_db=shown.psnr_db if shown else lost_psnr(original),
        ms_ssim=shown.ms_ssim if shown else ms_ssim(original, grey(original)),
        lost=shown is None,
        cbr=symbols / (3 * pixels),
        n_symbols=symbols,
        bytes=best and best.bytes,
        budget_bytes=budget,
        grey_psnr_db=lost_psnr(original),
    )
