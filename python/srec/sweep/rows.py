# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a job: each point is a scheme of features, coded layers, or a classical reference."""
from collections.abc import Iterator

from .layers import run_layers
from .reference import run_reference
from .transmission import run_point


def row_of(job: dict, point: dict) -> dict:
    """Simulate one point, and return its row."""
    if "codec" in point:
        return run_reference(job, point)
    return run_layers(job, point) if point["scheme"] == "layers" else run_point(job, point)


def rows_of(job: dict) -> Iterator[dict]:
    """Yield the rows of all points of a job.

    Runs in a worker process or a Dask worker, which must have images and models at the same paths.
    """
    for point in job["points"]:
        yield row_of(job, point)
