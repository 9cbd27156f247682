# SPDX-License-Identifier: GPL-3.0-or-later
"""Handling of exceptions in blocks written in Python.

GNU Radio ends the block's thread and nothing else, so its neighbours would wait for ever. Here the fault is recorded,
the end mark goes out and the block ends. The commands watch for faults and then end the flowgraph.
"""
import functools
import threading
from typing import Any, Callable

from gnuradio import gr

from .srec_python import end_block, record_fault
from .text import printable

TEXT_MAX = 300  # maximum characters of a fault's description


def describe(error: BaseException | None) -> str:
    """Return the description of an exception as text on one line."""
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    else:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return printable(text, TEXT_MAX)


class message_block(gr.basic_block):
    """Base of blocks that have message ports only.

    error: the exception that ended the block, or None.
    """

    error: Exception | None = None

    def __init__(self, name: str, in_sig: Any = None, out_sig: Any = None):
        gr.basic_block.__init__(self, name, in_sig, out_sig)

    def set_msg_handler(self, port: Any, handler: Callable[[Any], None]) -> None:
        """Set the handler of a port, as in gr.basic_block. The handler must be a method.

        After a fault no handler is called.
        """

        def guarded(msg: Any) -> None:
            if self.error is None:
                self.guard(handler, msg)

        # GNU Radio calls handlers by name, as methods of the block.
        guarded.__name__ = handler.__name__ + "_guarded"
        setattr(self, guarded.__name__, guarded)
        gr.basic_block.set_msg_handler(self, port, guarded)

    def guarded_thread(self, target: Callable[[], None]) -> threading.Thread:
        """Return a daemon thread that has not started yet."""
        return threading.Thread(target=self.guard, args=(target,), daemon=True)

    def guard(self, call: Callable[..., None], *arguments: Any) -> None:
        """Call a function. An exception in it ends the block."""
        try:
            call(*arguments)
        except Exception as error:
            self.error = error
            record_fault(self.alias(), describe(error))
            try:
                self.last_words()
            finally:
                self.end()

    def last_words(self) -> None:
        """Send what the block sends before it ends after a fault: the end mark, if others wait for it.

        Subclasses override it.
        """

    def end(self) -> None:
        """End the block after the waiting messages, and with it the blocks that depend on its messages. Any thread."""
        end_block(self.to_basic_block())


def guarded_work(work: Callable[..., int]) -> Callable[..., int]:
    """Decorator of a stream block's work(). An exception is stored in `error` and ends the block."""

    @functools.wraps(work)
    def guarded(self: Any, input_items: list, output_items: list) -> int:
        try:
            return work(self, input_items, output_items)
        except Exception as error:
            self.error = error
            record_fault(self.alias(), describe(error))
            return -1

    return guarded
