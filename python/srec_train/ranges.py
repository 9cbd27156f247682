# SPDX-License-Identifier: GPL-3.0-or-later
"""Ranges of options."""
import argparse

SEED = 0, 2**63 - 1
SHARE = 0.0, 1.0


def check(args: argparse.Namespace, **ranges: tuple[float, float]) -> None:
    """Exit with one line if an option is outside its range. ranges: (lowest, highest) value of each option."""
    for name, (low, high) in ranges.items():
        value = getattr(args, name)
        if not low <= value <= high:  # true for NaN
            raise SystemExit(f"srec-train: --{name.replace('_', '-')} {value} is not within {low} .. {high}")
