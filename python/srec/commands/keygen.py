# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a key file: 32 random bytes, readable only by you."""
import argparse

from . import Failure
from ..text import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("keyfile", help="key file to write; an existing file is never replaced")


def run(args: argparse.Namespace) -> int:
    from gnuradio import srec

    try:
        srec.key_generate(args.keyfile)
    except RuntimeError as error:
        raise Failure(str(error)) from None
    print(
        f"{printable(args.keyfile)}: new key. Copy it to the receiver over a secure channel; whoever has it can read"
        " the images."
    )
    return 0
