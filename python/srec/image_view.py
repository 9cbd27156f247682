# SPDX-License-Identifier: GPL-3.0-or-later
"""A window that shows received images as their packets arrive."""
import collections
import dataclasses
import math
import os
import sys
import threading
import time
from typing import Any

import numpy as np
import pmt
from gnuradio import gr

from .metadata import picture_array, to_dict
from .originals import Originals
from .io.picture_file import load_picture
from .ports import add_ports
from .text import printable

PANELS = {"sent": "Sent", "bob": "Bob, who has the key", "eve": "Eve, who has not"}
REFUSED = ("damaged", "forged", "foreign_model", "unsupported", "truncated")  # counters of packet_decoder
REJECTED = ("foreign", "unsupported")  # counters of burst_sync


def application() -> Any:
    """Return the program's QApplication, and create it if there is none.

    Raises RuntimeError with one line if PyQt5 or a display is missing. Qt itself would end the program.
    """
    try:
        from PyQt5 import QtWidgets
    except ImportError:
        raise RuntimeError("a window needs PyQt5: apt install python3-pyqt5") from None
    if QtWidgets.QApplication.instance():
        return QtWidgets.QApplication.instance()
    platform = os.environ.get("QT_QPA_PLATFORM", "")
    if platform.split(":")[0] not in ("offscreen", "minimal"):
        if not platform and not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
            raise RuntimeError(
                "no display for a window: neither DISPLAY nor WAYLAND_DISPLAY is set (QT_QPA_PLATFORM=offscreen runs"
                " without)"
            )
        import subprocess  # here, because each command loads this module

        trial = subprocess.run(
            [sys.executable, "-c", "from PyQt5.QtWidgets import QApplication; QApplication([])"],
            capture_output=True,
            check=False,
        )
        if trial.returncode:
            raise RuntimeError(
                "no window can be opened on display"
                f" '{os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')}': is it there, and may this user"
                " use it?"
            )
    return QtWidgets.QApplication(sys.argv[:1])


@dataclasses.dataclass
class _Panel:
    """Content of one panel."""

    array: np.ndarray | None = None
    part: float = 1.0  # share of the image's packets that have arrived
    caption: str = ""


class image_view(gr.hier_block2):
    """Shows images in a window as they arrive.

    The window shows Bob's image, Eve's next to it from her first image on, and the image sent where it is known.

    Message ports, all in: `bob` and `eve` (images and partial images, from a receiver's `pdus` and `progress`),
    `original` (images as they are sent: for PSNR, and for latency if they have `time`), `info` (dicts of a receiver's
    `burst_info` for the SNR and `packet_info` for refused packets).

    title: text above the images.
    snr_db: shown if neither burst_info nor the images contain the SNR, dB. NaN: unknown.
    original: file of the image sent, if the port does not provide it.

    Create, show and grab it in the thread of Qt. Messages may come from any thread. If they come faster than Qt draws,
    only the newest is drawn. Raises RuntimeError without PyQt5 or a QApplication (`application()` creates one),
    ValueError if the file is unreadable.
    """

    def __init__(self, title: str = "", snr_db: float = float("nan"), original: str = ""):
        gr.hier_block2.__init__(self, "srec_image_view", gr.io_signature(0, 0, 0), gr.io_signature(0, 0, 0))
        try:
            from PyQt5 import QtWidgets
        except ImportError:
            raise RuntimeError("image_view needs PyQt5: apt install python3-pyqt5") from None
        from .view import widget

        if QtWidgets.QApplication.instance() is None:
            raise RuntimeError("image_view needs a QApplication: make one first")
        self._reference = load_picture(original) if original else None
        self._lock = threading.Lock()  # guards the following
        self._panels = {name: _Panel() for name in PANELS}
        self._originals = Originals()
        self._notified = False  # Qt knows of a change and has not drawn it yet
        self._snr_db = snr_db
        self._refused: dict[str, int] = {}
        # time.monotonic() of Bob's latest images
        self._arrivals: collections.deque[float] = collections.deque(maxlen=30)
        self._number: tuple[Any, int] | None = None  # session and number of Bob's latest image
        self.pictures = self.missed = self.packets = self.packets_lost = self.dropped = self.partials = 0
        self._widget = widget.View(title, PANELS)
        self._pixels = widget.pixels
        self._changed = widget.Changed(self._widget)  # ends with the window and then draws nothing
        self._changed.signal.connect(self._draw)
        if self._reference is not None:
            self._panels["sent"] = _Panel(self._reference, 1.0, printable(os.path.basename(original)))
        self._ports = add_ports(
            self, {"bob": self._bob, "eve": self._eve, "original": self._original, "info": self._info}
        )
        self._draw()

    def qwidget(self) -> Any:
        """Return the QWidget, to put into a layout or to show()."""
        return self._widget

    def grab(self) -> np.ndarray:
        """Return the window as uint8 array (height, width, 3). In the thread of Qt."""
        self._draw()
        return self._pixels(self._widget)

    def set_snr_db(self, snr_db: float) -> None:
        snr_db = float(snr_db)
        with self._lock:
            self._snr_db = snr_db
        self._tell()

    def captions(self) -> dict[str, str]:
        """Return {panel: caption}, and the line of figures under "status"."""
        with self._lock:
            return {**{name: panel.caption for name, panel in self._panels.items()}, "status": self._status()}

    def parts(self) -> dict[str, float]:
        """Return {panel: share of its image's packets that have arrived}.

        0: before the first image. 1: a whole image.
        """
        with self._lock:
            return {name: panel.part if panel.array is not None else 0.0 for name, panel in self._panels.items()}

    # --- threads of the blocks

    def _tell(self) -> None:
        with self._lock:
            notified, self._notified = self._notified, True
        if not notified:
            try:
                self._changed.signal.emit()
            except RuntimeError:  # the window is gone
                pass

    def _picture(self, msg: Any) -> tuple[dict[str, Any], np.ndarray] | None:
        """Return (metadata, array), or None for the end mark and for anything that is not an image."""
        try:
            meta = to_dict(pmt.car(msg))
            if meta.get("eof") is True:
                return None
            counts = all(isinstance(meta.get(key, 0), int) for key in ("picture", "slices", "slices_lost"))
            if "picture" in meta and counts and isinstance(meta.get("snr_db", 0.0), (int, float)):
                return meta, picture_array(meta, pmt.cdr(msg))
        except Exception:  # a stranger may send anything
            pass
        with self._lock:
            self.dropped += 1
        self._tell()
        return None

    def _received(self, name: str, msg: Any) -> None:
        found = self._picture(msg)
        if found is None:
            return
        meta, array = found
        known = self._originals.figures(meta, array, self._reference)
        with self._lock:
            slices = meta.get("slices", 0)
            there = slices - meta.get("slices_lost", 0)
            words = [f"image {meta['picture']}"]
            if meta.get("partial") or there < slices:
                words.append(f"{there} of {slices} packets")
            if "psnr_db" in known:
                words.append(f"{known['psnr_db']:.1f} dB")
            if "latency_s" in known:
                words.append(f"{1e3 * known['latency_s']:.0f} ms")
            self._panels[name] = _Panel(
                array, there / slices if meta.get("partial") and slices else 1.0, ", ".join(words)
            )
            if name == "bob":
                self._snr_db = meta.get("snr_db", self._snr_db)
                self._count(meta, slices, there)
        self._tell()

    def _count(self, meta: dict[str, Any], slices: int, there: int) -> None:
        if meta.get("partial"):
            self.partials += 1
            return
        number = meta.get("session"), meta["picture"]
        if self._number and number[0] == self._number[0] and number[1] > self._number[1]:
            self.missed += number[1] - self._number[1] - 1
        self._number = number
        self.pictures += 1
        self.packets += there
        self.packets_lost += slices - there
        self._arrivals.append(time.monotonic())

    def _bob(self, msg: Any) -> None:
        self._received("bob", msg)

    def _eve(self, msg: Any) -> None:
        self._received("eve", msg)

    def _original(self, msg: Any) -> None:
        found = self._picture(msg)
        if found is None:
            return
        meta, array = found
        self._originals.add(meta, array)
        with self._lock:
            self._panels["sent"] = _Panel(array, 1.0, f"image {meta['picture']}")
        self._tell()

    def _info(self, msg: Any) -> None:
        try:
            meta = to_dict(msg)
        except Exception:
            return
        with self._lock:
            snr_db = meta.get("snr_db")
            if isinstance(snr_db, float):
                self._snr_db = snr_db
            # counters of packet_decoder and of burst_sync
            for port, keys in (("accepted", REFUSED), ("preambles", REJECTED)):
                if port in meta:
                    self._refused[port] = sum(meta[key] for key in keys if isinstance(meta.get(key), int))
        self._tell()

    # --- thread of Qt

    def _status(self) -> str:
        words = [] if math.isnan(self._snr_db) else [f"SNR {self._snr_db:.1f} dB"]
        words.append(f"images {self.pictures}, missed {self.missed}")
        words.append(f"packets {self.packets}, lost {self.packets_lost}, refused {sum(self._refused.values())}")
        seconds = self._arrivals[-1] - self._arrivals[0] if len(self._arrivals) > 1 else 0
        if seconds:
            words.append(f"{(len(self._arrivals) - 1) / seconds:.1f} images/s")
        if self._originals.frames_dropped:
            words.append(f"frames dropped {self._originals.frames_dropped}")
        return "   ".join(words)

    def _draw(self) -> None:
        with self._lock:
            self._notified = False
            states, status = dict(self._panels), self._status()
        self._widget.show_states(states, status)
