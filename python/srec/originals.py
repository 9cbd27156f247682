# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the images that were sent for a while, and compares the received ones with them."""
import collections
import threading
import time

from .srec_python import psnr


class Originals:
    """The latest `keep` images by number. Any thread."""

    def __init__(self, keep=16):
        self._keep = keep
        self._lock = threading.Lock()  # guards the following
        self._pictures = collections.OrderedDict()  # number: (array, time of capture or None)
        self.first = self.last = None  # numbers of the first and the latest image
        self.frames_dropped = 0  # frames that the source has dropped, according to the latest image

    def add(self, meta, array):
        with self._lock:
            self._pictures.pop(meta["picture"], None)
            self._pictures[meta["picture"]] = array, meta.get("time")
            self.first = meta["picture"] if self.first is None else self.first
            self.last, self.frames_dropped = meta["picture"], meta.get("frames_dropped", 0)
            while len(self._pictures) > self._keep:
                self._pictures.popitem(last=False)

    def figures(self, meta, array, reference=None):
        """Return a dict of what is known about a received image.

        It contains psnr_db against the original of the same number (or against `reference`), and latency_s, the seconds
        from `time` in the original's metadata until now.
        """
        with self._lock:
            original, taken = self._pictures.get(meta["picture"], (None, None))
        known = {}
        original = original if reference is None else reference
        if original is not None and original.shape == array.shape:
            known["psnr_db"] = psnr(original, array)
        if taken is not None and not meta.get("partial"):
            known["latency_s"] = time.time() - taken
        return known
