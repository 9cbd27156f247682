# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures from files as PDUs, released no faster than the link takes them."""
import contextlib
import os
import threading
import time

import numpy as np
import pmt
from gnuradio import gr
from PIL import Image, ImageOps

from .metadata import to_pmt
from .pace import released, without
from .srec_python import u8vector

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
MAX_SIDE = 65535


@contextlib.contextmanager
def _opened(path):
    """The picture, its samples not read yet; all that can go wrong becomes a ValueError with one line."""
    try:
        if os.path.getsize(path) == 0:
            raise ValueError(f"{path}: the file is empty")
        Image.MAX_IMAGE_PIXELS = None  # sizes are checked here
        with Image.open(path) as image:
            if max(image.size) > MAX_SIDE:
                raise ValueError(f"{path}: {image.size[0]}x{image.size[1]} pixels; {MAX_SIDE} a side are possible")
            yield image
    except ValueError:
        raise
    except MemoryError:
        raise ValueError(f"{path}: no memory for this picture") from None
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: cannot read this picture: {getattr(error, 'strerror', None) or error}") from None


def picture_size(path):
    """-> (width, height) as the file's header has them. Raises ValueError as load_picture does."""
    with _opened(path) as image:
        return image.size


def load_picture(path):
    """-> uint8 array (height, width) or (height, width, 3). Raises ValueError with one line that says what is wrong."""
    with _opened(path) as image:
        image = ImageOps.exif_transpose(image)
        if image.mode in ("I;16", "I;16B", "I"):
            return (np.asarray(image, np.float32) / 257).round().clip(0, 255).astype(np.uint8)
        if image.mode in ("L", "1"):
            return np.array(image.convert("L"))
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return np.array(image.convert("RGB"))


def picture_pdu(array, number, filename="", **more):
    """uint8 array -> picture PDU (docs/blocks.md); more: of its metadata"""
    array = np.ascontiguousarray(array, np.uint8)
    meta = {"width": array.shape[1], "height": array.shape[0], "channels": array.shape[2] if array.ndim == 3 else 1, "picture": number}
    if filename:
        meta["filename"] = filename
    return pmt.cons(to_pmt({**meta, **more}), u8vector(array))


def find_pictures(path):
    """file, folder or list of files -> list of files; a folder's are sorted. Raises ValueError if there is none or a single file is unreadable."""
    if not path:
        raise ValueError("no picture is named: give a file or a folder")
    if isinstance(path, str) and os.path.isdir(path):
        files = sorted(os.path.join(path, f) for f in os.listdir(path) if f.lower().endswith(SUFFIXES))
        if not files:
            raise ValueError(f"{path}: no pictures in this folder ({' '.join(SUFFIXES)})")
        return files
    files = [path] if isinstance(path, str) else list(path)
    if len(files) == 1:
        load_picture(files[0])
    return files


class image_source(gr.basic_block):
    """Message ports: in `next`, out `pdus` (pictures, then the end mark), out `info` (`event` = picture or eof).

    path: file, folder (sorted) or list of files; repeat: start over for ever; in_flight: pictures released before the first is reported
    sent, at least 1; interval: seconds between pictures instead, if above 0. Raises ValueError if there is no picture to send.
    `skipped` files could not be read. Setters may be called while the flowgraph runs.

    `next` takes the info of mapper and of semantic_encoder, or of transmitter's two info ports. A dict with `event` = picture from the mapper
    (the picture has been sent) or `event` = dropped (it never will be) releases the next picture, once for each number in `picture`; without
    a number the oldest in flight counts. What the encoder says of a picture that it encoded does not release: its symbols are yet to leave.
    """

    def __init__(self, path, repeat=False, in_flight=2, interval=0.0):
        gr.basic_block.__init__(self, "image_source", None, None)
        self._change = threading.Condition()  # guards what follows
        self._in_flight = []  # numbers of pictures on their way, oldest first
        self._stopped = True
        self._files = find_pictures(path)
        self._repeat = bool(repeat)
        self.set_in_flight(in_flight)
        self.set_interval(interval)
        self._thread = None
        self.skipped = 0
        self.message_port_register_in(pmt.intern("next"))
        self.message_port_register_out(pmt.intern("pdus"))
        self.message_port_register_out(pmt.intern("info"))
        self.set_msg_handler(pmt.intern("next"), self._next)

    def set_path(self, path):
        """Begins anew with these pictures after the one in hand. Raises ValueError and changes nothing if there is none."""
        files = find_pictures(path)
        with self._change:
            self._files = files

    def set_repeat(self, repeat):
        with self._change:
            self._repeat = bool(repeat)

    def set_in_flight(self, in_flight):
        if in_flight < 1:
            raise ValueError("in_flight must be at least 1")
        with self._change:
            self._limit = in_flight
            self._change.notify_all()

    def set_interval(self, interval):
        if not 0 <= interval < threading.TIMEOUT_MAX:
            raise ValueError("interval must be 0 or more seconds")
        with self._change:
            self._interval = interval
            self._change.notify_all()

    def _next(self, msg):
        free, number = released(msg)
        if free:
            with self._change:
                self._in_flight = without(self._in_flight, number)
                self._change.notify_all()

    def start(self):
        if self._thread:
            self._thread.join()  # of a run before
        with self._change:
            self._stopped = False
            self._in_flight = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return True

    def stop(self):
        with self._change:
            self._stopped = True
            self._change.notify_all()
        return True

    def _wait(self, last):
        """Until a picture may go; last: time.monotonic() of the one before, or None. -> False when stopped"""
        with self._change:
            while not self._stopped:
                if self._interval > 0:
                    rest = last + self._interval - time.monotonic() if last is not None else 0
                    if rest <= 0:
                        return True
                    self._change.wait(rest)
                elif len(self._in_flight) < self._limit:
                    return True
                else:
                    self._change.wait()
            return False

    def _pictures(self):
        """(file, array) of every readable picture; over again if repeating or if there are others to send"""
        while True:
            files, found = self._files, False
            for file in files:
                try:
                    picture = load_picture(file)
                except ValueError as error:
                    self.skipped += 1
                    self.logger.warn(str(error))
                    continue
                found = True
                yield file, picture
                if self._files is not files:
                    break
            if self._files is files and not (self._repeat and found):
                return

    def _run(self):
        number, last = 0, None
        for file, array in self._pictures():
            if not self._wait(last):
                return
            last = time.monotonic()
            with self._change:
                if self._interval <= 0:
                    self._in_flight.append(number)
            self.message_port_pub(pmt.intern("pdus"), picture_pdu(array, number, file))
            self.message_port_pub(pmt.intern("info"), to_pmt({"event": "picture", "picture": number, "filename": file, "skipped": self.skipped}))
            number += 1
        end = to_pmt({"eof": True})
        self.message_port_pub(pmt.intern("pdus"), pmt.cons(end, pmt.init_u8vector(0, [])))
        self.message_port_pub(pmt.intern("info"), to_pmt({"event": "eof", "pictures": number, "skipped": self.skipped}))
