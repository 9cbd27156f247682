# SPDX-License-Identifier: GPL-3.0-or-later
"""What tables and plots call things: the experiment's labels, or the details that distinguish a curve."""
from . import results
from .config import Experiment

SCHEMES = {
    "ntscc-clear": "NTSCC, in clear",
    "ntscc-encrypted": "NTSCC, encrypted",
    "eavesdropper": "Eavesdropper",
    "srec": "SREC",
}
CODECS = {"jpeg": "JPEG", "webp": "WebP", "hevc": "HEVC-intra"}
CODES = {"ideal": "ideal code", "ldpc": "LDPC code", "ccsds": "CCSDS code"}
CIPHERS = {"add": "addition", "xor": "exclusive or", "auto": "auto", "none": "none"}
MODULATIONS = {
    "bpsk": "BPSK",
    "qpsk": "QPSK",
    "16qam": "16QAM",
    "64qam": "64QAM",
    "256qam": "256QAM",
    "pam256": "pam256",
}


def modulations_in(rows: list[dict]) -> list[str]:
    """Return the modulations of the rows, in ascending order of bits per symbol."""
    return [m for m in MODULATIONS if any(r["modulation"] == m for r in rows)]


def published(p: dict) -> str:
    """Return the name of published points."""
    return p["name"] + (": " + p["note"] if p["note"] else "")


class Legend:
    """Names curves: legend(row).

    A curve has the label that the experiment file gives it. Without a label its name has the scheme, the decisions, and
    those of model, cipher, enhancer and scale that distinguish it from another curve.
    """

    _SCHEME = ("scheme", "decisions", "model", "cipher", "enhancer")

    def __init__(self, experiment: Experiment, rows: list[dict]) -> None:
        self._labels = experiment.labels
        self._several_scales = len({r["scale"] for r in rows}) > 1
        self._several_models = {
            kind: len({r["model"] for r in rows if bool(r.get("codec")) == (kind == "codec")}) > 1
            for kind in ("scheme", "codec")
        }
        self._schemes = {tuple(r[k] for k in (*self._SCHEME, "scale")) for r in rows if r.get("scheme")}

    def __call__(self, row: dict) -> str:
        kind = "codec" if row.get("codec") else "scheme"
        label = self._labels.get(results.curve_of(row))
        if label:
            parts = [label]
        elif kind == "codec":
            parts = [CODECS[row["codec"]], CODES[row["code"]]]
        else:
            parts = [SCHEMES[row["scheme"]], row["decisions"]]
        if not label and self._several_models[kind]:
            parts.append(row["model"])
        if not label and kind == "scheme":
            parts += self._details(row)
        if self._several_scales:
            parts.append(f"scale {row['scale']}")
        return ", ".join(parts)

    def _differ(self, row, key):
        """Return whether another curve differs from this one in this key only."""
        keys = (*self._SCHEME, "scale")
        at = keys.index(key)
        mine = tuple(row[k] for k in keys)
        return any(s != mine and s[:at] + s[at + 1 :] == mine[:at] + mine[at + 1 :] for s in self._schemes)

    def _details(self, row):
        parts = []
        if row["cipher"] in ("add", "xor") and self._differ(row, "cipher"):
            parts.append(CIPHERS[row["cipher"]])
        if row["scheme"] == "srec" and not row["enhancer"]:
            parts.append("no super-resolution")
        elif row["enhancer"] and self._differ(row, "enhancer"):
            parts.append(f"enhancer {row['enhancer']}")
        return parts


def curves(rows: list[dict], legend: Legend, drop: tuple[str, ...]) -> dict[tuple[str, tuple], list[dict]]:
    """Return {(name, rest of the key): rows} in a fixed order, one entry for each curve.

    drop: keys that vary along a curve.
    """

    def order(r):
        kind = list(SCHEMES).index(r["scheme"]) if r["scheme"] else r["codec"]
        rest = [r.get(k) or "" for k in ("code", "decisions", "enhancer", "cipher")]
        return not r["scheme"], kind, r["model"], *rest, r["scale"]

    out: dict[tuple[str, tuple], list[dict]] = {}
    for row in sorted(rows, key=order):
        out.setdefault((legend(row), results.key_of(row, drop)), []).append(row)
    return out
