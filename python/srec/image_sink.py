# SPDX-License-Identifier: GPL-3.0-or-later
"""Received pictures as PNG files with a JSON of their metadata beside them."""
import collections
import json
import os
import threading

import pmt
from gnuradio import gr
from PIL import Image

from .metadata import picture_array, to_dict, to_pmt


def _intern(meta, key, value):
    return pmt.dict_add(meta, pmt.intern(key), value)


class image_sink(gr.basic_block):
    """Message ports: in `pdus` (pictures), out `info` (each picture's metadata with `event`, `number` and, once written, `path`).

    folder: made if missing; "" = no files, the latest pictures stay in memory (`pictures`: (array, metadata), oldest first);
    prefix: of the file names, PREFIX0000.png and on; stop_after: pictures after which wait() returns and none is taken, 0 = at the end mark only;
    keep: pictures kept in memory, at least 1;
    first: number of the first picture, in file names and metadata. Raises ValueError for an impossible number or prefix, OSError if the folder cannot be made.
    `count` pictures came, `dropped` messages were no pictures or could not be written. Setters may be called while the flowgraph runs.
    """

    def __init__(self, folder="", prefix="picture", stop_after=0, keep=8, first=0):
        gr.basic_block.__init__(self, "image_sink", None, None)
        if stop_after < 0 or keep < 1 or first < 0:
            raise ValueError("stop_after and first must be at least 0, keep at least 1")
        self._first = first
        self._stop_after = stop_after
        self._done = threading.Event()
        self._said = set()  # kinds of trouble that the log has
        self.pictures, self.count, self.dropped = collections.deque(maxlen=keep), 0, 0
        self.set_prefix(prefix)
        self.set_folder(folder)
        self.message_port_register_in(pmt.intern("pdus"))
        self.message_port_register_out(pmt.intern("info"))
        self.set_msg_handler(pmt.intern("pdus"), self._handle)

    def set_folder(self, folder):
        """Holds from the next picture on."""
        if folder:
            os.makedirs(folder, exist_ok=True)
        self._folder = folder

    def folder(self):
        return self._folder

    def set_prefix(self, prefix):
        """Holds from the next picture on."""
        if os.path.basename(prefix) != prefix:
            raise ValueError(f"prefix '{prefix}': folders belong into the parameter folder")
        self._prefix = prefix

    def prefix(self):
        return self._prefix

    def wait(self, timeout=None):
        """-> True once the last picture is there (end mark or stop_after)"""
        return self._done.wait(timeout)

    def _handle(self, msg):
        try:
            meta = to_dict(pmt.car(msg))
            if meta.get("eof") is True:
                self._info(to_pmt({"event": "eof", "pictures": self.count, "dropped": self.dropped}))
                self._done.set()
                return
            if self._full():
                return  # the flowgraph has not stopped yet
            meta.pop("deviation", None)  # of every patch, for the enhancer
            array = picture_array(meta, pmt.cdr(msg))
        except Exception as error:  # whatever a stranger may send: dropped and counted
            self._drop("not a picture PDU: ", f"{type(error).__name__} {error}"[:120])
            return
        info = _intern(_intern(pmt.car(msg), "event", pmt.intern("picture")), "number", pmt.from_uint64(self._first + self.count))
        meta["number"] = self._first + self.count
        self.count += 1
        if self._folder:
            path = self._write(array, meta)
            if path:
                self._info(_intern(info, "path", pmt.intern(path)))
        else:
            self.pictures.append((array, meta))
            self._info(info)
        if self._full():
            self._done.set()

    def _full(self):
        return bool(self._stop_after) and self.count >= self._stop_after

    def _info(self, metadata):
        self.message_port_pub(pmt.intern("info"), metadata)

    def _drop(self, kind, why):
        self.dropped += 1
        if kind not in self._said:
            self._said.add(kind)
            self.logger.warn(f"{kind}{why} (said once)")
        self._info(to_pmt({"event": "dropped", "dropped": self.dropped}))

    def _write(self, array, meta):
        """-> path of the PNG, or None if it could not be written"""
        base = os.path.join(self._folder, f"{self._prefix}{meta['number']:04d}")
        try:  # a reader never sees half a file
            Image.fromarray(array).save(base + ".png.tmp", "PNG")
            os.replace(base + ".png.tmp", base + ".png")
            with open(base + ".json.tmp", "w", encoding="utf-8") as f:
                json.dump(meta, f, indent=1)
            os.replace(base + ".json.tmp", base + ".json")
        except OSError as error:
            self._drop("cannot write ", f"{base}.png: {error.strerror or error}")
            return None
        return base + ".png"
