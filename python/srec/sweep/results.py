# SPDX-License-Identifier: GPL-3.0-or-later
"""Results on disk: one JSON object per line in append-only files OUT/results*.jsonl, and their means with intervals."""
import dataclasses
import glob
import json
import math
import os
import statistics
from collections.abc import Iterable
from typing import Any, Optional

from ..commands import Failure

# Keys that only points of coded layers have.
OF_LAYERS = ("layers", "shares", "margin", "parity", "frame_symbols", "max_cbr")
CURVE = (
    "scheme",
    "codec",
    "code",
    "decisions",
    "cipher",
    "model",
    "enhancer",
    *OF_LAYERS,
    "modulation",
    "eta",
    "scale",
    "snr_db",
)  # rows with different values of these have separate means


@dataclasses.dataclass(frozen=True)
class Metric:
    """A figure of image quality."""

    key: str  # in a row
    name: str
    unit: str  # after the name; may be empty
    decimals: int  # of tables
    margin: float  # of plots: between a curve and the edge

    @property
    def axis(self) -> str:
        """The text at an axis."""
        return f"{self.name}, {self.unit}" if self.unit else self.name


PSNR = Metric("psnr_db", "PSNR", "dB", 2, 1.0)
MS_SSIM = Metric("ms_ssim", "MS-SSIM", "", 4, 0.02)


def read(folder: str) -> dict[str, dict]:
    """Return {id: row} of all files.

    A line that a killed process left incomplete is ignored. Raises Failure on any other invalid line.
    """
    rows: dict[str, dict] = {}
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), "results*.jsonl"))):
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                try:
                    row = json.loads(line)
                    rows[row["id"]] = row
                except (ValueError, KeyError, TypeError):
                    if line.endswith("\n") and line.strip():
                        raise Failure(
                            f"{path}:{number}: not a result; move the file away, or take the line out"
                        ) from None
    return rows


class Appender:
    """Adds rows to a file, each in one write."""

    def __init__(self, path: str) -> None:
        self.path = path
        cut_off = False
        if os.path.exists(path):
            with open(path, "rb") as f:
                f.seek(0, os.SEEK_END)
                if f.tell():
                    f.seek(-1, os.SEEK_END)
                    cut_off = f.read() != b"\n"
        self._file = open(path, "ab", buffering=0)
        # An earlier run was killed during a write: remove the partial line, so that every line is a row.
        if cut_off:
            self._drop_piece()
        self._begin = os.path.getsize(path)

    @property
    def added(self) -> int:
        """Number of rows added. Counted in the file: Ctrl-C may arrive between a write and any counter's increment."""
        with open(self.path, "rb") as f:
            f.seek(self._begin)
            return f.read().count(b"\n")

    def _drop_piece(self) -> None:
        with open(self.path, "rb+") as f:
            data = f.read()
            f.truncate(data.rfind(b"\n") + 1)

    def add(self, row: dict) -> None:
        self._file.write((json.dumps(row, sort_keys=True) + "\n").encode())

    def close(self) -> None:
        self._file.close()


def check_same(rows: dict[str, dict], experiment: Any, ids: dict[tuple[str, str], str]) -> None:
    """Check that the folder holds one experiment, with one file for each label. Raises Failure otherwise.

    experiment: config.Experiment.
    ids: {("model" or "enhancer", label): id}.
    """
    for row in rows.values():
        if row.get("experiment") != experiment.name:
            raise Failure(
                f"the results there are of the experiment '{row.get('experiment')}', not '{experiment.name}': use"
                " another --out"
            )
        for kind in ("model", "enhancer"):
            label, id_there = str(row.get(kind)), row.get(kind + "_id")
            if (kind, label) in ids and id_there != ids[kind, label]:
                raise Failure(
                    f"the results there were made with {kind} {id_there} as '{label}', and now it is"
                    f" {ids[kind, label]}: use another --out"
                )


def value_of(row: dict, key: str) -> Any:
    """Return a value of a row in a form that a dict can have as key; None if the row lacks it."""
    value = row.get(key)
    return tuple(value) if isinstance(value, list) else value


def key_of(row: dict, drop: Iterable[str] = ()) -> tuple:
    """Return what distinguishes the curve of a row, and its place on it, from others.

    drop: keys of CURVE to leave out.
    """
    return tuple(value_of(row, k) for k in CURVE if k not in drop)


def curve_of(row: dict) -> tuple:
    """Return the part of a row that the experiment file names as a scheme or a reference."""
    return (
        *(value_of(row, k) for k in OF_LAYERS),
        row.get("scheme") or row.get("codec"),
        row.get("decisions") or row.get("code"),
        row.get("cipher"),
        row["model"],
        row.get("enhancer"),
    )


def interval(values: list[float]) -> tuple[float, float]:
    """Return (mean, half width of the 95 % confidence interval by Student's t; NaN for one value).

    values: one per image, the mean over its trials.
    """
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, math.nan
    from scipy.stats import t

    return mean, float(t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values)))


def _per_sample(rows: Iterable[dict], value: str) -> dict:
    """Return the means over trials for each image. If there is only one image, its trials are the sample."""
    pictures: dict[str, dict] = {}
    for row in rows:
        if row.get(value) is not None:
            trials = pictures.setdefault(row["picture"], {})
            if row["trial"] in trials:
                raise ValueError(f"{row['picture']}, trial {row['trial']}: two results in one mean")
            trials[row["trial"]] = row[value]
    if len(pictures) == 1:
        return {trial: v for trials in pictures.values() for trial, v in trials.items()}
    return {picture: statistics.fmean(trials.values()) for picture, trials in pictures.items()}


def means(rows: list[dict], value: str = "psnr_db") -> dict[tuple, dict]:
    """Return {key_of(row): dict of mean, half (of the interval), n (of the sample), images, cbr, lost (share)}.

    A group with a row that lacks the value has no mean: its other rows would not represent it.
    """
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        groups.setdefault(key_of(row), []).append(row)
    out = {}
    for key, group in groups.items():
        if any(row.get(value) is None for row in group):
            continue
        sample = _per_sample(group, value)
        mean, half = interval(list(sample.values()))
        out[key] = dict(
            mean=mean,
            half=half,
            n=len(sample),
            pictures=len({r["picture"] for r in group}),
            cbr=statistics.fmean(r["cbr"] for r in group),
            lost=sum(r["lost"] for r in group) / len(group),
        )
    return out


def difference(rows: list[dict], others: list[dict], value: str = "psnr_db") -> Optional[tuple[float, float, int]]:
    """Return (mean, half width, n) of rows minus others, paired by image, or None if they have no image in common."""
    a, b = _per_sample(rows, value), _per_sample(others, value)
    both = sorted(set(a) & set(b), key=str)
    if not both:
        return None
    return (*interval([a[k] - b[k] for k in both]), len(both))
