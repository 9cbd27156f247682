# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe a model file or a recording."""
import argparse
import json
import os
import struct
from typing import Any

from . import Failure
from ..text import printable

VALUE_MAX, CARD_LINES = 400, 200  # limits for the metadata of a model: characters of a line, lines of the card
KINDS = (
    "srec info knows model files (.safetensors) and recordings (.sigmf-meta, .sigmf); this release writes no packet"
    " files"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        nargs="?",
        default="",
        help="a model file, the name of an installed model, or a recording (default: the installed codec)",
    )


def kind_of(path: str) -> str:
    """Classify a file by its first bytes as "model", "key" or "other".

    A safetensors file begins with the length of its header and a brace. Raises OSError.
    """
    with open(path, "rb") as f:
        start = f.read(9)
        f.seek(0, os.SEEK_END)
        size = f.tell()
    if len(start) == 9 and start[8:] == b"{" and struct.unpack("<Q", start[:8])[0] < 2**32:
        return "model"
    return "key" if size == 32 else "other"


def is_enhancer(path: str) -> bool:
    """Return whether the header of a model file names an enhancer. The loader reports any faults."""
    try:
        with open(path, "rb") as f:
            (length,) = struct.unpack("<Q", f.read(8))
            return json.loads(f.read(min(length, 2**22)))["__metadata__"]["kind"] == "enhancer"
    except (OSError, ValueError, KeyError, TypeError, RecursionError, struct.error):
        return False


def show_metadata(metadata: dict[str, Any]) -> None:
    """Print all metadata of the file except its structure. The card, a text of several lines, comes last."""
    for key, value in sorted(metadata.items()):
        if key not in ("graph", "codec", "enhancer", "checksum", "card"):
            print(f"  {printable(key, 40):15s} {printable(value, VALUE_MAX)}")
    card = metadata.get("card", "").splitlines()
    for line in card[:CARD_LINES]:
        print(f"  | {printable(line, VALUE_MAX)}")
    if len(card) > CARD_LINES:
        print(f"  | ... {len(card) - CARD_LINES} more lines")


def show_precision(networks: str) -> None:
    from gnuradio import srec

    print(f"  {'precision':15s} {networks} {'bf16' if srec.supports_bf16() else 'f32'} on this processor, by default")


def enhancer(path: str) -> int:
    from gnuradio import srec

    try:
        info = srec.enhancer_info(path)
    except RuntimeError as error:
        raise Failure(str(error)) from None
    print(f"{printable(path)}: srec enhancer, id {info['id']}, {info['parameters'] / 1e6:.3g} million parameters")
    print(f"  {'scale':15s} {info['scale']}")
    print(f"  {'coding':15s} {info['coding']}")
    print(f"  {'enhancer':15s} {info['macs_per_pixel'] / 1e3:.1f} kMAC per pixel")
    show_precision("enhancer")
    show_metadata(info["metadata"])
    return 0


def model(path: str) -> int:
    from gnuradio import srec

    try:
        info = srec.model_info(path)
    except RuntimeError as error:
        raise Failure(str(error)) from None
    print(f"{printable(path)}: srec model, id {info['id']}, {info['parameters'] / 1e6:.1f} million parameters")
    print(f"  {'ladder':15s} {' '.join(map(str, info['ladder']))} features a patch")
    macs = info["macs_per_pixel"]
    print(f"  {'encoder':15s} {sum(macs[n] for n in ('ga', 'ha', 'hs', 'fe')) / 1e3:.1f} kMAC per pixel")
    print(f"  {'decoder':15s} {sum(macs[n] for n in ('fd', 'gs')) / 1e3:.1f} kMAC per pixel")
    show_precision("encoder f32, decoder")
    show_metadata(info["metadata"])
    return 0


def recording(path: str) -> int:
    from ..io import sigmf

    try:
        take = sigmf.Recording(path)
    except sigmf.Fault as error:
        raise Failure(str(error)) from None
    cut = ", the last one not whole" if take.cut else ""
    print(
        f"{take.name}: SigMF recording, {take.datatype}, {take.rate:.9g} samples/s, {take.n_samples} samples{cut},"
        f" {take.n_samples / take.rate:.3f} s"
    )
    if take.frequency is not None:
        print(f"  {'frequency':18s} {take.frequency / 1e6:.9g} MHz")
    captures = take.metadata.get("captures") or [{}]
    others = ((key, take.metadata["global"].get("core:" + key)) for key in ("recorder", "description", "author"))
    for name, value in (("begun", captures[0].get("core:datetime")), *others):
        if value is not None:
            print(f"  {name:18s} {sigmf.shown(value, 100)}")
    for key, value in take.srec.items():
        numbers = value if isinstance(value, list) else [value] if isinstance(value, float) else []
        print(f"  {key:18s} {', '.join(f'{number:.9g}' for number in numbers) or sigmf.shown(value, 60)}")
    if not take.srec:
        print("  made by another program: it does not describe gr-srec's waveform")
    return 0


def run(args: argparse.Namespace) -> int:
    from gnuradio import srec
    from ..io import sigmf

    path = args.file or srec.default_model()
    if not os.path.isfile(path) and sigmf.is_recording(path) or path.endswith((sigmf.META, sigmf.DATA, sigmf.ARCHIVE)):
        return recording(path)
    if not os.path.exists(path):
        path = srec.installed_model(path) or path
    try:
        kind = kind_of(path)
    except OSError as error:
        raise Failure(f"{printable(path)}: {error.strerror}") from None
    if kind == "model":
        return enhancer(path) if is_enhancer(path) else model(path)
    if os.path.getsize(path) == 0:
        raise Failure(f"{printable(path)}: the file is empty; {KINDS}")
    raise Failure(
        f"{printable(path)}:"
        f" {'perhaps a key file, which says nothing of itself' if kind == 'key' else 'not a file of gr-srec'}; {KINDS}"
    )
