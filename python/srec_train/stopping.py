# SPDX-License-Identifier: GPL-3.0-or-later
"""Ctrl-C (SIGINT), SIGTERM and SIGHUP: the process ends at once and keeps its finished work.

Python's main thread sees no signal while PyTorch or the C core computes, which may take many seconds. Therefore another
thread waits for signals: the C part of Python's signal handling writes to a pipe at once (signal.set_wakeup_fd). That
thread saves the finished work of the stage, reports it, and ends the process.
"""
import contextlib
import os
import select
import signal
import sys
import threading
from typing import Callable, Iterator

EXIT_CODE = 130
LAUNCHER = "SREC_TRAIN_LAUNCHER"  # process id of the launcher: the processes of a training do not outlive it

# Held while a save or a write is in progress: the process does not stop then.
lock = threading.RLock()
_keep = None  # function that returns one line: what was kept and how to continue
_unfinished = set()  # files being written


def on_stop(keep: Callable[[], str]) -> None:
    """Set the function that is called when the process stops.

    keep: runs in another thread with `lock` held, and returns a line to print.
    """
    global _keep
    _keep = keep


@contextlib.contextmanager
def whole(path: str) -> Iterator[str]:
    """Context for a file that exists completely or not at all. It gives the name for writing."""
    new = f"{path}.{os.getpid()}.new"  # several processes may write one file
    _unfinished.add(new)
    try:
        yield new
        os.replace(new, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(new)
        _unfinished.discard(new)


def _stop():
    with lock:
        try:
            kept = _keep() if _keep else "nothing new was finished"
        except Exception as error:  # the process ends in any case
            kept = f"what was done last could not be kept: {error}"
        for path in list(_unfinished):
            with contextlib.suppress(OSError):
                os.remove(path)
        with contextlib.suppress(OSError):
            print(f"srec-train: stopped; {kept}", file=sys.stderr, flush=True)
        os._exit(EXIT_CODE)


def _wait(pipe):
    launcher = int(os.environ.get(LAUNCHER, 0))
    while not select.select([pipe], [], [], 0.5)[0]:
        if launcher and os.getppid() != launcher:
            break
    _stop()


def watch() -> None:
    """Start to watch. Call it in the main thread before any long step."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(number, lambda *_: None)
    threading.Thread(target=_wait, args=(reader,), daemon=True).start()


def unwatch() -> None:
    """Stop to watch, before this process becomes a launcher, which handles signals itself."""
    signal.set_wakeup_fd(-1)


def settle() -> None:
    """Complete a stop that has begun, before the main thread ends."""
    with lock:
        pass
