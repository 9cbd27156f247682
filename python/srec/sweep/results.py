# SPDX-License-Identifier: GPL-3.0-or-later
"""Results on disk: one JSON object a line in OUT/results*.jsonl, only ever appended to. And what is made of them: means
with intervals."""
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
)  # what tells one mean from another


def read(folder):
    """-> {id: row} of all files; a line that was cut off by a kill is left out. Raises Failure on anything else that is
    no row."""
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
    """Adds rows to a file, in one write each. added: how many"""

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
        if cut_off:  # an earlier run was killed while it wrote: blank out the piece, so that every line is a row
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
    """A folder holds one experiment, made with one file for each label. ids: {("model" or "enhancer", label): id}.
    Raises Failure otherwise."""
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
    """values of the pictures, each the mean over its trials -> (mean, half width of the 95 % confidence interval by
    Student's t, NaN of one value)"""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, math.nan
    from scipy.stats import t

    return mean, float(t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values)))


def _per_sample(rows, value):
    """Means over trials for each picture; if there is one picture only, its trials are the sample."""
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
    """-> {key_of(row): dict mean, half (of the interval), n (of the sample), cbr (mean)}"""
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
    """Paired by picture: -> (mean, half width, n) of rows minus others, or None if they have nothing in common."""
    a, b = _per_sample(rows, value), _per_sample(others, value)
    both = sorted(set(a) & set(b), key=str)
    if not both:
        return None
    return (*interval([a[k] - b[k] for k in both]), len(both))
