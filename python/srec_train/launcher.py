# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs several processes of one training on this machine. PyTorch 1.13's torchrun fails with Python 3.11."""
import os
import signal
import socket
import subprocess
import sys
import time

from .stopping import EXIT_CODE, LAUNCHER

SAVING_S = 10.0  # time that the process that writes the run's folder may take to save


def _start(count):
    with socket.socket() as s:  # a free port
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    # torch.set_num_threads() does not limit these threads, and they spin while they wait.
    common = {
        "OPENBLAS_NUM_THREADS": "1",
        **os.environ,
        "WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        LAUNCHER: str(os.getpid()),
    }
    command = [sys.executable, *sys.orig_argv[1:]]
    # In separate process groups, so that Ctrl-C in a terminal reaches only the launcher.
    ranks = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]
    return [subprocess.Popen(command, env={**common, **rank}, process_group=0) for rank in ranks]


def _wait(started):
    """Wait for all processes, and return the exit code. A failed process ends the others, which would wait for it."""
    failed, left = 0, dict(enumerate(started))
    while left:
        for rank, process in [item for item in left.items() if item[1].poll() is not None]:
            del left[rank]
            if process.returncode and not failed:
                failed = process.returncode if process.returncode > 0 else 1
                print(
                    f"srec-train: process {rank} of {len(started)} has ended ({process.returncode}); the others stop",
                    file=sys.stderr,
                )
                for other in left.values():
                    other.terminate()
        time.sleep(0.1)
    return failed


def launch(count: int) -> int:
    """Run this command as `count` processes of one training, and return the exit code."""
    if "RANK" in os.environ:
        raise RuntimeError("a process of a training starts no others")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    started = []
    try:
        started = _start(count)
        return _wait(started)
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM):  # a second signal changes nothing
            signal.signal(number, signal.SIG_IGN)
        if started:  # rank 0 saves and reports it
            started[0].terminate()
            try:
                started[0].wait(SAVING_S)
            except subprocess.TimeoutExpired:
                print(
                    f"srec-train: no checkpoint was saved within {SAVING_S:g} s; the one before it remains",
                    file=sys.stderr,
                )
        return EXIT_CODE
    finally:
        for process in started:
            process.kill()
            process.wait()
