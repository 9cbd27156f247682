# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs on local processes or on a Dask cluster. Rows come back job by job, in any order; the rows themselves do not depend on who made them."""
import concurrent.futures
import multiprocessing

from ..commands import Failure
from .link import run_job


def local(jobs, workers):
    """-> generator of lists of rows"""
    if workers == 1:
        yield from map(run_job, jobs)
        return
    # spawn: a fork of a process with threads (GNU Radio, OpenMP) may hang
    pool = concurrent.futures.ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        for future in concurrent.futures.as_completed([pool.submit(run_job, job) for job in jobs]):
            yield future.result()
    except concurrent.futures.process.BrokenProcessPool:
        raise Failure("a worker process was killed (is memory short? fewer --workers take less); finished jobs are kept: the same command goes on") from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def dask(jobs, address):
    """The same on a Dask cluster; its workers need gr-srec, the pictures and the models at the same paths."""
    try:
        from distributed import Client, as_completed
        from distributed.scheduler import KilledWorker
    except ImportError:
        raise Failure("--scheduler needs Dask: apt install python3-distributed") from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError, TimeoutError) as error:
        raise Failure(f"--scheduler {address}: no Dask scheduler answers: {error}") from None
    with client:
        if not client.scheduler_info()["workers"]:
            raise Failure(f"--scheduler {address}: the scheduler has no workers: start some with dask-worker {address}")
        try:
            for future in as_completed([client.submit(run_job, job, pure=False) for job in jobs]):
                yield future.result()
                future.release()
        except KilledWorker:
            raise Failure("Dask workers were killed over the same job (is memory short?); finished jobs are kept: the same command goes on") from None
        except ImportError as error:
            raise Failure(f"a Dask worker cannot load gr-srec: {error}; start it where `srec doctor` finds no fault") from None
