# SPDX-License-Identifier: GPL-3.0-or-later
"""What a receiver remembers across restarts (`srec receive --state FILE`).

It stores the newest packet of each session, so that the receiver still refuses recordings of earlier transmissions.
"""
import os
import time
from typing import Any

from . import Failure
from ..io import output

SAVE_S = 5.0  # between two writes; a receiver that is killed forgets at most this much
BYTES_MAX = 2 << 20  # of a file; the maximum number of sessions takes half of it


class State:
    """The marks of a packet_decoder block, kept in a file."""

    def __init__(self, path: str, decoder: Any):
        """Load the file, or create it if it is missing. Raises Failure, OSError."""
        self._path, self._decoder, self._saved_s = path, decoder, time.monotonic()
        self._saved: bytes | None = None  # the content of the file
        try:
            with open(path, "rb") as file:
                self._saved = file.read(BYTES_MAX)
        except FileNotFoundError:
            self.save()  # fails early if the file cannot be written
            return
        try:
            decoder.import_marks(self._saved)
        except RuntimeError as error:
            raise Failure(
                f"{path}: {error}: name the file of this key, or remove it to start without a memory"
            ) from None

    def save_in_time(self) -> None:
        """Save if SAVE_S have passed since the last time. Raises OSError."""
        if time.monotonic() - self._saved_s >= SAVE_S:
            self.save()

    def save(self) -> None:
        """Write the marks if they have changed. Raises OSError and then leaves the old file in place."""
        self._saved_s = time.monotonic()
        marks = self._decoder.export_marks()
        if marks == self._saved:
            return
        with output.NewFile(self._path, overwrite=True, mode=0o600) as file:
            file.write(marks)
            file.flush()
            os.fsync(file.fileno())  # before the rename: after a power failure the old or the new file exists
        self._saved = marks
