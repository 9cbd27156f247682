# SPDX-License-Identifier: GPL-3.0-or-later
"""Received pictures as PNG files with a JSON of their metadata beside them."""
import json
import os
import threading

import pmt
from gnuradio import gr
from PIL import Image

from .srec_python import u8array


class image_sink(gr.basic_block):
    """Message ports: in `pdus` (pictures), out `info`.

    folder: made if missing; "" = keep pictures in memory only (`pictures`: list of (array, metadata)); prefix of the file names;
    stop_after: pictures after which wait() returns, 0 = at the end mark only.
    """

    def __init__(self, folder="", prefix="picture", stop_after=0):
        gr.basic_block.__init__(self, "image_sink", None, None)
        self._folder, self._prefix, self._stop_after = folder, prefix, stop_after
        self._done = threading.Event()
        self.pictures, self.count, self.dropped = [], 0, 0
        if folder:
            os.makedirs(folder, exist_ok=True)
        self.message_port_register_in(pmt.intern("pdus"))
        self.message_port_register_out(pmt.intern("info"))
        self.set_msg_handler(pmt.intern("pdus"), self._handle)

    def wait(self, timeout=None):
        """-> True once the last picture is there (end mark or stop_after)"""
        return self._done.wait(timeout)

    def _handle(self, msg):
        try:
            meta = pmt.to_python(pmt.car(msg)) or {}
            if meta.get("eof"):
                self._info({"event": "eof", "pictures": self.count, "dropped": self.dropped})
                self._done.set()
                return
            shape = (meta["height"], meta["width"]) + ((3,) if meta["channels"] == 3 else ())
            array = u8array(pmt.cdr(msg)).reshape(shape)
        except Exception as error:  # whatever a stranger may send: dropped and counted
            self.dropped += 1
            self.logger.warn(f"not a picture PDU: {error}")
            self._info({"event": "dropped", "dropped": self.dropped})
            return
        meta["number"] = self.count
        self.count += 1
        if self._folder:
            self._write(array, meta)
        else:
            self.pictures.append((array, meta))
        self._info({"event": "picture", **meta})
        if self._stop_after and self.count >= self._stop_after:
            self._done.set()

    def _info(self, values):
        self.message_port_pub(pmt.intern("info"), pmt.to_pmt(values))

    def _write(self, array, meta):
        base = os.path.join(self._folder, f"{self._prefix}{meta['number']:04d}")
        try:  # a reader never sees half a file
            Image.fromarray(array).save(base + ".png.tmp", "PNG")
            os.replace(base + ".png.tmp", base + ".png")
            with open(base + ".json.tmp", "w") as f:
                json.dump(meta, f, indent=1)
            os.replace(base + ".json.tmp", base + ".json")
        except OSError as error:
            self.dropped += 1
            self.logger.error(f"cannot write {base}.png: {error.strerror}")
