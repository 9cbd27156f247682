# SPDX-License-Identifier: GPL-3.0-or-later
"""Super-resolution in the commands: options and choice of the model."""
import argparse
import os
import sys
from typing import Sequence

from . import Failure
from ..text import printable

NONE = "none"  # sr_enhancer without a network: images pass at their full size


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("super-resolution")
    group.add_argument("--no-sr", action="store_true", help="no super-resolution")
    group.add_argument(
        "--enhancer",
        default="",
        metavar="FILE",
        help="super-resolution model (default: the installed model for the scale of the image)",
    )


def find(
    args: argparse.Namespace, command: str, scales: Sequence[int], codings: Sequence[str] = ("features", "layers")
) -> str:
    """Return the model for srec.sr_enhancer: a path, "" for the installed models, or NONE.

    scales: the scales that images may have.
    codings: their codings.
    Raises Failure.
    """
    from gnuradio import srec

    if args.no_sr:
        return NONE
    named = args.enhancer or os.environ.get("SREC_ENHANCER")
    if not named:
        paths = [srec.default_enhancer(scale, coding) for scale in scales for coding in codings]
        if any(map(os.path.exists, paths)):
            return ""
        print(
            f"{command}: no super-resolution model is installed ({printable(paths[0])}): images are not enhanced",
            file=sys.stderr,
        )
        return NONE
    try:
        info = srec.enhancer_info(named)
    except RuntimeError as error:
        raise Failure(str(error)) from None
    for option, value, possible in (("scale", info["scale"], scales), ("coding", info["coding"], codings)):
        if value not in possible:
            raise Failure(
                f"model {printable(named)} is an enhancer of {option} {value}, and --{option} is {possible[0]}: name"
                " another one by --enhancer, or take --no-sr"
            )
    return named
