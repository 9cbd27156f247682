# SPDX-License-Identifier: GPL-3.0-or-later
"""The pace of a source of images: what releases the next image."""
import time
from typing import Any, Callable

import pmt

from .srec_python import busy_behind, feeds_back, follow, items_behind, waiting_behind

WARN_S = 10.0  # of waiting for `next` while the link is idle


def released(msg: Any) -> tuple[bool, int | None]:
    """Return (True, image number or None) if an info dict of mapper or encoder releases an image.

    Otherwise return (False, None). `event` = picture of the mapper and `event` = dropped release. The encoder's report
    of an encoded image does not. The number is None if the dict contains none.
    """

    def value(key: str) -> Any:
        return pmt.dict_ref(msg, pmt.intern(key), pmt.PMT_NIL)

    if not pmt.is_dict(msg):
        return False, None
    event, number = value("event"), value("picture")
    sent = pmt.eqv(event, pmt.intern("picture")) and not pmt.dict_has_key(msg, pmt.intern("encode_s"))
    if not sent and not pmt.eqv(event, pmt.intern("dropped")):
        return False, None
    return True, pmt.to_python(number) if pmt.is_integer(number) or pmt.is_uint64(number) else None


def without(in_flight: list[int], number: int | None) -> list[int]:
    """Return the numbers still in flight, oldest first, after `number` has been released (None: the oldest)."""
    return in_flight[1:] if number is None else [n for n in in_flight if n != number]


class Pace:
    """Finds what releases the images of a source with the ports `next` and `pdus`.

    driven: reports arrive on `next`, from connected blocks or from the encoder and mapper behind the source, which
        begin() then connects. Otherwise the source watches the queue behind `pdus`.
    """

    def __init__(self, block: Any):
        self._block, self.driven = block, True
        self._heard = self._warned = False

    def begin(self) -> None:
        """Call this in the block's start()."""
        block = self._block.to_basic_block()
        self.driven = feeds_back(block, "next") or follow(block, "next") > 0
        self._heard = self._warned = False

    def hear(self) -> None:
        """Record that a report on `next` has released an image."""
        self._heard = self.driven = True

    def queue_is_empty(self) -> bool:
        return waiting_behind(self._block.to_basic_block(), "pdus") == 0

    def watch(self) -> Callable[[], None]:
        """Return a function to call from time to time while an image waits for `next`.

        It warns once if no report ever arrives and the link is idle.
        """
        block = self._block.to_basic_block()
        since, items = time.monotonic(), items_behind(block)

        def look() -> None:
            nonlocal since, items
            if self._heard or self._warned:
                return
            now, latest = time.monotonic(), items_behind(block)
            if latest != items or busy_behind(block):
                since, items = now, latest
            elif now - since > WARN_S:
                self._warned = True
                self._block.logger.warn(
                    f"an image has waited {WARN_S:.0f} s for a report on the port next, and the link "
                    "is idle: connect the transmitter's info and encoder_info to it, or nothing"
                )

        return look
