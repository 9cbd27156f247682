# SPDX-License-Identifier: GPL-3.0-or-later
"""Say what a model file is."""
import os

from . import Failure


def add_arguments(parser):
    parser.add_argument("file", nargs="?", default="", help="a model file (default: the installed model)")


def run(args):
    from gnuradio import srec
    path = args.file or srec.default_model()
    if not os.path.isfile(path):
        raise Failure(f"{path}: no such file")
    try:
        info = srec.model_info(path)
    except RuntimeError as error:
        raise Failure(str(error)) from None
    print(f"{path}: srec model, id {info['id']}, {info['parameters'] / 1e6:.1f} million parameters")
    for key, value in sorted(info["metadata"].items()):
        if key not in ("graph", "codec", "checksum"):
            print(f"  {key:15s} {value}")
    print(f"  {'ladder':15s} {' '.join(map(str, info['ladder']))} features a patch")
    macs = info["macs_per_pixel"]
    print(f"  {'encoder':15s} {sum(macs[n] for n in ('ga', 'ha', 'hs', 'fe')) / 1e3:.1f} kMAC per pixel")
    print(f"  {'decoder':15s} {sum(macs[n] for n in ('fd', 'gs')) / 1e3:.1f} kMAC per pixel")
    return 0
