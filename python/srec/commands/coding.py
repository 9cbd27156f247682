# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that choose between features and coded layers, and what follows from them."""
from __future__ import annotations

import argparse
import sys
from typing import Any

from . import Usage, options, outputs
from ..plan.losses import MAX_PARITY
from ..plan.request import FRAME_SYMBOLS

MAX_LAYERS = 8
MAX_RATE = 8 / 9  # of the codes
DEFAULTS = {"cbr": 0.2, "margin": 0.5, "parity": -1}  # of coded layers
FADING = {"margin": 4.0, "rate_max": 2 / 3}  # the codes' thresholds are for AWGN
OPTIONS = ("cbr", "layers", "shares", "margin", "parity", "frame_symbols")  # of coded layers only
ETA = 0.2  # default of features
FRAME_BYTES = 16000  # default of features
LAYER_SNR_DB = 6.0  # of the only layer, for commands that know no SNR
MAX_REPEAT = 1000


def numbers(text: str) -> list[float]:
    """Read a list of numbers that are separated by commas."""
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers like 0,4,8") from None


def join_negative_lists(words: list[str]) -> list[str]:
    """Return the command line with `--layers -2,4` as one word, because argparse takes -2,4 for an option."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in ("--layers", "--snr", "--plan") and word[:1] == "-" and word[1:2].isdigit():
            joined[-1] += "=" + word
        else:
            joined.append(word)
    return joined


def add_group(parser: argparse.ArgumentParser, snr: str, fading: bool = False) -> None:
    """Add the options that decide how an image becomes packets.

    snr: the default of --layers, in words.
    fading: whether the command simulates fading channels.
    """
    group = parser.add_argument_group("coding")
    _add_choice(group)
    group.add_argument(
        "--scale",
        type=int,
        choices=(1, 2),
        help="2: send the image at half size, with a quarter of the symbols (default 1)",
    )
    _add_eta(group)
    group.add_argument(
        "--frame-bytes",
        type=int,
        default=FRAME_BYTES,
        help=f"features: longest packet, 2000 to 30000 (default {FRAME_BYTES})",
    )
    _add_layer_options(group, snr, fading)


def add_simulated(group: options.Group) -> None:
    """Add the options of a simulated transmitter: the most important ones of add_group()."""
    _add_choice(group)
    _add_eta(group)
    _add_layer_options(group, f"{LAYER_SNR_DB:g}", False)


def _add_choice(group: options.Group) -> None:
    group.add_argument(
        "--coding",
        choices=("features", "layers"),
        help="features: of the neural codec, as in the paper; layers: JPEG 2000 with an LDPC code (default features)",
    )


def _add_eta(group: options.Group) -> None:
    group.add_argument("--eta", type=float, help=f"features: features per bit of the entropy model (default {ETA:g})")


def _add_layer_options(group: options.Group, snr: str, fading: bool) -> None:
    others = f"; {FADING['margin']:g} for fading channels" if fading else ""
    group.add_argument(
        "--cbr",
        type=float,
        help=(
            "layers: complex symbols / (3 * width * height) of one transmission, headers counted"
            f" (default {DEFAULTS['cbr']:g})"
        ),
    )
    group.add_argument(
        "--layers",
        type=numbers,
        metavar="DB,DB,...",
        help=f"layers: Es/N0 at which each layer must arrive, ascending (default {snr})",
    )
    group.add_argument(
        "--shares", type=numbers, metavar="N,N,...", help="layers: share of the symbols of each layer (default equal)"
    )
    group.add_argument(
        "--margin",
        type=float,
        metavar="DB",
        help=f"layers: margin between the threshold of a code and the SNR (default {DEFAULTS['margin']:g}{others})",
    )
    group.add_argument(
        "--parity", type=int, metavar="K", help="layers: parity packets of each layer (default 1 for every 12 packets)"
    )
    group.add_argument(
        "--frame-symbols",
        type=int,
        metavar="N",
        help=(
            "layers: mean number of payload symbols of a packet; no packet exceeds 30000 bytes (default 16000, or a"
            " sixteenth of the layer)"
        ),
    )


def settle(
    args: argparse.Namespace, command: str, default_snr: float, fading: bool = False, default_from: str = "--layers"
) -> None:
    """Check the options of the coding and --cipher, and set those that are not given. Raises Usage.

    command: its name, for warnings.
    default_snr: Es/N0 in dB of the only layer, if --layers is not given.
    fading: whether the channel fades; the margin is then larger by default.
    default_from: the option that default_snr comes from.
    """
    options.check_range("frame-bytes", args.frame_bytes, 2000, 30000)
    args.coding, args.modulation = args.coding or "features", args.modulation or "qpsk"
    args.scale = getattr(args, "scale", None) or 1
    if args.coding == "features":
        _settle_features(args)
    else:
        snr_from = default_from if args.layers is None else "--layers"
        _settle_layers(args, default_snr, fading)
        _check_lists(args, snr_from)
        _warn(args, command)


def settle_simulated(args: argparse.Namespace, command: str, simulated: bool) -> None:
    """Settle the options of add_simulated(). Raises Usage.

    simulated: whether there is a simulated transmitter. Without one the options are refused.
    """
    given = [name for name in ("eta", *OPTIONS) if getattr(args, name) is not None]
    if not simulated and (given or args.coding == "layers"):
        raise Usage(f"--{_dashed((given or ['coding'])[0])} is for --device sim: packets say how they are coded")
    args.frame_bytes, args.cipher = FRAME_BYTES, "auto"
    settle(args, command, LAYER_SNR_DB)


def _dashed(name: str) -> str:
    """Return the name of an option as users write it."""
    return name.replace("_", "-")


def _settle_features(args: argparse.Namespace) -> None:
    for name in OPTIONS:
        if getattr(args, name) is not None:
            raise Usage(f"--{_dashed(name)} is for --coding layers")
    args.eta = ETA if args.eta is None else args.eta
    options.check_range("eta", args.eta, 0.001, 10)
    options.settle_cipher(args)


def _settle_layers(args: argparse.Namespace, default_snr: float, fading: bool) -> None:
    _refuse_feature_options(args)
    args.cipher = "add"
    args.layers = [default_snr] if args.layers is None else args.layers
    args.cbr = DEFAULTS["cbr"] if args.cbr is None else args.cbr
    options.check_range("parity", args.parity, 0, MAX_PARITY)
    args.parity = DEFAULTS["parity"] if args.parity is None else args.parity
    options.check_range("frame-symbols", args.frame_symbols, *FRAME_SYMBOLS)
    args.frame_symbols = args.frame_symbols or 0
    args.rate_max = FADING["rate_max"] if fading else 0.0
    if args.margin is None:
        args.margin = FADING["margin"] if fading else DEFAULTS["margin"]
    options.check_range("cbr", args.cbr, 1e-6, 1e6)
    options.check_range("margin", args.margin, -10, 30)


def _refuse_feature_options(args: argparse.Namespace) -> None:
    if args.modulation == "pam256":
        raise Usage("--coding layers does not go with pam256: it has no bits; use another modulation")
    if args.eta is not None:
        raise Usage("--eta is for --coding features; the size of layers is set by --cbr")
    if getattr(args, "hard", False):
        raise Usage("--hard is for --coding features: the LDPC decoder needs soft decisions")
    if args.cipher not in ("auto", "add"):
        raise Usage(f"--cipher {args.cipher} is for --coding features; layers use add")


def _check_lists(args: argparse.Namespace, snr_from: str) -> None:
    """Check --layers and --shares. snr_from: the option that the SNRs come from."""
    from gnuradio import srec

    if len(args.layers) > MAX_LAYERS:
        raise Usage(f"--layers: {len(args.layers)} layers; {MAX_LAYERS} at most")
    for snr, following in zip(args.layers, args.layers[1:]):
        if not snr < following:
            raise Usage(f"--layers: {snr:g} dB before {following:g} dB: each SNR must exceed the one before")
    least = srec.layer_least_snr_db(args.modulation)
    if not (args.layers[0] >= least and args.layers[-1] <= 100):
        raise Usage(
            f"{snr_from}: layers over {args.modulation} need {least:g} dB, because headers are lost below, and 100 dB"
            " is the most"
        )
    if args.shares is not None and len(args.shares) != len(args.layers):
        raise Usage(f"--shares: {len(args.shares)} shares for {len(args.layers)} layers")
    if args.shares is not None and not all(1e-6 <= share <= 1e6 for share in args.shares):
        raise Usage("--shares: each share must be 1e-6 to 1e6")


def _warn(args: argparse.Namespace, command: str) -> None:
    """Print a warning for each layer whose SNR the modulation cannot use."""
    from gnuradio import srec

    most = srec.layer_threshold_db(args.modulation, args.rate_max or MAX_RATE) + args.margin
    for snr in args.layers:
        if snr > most + 1:
            print(
                (
                    f"{command}: the layer for {snr:g} dB: {args.modulation} carries no more than at {most:.1f} dB;"
                    " a larger constellation would"
                ),
                file=sys.stderr,
            )


def repetition(args: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters of srec.image_source that --repeat sets.

    A single image of layers is repeated without end as one image, whose packets add up. Otherwise an endless run sends
    all images again, as others.
    """
    if args.repeat or args.coding == "layers" and outputs.pictures(args.image) == [args.image]:
        return {"transmissions": args.repeat}
    return {"repeat": True}


def parameters(args: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters of srec.transmitter that the options set."""
    if args.coding == "features":
        return {"eta": args.eta}
    return {
        "coding": "layers",
        "layers": args.layers,
        "cbr": args.cbr,
        "shares": args.shares or [],
        "margin_db": args.margin,
        "parity": args.parity,
        "rate_max": args.rate_max,
        "frame_symbols": args.frame_symbols,
    }


def receiver_model(args: argparse.Namespace) -> str:
    """Return the parameter `model` of an srec.receiver in the same program. Layers need none."""
    return args.model if args.coding == "features" else "none"


def metadata(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of the coding, for recordings and figures."""
    if args.coding == "features":
        return {"coding": "features", "eta": args.eta}
    from gnuradio import srec

    rates = [srec.layer_code_rate(args.modulation, snr - args.margin) for snr in args.layers]
    most = args.rate_max or 1
    return {
        "coding": "layers",
        "layer_snr_db": args.layers,
        "code_rates": [round(min(rate, most), 4) for rate in rates],
        "cbr": args.cbr,
    }
