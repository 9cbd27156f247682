# SPDX-License-Identifier: GPL-3.0-or-later
"""Results on disk: one JSON object per line in append-only files OUT/results*.jsonl, and their means with intervals."""
import glob
import json
import math
import os
import statistics

from ..commands import Failure

CURVE = (
    "scheme",
    "codec",
    "code",
    "decisions",
    "cipher",
    "model",
    "enhancer",
    "modulation",
    "eta",
    "scale",
    "snr_db",
)  # rows with different values of these have separate means


def read(folder):
    """Return {id: row} of all files.

    A line that a killed process left incomplete is ignored. Raises Failure on any other invalid line.
    """
    rows = {}
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
    """Adds rows to a file, each in one write.

    added: number of rows.
    """

    def __init__(self, path):
        self.path = path
        cut_off = False
        if os.path.exists(path):
            with open(path, "rb") as f:
                f.seek(0, os.SEEK_END)
                if f.tell():
                    f.seek(-1, os.SEEK_END)
                    cut_off = f.read() != b"\n"
        self._file, self.added = open(path, "ab", buffering=0), 0
        # An earlier run was killed during a write: overwrite the partial line with blanks, so that every line is a row.
        if cut_off:
            self._drop_piece()

    def _drop_piece(self):
        with open(self.path, "rb+") as f:
            data = f.read()
            f.truncate(data.rfind(b"\n") + 1)

    def add(self, row):
        self._file.write((json.dumps(row, sort_keys=True) + "\n").encode())
        self.added += 1

    def close(self):
        self._file.close()


def check_same(rows, experiment, ids):
    """Check that the folder holds one experiment, with one file for each label. Raises Failure otherwise.

    ids: {("model" or "enhancer", label): id}.
    """
    for row in rows.values():
        if row.get("experiment") != experiment.name:
            raise Failure(
                f"the results there are of the experiment '{row.get('experiment')}', not '{experiment.name}': use"
                " another --out"
            )
        for kind in ("model", "enhancer"):
            label, id_there = row.get(kind), row.get(kind + "_id")
            if (kind, label) in ids and id_there != ids[kind, label]:
                raise Failure(
                    f"the results there were made with {kind} {id_there} as '{label}', and now it is"
                    f" {ids[kind, label]}: use another --out"
                )


def key_of(row, drop=()):
    return tuple(row.get(k) for k in CURVE if k not in drop)


def interval(values):
    """Return (mean, half width of the 95 % confidence interval by Student's t; NaN for one value).

    values: one per image, the mean over its trials.
    """
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, math.nan
    from scipy.stats import t

    return mean, float(t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values)))


def _per_sample(rows, value):
    """Return the means over trials for each image. If there is only one image, its trials are the sample."""
    pictures = {}
    for row in rows:
        if row.get(value) is not None:
            trials = pictures.setdefault(row["picture"], {})
            if row["trial"] in trials:
                raise ValueError(f"{row['picture']}, trial {row['trial']}: two results in one mean")
            trials[row["trial"]] = row[value]
    if len(pictures) == 1:
        return {trial: v for trials in pictures.values() for trial, v in trials.items()}
    return {picture: statistics.fmean(trials.values()) for picture, trials in pictures.items()}


def means(rows, value="psnr_db"):
    """Return {key_of(row): dict of mean, half (of the interval), n (of the sample), cbr (mean), lost (share)}."""
    groups = {}
    for row in rows:
        groups.setdefault(key_of(row), []).append(row)
    out = {}
    for key, group in groups.items():
        sample = _per_sample(group, value)
        if sample:
            mean, half = interval(list(sample.values()))
            out[key] = dict(
                mean=mean,
                half=half,
                n=len(sample),
                cbr=statistics.fmean(r["cbr"] for r in group),
                lost=sum(r["lost"] for r in group) / len(group),
            )
    return out


def difference(rows, others, value="psnr_db"):
    """Return (mean, half width, n) of rows minus others, paired by image, or None if they have no image in common."""
    a, b = _per_sample(rows, value), _per_sample(others, value)
    both = sorted(set(a) & set(b), key=str)
    if not both:
        return None
    return (*interval([a[k] - b[k] for k in both]), len(both))
