# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports from the result files alone: OUT/table.md, OUT/means.csv and OUT/curves*."""
import os
import sys
from collections.abc import Callable

from ..commands import Failure
from ..io import output
from . import names, plots, results, tables
from .config import Experiment


def _asked_for(experiment: Experiment) -> Callable[[dict], bool]:
    """Return a function row -> bool: whether the row is a point of the experiment in its present form."""
    sides = {
        "crop": [list(experiment.crop)],
        "channel": [experiment.channel],
        "coherence": [experiment.coherence],
        "modulation": experiment.modulations,
        "snr_db": experiment.snrs,
        "eta": experiment.etas,
        "scale": experiment.scales,
        "trial": range(experiment.trials),
    }
    kinds = {
        results.curve_of(dict(scheme, enhancer=enhancer))
        for scheme in experiment.schemes
        for enhancer in (*scheme["enhancers"], None)
    }
    kinds |= {results.curve_of(reference) for reference in experiment.references}

    def asked(row: dict) -> bool:
        return results.curve_of(row) in kinds and all(row[k] in values for k, values in sides.items())

    return asked


def load(experiment: Experiment, folder: str) -> list[dict]:
    """Return the rows of the experiment. Raises Failure if the experiment has no rows."""
    every = results.read(folder)
    results.check_same(every, experiment, {})
    rows = list(filter(_asked_for(experiment), every.values()))
    if not rows:
        raise Failure(f"{folder}: no results there yet" + (f" of what {experiment.path} asks for now" if every else ""))
    if len(rows) < len(every):
        print(
            f"srec sweep: {len(every) - len(rows)} results of an earlier {experiment.path} are left out",
            file=sys.stderr,
        )
    for row in rows:
        row.setdefault("scheme", None)
    return rows


def markdown(experiment: Experiment, rows: list[dict], legend: names.Legend) -> str:
    """Return the text of table.md."""
    lines = tables.head(experiment, rows) + tables.curves_table(rows, legend) + tables.models_table(rows)
    if experiment.gains:
        lines += tables.gains_table(experiment, rows, legend)
    lines += tables.super_resolution_table(rows, legend)
    if experiment.plot == "snr":
        lines += tables.references_table(rows, legend)
    lines += ["## Means", ""]
    for metric in (results.PSNR, results.MS_SSIM):
        lines += tables.means_tables(rows, legend, metric)
    return "\n".join(lines + tables.published_table(experiment))


def write(experiment: Experiment, folder: str, options: plots.Options = plots.Options()) -> None:
    """Write OUT/table.md and OUT/means.csv, and OUT/curves* if Matplotlib is installed.

    options: plots.Options.
    """
    rows = load(experiment, folder)
    legend = names.Legend(experiment, rows)
    for name, text in (
        ("table.md", markdown(experiment, rows, legend)),
        ("means.csv", tables.means_csv(rows, legend)),
    ):
        path = os.path.join(folder, name)
        output.write(path, text)
        print(path)
    try:
        for path in plots.write(plots.figures_of(experiment, rows, legend), folder, options):
            print(path)
    except ImportError:
        print("srec sweep: no plots: apt install python3-matplotlib", file=sys.stderr)
