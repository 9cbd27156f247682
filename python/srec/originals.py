# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the images that were sent for a while, and compares the received ones with them."""
import collections
import threading
import time
from typing import Any

import numpy as np

from .srec_python import psnr


class Originals:
    """The latest `keep` images by number. Any thread."""

    def __init__(self, keep: int = 16):
        self._keep = keep
        self._lock = threading.Lock()  # guards the following
        # number: (array, time of capture or None)
        self._pictures: collections.OrderedDict[int, tuple[np.ndarray, float | None]] = collections.OrderedDict()
        self.first: int | None = None  # number of the first image
        self.last: int | None = None  # number of the latest image
        self.frames_dropped = 0  # frames that the source has dropped, according to the latest image

    def add(self, meta: dict[str, Any], array: np.ndarray) -> None:
        with self._lock:
            self._pictures.pop(meta["picture"], None)
            self._pictures[meta["picture"]] = array, meta.get("time")
            self.first = meta["picture"] if self.first is None else self.first
            self.last, self.frames_dropped = meta["picture"], meta.get("frames_dropped", 0)
            while len(self._pictures) > self._keep:
                self._pictures.popitem(last=False)

    def figures(self, meta: dict[str, Any], array: np.ndarray, reference: np.ndarray | None = None) -> dict[str, Any]:
        """Return a dict of what is known about a received image.

        It contains psnr_db against the original of the same number (or against `reference`), and latency_s, the seconds
        from `time` in the original's metadata until now.
        """
        with self._lock:
            original, taken = self._pictures.get(meta["picture"], (None, None))
        known: dict[str, Any] = {}
        original = original if reference is None else reference
        if original is not None and original.shape == array.shape:
            known["psnr_db"] = psnr(original, array)
        if taken is not None and not meta.get("partial"):
            known["latency_s"] = time.time() - taken
        return known
