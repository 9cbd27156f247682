# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the files that a command reads and writes.

No output may be an input, no two outputs may be one file, and nothing is overwritten unless the user asks for it.
"""
import contextlib
import json
import os
import stat
from typing import Any, Iterable

from . import Failure, Usage
from ..io import sigmf

Named = Iterable[tuple[str, list[Any]]]  # options, and the paths that each names; "" or None: not given
FIGURES_MAX = 1 << 20  # maximum bytes of a file with figures


def is_same(a: str, b: str) -> bool:
    """Return whether two paths lead to one regular file. Neither needs to exist."""
    with contextlib.suppress(OSError):
        one, other = os.stat(a), os.stat(b)
        return stat.S_ISREG(one.st_mode) and os.path.samestat(one, other)
    return os.path.realpath(a) == os.path.realpath(b) and not os.path.exists(a)


def pictures(path: str) -> list[str]:
    """Return the files that --image names, readable or not."""
    if not os.path.isdir(path):
        return [path]
    return [os.path.join(path, name) for name in os.listdir(path)]


def recording(path: str | None) -> list[str]:
    return list(sigmf.paths(path)) if path else []


def refuse_collisions(reads: Named, writes: Named) -> None:
    """Raise Usage if an output is an input, or if two outputs are one file."""
    inputs = [(option, path) for option, paths in reads for path in paths if path]
    outputs = [(option, path) for option, paths in writes for path in paths if path and path != "-"]
    for n, (option, path) in enumerate(outputs):
        for read, source in inputs:
            if is_same(path, source):
                raise Usage(f"{option} {path}: that is the file that {read} names; an output must be another one")
        for other, target in outputs[:n]:
            if is_same(path, target):
                raise Usage(f"{option} {path}: {other} writes there")


def check_figures(path: str | None, overwrite: bool, keys: set[str]) -> None:
    """Check the target of --json. Raises Failure.

    The figures of an earlier run of the command are replaced; another file only with `overwrite`.
    keys: keys that only the figures of this command have.
    """
    if not path or path == "-" or overwrite or not os.path.isfile(path) or os.path.getsize(path) == 0:
        return
    try:
        with open(path, "rb") as file:
            content = json.loads(file.read(FIGURES_MAX))
        good = isinstance(content, dict) and keys <= content.keys()
    except (OSError, ValueError, RecursionError):
        good = False
    if not good:
        raise Failure(f"{path}: exists and does not hold figures of an earlier run; --overwrite replaces it")


def _has_mark(path: str, mark: str) -> bool:
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as image:
            return image.info.get("Software") == mark
    except (OSError, ValueError, SyntaxError):
        return False


def check_pictures(paths: Iterable[str], mark: str, overwrite: bool) -> None:
    """Check the targets of images. Raises Failure.

    Files with the mark (keyword Software of a PNG) are replaced; other files only with `overwrite`.
    """
    for path in paths:
        if os.path.lexists(path) and not overwrite and not _has_mark(path, mark):
            raise Failure(f"{path}: exists and is not of an earlier run; --overwrite replaces it")
