# SPDX-License-Identifier: GPL-3.0-or-later
"""Training curves: RUN/curves.png from train.csv and validate.csv, with an axis for each unit."""
import csv
import os
import re

GAIN = re.compile(r"gain|worst|[a-z0-9]+_-?[0-9.]+")  # columns of the enhancer's validation: qpsk_4


def unit_of(column: str) -> str:
    """Return the label of the axis that a column of validate.csv belongs to."""
    other = {"features": "features per patch", "bpp": "bits per pixel"}
    if column in other:
        return other[column]
    return "gain in PSNR, dB" if GAIN.fullmatch(column) else "PSNR, dB"


def _rows(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f))


def panels_of(folder: str) -> list[tuple[str, str, dict[str, list[tuple[float, float]]]]]:
    """Return [(title, label of the y axis, {column: [(step, value)]})] for the files of a run, one for each axis."""
    train, validate = (_rows(os.path.join(folder, name + ".csv")) for name in ("train", "validate"))
    panels: dict[tuple[str, str], dict[str, list]] = {("training", "loss"): {"loss": train}} if train else {}
    for column in validate[0] if validate else ():
        if column != "step":
            panels.setdefault(("validation", unit_of(column)), {})[column] = validate
    return [
        (title, unit, {name: [(float(r["step"]), float(r[name])) for r in rows] for name, rows in columns.items()})
        for (title, unit), columns in panels.items()
    ]


def draw(folder: str) -> None:
    """Draw the curves of a run. Do nothing without Matplotlib, or while there are no rows."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError:
        return
    panels = panels_of(folder)
    if not panels:
        return
    figure, axes = plt.subplots(1, len(panels), figsize=(5.5 * len(panels), 4.5), squeeze=False)
    for axis, (title, unit, curves) in zip(axes[0], panels):
        marker = "" if title == "training" else "o"  # a validation is a point, and there are few of them
        for name, points in curves.items():
            axis.plot(*zip(*points), label=name, marker=marker, markersize=4)
        axis.set(title=title, xlabel="step", ylabel=unit)
        axis.grid(alpha=0.3)
        if len(curves) > 1:
            axis.legend(fontsize=7, handlelength=3)
    figure.tight_layout()
    figure.savefig(os.path.join(folder, "curves.png"), dpi=90)
    plt.close(figure)
