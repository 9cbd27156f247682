# SPDX-License-Identifier: GPL-3.0-or-later
"""The option `--plan` of commands that transmit, and how its choice sets other options."""
from __future__ import annotations

import argparse
import contextlib
import math
import os
import sys

from . import Failure, Usage, coding, options
from ..plan.losses import BURST_LOSS, MAX_LOSS
from ..text import printable

CHOSEN = ("coding", "modulation", "layers", "shares", "eta", "scale")  # options that --plan chooses


def add_loss(group: options.Group, when: str = "", default: str = f"{BURST_LOSS:g}") -> None:
    group.add_argument(
        "--loss",
        type=float,
        metavar="P",
        help=(
            f"{when}probability that a packet is lost for reasons other than noise, 0 to"
            f" {MAX_LOSS:g}; determines parity and packet length (default {default})"
        ),
    )


def add_plan(parser: argparse.ArgumentParser, seconds: bool) -> None:
    """Add --plan and its budgets to a command. seconds: whether it knows the symbol rate."""
    group = parser.add_argument_group("plan")
    group.add_argument(
        "--plan",
        type=coding.numbers,
        metavar="DB,DB,...",
        help=(
            "choose coding, modulation, layers, parity and packet length, or eta, and scale for receivers at these"
            " SNRs, as srec plan does"
        ),
    )
    group.add_argument("--symbols", type=float, metavar="N", help="with --plan: budget of symbols, instead of --cbr")
    if seconds:
        add_loss(group, "with --plan: ")
        group.add_argument("--seconds", type=float, metavar="S", help="with --plan: budget of airtime")


def first_image(path: str) -> str:
    """Return the image that --plan measures: of a folder the first one."""
    if not os.path.isdir(path):
        return path
    from ..io.picture_file import find_pictures

    try:
        return find_pictures(path)[0]
    except ValueError as error:
        raise Failure(str(error)) from None


def _check_sizes(args: argparse.Namespace) -> None:
    """Raise Usage if images of several sizes share a budget of symbols or seconds, which holds for one size."""
    budget = next((name for name in ("symbols", "seconds") if getattr(args, name, None) is not None), None)
    if budget is None or not os.path.isdir(args.image):
        return
    from ..io.picture_file import list_pictures, picture_size

    pixels = set()
    for path in list_pictures(args.image):
        with contextlib.suppress(ValueError):  # unreadable: the source says so
            pixels.add(math.prod(picture_size(path)))
    if len(pixels) > 1:
        raise Usage(
            f"--{budget}: the images in {printable(args.image)} differ in size, from {min(pixels)} to {max(pixels)}"
            " pixels; give --cbr, which is relative to the size, or send them one by one"
        )


def apply(args: argparse.Namespace, command: str, bursts: bool, symbol_rate: float | None = None) -> None:
    """Let --plan set the options in CHOSEN and the budget, and print a line. Raises Usage or Failure.

    bursts: whether the command sends bursts, with preambles and pilots.
    symbol_rate: symbols per second; None: unknown, and there is no --seconds.
    """
    if args.plan is None:
        for name in ("symbols", "seconds") + ("loss",) * bursts:  # without bursts, the loss is that of the channel
            if getattr(args, name, None) is not None:
                raise Usage(f"--{name} is for --plan")
        return
    for name in CHOSEN:
        if getattr(args, name) is not None:
            raise Usage(f"--{name} does not go with --plan, which chooses it")
    if getattr(args, "hard", False):
        raise Usage("--hard does not go with --plan, which plans for soft decisions")
    _check_sizes(args)
    from . import planning  # takes 10 ms

    source = planning.source_of("", first_image(args.image), (1, 1))
    request = planning.request_of(args, args.plan, source, symbol_rate or 1.0, bursts)
    plan = planning.Plan(source, request)
    best = plan.choices[0]
    args.coding, args.modulation, args.scale, args.eta = best.coding, best.modulation, best.scale, best.eta
    if best.coding == "layers":
        args.layers, args.cbr = list(best.layers), request.cbr
        args.shares = list(best.shares) if len(best.shares) > 1 else None
        args.parity, args.frame_symbols = best.parity, best.frame_symbols or None
    else:
        args.cbr = args.margin = args.parity = args.frame_symbols = None
    if hasattr(args, "no_sr") and not best.enhanced:
        args.no_sr = True
    for line in (plan.line(best, symbol_rate), *plan.without_image()):
        print(f"{command}: plan: {line}", file=sys.stderr)
