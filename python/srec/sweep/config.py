# SPDX-License-Identifier: GPL-3.0-or-later
"""Experiments as TOML files; docs/experiments/README.md describes the keys."""
import os
import shutil
import tomllib
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NoReturn, Optional

from ..commands import Failure, Usage
from ..commands.coding import DEFAULTS, FADING, FRAME_SYMBOLS, MAX_LAYERS, MAX_PARITY
from ..commands.info import is_enhancer
from ..modulations import MODULATIONS
from ..srec_python import installed_model
from . import results

# scheme: (encrypted, Bob's key, super-resolution if an enhancer is named: Eve has all of Bob's models)
SCHEMES = {
    "ntscc-clear": (False, True, False),
    "ntscc-encrypted": (True, True, False),
    "eavesdropper": (True, False, True),
    "srec": (True, True, True),
    "layers": (True, True, True),
}
DECISIONS = ("hard", "soft")
CODECS = ("jpeg", "webp", "hevc")
CODES = ("ideal", "ldpc", "ccsds")
PLOTS = ("snr", "eta", "cbr")
LABEL_MAX = 80  # characters

REQUIRED = object()


def _fail(what: str) -> NoReturn:
    raise Usage(what)


def _one(value: Any, kind: type, name: str, where: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or isinstance(value, bool):
        _fail(f"{where}: {name} must be {'a number' if kind in (int, float) else 'text'}, not {value!r}")
    return value


def _several(value: Any, kind: type, name: str, where: str) -> list:
    """Return the values of a key: one value, a list of values, or for numbers {from, to, step}."""
    if isinstance(value, dict) and kind is float:
        if set(value) != {"from", "to", "step"}:
            _fail(f"{where}: {name} needs the keys from, to and step")
        low, high, step = (_one(value[k], float, f"{name}.{k}", where) for k in ("from", "to", "step"))
        if step <= 0 or high < low or (high - low) / step > 10000:
            _fail(f"{where}: {name}: step must be above 0, to not below from, and not more than 10000 values")
        return [round(low + i * step, 9) for i in range(int((high - low) / step + 1e-9) + 1)]
    values = [_one(v, kind, name, where) for v in (value if isinstance(value, list) else [value])]
    if not values or len(set(values)) != len(values):
        _fail(f"{where}: {name} is empty, or names a value twice")
    return values


def _table(table: Any, where: str, keys: dict[str, tuple[Any, Any]]) -> dict[str, Any]:
    """Check a TOML table, and return a dict with all keys.

    keys: {name: (kind, default)}. A kind that is a list of one kind permits several values.
    """
    if not isinstance(table, dict):
        _fail(f"{where}: a table is needed here")
    unknown = sorted(set(table) - set(keys))
    if unknown:
        _fail(f"{where}: unknown key '{unknown[0]}'; known are {', '.join(keys)}")
    out = {}
    for name, (kind, default) in keys.items():
        if name not in table:
            if default is REQUIRED:
                _fail(f"{where}: the key '{name}' is missing")
            out[name] = default
        elif isinstance(kind, list):
            out[name] = _several(table[name], kind[0], name, where)
        elif kind in (dict, list):
            out[name] = table[name]
            if not isinstance(out[name], kind):
                _fail(f"{where}: {name} must be a {'table' if kind is dict else 'list'}")
        else:
            out[name] = _one(table[name], kind, name, where)
    return out


def _within(values: Iterable[float], low: float, high: float, name: str, where: str) -> None:
    for value in values:
        if not low <= value <= high:
            _fail(f"{where}: {name} {value:g} is not within {low:g} .. {high:g}")


def _known(values: Iterable[Any], choices: Collection[Any], name: str, where: str) -> None:
    for value in values:
        if value not in choices:
            _fail(f"{where}: unknown {name} '{value}'; known are {', '.join(choices)}")


_TOP = {
    "experiment": (str, REQUIRED),
    "title": (str, ""),
    "plot": (str, "snr"),
    "modulation": ([str], REQUIRED),
    "snr_db": ([float], REQUIRED),
    "eta": ([float], [0.2]),
    "scale": ([int], [1]),
    "trials": (int, 1),
    "crop": ([int], []),
    "channel": (str, "awgn"),
    "coherence": (int, 1024),
    "models": (dict, {"default": ""}),
    "enhancers": (dict, {}),
    "scheme": (list, []),
    "reference": (list, []),
    "published": (list, []),
    "gains": (dict, None),
    "grid": (dict, None),
}
_SCHEME = {
    "name": (str, REQUIRED),
    "decisions": ([str], ["soft"]),
    "cipher": (str, "auto"),
    "model": (str, None),
    "enhancer": ([str], []),
    "label": (str, None),
}
_LAYERS = {  # further keys of the scheme `layers`
    "layers": ([float], None),
    "shares": (list, None),
    "margin": (float, None),
    "parity": (int, None),
    "frame_symbols": (int, None),
    "cbr": (float, None),
}
_PUBLISHED = {
    "name": (str, REQUIRED),
    "cbr": ([float], REQUIRED),
    "psnr_db": ([float], REQUIRED),
    "snr_db": (float, None),
    "note": (str, ""),
}


def _read(path: str) -> dict[str, Any]:
    """Return the tables of a TOML file."""
    try:
        with open(path, "rb") as f:
            return tomllib.load(f)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Usage(f"{path}: no valid TOML: {error}") from None


def margin_db(channel: str) -> float:
    """Return the default margin of coded layers on a channel, dB."""
    return FADING["margin"] if channel == "rayleigh" else DEFAULTS["margin"]


class Experiment:
    """An experiment from a TOML file.

    schemes: dicts with scheme, decisions, cipher, model (label), enhancers (labels); coded layers also have layers
        (SNRs, or None: that of the channel), shares (or None), margin, parity and frame_symbols (or None), max_cbr
        (or None: that of the features).
    references: dicts with codec, code, model (label).
    labels: {results.curve_of(row): label} of the curves that have a label.
    models: {label: path}. "": the installed model.
    enhancers: {label: path}.
    published: dicts with name, cbr, psnr_db, snr_db (None: any), note.
    Raises Usage with one line on anything that it does not understand.
    """

    def __init__(self, path: str, models: Iterable[Sequence[str]] = ()) -> None:
        top = _table(_read(path), path, _TOP)
        self.path, self.name, self.plot = path, top["experiment"], top["plot"]
        self.title = top["title"] or self.name
        self.modulations, self.snrs, self.etas, self.scales = top["modulation"], top["snr_db"], top["eta"], top["scale"]
        self.trials, self.channel, self.coherence = top["trials"], top["channel"], top["coherence"]
        self.crop = tuple(top["crop"])
        self._check_points()
        self.models, self.enhancers = (self._files(name, top[name]) for name in ("models", "enhancers"))
        for label, file in models:
            self._replace(label, file)
        if not self.models:
            _fail(f"{path}: [models] is empty")
        first = next(iter(self.models))
        self.labels: dict[tuple, str] = {}
        self.schemes = self._schemes(top["scheme"], first)
        self.references = self._references(top["reference"], first)
        if not self.schemes:
            _fail(f"{path}: no [[scheme]]: name at least one of {', '.join(SCHEMES)}")
        self.published = self._published(top["published"])
        self.gains = self._gains(top["gains"])
        self.grid = self._grid(top["grid"])

    def _check_points(self) -> None:
        path = self.path
        _known([self.plot], PLOTS, "plot", path)
        _known(self.modulations, MODULATIONS, "modulation", path)
        _known([self.channel], ("awgn", "rayleigh"), "channel", path)
        _within(self.snrs, -50, 100, "snr_db", path)
        _within(self.etas, 0.001, 10, "eta", path)
        _within([self.trials], 1, 100000, "trials", path)
        _within([self.coherence], 1, 2**30, "coherence", path)
        _known(self.scales, (1, 2), "scale", path)
        if self.crop and (len(self.crop) != 2 or min(self.crop) < 16):
            _fail(f"{path}: crop must be [width, height], at least 16 each")

    def _files(self, name: str, table: dict) -> dict[str, str]:
        """Return {label: path} for [models] or [enhancers]."""
        files = {}
        for label, file in table.items():
            _one(file, str, f"{name}.{label}", self.path)
            if name == "enhancers" and not file:
                _fail(f"{self.path}: enhancers.{label} is empty: name a file")
            files[label] = file and self._find(file)
        return files

    def _find(self, file: str) -> str:
        """Find a file next to the TOML file, or an installed model."""
        near = os.path.join(os.path.dirname(os.path.abspath(self.path)), file)
        return near if os.path.exists(near) else installed_model(file) or near

    def _replace(self, label: str, file: str) -> None:
        """Apply --model LABEL=FILE.

        If a codec and an enhancer share a label, the file decides which of them it replaces.
        """
        tables = [table for table in (self.models, self.enhancers) if label in table]
        if not tables:
            known = ", ".join(dict.fromkeys([*self.models, *self.enhancers]))
            _fail(f"--model {label}=...: {self.path} has no model '{label}'; it has {known}")
        table = tables[0] if len(tables) == 1 else self.enhancers if is_enhancer(file) else self.models
        table[label] = os.path.abspath(file)

    def check_files(self) -> None:
        """Raise Failure if a model file is missing."""
        for name, table in (("models", self.models), ("enhancers", self.enhancers)):
            for label, file in table.items():
                if file and not os.path.exists(file):
                    raise Failure(
                        f"{file}: no such file; {self.path} names it as {name}.{label}: "
                        f"give another one with --model {label}=FILE"
                    )

    def _schemes(self, tables: list, first: str) -> list[dict]:
        schemes = []
        for t in tables:
            where = f"{self.path}: scheme"
            of_layers = isinstance(t, dict) and t.get("name") == "layers"
            t = _table(t, where, {**_SCHEME, **_LAYERS} if of_layers else _SCHEME)
            t["model"] = first if t["model"] is None else t["model"]
            _known([t["name"]], SCHEMES, "scheme", self.path)
            _known(t["decisions"], DECISIONS, "decisions", where)
            _known([t["cipher"]], ("auto", "add", "xor"), "cipher", where)
            _known([t["model"]], self.models, "model", where)
            _known(t["enhancer"], self.enhancers, "enhancer", where)
            if t["enhancer"] and not SCHEMES[t["name"]][2]:
                _fail(f"{where}: {t['name']} has no super-resolution, so no enhancer")
            several = [self._layers(t, where)] if of_layers else self._of_features(t, where)
            self._label(t["label"], several, where, "decisions")
            schemes += several
        if any(schemes.count(s) > 1 for s in schemes):
            _fail(f"{self.path}: the same scheme twice")
        return schemes

    def _of_features(self, t: dict, where: str) -> list[dict]:
        """Return the schemes of a table that sends features: one for each kind of decisions."""
        cipher = t["cipher"] if SCHEMES[t["name"]][0] else "none"
        if cipher == "xor" and "pam256" in self.modulations:
            _fail(f"{where}: cipher xor does not go with pam256: an amplitude can only be added to")
        return [
            dict(scheme=t["name"], decisions=d, cipher=cipher, model=t["model"], enhancers=t["enhancer"])
            for d in t["decisions"]
        ]

    def _layers(self, t: dict, where: str) -> dict:
        """Return the scheme of a table that sends coded layers."""
        if t["decisions"] != ["soft"]:
            _fail(f"{where}: layers has soft decisions only: the LDPC decoder needs them")
        if t["cipher"] == "xor":
            _fail(f"{where}: layers has no cipher xor: it adds the keystream")
        if "pam256" in self.modulations:
            _fail(f"{where}: layers needs a modulation of bits, not pam256")
        margin = margin_db(self.channel) if t["margin"] is None else t["margin"]
        _within([margin], -10, 30, "margin", where)
        _within([t["parity"] or 0], 0, MAX_PARITY, "parity", where)
        _within([] if t["frame_symbols"] is None else [t["frame_symbols"]], *FRAME_SYMBOLS, "frame_symbols", where)
        _within([1 if t["cbr"] is None else t["cbr"]], 1e-6, 100, "cbr", where)
        self._check_layers(t["layers"], where)
        return dict(
            scheme="layers",
            decisions="soft",
            cipher="add",
            model=t["model"],
            enhancers=t["enhancer"],
            layers=t["layers"],
            shares=self._shares(t["shares"], t["layers"], where),
            margin=margin,
            parity=t["parity"],
            frame_symbols=t["frame_symbols"],
            max_cbr=t["cbr"],
        )

    def _check_layers(self, snrs: Optional[list[float]], where: str) -> None:
        """Check the SNRs of layers."""
        from srec_core import layer_least_snr_db

        if snrs is None:
            return
        if len(snrs) > MAX_LAYERS:
            _fail(f"{where}: {len(snrs)} layers; {MAX_LAYERS} at most")
        if any(not a < b for a, b in zip(snrs, snrs[1:])):
            _fail(f"{where}: each SNR of layers must exceed the one before")
        for modulation in self.modulations:
            _within(snrs, layer_least_snr_db(modulation), 100, f"an SNR of layers for {modulation}:", where)

    @staticmethod
    def _shares(shares: Optional[list], snrs: Optional[list[float]], where: str) -> Optional[list[float]]:
        """Return the shares of layers, or None."""
        if shares is None:
            return None
        shares = [_one(share, float, "shares", where) for share in shares]
        if len(shares) != len(snrs or [0]):
            _fail(f"{where}: {len(shares)} shares for {len(snrs or [0])} layers")
        if not all(1e-6 <= share <= 1e6 for share in shares):
            _fail(f"{where}: each share must be 1e-6 to 1e6")
        return shares

    def _references(self, tables: list, first: str) -> list[dict]:
        references = []
        for t in tables:
            where = f"{self.path}: reference"
            keys = {"codec": ([str], REQUIRED), "code": ([str], ["ideal"]), "model": (str, first), "label": (str, None)}
            t = _table(t, where, keys)
            _known(t["codec"], CODECS, "codec", where)
            _known(t["code"], CODES, "code", where)
            _known([t["model"]], self.models, "model", where)
            several = [dict(codec=codec, code=code, model=t["model"]) for codec in t["codec"] for code in t["code"]]
            self._label(t["label"], several, where, "codec and code")
            references += several
        if any(references.count(r) > 1 for r in references):
            _fail(f"{self.path}: the same reference twice")
        if references and self.channel != "awgn":
            _fail(f"{self.path}: references are for channel awgn only")
        for code in dict.fromkeys(r["code"] for r in references):
            if code != "ideal" and "pam256" in self.modulations:
                _fail(f"{self.path}: code {code} needs a modulation of bits, not pam256")
        return references

    def _label(self, label: Optional[str], curves: list[dict], where: str, key: str) -> None:
        """Note the label of a scheme or a reference."""
        if label is None:
            return
        if not label.strip() or len(label) > LABEL_MAX or not label.isprintable():
            _fail(f"{where}: label must be 1 to {LABEL_MAX} printable characters, not {label!r}")
        if len(curves) > 1:
            _fail(f"{where}: label '{label}' would name {len(curves)} curves: give each value of {key} its own table")
        if label in self.labels.values():
            _fail(f"{where}: label '{label}' is there twice")
        (curve,) = curves
        for enhancer in curve.get("enhancers") or [None]:
            self.labels[results.curve_of(dict(curve, enhancer=enhancer))] = label

    def _published(self, tables: list) -> list[dict]:
        published = [_table(t, f"{self.path}: published", _PUBLISHED) for t in tables]
        for p in published:
            if len(p["cbr"]) != len(p["psnr_db"]):
                _fail(f"{self.path}: published '{p['name']}': cbr and psnr_db must be of equal length")
        return published

    def _grid(self, table: Optional[dict]) -> dict:
        if not table:
            return {}
        where = f"{self.path}: grid"
        keys = {
            "picture": (str, REQUIRED),
            "snr_db": ([float], self.snrs),
            "eta": ([float], self.etas[:1]),
            "modulation": ([str], self.modulations),
        }
        grid = _table(table, where, keys)
        _known(grid["modulation"], MODULATIONS, "modulation", where)
        _within(grid["snr_db"], -50, 100, "snr_db", where)
        _within(grid["eta"], 0.001, 10, "eta", where)
        return grid

    def check_tools(self) -> None:
        """Raise Failure if a program that the references need is missing."""
        if any(r["codec"] == "hevc" for r in self.references) and not (
            shutil.which("heif-enc") and shutil.which("heif-convert")
        ):
            raise Failure(
                "codec hevc needs heif-enc and heif-convert: apt install libheif-examples, or take hevc out of "
                + self.path
            )

    def _gains(self, table: Optional[dict]) -> dict:
        if table is None:
            return {}
        where = f"{self.path}: gains"
        gains = _table(table, where, {"snr_db": (float, REQUIRED), "scheme": (str, "srec"), "over": (list, REQUIRED)})
        _known([gains["scheme"]], SCHEMES, "scheme", where)
        gains["over"] = [_table(t, where, {"scheme": (str, REQUIRED), "paper": (dict, {})}) for t in gains["over"]]
        for t in gains["over"]:
            _known([t["scheme"]], SCHEMES, "scheme", where)
            _known(t["paper"], MODULATIONS, "modulation", where)
        return gains
