# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens when the code of a block written in Python fails. GNU Radio ends the block's thread and nothing else, so
its neighbours wait for ever. Here the fault is recorded, the end mark goes out and the block ends; the commands, which
watch for faults, then end the flowgraph."""
import functools
import threading

from gnuradio import gr

from .srec_python import end_block, record_fault
from .text import printable

TEXT_MAX = 300  # characters of a fault's description


def describe(error):
    """exception -> text on one line"""
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    else:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return printable(text, TEXT_MAX)


class message_block(gr.basic_block):
    """Base of blocks with message ports alone. error: the exception that ended the block, or None."""

    error = None

    def set_msg_handler(self, port, handler):
        """As of gr.basic_block: handler is a method. After a fault no handler is called any more."""

        def guarded(msg):
            if self.error is None:
                self.guard(handler, msg)

        guarded.__name__ = handler.__name__ + "_guarded"  # GNU Radio calls handlers by name, as methods of the block
        setattr(self, guarded.__name__, guarded)
        gr.basic_block.set_msg_handler(self, port, guarded)

    def guarded_thread(self, target):
        """-> a daemon thread, not started"""
        return threading.Thread(target=self.guard, args=(target,), daemon=True)

    def guard(self, call, *arguments):
        """Calls it; what it raises ends the block."""
        try:
            call(*arguments)
        except Exception as error:
            self.error = error
            record_fault(self.alias(), describe(error))
            try:
                self.last_words()
            finally:
                self.end()

    def last_words(self):
        """What a block sends that ends after a fault: the end mark, if others wait for that. To be overridden."""

    def end(self):
        """The block ends once it has handled the messages that wait, and with it those that live on its messages.
        Any thread."""
        end_block(self.to_basic_block())


def guarded_work(work):
    """Decorator of a stream block's work(): what it raises is kept in `error` and ends the block."""

    @functools.wraps(work)
    def guarded(self, input_items, output_items):
        try:
            return work(self, input_items, output_items)
        except Exception as error:
            self.error = error
            record_fault(self.alias(), describe(error))
            return -1

    return guarded
