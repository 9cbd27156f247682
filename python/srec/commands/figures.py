# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of a run: levels of the samples, numbers for JSON, the file of --json."""
import math
import os
import sys
from typing import Any

from ..io import output

Level = dict[str, Any]  # figures of level_meter.read()


def take_stdout() -> int:
    """Reserve standard output for samples or figures, and return its file descriptor.

    All other output, including that of drivers, goes to standard error.
    """
    sys.stdout.flush()
    fd = os.dup(1)
    os.dup2(2, 1)
    return fd


def write_json(path: str, figures: dict[str, Any], stdout: int) -> None:
    """Write figures as JSON.

    stdout: file descriptor for the path "-".
    Raises OSError.
    """
    if path == "-":
        with os.fdopen(os.dup(stdout), "wb") as f:
            f.write(output.json_bytes(figures))
    else:
        output.write_json(path, figures)


def decibel(value: float | None) -> str:
    return "-inf" if value is None or not math.isfinite(value) else f"{value:.1f}"


def number(value: float | None, digits: int = 3) -> float | None:
    """Round a number for JSON, which has no infinity: None if it is not finite."""
    return None if value is None or not math.isfinite(value) else round(value, digits)


def meter_line(level: Level, instead: str | None = None) -> str:
    """Format the figures of level_meter.read().

    instead: text to return if there are no samples.
    """
    if not level["samples"]:
        return instead or "no samples"
    text = f"level {decibel(level['level_db'])} dBFS, peak {decibel(level['peak_db'])} dBFS"
    return text + (f", CLIPPED {100 * level['clipped']:.3g} %" if level["clipped"] else ", not clipped")


class _Sum:
    """Combines several readings of a level_meter."""

    def __init__(self) -> None:
        self.n = 0.0  # samples
        self._energy = 0.0  # sum of |x|^2
        self._peak = 0.0  # amplitude
        self._clipped = 0.0  # samples

    def add(self, level: Level) -> None:
        n = level["samples"]
        if n:
            self.n += n
            self._energy += n * 10 ** (0.1 * level["level_db"])
            self._peak = max(self._peak, 10 ** (0.05 * level["peak_db"]))
            self._clipped += n * level["clipped"]

    def level(self) -> Level:
        """Return a dict like level_meter.read()."""
        return {
            "samples": int(self.n),
            "level_db": 10 * math.log10(self._energy / self.n) if self._energy else -math.inf,
            "peak_db": 20 * math.log10(self._peak) if self._peak else -math.inf,
            "clipped": self._clipped / self.n if self.n else 0.0,
        }


class Levels:
    """Figures of a level meter: over the whole run, and since the previous reading."""

    def __init__(self, meter: Any):
        self._meter, self._all, self._latest = meter, _Sum(), _Sum()

    def _update(self) -> None:
        level = self._meter.read()
        self._all.add(level)
        self._latest.add(level)

    def samples(self) -> int:
        """Return the number of samples so far."""
        self._update()
        return int(self._all.n)

    def read(self) -> Level:
        """Return the level since the previous call."""
        self._update()
        latest, self._latest = self._latest, _Sum()
        return latest.level()

    def figures(self) -> dict[str, Any]:
        self._update()
        level = self._all.level()
        return {
            "samples": level["samples"],
            "mean_dbfs": number(level["level_db"]),
            "peak_dbfs": number(level["peak_db"]),
            "clipped": level["clipped"],
        }
