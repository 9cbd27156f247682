# SPDX-License-Identifier: GPL-3.0-or-later
"""srec-train: trains models for gr-srec from a folder of pictures."""
import argparse
import importlib
import os
import sys

from . import trainer

STAGES = {"transform": "transform and entropy model, from nothing", "link": "feature coder with the channel in the loop",
          "export": "model file of a codec's run", "pairs": "received pictures beside their originals, for the enhancer",
          "enhancer": "super-resolution, from such pairs"}


def main():
    parser = argparse.ArgumentParser(prog="srec-train", description=__doc__.split(": ", 1)[1])
    commands = parser.add_subparsers(dest="stage", metavar="STAGE", required=True)
    for name, text in STAGES.items():
        module = importlib.import_module("." + name, __package__)
        sub = commands.add_parser(name, help=text, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        module.add_arguments(sub)
        sub.set_defaults(main=module.main)
    args = parser.parse_args()
    main_of_stage = args.main
    del args.main
    if getattr(args, "processes", 1) > 1 and "RANK" not in os.environ:
        return trainer.launch(args.processes)
    return main_of_stage(args)


if __name__ == "__main__":
    sys.exit(main())
