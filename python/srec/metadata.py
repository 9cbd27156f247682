# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversion of metadata between PMT and Python.

GNU Radio's pmt.to_pmt() takes no integers from 2^63 on, and session numbers are 64-bit unsigned.
"""
from typing import Any

import numpy as np
import pmt

from .srec_python import metadata_keys, pmt_text, u8array
from .text import utf8

# Keys that only the blocks written in Python use.
PYTHON_KEYS = frozenset(
    """filename time frame frames_dropped number path latency_s psnr_db
    pictures unreported lost rate_hz latency_median_s latency_max_s psnr_median_db""".split()
)
KEYS = frozenset(metadata_keys()) | PYTHON_KEYS


def to_pmt(values: dict[str, Any]) -> Any:
    r"""Convert a dict of text to None, bool, int, float or text to a PMT dict.

    Integers from 0 to 2^64 - 1 become unsigned, as in the C++ blocks. Bytes of text that are not UTF-8 (file names)
    become \xNN, because pmt.to_python() could not read them. Raises TypeError or OverflowError for anything else.
    """
    result = pmt.make_dict()
    for key, value in values.items():
        if value is None:
            item = pmt.PMT_NIL
        elif isinstance(value, bool):
            item = pmt.from_bool(value)
        elif isinstance(value, int):
            if not -(2**63) <= value < 2**64:
                raise OverflowError(f"{key}: {value} does not fit 64 bits")
            item = pmt.from_uint64(value) if value >= 0 else pmt.from_long(value)
        elif isinstance(value, float):
            item = pmt.from_double(value)
        elif isinstance(value, str):
            item = pmt.intern(utf8(value))
        else:
            raise TypeError(f"{key}: {type(value).__name__} has no place in metadata")
        result = pmt.dict_add(result, pmt.intern(utf8(key)), item)
    return result


def _plain(item: Any) -> Any:
    if pmt.is_symbol(item):
        return pmt_text(item)
    try:
        value = pmt.to_python(item)
    except (RuntimeError, TypeError, ValueError):
        return pmt_text(item)
    if pmt.is_uniform_vector(item):
        return value.tolist()
    return value if value is None or isinstance(value, (bool, int, float)) else pmt_text(item)


def to_dict(metadata: Any) -> dict[str, Any]:
    """Convert a PMT dict to a dict of text to values that JSON supports.

    These are numbers, text and lists of numbers. Other values become their printed form. Raises TypeError if the
    argument is not a dict.
    """
    if not pmt.is_dict(metadata):
        raise TypeError("not a metadata dict")
    items = pmt.dict_items(metadata)  # the latest first
    pairs = (pmt.nth(i, items) for i in reversed(range(pmt.length(items))))
    return {pmt_text(pmt.car(p)): _plain(pmt.cdr(p)) for p in pairs}


def picture_array(meta: dict[str, Any], vector: Any) -> np.ndarray:
    """Convert an image PDU to a uint8 array (height, width) or (height, width, 3).

    meta: its metadata as dict.
    vector: its data.
    Raises KeyError, TypeError or ValueError.
    """
    width, height, channels = meta["width"], meta["height"], meta["channels"]
    if channels not in (1, 3) or not width or not height:
        raise ValueError(f"{width}x{height} pixels of {channels} channels")
    return u8array(vector).reshape((height, width, 3) if channels == 3 else (height, width))
