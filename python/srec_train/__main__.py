# SPDX-License-Identifier: GPL-3.0-or-later
"""srec-train: trains models for gr-srec from a folder of images."""
import argparse
import importlib
import os
import sys

from . import launcher, stopping

# stage: module, what it does
STAGES = {
    "transform": ("transform", "transform and entropy model, from scratch"),
    "link": ("feature_coder", "feature coder, trained through the channel"),
    "export": ("export", "write the model file of a codec run"),
    "cards": ("cards", "drawn images: text, charts, test cards, for the enhancer"),
    "pairs": ("pairs", "received and original images, for the enhancer"),
    "enhancer": ("enhancer", "super-resolution network, from such pairs"),
    "average": ("average", "mean of the weights of several models"),
}


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of a description, and shows the default of each option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        default = action.default
        none = default is None or default is False or default in ("", argparse.SUPPRESS)
        if action.required or none or not action.option_strings or "default" in (action.help or ""):
            return action.help
        return f"{action.help} (default: %(default)s)"


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="srec-train", description=(__doc__ or "").split(": ", 1)[1])
    commands = top.add_subparsers(dest="stage", metavar="STAGE", required=True)
    for name, (file, text) in STAGES.items():
        module = importlib.import_module("." + file, __package__)
        sub = commands.add_parser(name, help=text, description=module.__doc__, formatter_class=HelpFormatter)
        module.add_arguments(sub)
        sub.set_defaults(main=module.main)
    return top


def main() -> int | None:
    stopping.watch()  # PyTorch takes seconds to load
    try:
        import torch  # noqa: F401
    except ImportError as error:
        sys.exit(f"srec-train: {error}; training needs PyTorch: apt-get install python3-torch")
    from . import device

    args = parser().parse_args()
    main_of_stage = args.main
    del args.main
    trains = not getattr(args, "export", "")
    if trains and getattr(args, "processes", 1) > 1 and "RANK" not in os.environ:
        device.check(args.device, args.processes)
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
