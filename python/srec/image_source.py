# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures from files as PDUs, released no faster than the link takes them."""
import os
import threading

import numpy as np
import pmt
from gnuradio import gr
from PIL import Image, ImageOps

from .srec_python import u8vector

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
MAX_SIDE = 65535


def load_picture(path):
    """-> uint8 array (height, width) or (height, width, 3). Raises ValueError with one line that says what is wrong."""
    try:
        if os.path.getsize(path) == 0:
            raise ValueError(f"{path}: the file is empty")
        Image.MAX_IMAGE_PIXELS = None  # sizes are checked here
        with Image.open(path) as image:
            if max(image.size) > MAX_SIDE:
                raise ValueError(f"{path}: {image.size[0]}x{image.size[1]} pixels; {MAX_SIDE} a side are possible")
            image = ImageOps.exif_transpose(image)
            if image.mode in ("I;16", "I;16B", "I"):
                return (np.asarray(image, np.float64) / 257).round().clip(0, 255).astype(np.uint8)
            if image.mode in ("L", "1"):
                return np.array(image.convert("L"))
            if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            return np.array(image.convert("RGB"))
    except ValueError:
        raise
    except MemoryError:
        raise ValueError(f"{path}: no memory for this picture") from None
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: cannot read this picture: {getattr(error, 'strerror', None) or error}") from None


def picture_pdu(array, number, filename=""):
    """uint8 array -> picture PDU (docs/blocks.md)"""
    array = np.ascontiguousarray(array, np.uint8)
    meta = pmt.make_dict()
    for key, value in (("width", array.shape[1]), ("height", array.shape[0]),
                       ("channels", array.shape[2] if array.ndim == 3 else 1), ("picture", number)):
        meta = pmt.dict_add(meta, pmt.intern(key), pmt.from_uint64(value))
    if filename:
        meta = pmt.dict_add(meta, pmt.intern("filename"), pmt.intern(filename))
    return pmt.cons(meta, u8vector(array))


class image_source(gr.basic_block):
    """Message ports: in `next` (dicts; event = picture releases the next picture), out `pdus` (pictures, then the end mark), out `info`.

    path: file, folder (sorted) or list of files; repeat: start over for ever; in_flight: pictures released before the first is reported
    sent; interval: seconds between pictures instead, if above 0. Raises ValueError if there is no readable picture.
    """

    def __init__(self, path, repeat=False, in_flight=2, interval=0.0):
        gr.basic_block.__init__(self, "image_source", None, None)
        if isinstance(path, str) and os.path.isdir(path):
            self._files = sorted(os.path.join(path, f) for f in os.listdir(path) if f.lower().endswith(SUFFIXES))
            if not self._files:
                raise ValueError(f"{path}: no pictures in this folder ({' '.join(SUFFIXES)})")
        else:
            self._files = [path] if isinstance(path, str) else list(path)
            if len(self._files) == 1:
                load_picture(self._files[0])
        if in_flight < 1:
            raise ValueError("in_flight must be at least 1")
        self._repeat, self._interval = repeat, interval
        self._permits = threading.Semaphore(in_flight)
        self._stop = threading.Event()
        self._thread = None
        self.skipped = 0
        self.message_port_register_in(pmt.intern("next"))
        self.message_port_register_out(pmt.intern("pdus"))
        self.message_port_register_out(pmt.intern("info"))
        self.set_msg_handler(pmt.intern("next"), self._next)

    def _next(self, msg):
        if pmt.is_dict(msg) and pmt.eqv(pmt.dict_ref(msg, pmt.intern("event"), pmt.PMT_NIL), pmt.intern("picture")):
            self._permits.release()

    def start(self):
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return True

    def stop(self):
        self._stop.set()
        return True

    def _wait(self):
        """-> False when stopped"""
        if self._interval > 0:
            return not self._stop.wait(self._interval)
        while not self._permits.acquire(timeout=0.05):
            if self._stop.is_set():
                return False
        return not self._stop.is_set()

    def _pictures(self):
        while True:
            found = False
            for file in self._files:
                try:
                    yield file, load_picture(file)
                    found = True
                except ValueError as error:
                    self.skipped += 1
                    self.logger.warn(str(error))
            if not self._repeat or not found:
                return

    def _run(self):
        number = 0
        for file, array in self._pictures():
            if not self._wait():
                return
            self.message_port_pub(pmt.intern("pdus"), picture_pdu(array, number, file))
            self.message_port_pub(pmt.intern("info"), pmt.to_pmt({"event": "picture", "picture": number, "filename": file, "skipped": self.skipped}))
            number += 1
        end = pmt.dict_add(pmt.make_dict(), pmt.intern("eof"), pmt.PMT_T)
        self.message_port_pub(pmt.intern("pdus"), pmt.cons(end, pmt.init_u8vector(0, [])))
        self.message_port_pub(pmt.intern("info"), pmt.to_pmt({"event": "eof", "pictures": number, "skipped": self.skipped}))
