# SPDX-License-Identifier: GPL-3.0-or-later
"""srec-train: trains models for gr-srec from a folder of images."""
import argparse
import importlib
import os
import sys

from . import launcher, stopping

STAGES = {
    "transform": "transform and entropy model, from scratch",
    "link": "feature coder, trained through the channel",
    "export": "write the model file of a codec run",
    "pairs": "received and original images, for the enhancer",
    "enhancer": "super-resolution network, from such pairs",
}


def arguments():
    parser = argparse.ArgumentParser(prog="srec-train", description=__doc__.split(": ", 1)[1])
    commands = parser.add_subparsers(dest="stage", metavar="STAGE", required=True)
    for name, text in STAGES.items():
        module = importlib.import_module("." + name, __package__)
        sub = commands.add_parser(
            name, help=text, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        module.add_arguments(sub)
        sub.set_defaults(main=module.main)
    return parser.parse_args()


def main():
    stopping.watch()  # PyTorch takes seconds to load
    try:
        import torch  # noqa: F401
    except ImportError as error:
        sys.exit(f"srec-train: {error}; training needs PyTorch: apt-get install python3-torch")
    args = arguments()
    main_of_stage = args.main
    del args.main
    if getattr(args, "processes", 1) > 1 and "RANK" not in os.environ:
        stopping.unwatch()
        return launcher.launch(args.processes)
    try:
        return main_of_stage(args)
    except OSError as error:
        sys.exit(f"srec-train: {error.filename + ': ' if error.filename else ''}{error.strerror or error}")
    finally:
        stopping.settle()


if __name__ == "__main__":
    sys.exit(main())
