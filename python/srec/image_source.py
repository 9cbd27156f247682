# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends images from files as PDUs, no faster than the link takes them."""
import threading
import time
from typing import Any, Iterator

import numpy as np
import pmt

from .guard import describe, message_block
from .metadata import to_pmt
from .pace import Pace, released, without
from .io.picture_file import list_pictures, load_picture
from .srec_python import u8vector
from .text import printable

# Bytes of memory for each pixel at the peak of two images in flight. With 12 million pixels 21 were measured.
ENCODER_BYTES = 30
LOOK_S = 0.02  # interval between checks of the queue behind


def picture_pdu(array: np.ndarray, number: int, filename: str = "", **more: Any) -> Any:
    """Return an image PDU (docs/blocks.md).

    array: uint8, (height, width) or (height, width, 3).
    more: further metadata.
    """
    if array.dtype != np.uint8:
        raise ValueError(f"an image of {array.dtype}: uint8 is needed")
    array = np.ascontiguousarray(array)
    meta: dict[str, Any] = {
        "width": array.shape[1],
        "height": array.shape[0],
        "channels": array.shape[2] if array.ndim == 3 else 1,
        "picture": number,
    }
    if filename:
        meta["filename"] = filename
    return pmt.cons(to_pmt({**meta, **more}), u8vector(array))


class image_source(message_block):
    """Sends images from files as PDUs.

    Message ports: in `next`, out `pdus` (images, then the end mark), out `info` (`event` = picture or eof).

    path: file, folder (sorted) or list of files.
    repeat: start again after the last image, without end.
    in_flight: number of images released before the first one is reported as sent, at least 1.
    interval: seconds between images, instead of in_flight, if above 0.
    transmissions: how often each image is sent, one transmission after the other; 0: without end. Each transmission has
        an image number of its own, and `first_picture`, that of the first one, in its metadata. layer_encoder then
        repeats the packets of the first one, which receivers add up; semantic_encoder sends another image.

    `next` takes the info of mapper and semantic_encoder, or of the two info ports of transmitter. A dict with `event` =
    picture from the mapper (the image has been sent) or `event` = dropped (it never will be) releases the next image,
    once for each number in `picture`. A dict without a number counts for the oldest image in flight. The encoder's
    report of an encoded image does not release, since its symbols are still to be sent.

    If no block behind `pdus` is connected to `next`, the source finds the encoder and the mapper behind it and connects
    them itself. If there are none, an image goes as soon as the previous one has left the queue of the next block.
    After the end mark the source ends, and with it the blocks that depend on its images.

    `skipped` files could not be read. Setters may be called while the flowgraph runs. Raises ValueError if there is no
    image to send.
    """

    def __init__(
        self,
        path: str | list[str],
        repeat: bool = False,
        in_flight: int = 2,
        interval: float = 0.0,
        transmissions: int = 1,
    ):
        message_block.__init__(self, "image_source")
        self._change = threading.Condition()  # guards the following
        self._in_flight: list[int] = []  # numbers of the images on their way, oldest first
        self._stopped = True
        self._files: list[str] = []
        self._loaded: dict[str, np.ndarray] = {}
        self.set_path(path)
        self._repeat = bool(repeat)
        self.set_in_flight(in_flight)
        self.set_interval(interval)
        self.set_transmissions(transmissions)
        self._thread: threading.Thread | None = None
        self._pace = Pace(self)
        self.skipped = 0
        self.message_port_register_in(pmt.intern("next"))
        self.message_port_register_out(pmt.intern("pdus"))
        self.message_port_register_out(pmt.intern("info"))
        self.set_msg_handler(pmt.intern("next"), self._next)

    def set_path(self, path: str | list[str]) -> None:
        """Start again with these images after the current one. Raises ValueError without a change if there is none."""
        files = list_pictures(path)
        loaded = {files[0]: load_picture(files[0], ENCODER_BYTES, "to send")} if len(files) == 1 else {}
        with self._change:
            self._files, self._loaded = files, loaded

    def set_repeat(self, repeat: bool) -> None:
        with self._change:
            self._repeat = bool(repeat)

    def set_in_flight(self, in_flight: int) -> None:
        if in_flight < 1:
            raise ValueError("in_flight must be at least 1")
        with self._change:
            self._limit = in_flight
            self._change.notify_all()

    def set_interval(self, interval: float) -> None:
        if not 0 <= interval < threading.TIMEOUT_MAX:
            raise ValueError("interval must be 0 or more seconds")
        with self._change:
            self._interval = interval
            self._change.notify_all()

    def set_transmissions(self, transmissions: int) -> None:
        if transmissions < 0:
            raise ValueError("transmissions must be 1 or more, or 0: without end")
        self._transmissions = transmissions

    def _next(self, msg: Any) -> None:
        free, number = released(msg)
        if free:
            with self._change:
                self._pace.hear()
                self._in_flight = without(self._in_flight, number)
                self._change.notify_all()

    def start(self) -> bool:
        if self._thread:
            self._thread.join()  # of an earlier run
        with self._change:
            self._stopped = False
            self._in_flight = []
            self._pace.begin()
        self._thread = self.guarded_thread(self._run)
        self._thread.start()
        return True

    def stop(self) -> bool:
        with self._change:
            self._stopped = True
            self._change.notify_all()
        return True

    def _wait(self, last: float | None) -> bool:
        """Wait until an image may be sent. Return False when stopped.

        last: time.monotonic() of the previous image, or None.
        """
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

    def _load(self, file: str) -> np.ndarray:
        """Load an image, or take it over from set_path(), which has loaded a single one as a check."""
        loaded = self._loaded.pop(file, None)
        return load_picture(file, ENCODER_BYTES, "to send") if loaded is None else loaded

    def _pictures(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield (file, array) of every readable image. Start again if `repeat` is set or if there is a new path."""
        while True:
            files, found = self._files, False
            for file in files:
                try:
                    picture = self._load(file)
                except Exception as error:  # a file may break a decoder in any way: skip this image
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

    def _transmitted(self) -> Iterator[tuple[str, np.ndarray, int]]:
        """Yield (file, array, ordinal number from 0) of every transmission of every image."""
        for file, array in self._pictures():
            files, sent = self._files, 0
            while sent == 0 or self._files is files and (self._transmissions == 0 or sent < self._transmissions):
                yield file, array, sent
                sent += 1

    def _run(self) -> None:
        number = 0
        last: float | None = None  # time.monotonic() of the previous image
        for file, array, ordinal in self._transmitted():
            if not self._wait(last):
                return
            last = time.monotonic()
            with self._change:
                if self._interval <= 0:
                    self._in_flight.append(number)
            more = {"first_picture": number - ordinal} if ordinal or self._transmissions != 1 else {}
            self.message_port_pub(pmt.intern("pdus"), picture_pdu(array, number, file, **more))
            self.message_port_pub(
                pmt.intern("info"),
                to_pmt({"event": "picture", "picture": number, "filename": file, "skipped": self.skipped, **more}),
            )
            number += 1
        self.message_port_pub(pmt.intern("info"), to_pmt({"event": "eof", "pictures": number, "skipped": self.skipped}))
        self.last_words()
        self.end()

    def last_words(self) -> None:
        self.message_port_pub(pmt.intern("pdus"), pmt.cons(to_pmt({"eof": True}), pmt.init_u8vector(0, [])))
