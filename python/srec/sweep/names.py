# SPDX-License-Identifier: GPL-3.0-or-later
"""What tables and plots call things: the experiment's labels, or the details that distinguish a curve."""
from . import results
from .config import Experiment, margin_db

SCHEMES = {
    "ntscc-clear": "NTSCC, in clear",
    "ntscc-encrypted": "NTSCC, encrypted",
    "eavesdropper": "Eavesdropper",
    "srec": "SREC",
    "layers": "Layers",
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


def layer_details(row: dict) -> list[str]:
    """Return the settings of coded layers that differ from their defaults, in words; none for other rows."""
    parts = []
    if row.get("layers"):
        parts.append("for " + ", ".join(f"{snr:g}" for snr in row["layers"]) + " dB")
    if row.get("shares"):
        parts.append("shares " + ":".join(f"{share:g}" for share in row["shares"]))
    if row.get("margin") is not None and row["margin"] != margin_db(row["channel"]):
        parts.append(f"margin {row['margin']:g} dB")
    if row.get("parity") is not None:
        parts.append(f"parity {row['parity']}")
    if row.get("frame_symbols") is not None:
        parts.append(f"packets of {row['frame_symbols']} symbols")
    if row.get("max_cbr") is not None:
        parts.append(f"cbr {row['max_cbr']:g}")
    return parts


def layers_name(row: dict) -> str:
    """Return the name of coded layers with their settings."""
    return (SCHEMES["layers"] + ("" if row["layers"] else ",") + " " + ", ".join(layer_details(row))).rstrip(", ")


def published(p: dict) -> str:
    """Return the name of published points."""
    return p["name"] + (": " + p["note"] if p["note"] else "")


class Legend:
    """Names curves: legend(row).

    A curve has the label that the experiment file gives it. Without a label its name has the scheme, the decisions, and
    those of model, cipher, enhancer and scale that distinguish it from another curve. Coded layers have the settings
    that are not the defaults.
    """

    _SCHEME = ("scheme", "decisions", "model", "cipher", "enhancer", *results.OF_LAYERS)

    def __init__(self, experiment: Experiment, rows: list[dict]) -> None:
        self._labels = experiment.labels
        self._several_scales = len({r["scale"] for r in rows}) > 1
        self._several_models = {
            kind: len({r["model"] for r in rows if bool(r.get("codec")) == (kind == "codec")}) > 1
            for kind in ("scheme", "codec")
        }
        self._schemes = {self._key(r) for r in rows if r.get("scheme")}

    def __call__(self, row: dict) -> str:
        kind = "codec" if row.get("codec") else "scheme"
        label = self._labels.get(results.curve_of(row))
        if label:
            parts = [label]
        elif kind == "codec":
            parts = [CODECS[row["codec"]], CODES[row["code"]]]
        elif row["scheme"] == "layers":
            parts = [layers_name(row)]
        else:
            parts = [SCHEMES[row["scheme"]], row["decisions"]]
        if not label and self._several_models[kind]:
            parts.append(row["model"])
        if not label and kind == "scheme":
            parts += self._details(row)
        if self._several_scales:
            parts.append(f"scale {row['scale']}")
        return ", ".join(parts)

    def _key(self, row: dict) -> tuple:
        return tuple(results.value_of(row, k) for k in (*self._SCHEME, "scale"))

    def _differ(self, row: dict, key: str) -> bool:
        """Return whether another curve differs from this one in this key only."""
        at, mine = self._SCHEME.index(key), self._key(row)
        return any(s != mine and s[:at] + s[at + 1 :] == mine[:at] + mine[at + 1 :] for s in self._schemes)

    def _details(self, row: dict) -> list[str]:
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

    def order(r: dict) -> tuple:
        kind = list(SCHEMES).index(r["scheme"]) if r["scheme"] else r["codec"]
        rest = [r.get(k) or "" for k in ("code", "decisions", "enhancer", "cipher")]
        of_layers = [(v is not None, v) for v in (r.get(k) for k in results.OF_LAYERS)]
        return not r["scheme"], kind, r["model"], *rest, *of_layers, r["scale"]

    out: dict[tuple[str, tuple], list[dict]] = {}
    for row in sorted(rows, key=order):
        out.setdefault((legend(row), results.key_of(row, drop)), []).append(row)
    return out
