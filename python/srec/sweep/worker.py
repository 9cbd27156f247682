# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that computes for `srec sweep`. It takes jobs from a pipe and answers with one result after the other.

It lives as long as its parent: when the other end of the pipe closes, it is killed with everything that it has started,
also during a job.

    parent -> worker   (task, job)
    worker -> parent   ("result", value) for each result, then ("done", None), or ("failure", one line) instead
"""
import os
import select
import signal
import sys
import threading
from multiprocessing.connection import Connection

from ..commands import Failure


def _end_with_parent(pipe: Connection) -> None:
    poll = select.poll()
    poll.register(pipe.fileno(), 0)  # no event except the hang-up
    poll.poll()
    os.killpg(0, signal.SIGKILL)


def _one_line(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "a worker process has no memory left: fewer --workers take less"
    if isinstance(error, OSError):
        return f"{error.filename + ': ' if error.filename else ''}{error.strerror or error}"
    return str(error)


def main() -> None:
    pipe = Connection(int(sys.argv[1]))
    threading.Thread(target=_end_with_parent, args=(pipe,), daemon=True).start()
    from . import grid, plan_table, rows

    tasks = {"rows": rows.rows_of, "cells": grid.cells_of, "plan": plan_table.rows_of}
    while True:
        try:
            task, job = pipe.recv()
        except EOFError:
            return
        try:
            for result in tasks[task](job):
                pipe.send(("result", result))
            pipe.send(("done", None))
        except BrokenPipeError:
            return
        except (Failure, RuntimeError, ValueError, OSError, MemoryError) as error:
            pipe.send(("failure", _one_line(error)))


if __name__ == "__main__":
    main()
