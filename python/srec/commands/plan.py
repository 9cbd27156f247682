# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose coding, modulation and settings for SNRs and a budget of symbols; print the PSNR to expect."""
from __future__ import annotations

import argparse
import math
import shlex
from typing import Any, Optional

from . import Usage, coding, figures, options, outputs, plan_option, planning
from .planning import Plan
from ..plan.choice import SIZE
from ..plan.losses import BURST_LOSS
from ..plan.request import Choice, Request
from ..text import printable

NEXT = 2  # choices after the best one
RECEIVER = "srec receive --key KEY --device DEVICE --out DIR --modulation"
SIDE_MAX = 65535


def add_budgets(group: options.Group) -> None:
    group.add_argument("--symbols", type=float, metavar="N", help="budget of complex symbols for the image")
    group.add_argument("--seconds", type=float, metavar="S", help="budget of airtime at --rate and --sps")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    image = parser.add_argument_group("image")
    image.add_argument("--image", default="", help="image to plan for (default: an average photograph of --size)")
    image.add_argument(
        "--size",
        metavar="WxH",
        help=f"width and height of the photograph in pixels, without --image (default {SIZE[0]}x{SIZE[1]})",
    )
    channel = parser.add_argument_group("channel")
    channel.add_argument(
        "--snr",
        required=True,
        type=coding.numbers,
        metavar="DB,DB,...",
        help="Es/N0 of the receivers in dB, ascending, 1 to 8 values",
    )
    channel.add_argument(
        "--margin",
        type=float,
        default=coding.DEFAULTS["margin"],
        metavar="DB",
        help="margin between the threshold of a layer's code and the SNR (default %(default)g)",
    )
    plan_option.add_loss(channel, default=f"{BURST_LOSS:g}, 0 with --bare")
    channel.add_argument("--parity", type=int, metavar="K", help="parity packets of each layer (default: chosen)")
    channel.add_argument(
        "--frame-symbols", type=int, metavar="N", help="mean number of payload symbols of a packet (default: chosen)"
    )
    budget = parser.add_argument_group("budget")
    budget.add_argument(
        "--cbr", type=float, help="complex symbols / (3 * width * height) (default 0.2 if no other budget is given)"
    )
    add_budgets(budget)
    budget.add_argument("--rate", type=float, default=1e6, metavar="SPS", help="samples per second (default 1e6)")
    budget.add_argument("--sps", type=int, default=4, metavar="N", help="samples per symbol, 2 to 16 (default 4)")
    budget.add_argument(
        "--bare",
        action="store_true",
        help="count bare symbols, as in srec simulate (default: with preambles and pilots, as in srec send)",
    )
    run = parser.add_argument_group("run")
    run.add_argument("--table", default="", metavar="FILE", help="measured table (default: the installed one)")
    run.add_argument("--json", metavar="FILE", help="write the plan to FILE ('-': standard output)")
    run.add_argument("--overwrite", action="store_true", help="--json may replace a file that holds no plan")


def size_of(text: Optional[str]) -> tuple[int, int]:
    """Return (width, height) of --size."""
    if text is None:
        return SIZE
    sides = text.split("x")
    if len(sides) != 2 or not all(s.isdecimal() and 1 <= int(s) <= SIDE_MAX for s in sides):
        raise Usage(f"--size {printable(text)}: needs WIDTHxHEIGHT, each 1 to {SIDE_MAX} pixels")
    return int(sides[0]), int(sides[1])


def check(args: argparse.Namespace) -> None:
    if args.image and args.size:
        raise Usage("--size is for a photograph that is not named; leave --image or --size out")
    options.check_range("rate", args.rate, 1, 1e10)
    options.check_range("sps", args.sps, 2, 16)
    outputs.refuse_collisions([("--image", [args.image]), ("--table", [args.table])], [("--json", [args.json])])
    outputs.check_figures(args.json, args.overwrite, {"choices", "symbol_rate"})


def command_of(args: argparse.Namespace, words: list[str]) -> str:
    image = args.image or "IMAGE"
    if args.bare:
        channel = [f"--snr={args.snr[0]:g}"] + ([f"--loss={args.loss:g}"] if args.loss else [])
        return shlex.join(["srec", "simulate", "--image", image, "--out", "DIR", *channel, *words])
    waveform = [f"--rate={args.rate:.9g}"] * (args.rate != 1e6) + [f"--sps={args.sps}"] * (args.sps != 4)
    return shlex.join(["srec", "send", "--image", image, "--key", "KEY", "--device", "DEVICE", *waveform, *words])


def about_layers(choice: Choice, request: Request) -> list[str]:
    """Return lines on the layers of a choice."""
    percent = math.floor(1000 * choice.complete) / 10
    return [
        *(
            f"  layer for {layer:g} dB: code rate {rate:.3f}, threshold {threshold:.2f} dB, margin"
            f" {layer - threshold:.2f} dB"
            for layer, rate, threshold in zip(choice.layers, choice.rates, choice.thresholds)
        ),
        (
            f"  all layers are complete in {percent:g} % of transmissions (packet loss {request.packet_loss:g});"
            f" expected PSNR {choice.mean_expected:.1f} dB"
        ),
    ]


def lines_of(args: argparse.Namespace, plan: Plan) -> list[str]:
    request = plan.request
    name = printable(args.image) if args.image else "an average photograph"
    snrs = ", ".join(f"{snr:g}" for snr in request.snrs)
    symbol_rate = args.rate / args.sps
    most = int(request.cbr * plan.samples)
    lines = [
        f"{name}, {plan.source.width}x{plan.source.height}, for {snrs} dB, at most {most} symbols"
        f" (cbr {request.cbr:.4g}, {most / symbol_rate:.2f} s at {symbol_rate:.6g} symbols/s)"
    ]
    for number, choice in enumerate(plan.choices[: 1 + NEXT]):
        lines.append(("best: " if number == 0 else "next: ") + plan.line(choice, symbol_rate))
        if number == 0:
            lines += about_layers(choice, request) if choice.packets else []
            no_sr = [] if choice.enhanced else ["--no-sr"]
            lines.append("  " + command_of(args, choice.options(request) + (no_sr if args.bare else [])))
            if not args.bare:
                lines.append("  the receiver: " + " ".join([RECEIVER, choice.modulation, *no_sr]))
    return lines + plan.remarks()


def figures_of(args: argparse.Namespace, plan: Plan) -> dict[str, Any]:
    symbol_rate = args.rate / args.sps
    return {
        "image": printable(args.image) or None,
        "width": plan.source.width,
        "height": plan.source.height,
        "snr_db": list(plan.request.snrs),
        "margin_db": plan.request.margin,
        "loss": plan.request.loss,
        "cbr": plan.request.cbr,
        "n_symbols": int(plan.request.cbr * plan.samples),
        "symbol_rate": symbol_rate,
        "bursts": plan.request.bursts,
        "choices": [plan.figures(choice, symbol_rate) for choice in plan.choices],
    }


def run(args: argparse.Namespace) -> int:
    check(args)
    if args.cbr is None and args.symbols is None and args.seconds is None:
        args.cbr = coding.DEFAULTS["cbr"]
    size = size_of(args.size)
    source = planning.source_of(args.table, args.image, size)
    request = planning.request_of(args, args.snr, source, args.rate / args.sps, not args.bare)
    plan = Plan(source, request)
    if args.json != "-":
        print("\n".join(lines_of(args, plan)))
    if args.json:
        figures.write_json(args.json, figures_of(args, plan), 1)
    return 0
