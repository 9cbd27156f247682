# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs jobs in local processes or on a Dask cluster.

Results arrive one by one, in any order. They do not depend on who computed them. A generator of this module that is
closed early, for example by Ctrl-C, leaves no process behind: jobs in progress are abandoned.
"""
import collections
import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from multiprocessing import connection
from typing import Any, NoReturn

from ..commands import Failure
from .rows import rows_of

GOES_ON = "finished points are kept: the same command resumes the sweep"


class _Worker:
    """A process of sweep/worker.py in its own process group, so that Ctrl-C in a terminal reaches only the parent."""

    def __init__(self, folder: str) -> None:
        self.pipe, theirs = multiprocessing.Pipe()
        with theirs:
            command = [sys.executable, "-m", __package__ + ".worker", str(theirs.fileno())]
            self._process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=2,
                process_group=0,
                env=dict(os.environ, TMPDIR=folder),
            )

    def give(self, task: str, job: dict) -> None:
        try:
            self.pipe.send((task, job))
        except OSError:
            self.fail()

    def receive(self) -> tuple[str, Any]:
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self.fail()

    def fail(self) -> NoReturn:
        code = self._process.wait()
        if code > 0:
            raise Failure(f"a worker process ended with exit code {code}; {GOES_ON}")
        raise Failure(f"a worker process was killed (is memory short? fewer --workers take less); {GOES_ON}")

    def kill(self) -> None:
        """Kill the process and everything that it has started."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        self.pipe.close()


def local(task: str, jobs: list[dict], workers: int) -> Generator[Any, None, None]:
    """Yield the results of all jobs.

    task: "rows", "cells" or "plan" (sweep/worker.py).
    """
    waiting = collections.deque(jobs)
    team: dict[Any, _Worker] = {}
    # the temporary files of a killed worker are removed with the folder
    with tempfile.TemporaryDirectory(prefix="srec-sweep-", ignore_cleanup_errors=True) as folder:
        try:
            for _ in range(min(workers, len(jobs))):
                worker = _Worker(folder)
                team[worker.pipe] = worker
                worker.give(task, waiting.popleft())
            busy: set[Any] = set(team)
            while busy:
                for pipe in connection.wait(busy):
                    what, content = team[pipe].receive()
                    if what == "result":
                        yield content
                    elif what == "failure":
                        raise Failure(content)
                    elif waiting:
                        team[pipe].give(task, waiting.popleft())
                    else:
                        busy.remove(pipe)
        finally:
            for worker in team.values():
                worker.kill()


def _all_rows(job: dict) -> list[dict]:
    return list(rows_of(job))


@contextlib.contextmanager
def _closing(client: Any) -> Iterator[None]:
    """Close a Dask client, so that the cluster forgets jobs that it has not begun.

    A scheduler that does not answer in time finds out by itself, and must not hide why the sweep ends.
    """
    from tornado.util import TimeoutError as TornadoTimeout

    try:
        yield
    finally:
        with contextlib.suppress(TimeoutError, TornadoTimeout):
            client.close()


def dask(jobs: list[dict], address: str) -> Generator[dict, None, None]:
    """Yield the rows of all jobs from a Dask cluster. Its workers need gr-srec, images and models at the same paths."""
    try:
        from distributed import Client, as_completed
        from distributed.scheduler import KilledWorker
    except ImportError:
        raise Failure("--scheduler needs Dask: apt install python3-distributed") from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError, TimeoutError) as error:
        raise Failure(f"--scheduler {address}: no Dask scheduler answers: {error}") from None
    with _closing(client):
        if not client.scheduler_info()["workers"]:
            raise Failure(f"--scheduler {address}: the scheduler has no workers: start some with dask-worker {address}")
        try:
            for future in as_completed([client.submit(_all_rows, job, pure=False) for job in jobs]):
                yield from future.result()
                future.release()
        except (RuntimeError, ValueError) as error:  # from a job
            raise Failure(str(error)) from None
        except KilledWorker:
            raise Failure(f"Dask workers were killed over the same job (is memory short?); {GOES_ON}") from None
        except ImportError as error:
            raise Failure(
                f"a Dask worker cannot load gr-srec: {error}; start it where `srec doctor` finds no fault"
            ) from None
