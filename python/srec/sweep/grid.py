# SPDX-License-Identifier: GPL-3.0-or-later
"""Image grids: OUT/grid-MODULATION.png, with schemes in rows and SNRs (and several etas) in columns.

The images are simulated, with the seeds of trial 0.
"""
import copy
import dataclasses
import os
import sys
from collections.abc import Iterable, Iterator

import numpy as np
from PIL import Image, ImageDraw

from ..io import output
from ..io.picture_file import save_png
from ..commands.comparison import font
from . import layers, names, results, transmission
from .config import Experiment
from .points import EnhancerFor, jobs_of, point_id

WIDTH = 384  # pixels of an image
MARGIN = 6  # between images
TITLE = 24  # height of the line above an image
SIDE = 210  # width of the text on the left
# The cells of a row differ in these; rows differ in everything else of results.CURVE.
ACROSS = ("modulation", "snr_db", "eta")


def _shrunk(array: np.ndarray) -> Image.Image:
    height = max(1, round(WIDTH * array.shape[0] / array.shape[1]))
    return Image.fromarray(array).convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)


def cells_of(job: dict) -> Iterator[tuple[dict, Image.Image, float]]:
    """Yield (point, small PIL image, PSNR) for the points of a job. Runs in a worker process."""
    original = transmission.picture(job["image"], tuple(job["crop"]))
    for point in job["points"]:
        if point["scheme"] == "layers":
            _, picture, _ = layers.received(job, point)
        else:
            _, picture, _ = transmission.received(job, point)
        picture = np.full_like(original, 128) if picture is None else picture
        yield point, _shrunk(picture), transmission.core.psnr(original, picture)


def _shown(experiment: Experiment) -> Experiment:
    """Return the part of an experiment that its grid shows."""
    shown = copy.copy(experiment)
    shown.snrs = experiment.grid["snr_db"]
    shown.etas = experiment.grid["eta"]
    shown.modulations = experiment.grid["modulation"]
    shown.trials = 1
    shown.references = []
    return shown


def _picture_of(experiment: Experiment, pictures: list[str]) -> str:
    """Return the image that the experiment names, else the first one."""
    wanted = experiment.grid["picture"]
    for path in pictures:
        name = os.path.basename(path)
        if wanted in (name, os.path.splitext(name)[0]):
            return path
    print(f"srec sweep: no image '{wanted}' there: the grid shows {os.path.basename(pictures[0])}", file=sys.stderr)
    return pictures[0]


def jobs(experiment: Experiment, pictures: list[str], enhancer_for: EnhancerFor) -> list[dict]:
    """Return the jobs whose points are the cells of the grid."""
    return jobs_of(_shown(experiment), [_picture_of(experiment, pictures)], enhancer_for)


@dataclasses.dataclass
class _Cell:
    point: dict
    image: Image.Image
    psnr_db: float


def _side_text(point: dict, scales: int) -> str:
    lines = [names.SCHEMES[point["scheme"]], *names.layer_details(point)]
    if point["scheme"] != "layers":
        lines.append(f"{point['decisions']} decisions")
        if point["cipher"] != "none":
            lines.append(f"cipher {point['cipher']}")
        lines.append(f"model {point['model']}")
    if point["enhancer"]:
        lines.append(f"enhancer {point['enhancer']}")
    if scales > 1:
        lines.append(f"scale {point['scale']}")
    return "\n".join(lines)


def _draw_sheet(modulation: str, sent: Image.Image, cells: list[_Cell]) -> Image.Image:
    """Draw the grid of one modulation, and return a PIL image.

    cells: those of the modulation, in the order of the experiment.
    """
    rows: dict[tuple, dict[tuple, _Cell]] = {}
    for cell in cells:
        rows.setdefault(results.key_of(cell.point, ACROSS), {})[cell.point["eta"], cell.point["snr_db"]] = cell
    columns = list(dict.fromkeys((c.point["eta"], c.point["snr_db"]) for c in cells))
    etas, scales = len({eta for eta, _ in columns}), len({c.point["scale"] for c in cells})
    height = sent.height
    size = SIDE + len(columns) * (WIDTH + MARGIN), (len(rows) + 1) * (height + TITLE + MARGIN) + MARGIN
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN), f"{names.MODULATIONS[modulation]}: sent", "black", font=font(15))
    sheet.paste(sent, (SIDE, MARGIN))
    for i, row in enumerate(rows.values(), 1):
        y = i * (height + TITLE + MARGIN) + MARGIN
        text = _side_text(next(iter(row.values())).point, scales)
        draw.multiline_text((MARGIN, y + TITLE), text, "black", font=font(15))
        for j, (eta, snr) in enumerate(columns):
            x = SIDE + j * (WIDTH + MARGIN)
            title = f"{snr:g} dB" + (f", eta {eta:g}" if etas > 1 else "") + f": PSNR {row[eta, snr].psnr_db:.2f} dB"
            draw.text((x, y), title, "black", font=font(14))
            sheet.paste(row[eta, snr].image, (x, y + TITLE))
    return sheet


def write(experiment: Experiment, jobs: list[dict], cells: Iterable[tuple], folder: str) -> None:
    """Write the grids.

    jobs: from jobs().
    cells: the results of cells_of() for all jobs, in any order.
    """
    place = {point_id(point): i for i, point in enumerate(point for job in jobs for point in job["points"])}
    ordered = sorted((_Cell(*cell) for cell in cells), key=lambda cell: place[point_id(cell.point)])
    sent = _shrunk(transmission.picture(jobs[0]["image"], experiment.crop))
    for modulation in experiment.grid["modulation"]:
        path = os.path.join(folder, f"grid-{modulation}.png")
        sheet = _draw_sheet(modulation, sent, [c for c in ordered if c.point["modulation"] == modulation])
        with output.NewFile(path, overwrite=True) as file:
            save_png(sheet, file)
        print(path)
