# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated channel of `srec send` and `srec receive --device sim`: its options and its block."""
import argparse
from typing import Any

from . import Usage
from .options import Group, check_range


def add_impairments_group(parser: argparse.ArgumentParser) -> Group:
    group = parser.add_argument_group("simulated channel")
    group.add_argument("--snr", type=float, metavar="DB", help="simulate noise: Es/N0 (default: none)")
    group.add_argument("--cfo", type=float, default=0.0, metavar="HZ", help="simulate a carrier offset")
    group.add_argument("--ppm", type=float, default=0.0, help="simulate a clock offset in parts per million")
    group.add_argument(
        "--delay",
        type=float,
        default=0.0,
        metavar="SAMPLES",
        help="simulate silence before the first burst; may be fractional",
    )
    group.add_argument("--seed", type=int, default=1, help="seed of the simulated noise (default 1)")
    return group


def check_impairments(args: argparse.Namespace) -> None:
    """Check the options of the simulated channel, and --level. Raises Usage."""
    check_range("snr", args.snr, -20, 80)
    check_range("ppm", args.ppm, -1000, 1000)
    check_range("delay", args.delay, 0, 1e9)
    check_range("seed", args.seed, 0, 2**63 - 1)
    check_range("level", args.level, -80, 20)
    if not -0.5 <= args.cfo / args.rate <= 0.5:
        raise Usage(f"--cfo {args.cfo:g}: at {args.rate:g} samples/s it may be {-args.rate / 2:g} .. {args.rate / 2:g}")


def impaired(args: argparse.Namespace) -> bool:
    """Return whether any option asks for a simulated channel."""
    return args.snr is not None or args.cfo != 0 or args.ppm != 0 or args.delay != 0


def impairments(args: argparse.Namespace) -> Any:
    """Return the block `impairments` for bursts of level args.level."""
    from gnuradio import srec

    noise = 0.0 if args.snr is None else args.sps * 10 ** (0.1 * (args.level - args.snr))
    if noise and noise < 1e-10:
        raise Usage(
            f"--snr {args.snr:g} at --level {args.level:g}: so little noise cannot be simulated; leave --snr out"
        )
    return srec.impairments(
        noise_power=noise, cfo=args.cfo / args.rate, clock_ppm=args.ppm, delay=args.delay, seed=args.seed
    )
