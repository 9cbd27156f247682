# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures rate, latency and PSNR of a link whose two ends are in one program."""
import collections
import threading
import time
from typing import Any

import numpy as np
import pmt
from gnuradio import gr

from .metadata import picture_array, to_dict, to_pmt
from .originals import Originals
from .ports import add_ports


class picture_meter(gr.hier_block2):
    """Measures images per second, latency and PSNR.

    Message ports: in `original` (images as they are sent, with `time` in their metadata), in `pdus` (received images),
    out `pdus` (the same with `latency_s` and `psnr_db` in the metadata where known), out `info` (each image's figures
    and the counter `dropped` of messages that were not images; at the end mark the figures of the whole run).

    report: seconds between lines on standard output, plus one at the end. 0: none.

    Latency is the time from `time` of the image sent until the received image of the same number arrives, in seconds.
    Medians are over the latest 1000 images. `figures()` may be called from any thread. Raises ValueError if report is
    negative or not a number.
    """

    def __init__(self, report: float = 0.0):
        gr.hier_block2.__init__(self, "srec_picture_meter", gr.io_signature(0, 0, 0), gr.io_signature(0, 0, 0))
        if not 0 <= report < float("inf"):
            raise ValueError("report must be 0 (never) or more seconds")
        self._report = report
        self._originals = Originals()
        # (latency in seconds or None, PSNR or None)
        self._latest: collections.deque[tuple[float | None, float | None]] = collections.deque(maxlen=1000)
        # time.monotonic() of the first and the latest arrival, and of the latest line
        self._first: float | None = None
        self._last: float | None = None
        self._reported: float | None = None
        self._begin: int | None = None  # number of the first image sent, or else received
        self._max_latency: float | None = None  # s
        self.pictures = self.lost = self.dropped = 0
        self._lock = threading.Lock()  # of dropped: each port has its own thread
        self._ports = add_ports(self, {"pdus": self._received, "original": self._sent}, {"pdus": ("pdus", "info")})

    def figures(self) -> dict[str, Any]:
        """Return a dict of the figures; values are None where nothing is known.

        It has the images received, lost (numbers that are missing), dropped messages, frames_dropped by the source,
        rate_hz, median and maximum of latency_s, median PSNR.
        """
        latest = list(self._latest)
        latencies = [latency for latency, _ in latest if latency is not None]
        psnrs = [psnr for _, psnr in latest if psnr is not None]
        seconds = self._last - self._first if self._last is not None and self._first is not None else 0
        return {
            "pictures": self.pictures,
            "lost": self.lost,
            "dropped": self.dropped,
            "frames_dropped": self._originals.frames_dropped,
            "rate_hz": (self.pictures - 1) / seconds if seconds else None,
            "latency_median_s": float(np.median(latencies)) if latencies else None,
            "latency_max_s": self._max_latency,
            "psnr_median_db": float(np.median(psnrs)) if psnrs else None,
        }

    def _sent(self, msg: Any) -> None:
        try:
            meta = to_dict(pmt.car(msg))
            if meta.get("eof") is not True:
                self._originals.add(meta, picture_array(meta, pmt.cdr(msg)))
        except Exception:  # a stranger may send anything
            self._drop()

    def _drop(self) -> None:
        with self._lock:
            self.dropped += 1

    def _received(self, msg: Any) -> None:
        try:
            meta = to_dict(pmt.car(msg))
            if meta.get("eof") is True:
                self._end(msg)
                return
            number = meta["picture"]
            if not isinstance(number, int):
                raise TypeError("the number of an image is an integer")
            known = self._originals.figures(meta, picture_array(meta, pmt.cdr(msg)))
        except Exception:
            self._drop()
            return
        self._last = time.monotonic()
        self._first = self._last if self._first is None else self._first
        self.pictures += 1
        self._count_lost(number)
        self._latest.append((known.get("latency_s"), known.get("psnr_db")))
        if "latency_s" in known:
            self._max_latency = max(self._max_latency or 0.0, known["latency_s"])
        info = pmt.dict_update(pmt.car(msg), to_pmt(known))
        self._ports["pdus"].message_port_pub(pmt.intern("pdus"), pmt.cons(info, pmt.cdr(msg)))
        self._info(
            {
                "event": "picture",
                "picture": number,
                "pictures": self.pictures,
                "lost": self.lost,
                "dropped": self.dropped,
                **known,
            }
        )
        if self._report and self._last - (self._reported or self._first) >= self._report:
            self._reported = self._last
            self._line()

    def _count_lost(self, number: int) -> None:
        """Count the missing images.

        number: number of an image that should have arrived, like all before it.
        """
        if self._begin is None:
            self._begin = number if self._originals.first is None else self._originals.first
        self.lost = max(0, number + 1 - self._begin - self.pictures)

    def _end(self, msg: Any) -> None:
        if self._originals.last is not None:
            self._count_lost(self._originals.last)
        self._ports["pdus"].message_port_pub(pmt.intern("pdus"), msg)
        self._info({"event": "eof", **self.figures()})
        if self._report:
            self._line()

    def _line(self) -> None:
        f = self.figures()
        parts = [f"{f['pictures']} images"]
        if f["rate_hz"] is not None:
            parts.append(f"{f['rate_hz']:.1f} a second")
        if f["latency_median_s"] is not None:
            parts.append(f"latency {1e3 * f['latency_median_s']:.0f} ms, at most {1e3 * f['latency_max_s']:.0f} ms")
        if f["psnr_median_db"] is not None:
            parts.append(f"PSNR {f['psnr_median_db']:.1f} dB")
        print(
            "; ".join([*parts, f"lost {f['lost']}", f"frames dropped at the source {f['frames_dropped']}"]), flush=True
        )

    def _info(self, values: dict[str, Any]) -> None:
        self._ports["pdus"].message_port_pub(pmt.intern("info"), to_pmt(values))
