# SPDX-License-Identifier: GPL-3.0-or-later
"""What `srec plan` and `--plan` of other commands share: the request, and the choices in words and figures."""
from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from . import Failure, Usage, coding, options
from ..io.picture_file import load_picture
from ..plan.choice import choose
from ..plan.curves import Picture
from ..plan.losses import BURST_LOSS
from ..plan.request import RANGES, Choice, Impossible, Request
from ..plan.source import Average, Measured
from ..plan.table import TableError, load

BYTES_PER_PIXEL = 60  # to encode layers
WORDS = {"features": "features", "layers": "coded layers"}


def source_of(table_path: str, image: str, size: tuple[int, int]) -> Average:
    """Return what is known of an image, or of an average photograph of size (width, height) in pixels.

    Raises Failure.
    """
    try:
        table = load(table_path)
        if not image:
            return Average(table, *size)
        return Measured(table, Picture(load_picture(image, BYTES_PER_PIXEL, "to plan")))
    except (TableError, ValueError) as error:
        raise Failure(str(error)) from None


def request_of(
    args: argparse.Namespace, snrs: list[float], source: Average, symbol_rate: float, bursts: bool
) -> Request:
    """Return the request of the budget, --margin, --parity, --frame-symbols and --loss. Raises Usage."""
    given = [name for name in ("cbr", "symbols", "seconds") if getattr(args, name, None) is not None]
    if len(given) > 1:
        raise Usage(f"--{given[0]} and --{given[1]} are both budgets: leave one of them out")
    budget = given[0] if given else "cbr"
    value = getattr(args, budget) if given else coding.DEFAULTS["cbr"]
    options.check_range(budget, value, 1e-6, 1e12)
    samples = 3 * source.pixels
    cbr = {"cbr": value, "symbols": value / samples, "seconds": value * symbol_rate / samples}[budget]
    low, high = RANGES["cbr"]
    if not low <= cbr <= high:
        raise Usage(f"--{budget} {value:.9g} is a cbr of {cbr:.3g} for this image; {low:g} to {high:g} is possible")
    margin = coding.DEFAULTS["margin"] if args.margin is None else args.margin
    for name in ("margin", "parity", "frame_symbols", "loss"):  # named as options before Request.check() names them
        options.check_range(name.replace("_", "-"), getattr(args, name), *RANGES[name])
    loss = (BURST_LOSS if bursts else 0.0) if args.loss is None else args.loss
    enhance = not getattr(args, "no_sr", False)
    request = Request(tuple(snrs), cbr, margin, bursts, (), args.parity, args.frame_symbols, loss, enhance)
    try:
        request.check()
    except ValueError as error:
        raise Usage(str(error)) from None
    return request


def packets_of(choice: Choice) -> str:
    """Return the packets of layers in words."""
    data, parity = (sum(numbers) for numbers in zip(*choice.packets))
    return f"{data + parity} packet{'s' * (data + parity > 1)}" + (f" ({parity} of them parity)" if parity else "")


class Plan:
    """The choices for a request, the best one first. Raises Failure if nothing fits.

    samples: 3 * width * height of the image.
    """

    def __init__(self, source: Average, request: Request):
        self.source, self.request, self.samples = source, request, 3 * source.pixels
        try:
            self.choices = choose(source, request)
        except Impossible as error:
            raise Failure(str(error)) from None
        except ValueError as error:
            raise Usage(str(error)) from None

    def best(self, coding_name: str) -> Choice | None:
        return next((choice for choice in self.choices if choice.coding == coding_name), None)

    def line(self, choice: Choice, symbol_rate: float | None = None) -> str:
        """Return one line. symbol_rate: symbols per second; None: unknown."""
        symbols = int(choice.cbr * self.samples)
        values = ", ".join(
            f"{psnr:.1f} dB" + (f" at {snr:g} dB" if len(choice.psnr) > 1 else "")
            for snr, psnr in zip(self.request.snrs, choice.psnr)
        )
        how = choice.setting()
        if len(choice.shares) > 1:
            how += ", shares " + ":".join(map(str, choice.shares))
        details = [how] + ([packets_of(choice)] if choice.packets else [])
        details += ["half size"] * (choice.scale == 2)
        details += ["super-resolution" if choice.enhanced else "no super-resolution"]
        return (
            f"{WORDS[choice.coding]}, {choice.modulation}, {', '.join(details)}: PSNR {values}; {symbols} symbols"
            + (f", {symbols / symbol_rate:.2f} s" if symbol_rate else "")
        )

    def without_image(self) -> list[str]:
        """Return a line for each receiver that gets no image with the best choice."""
        return [f"no image at {snr:g} dB with this choice" for snr in self.choices[0].without_image(self.request.snrs)]

    def remarks(self) -> list[str]:
        """Return lines that compare the codings and warn."""
        features, layers = self.best("features"), self.best("layers")
        lines = []
        if features and layers:
            difference = layers.mean_expected - features.mean_expected
            better, worse = ("layers", "features") if difference >= 0 else ("features", "layers")
            lines.append(f"{better} are {abs(difference):.1f} dB better than the best {worse} here")
        elif features:
            lines.append("layers do not reach these SNRs or do not fit the budget")
        lines += self.without_image()
        if self.choices[0].coding == "layers":
            lines.append("below the threshold of its code a layer is lost: give the SNR that certainly holds")
        return lines

    def figures(self, choice: Choice, symbol_rate: float) -> dict[str, Any]:
        """Return the JSON of a choice."""
        content = {
            key: list(v) if isinstance(v, tuple) else v
            for key, v in dataclasses.asdict(choice).items()
            if key not in ("psnr", "expected", "enhanced", "layers", "rates", "thresholds", "exact", "packets")
        }
        packets = {"packets": [sum(layer) for layer in choice.packets], "complete": round(choice.complete, 5)}
        return {
            **content,
            **(packets if choice.coding == "layers" else {"packets": None, "complete": None}),
            "psnr_db": [round(psnr, 3) for psnr in choice.psnr],
            "mean_psnr_db": round(choice.mean_psnr, 3),
            "expected_psnr_db": round(choice.mean_expected, 3),
            "n_symbols": int(choice.cbr * self.samples),
            "airtime_s": choice.cbr * self.samples / symbol_rate,
            "layer_snr_db": list(choice.layers) or None,
            "code_rates": [round(rate, 4) for rate in choice.rates] or None,
            "thresholds_db": [round(threshold, 3) for threshold in choice.thresholds] or None,
            "super_resolution": choice.enhanced,
            "measured": choice.exact,
            "options": choice.options(self.request),
        }
