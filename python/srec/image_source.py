# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures from files as PDUs, released no faster than the link takes them."""
import threading
import time

import numpy as np
import pmt

from .guard import describe, message_block
from .metadata import to_pmt
from .pace import Pace, released, without
from .picture_file import find_pictures, load_picture
from .srec_python import u8vector
from .text import printable

ENCODER_BYTES = (
    30  # of memory for each pixel at the peak of two pictures in flight: with 12 million pixels 21 were measured
)
LOOK_S = 0.02  # between looks at the queue behind


def picture_pdu(array, number, filename="", **more):
    """uint8 array -> picture PDU (docs/blocks.md); more: of its metadata"""
    array = np.ascontiguousarray(array, np.uint8)
    meta = {
        "width": array.shape[1],
        "height": array.shape[0],
        "channels": array.shape[2] if array.ndim == 3 else 1,
        "picture": number,
    }
    if filename:
        meta["filename"] = filename
    return pmt.cons(to_pmt({**meta, **more}), u8vector(array))


class image_source(message_block):
    """Message ports: in `next`, out `pdus` (pictures, then the end mark), out `info` (`event` = picture or eof).

    path: file, folder (sorted) or list of files; repeat: start over for ever; in_flight: pictures released before the
    first is reported
    sent, at least 1; interval: seconds between pictures instead, if above 0. Raises ValueError if there is no picture
    to send.
    `skipped` files could not be read. Setters may be called while the flowgraph runs.

    `next` takes the info of mapper and of semantic_encoder, or of transmitter's two info ports. A dict with `event` =
    picture from the mapper
    (the picture has been sent) or `event` = dropped (it never will be) releases the next picture, once for each number
    in `picture`; without
    a number the oldest in flight counts. What the encoder says of a picture that it encoded does not release: its
    symbols are yet to leave.
    If no block behind `pdus` is connected to `next`, the source connects the encoder and mapper that it finds there by
    itself; if there are
    none, a picture goes as soon as the one before has left the queue of the block behind. After the end mark the source
    ends, and with it the
    blocks that live on its pictures.
    """

    def __init__(self, path, repeat=False, in_flight=2, interval=0.0):
        message_block.__init__(self, "image_source", None, None)
        self._change = threading.Condition()  # guards what follows
        self._in_flight = []  # numbers of pictures on their way, oldest first
        self._stopped = True
        self._files = find_pictures(path, ENCODER_BYTES, "to send")
        self._repeat = bool(repeat)
        self.set_in_flight(in_flight)
        self.set_interval(interval)
        self._thread = None
        self._pace = Pace(self)
        self.skipped = 0
        self.message_port_register_in(pmt.intern("next"))
        self.message_port_register_out(pmt.intern("pdus"))
        self.message_port_register_out(pmt.intern("info"))
        self.set_msg_handler(pmt.intern("next"), self._next)

    def set_path(self, path):
        """Begins anew with these pictures after the one in hand. Raises ValueError and changes nothing if there is
        none."""
        files = find_pictures(path, ENCODER_BYTES, "to send")
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
                self._pace.hear()
                self._in_flight = without(self._in_flight, number)
                self._change.notify_all()

    def start(self):
        if self._thread:
            self._thread.join()  # of a run before
        with self._change:
            self._stopped = False
            self._in_flight = []
            self._pace.begin()
        self._thread = self.guarded_thread(self._run)
        self._thread.start()
        return True

    def stop(self):
        with self._change:
            self._stopped = True
            self._change.notify_all()
        return True

    def _wait(self, last):
        """Until a picture may go; last: time.monotonic() of the one before, or None. -> False when stopped"""
        look = self._pace.watch()
        with self._change:
            while not self._stopped:
                if self._interval > 0:
                    rest = last + self._interval - time.monotonic() if last is not None else 0
                    if rest <= 0:
                        return True
                    self._change.wait(rest)
                elif len(self._in_flight) < self._limit if self._pace.driven else self._pace.queue_is_empty():
                    return True
                else:
                    self._change.wait(0.25 if self._pace.driven else LOOK_S)
                    look()
            return False

    def _pictures(self):
        """(file, array) of every readable picture; over again if repeating or if there are others to send"""
        while True:
            files, found = self._files, False
            for file in files:
                try:
                    picture = load_picture(file, ENCODER_BYTES, "to send")
                except Exception as error:  # whatever a file can do to a decoder: that picture is passed over
                    self.skipped += 1
                    self.logger.warn(
                        printable(error if isinstance(error, ValueError) else f"{file}: {describe(error)}")
                    )
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
            self.message_port_pub(
                pmt.intern("info"),
                to_pmt({"event": "picture", "picture": number, "filename": file, "skipped": self.skipped}),
            )
            number += 1
        self.message_port_pub(pmt.intern("info"), to_pmt({"event": "eof", "pictures": number, "skipped": self.skipped}))
        self.last_words()
        self.end()

    def last_words(self):
        self.message_port_pub(pmt.intern("pdus"), pmt.cons(to_pmt({"eof": True}), pmt.init_u8vector(0, [])))
