# SPDX-License-Identifier: GPL-3.0-or-later
"""Defaults of the blocks in GNU Radio Companion that work in any folder."""
import os
import sys
import tempfile

EXAMPLE = "raccoon.jpg"


def example_picture() -> str:
    """Return the path of the example image.

    It is in the source tree, or below the prefix that this module is installed in. Raises ValueError if it is missing.
    """
    folder = os.path.dirname(os.path.realpath(__file__))
    candidates = [os.path.join(folder, "..", "..", "examples", EXAMPLE)]
    while folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
        candidates.append(os.path.join(folder, "share", "gnuradio", "examples", "srec", EXAMPLE))
    for path in candidates:
        if os.path.isfile(path):
            return os.path.normpath(path)
    raise ValueError(f"the example image {EXAMPLE} is missing: name an image or folder, or install gr-srec again")


def picture_or_example(path: str) -> str:
    """Return path, or the path of the example image if path is empty."""
    return path or example_picture()


def _can_hold(folder: str) -> bool:
    """Return whether the folder is writable or can be created."""
    folder = os.path.abspath(folder)
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


def _home_folder() -> str:
    """Return the home folder of the user. Raises OSError if there is none."""
    path = os.path.expanduser("~")
    # Placeholders that expanduser and containers use for users without a home folder.
    if path in ("~", "/"):
        raise FileNotFoundError("no home folder")
    return path


def _private_folder() -> str:
    """Return the path of this user's folder among the temporary files, without creating it.

    Raises OSError if another user has taken its name.
    """
    path = os.path.join(tempfile.gettempdir(), f"srec-{os.getuid()}")
    if os.path.lexists(path) and (os.path.islink(path) or os.lstat(path).st_uid != os.getuid()):
        raise PermissionError(f"{path} belongs to another user")
    return path


def folder_to_write(folder: str) -> str:
    """Return the folder for results, without creating it.

    A relative folder in an unwritable place moves to the home folder, or else to a folder among the temporary files. A
    line on standard error reports this.
    """
    if not folder or os.path.isabs(folder) or _can_hold(folder):
        return folder
    for base in (_home_folder, _private_folder):
        try:
            moved = os.path.join(base(), folder)
        except OSError:
            continue
        if _can_hold(moved):
            print(f"{os.path.abspath(folder)} cannot be written: images go to {moved}", file=sys.stderr)
            return moved
    return folder
