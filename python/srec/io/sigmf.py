# SPDX-License-Identifier: GPL-3.0-or-later
"""SigMF recordings (https://sigmf.org, version 1.0).

Samples are in NAME.sigmf-data and their description in NAME.sigmf-meta (JSON), or both in the archive NAME.sigmf. One
channel, four datatypes, and gr-srec's own namespace `srec:`. Needs no GNU Radio.
"""
import datetime
import json
import math
import os
from typing import Any

import numpy as np

from . import sigmf_archive
from .output import write_json
from ..text import printable

VERSION = "1.0.0"
META, DATA, ARCHIVE = ".sigmf-meta", ".sigmf-data", sigmf_archive.ENDING
META_MAX = 64 << 20  # maximum bytes of metadata
# NumPy type, offset and scale: sample = (stored - offset) / scale
DATATYPES = {
    "cf32_le": ("<f4", 0.0, 1.0),
    "ci16_le": ("<i2", 0.0, 32768.0),
    "ci8": ("i1", 0.0, 128.0),
    "cu8": ("u1", 127.5, 127.5),
}
SREC_KEYS = {
    "model": str,
    "modulation": str,
    "samples_per_symbol": int,
    "rolloff": float,
    "symbol_rate": float,
    "level_dbfs": float,
    "cipher": str,
    "coding": str,
    "eta": float,
    "layer_snr_db": list,
    "code_rates": list,
    "cbr": float,
    "scale": int,
    "repeat": int,
    "snr_db": float,
    "cfo_hz": float,
    "clock_ppm": float,
    "delay": float,
    "seed": int,
}
MAX_LIST = 64  # numbers in a list


class Fault(ValueError):
    """An invalid or unusable recording. Its text is one line."""


def bytes_per_sample(datatype: str) -> int:
    return 2 * np.dtype(DATATYPES[datatype][0]).itemsize


def to_samples(data: bytes, datatype: str) -> np.ndarray:
    """Convert the bytes of whole samples to a complex64 array with full scale 1."""
    kind, offset, scale = DATATYPES[datatype]
    values = np.frombuffer(data, kind)
    if datatype == "cf32_le":
        return values.astype(np.float32, copy=False).view(np.complex64)
    return ((values.astype(np.float32) - np.float32(offset)) / np.float32(scale)).view(np.complex64)


def to_bytes(samples: np.ndarray, datatype: str) -> bytes:
    """Convert a complex64 array to bytes. Values beyond full scale are limited to it (cf32_le: kept)."""
    kind, offset, scale = DATATYPES[datatype]
    values = np.ascontiguousarray(samples, np.complex64).view(np.float32)
    if datatype == "cf32_le":
        return values.astype(kind, copy=False).tobytes()
    limits: Any = np.iinfo(kind)
    return (
        np.clip(np.rint(values * np.float32(scale) + np.float32(offset)), limits.min, limits.max).astype(kind).tobytes()
    )


def paths(path: str) -> tuple[str, str]:
    """Return (meta path, data path) for NAME, NAME.sigmf-meta, NAME.sigmf-data or NAME.sigmf."""
    for ending in (META, DATA, ".sigmf"):
        if path.endswith(ending):
            path = path[: -len(ending)]
            break
    return path + META, path + DATA


def archive_of(path: str) -> str | None:
    """Return the path of the archive for NAME.sigmf, or for NAME if NAME.sigmf-meta does not exist, or None."""
    if any(path.endswith(ending) for ending in (META, DATA)):
        return None
    name = path if path.endswith(sigmf_archive.ENDING) else path + sigmf_archive.ENDING
    return name if os.path.isfile(name) and (name == path or not os.path.exists(paths(path)[0])) else None


def is_recording(path: str) -> bool:
    return any(path.endswith(e) for e in (META, DATA)) or archive_of(path) is not None or os.path.exists(paths(path)[0])


class Recording:
    """A recording with checked metadata.

    meta, data: paths; for an archive, both are its own path.
    data_offset: position of the first sample in the file, bytes.
    datatype: one of DATATYPES.
    rate: Hz.
    frequency: Hz, or None.
    n_samples: number of samples.
    srec: dict of the namespace, without its prefix.
    metadata: all metadata.
    """

    def __init__(self, path: str):
        """Read and check the metadata. Raises Fault."""
        text, size = self._find(path)
        self.metadata = _parse(self.name, text)
        top = self.metadata.get("global")
        if not isinstance(top, dict):
            raise Fault(f'{self.name}: no SigMF metadata: the object "global" is missing')
        datatype = top.get("core:datatype")
        if not isinstance(datatype, str) or datatype not in DATATYPES:
            raise Fault(f"{self.name}: datatype {_quoted(datatype)} is none of {', '.join(DATATYPES)}")
        self.datatype = datatype
        rate = _number(self.name, top, "core:sample_rate")
        if rate is None or rate <= 0:
            raise Fault(f"{self.name}: core:sample_rate is missing or not above 0")
        self.rate = rate
        if top.get("core:num_channels", 1) != 1:
            raise Fault(
                f"{self.name}: core:num_channels is {_quoted(top['core:num_channels'])}, and only recordings of one"
                " channel can be read"
            )
        captures = self.metadata.get("captures", [])
        if not isinstance(captures, list) or not all(isinstance(c, dict) for c in captures):
            raise Fault(f'{self.name}: "captures" is not a list of objects')
        if any(c.get("core:header_bytes") for c in captures):
            raise Fault(f"{self.name}: the data have header bytes between the samples, which cannot be read")
        self.frequency = _number(self.name, captures[0], "core:frequency") if captures else None
        self.srec = {key: self._own(top, key, kind) for key, kind in SREC_KEYS.items() if "srec:" + key in top}
        self.n_samples, rest = divmod(size, bytes_per_sample(self.datatype))
        self.cut = rest != 0  # the last sample is incomplete
        if not self.n_samples:
            raise Fault(f"{printable(self.data)}: there is no sample in it")

    def _find(self, path: str) -> tuple[bytes, int]:
        """Set meta, data, data_offset and name (for messages). Return (text of the metadata, bytes of samples)."""
        self.meta, self.data = paths(path)
        self.data_offset, archive = 0, archive_of(path)
        self.name = printable(archive or self.meta)
        if not archive:
            text = _read(self.meta)
            try:
                return text, os.path.getsize(self.data)
            except OSError as error:
                raise Fault(f"{printable(self.data)}: {error.strerror}") from None
        self.meta = self.data = archive
        try:
            text, self.data_offset, size = sigmf_archive.locate(archive, META, DATA, META_MAX)
        except sigmf_archive.Fault as error:
            raise Fault(f"{self.name}: {printable(error, 100)}") from None
        except OSError as error:
            raise Fault(f"{self.name}: {error.strerror}") from None
        return text, size

    def _own(self, top: dict[str, Any], key: str, kind: type) -> Any:
        value = top["srec:" + key]
        if kind is float:
            return _number(self.name, top, "srec:" + key)
        if kind is list and isinstance(value, list) and len(value) <= MAX_LIST:
            return [_number(self.name, {"srec:" + key: item}, "srec:" + key) for item in value]
        fits = not isinstance(value, int) or -(2**63) <= value < 2**64
        if kind is list or not isinstance(value, kind) or isinstance(value, bool) or not fits:
            raise Fault(f"{self.name}: srec:{key} is {_quoted(value)}, which is not valid")
        return value


def shown(value: Any, limit: int = 40) -> str:
    """Return a value of metadata as short text on one line. Lists and objects become their type alone."""
    if isinstance(value, str):
        return printable(" ".join(value.split()), limit)
    if isinstance(value, int) and abs(value) >= 2**64:
        return "a number of more than 64 bits"
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else str(value)


def _quoted(value: Any) -> str:
    return f"'{shown(value)}'" if isinstance(value, str) else shown(value)


def _number(name: str, where: dict[str, Any], key: str) -> float | None:
    """Return a number of the metadata.

    name: file name for messages.
    """
    value = where.get(key)
    if value is None:
        return None
    try:
        number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    except OverflowError:
        number = math.nan
    if not math.isfinite(number):
        raise Fault(f"{name}: {key} is {_quoted(value)}, not a number that can be used")
    return number


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as f:
            return f.read(META_MAX + 1)
    except OSError as error:
        raise Fault(f"{printable(path)}: {error.strerror}") from None


def _parse(name: str, text: bytes) -> dict[str, Any]:
    """Parse the metadata.

    name: file name for messages.
    """
    if len(text) > META_MAX:
        raise Fault(f"{name}: more than {META_MAX >> 20} MB of metadata")
    try:
        metadata = json.loads(text)
    except RecursionError:
        raise Fault(f"{name}: not JSON that can be read: it is nested too deeply") from None
    except MemoryError:
        raise Fault(f"{name}: no memory for these metadata") from None
    except ValueError as error:  # also for numbers with thousands of digits
        raise Fault(f"{name}: not JSON: {printable(str(error).splitlines()[0], 80)}") from None
    if not isinstance(metadata, dict):
        raise Fault(f"{name}: no SigMF metadata: not a JSON object")
    return metadata


def _own_metadata(srec: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata of gr-srec under their names in the file. Raises ValueError for others."""
    if not isinstance(srec, dict) or srec.keys() - SREC_KEYS.keys():
        raise ValueError(f"metadata {srec!r}: use a dict with keys among {', '.join(SREC_KEYS)}")
    own = {}
    for key, value in srec.items():
        try:
            own.update({} if value is None else {"srec:" + key: SREC_KEYS[key](value)})
        except (TypeError, ValueError):
            raise ValueError(f"metadata {key}: {value!r} is no {SREC_KEYS[key].__name__}") from None
    return own


def metadata(
    datatype: str,
    rate: float,
    frequency: float | None = None,
    srec: dict[str, Any] | None = None,
    recorder: str = "gr-srec",
    description: str = "",
) -> dict[str, Any]:
    """Return the content of a recording's metadata file as JSON types.

    srec: dict with SREC_KEYS.
    Raises ValueError.
    """
    top = {
        "core:datatype": datatype,
        "core:sample_rate": rate,
        "core:version": VERSION,
        "core:recorder": recorder,
        "core:extensions": [{"name": "srec", "version": "0.1.0", "optional": True}],
    }
    if description:
        top["core:description"] = description
    top.update(_own_metadata(srec or {}))
    capture = {
        "core:sample_start": 0,
        "core:datetime": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    if frequency is not None:
        capture["core:frequency"] = frequency
    return {"global": top, "captures": [capture], "annotations": []}


def write_meta(path: str, *what: Any, **more: Any) -> None:
    """Write NAME.sigmf-meta completely or not at all. The parameters are those of metadata(). Raises OSError."""
    write_json(paths(path)[0], metadata(*what, **more))
