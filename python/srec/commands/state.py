# SPDX-License-Identifier: GPL-3.0-or-later
"""What a receiver remembers after a restart (`srec receive --state FILE`): the newest packet of each session, so that
it
still refuses recordings of earlier transmissions."""
import os
import time

from . import Failure
from .. import output

SAVE_S = 5.0  # between two writes; a receiver that is killed forgets at most so much
BYTES_MAX = 2 << 20  # of a file; the most sessions take half of it


class State:
    """The marks of a packet_decoder block, kept in a file."""

    def __init__(self, path, decoder):
        """Loads the file, or makes it if it is missing. Raises Failure, OSError."""
        self._path, self._decoder, self._saved_s = path, decoder, time.monotonic()
        try:
            with open(path, "rb") as file:
                self._saved = file.read(BYTES_MAX)
        except FileNotFoundError:
            self._saved = None
            self.save()  # fails now, not later, if the file cannot be written
            return
        try:
            decoder.import_marks(self._saved)
        except RuntimeError as error:
            raise Failure(
                f"{path}: {error}: name the file of this key, or remove it to start without a memory"
            ) from None

    def save_in_time(self):
        """Saves if SAVE_S have passed since the last time. Raises OSError."""
        if time.monotonic() - self._saved_s >= SAVE_S:
            self.save()

    def save(self):
        """Writes the marks if they changed. Raises OSError, with the old file in place."""
        self._saved_s = time.monotonic()
        marks = self._decoder.export_marks()
        if marks == self._saved:
            return
        with output.NewFile(self._path, overwrite=True, mode=0o600) as file:
            file.write(marks)
            file.flush()
            os.fsync(file.fileno())  # before the rename: a power cut leaves the old file or the new one
        self._saved = marks
