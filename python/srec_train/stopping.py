# SPDX-License-Identifier: GPL-3.0-or-later
"""Ctrl-C (SIGINT), SIGTERM and SIGHUP: the process ends within a moment, whatever it computes, and keeps what it has
finished.

Python's main thread sees no signal while PyTorch or the C core computes, which may take many seconds. So another thread
waits for one: the C part of Python's signal handling writes to a pipe at once (signal.set_wakeup_fd). That thread keeps
what the stage has finished, says so, and ends the process.
"""
import contextlib
import os
import select
import signal
import sys
import threading

EXIT_CODE = 130
LAUNCHER = "SREC_TRAIN_LAUNCHER"  # process id of the launcher: a process of a training does not outlive it

lock = threading.RLock()  # held while something is half done that is kept or written: the process does not stop then
_keep = None  # () -> what was kept and how to go on, one line
_unfinished = set()  # files being written


def on_stop(keep):
    """keep: called when the process stops, in another thread and with `lock` held; its line is shown"""
    global _keep
    _keep = keep


@contextlib.contextmanager
def whole(path):
    """A file that is there as a whole or not at all: -> the name to write it under."""
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
        except Exception as error:  # whatever it is, the process ends
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


def watch():
    """From now on. To be called in the main thread, before anything that takes long."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, lambda *_: None)
    threading.Thread(target=_wait, args=(reader,), daemon=True).start()


def unwatch():
    """Before this process becomes a launcher, which handles signals itself."""
    signal.set_wakeup_fd(-1)


def settle():
    """Before the main thread ends: a stop that has begun is carried out."""
    with lock:
        pass
