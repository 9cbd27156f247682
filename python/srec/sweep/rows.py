# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a job: each point is either a scheme of gr-srec or a classical reference."""
from .reference import run_reference
from .transmission import run_point


def rows_of(job):
    """Yield the rows of all points of a job.

    Runs in a worker process or a Dask worker, which must have images and models at the same paths.
    """
    for point in job["points"]:
        yield run_reference(job, point) if "codec" in point else run_point(job, point)
