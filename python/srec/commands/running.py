# SPDX-License-Identifier: GPL-3.0-or-later
"""The run of a flowgraph by a command: its start, its faults, and its end in time after a signal."""
import os
import signal
import sys
import threading
import time
from types import FrameType, TracebackType
from typing import Any

from . import Failure, home
from ..text import printable

STOP_S = 5.0  # from a signal to the end of the process; also the time that a flowgraph may take to stop
EXIT_S = 0.5  # part of it for the process itself
FINISH_S = 3.0  # part of it for the current image
SILENT_S = 10  # a radio that delivers or takes no samples for this long is out of order


class Stop:
    """A context that SIGINT and SIGTERM set.

    The run must then end cleanly within STOP_S. A second signal ends the process at once. number: of the signal, or
    None.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._at: float | None = None  # time.monotonic() of the signal
        self._old: dict[int, Any] = {}  # handlers of the program

    def __enter__(self) -> "Stop":
        for number in (signal.SIGINT, signal.SIGTERM):
            self._old[number] = signal.signal(number, self._handle)
        return self

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.number:
            os._exit(128 + number)
        self.number, self._at = number, time.monotonic()

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def __bool__(self) -> bool:
        return self.number is not None

    def left(self, seconds: float = STOP_S) -> float:
        """Return the time left until `seconds` after the signal, at least 0; before a signal all of it."""
        return seconds if self._at is None else max(0.0, self._at + seconds - time.monotonic())


class Run:
    """A context that starts and watches a flowgraph, and stops it at the end in any case.

    A block that fails ends the run with Failure. A flowgraph that does not stop in time ends the process.
    """

    def __init__(self, command: str, top: Any, stop: Stop):
        """Prepare the run.

        command: its name, for the last line.
        top: the flowgraph.
        """
        from gnuradio import srec

        self._command, self._top, self._stop = command, top, stop
        self._watch = srec.fault_watch()
        self._waiter = threading.Thread(target=top.wait, daemon=True)

    def __enter__(self) -> "Run":
        home.prepare()
        self._top.start()
        self._waiter.start()
        return self

    def ended(self, timeout: float = 0.0) -> bool:
        """Return whether the flowgraph has ended by itself. Raises Failure if a block has failed."""
        self._waiter.join(timeout)
        self.check()
        return not self._waiter.is_alive()

    def check(self) -> None:
        """Raise Failure if a block has failed."""
        faults = self._watch.faults()
        if faults:
            block, what = faults[0]
            raise Failure(printable(f"{block} failed: {what}" if block else f"a block of GNU Radio failed: {what}"))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._top.stop()
        self._waiter.join(self._stop.left(STOP_S - EXIT_S))
        if self._waiter.is_alive():
            if isinstance(error, Failure):
                print(f"{self._command}: {error}", file=sys.stderr)
            print(f"{self._command}: a block does not stop: the process ends without it", file=sys.stderr, flush=True)
            os._exit(1)
        if kind is None and not self._stop:
            self.check()
