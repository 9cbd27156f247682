# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines and figures of the images that `srec receive` has received."""
import math
from typing import Any

from .figures import number
from ..text import printable

Image = dict[str, Any]  # metadata of an image
AVERAGED = (
    "enhance_s",
    "random_percent",
    "relation",
    "snr_db",
    "cfo_hz",
    "drift_hz_s",
    "clock_ppm",
    "level_db",
    "evm_percent",
)


def is_partial(image: Image) -> bool:
    """Return whether a part of the image is missing: patches, or layers that did not arrive whole."""
    return image.get("patches_lost", 0) > 0 or image.get("layers_received", 0) < image.get("layers_sent", 0)


class Summary:
    """Figures of the images so far."""

    def __init__(self) -> None:
        self.pictures = self.partial = self.in_clear = self.suspect = self.lost = self.enhanced = self.passed = 0
        self.header_errors = self.header_errors_expected = 0.0
        self._sums: dict[str, tuple[int, float]] = {}  # number and sum of the values of a key

    def add(self, image: Image) -> None:
        self.pictures += 1
        self.partial += is_partial(image)
        self.in_clear += image.get("cipher") == "none"
        self.suspect += image.get("suspect", False)
        self.header_errors += image.get("header_errors", 0)
        self.header_errors_expected += image.get("header_errors_expected", 0)
        self.lost += image.get("slices_lost", 0)
        self.enhanced += image.get("enhanced", False)
        self.passed += image.get("enhance_skipped", False)
        for key in AVERAGED:
            if key in image:
                n, total = self._sums.get(key, (0, 0.0))
                self._sums[key] = (n + 1, total + image[key])

    def mean(self, key: str) -> float | None:
        n, total = self._sums.get(key, (0, 0.0))
        return number(total / n) if n else None


def packets_line(image: Image) -> str:
    """Format how much of an image has arrived. A receiver does not know how many packets a layer has that it missed."""
    if image.get("coding") != "layers":
        return f"{image['slices'] - image['slices_lost']} of {image['slices']} packets" if "slices" in image else ""
    unknown = sum(math.isnan(rate) for rate in image["code_rates"])
    return (
        f"{image['layers_received']} of {image['layers_sent']} layers,"
        f" {image['pieces_received']} of {image['pieces_sent']} packets"
        + (f" (and those of {unknown} layer{'s' * (unknown != 1)} of which none came)" if unknown else "")
    )


def picture_line(image: Image) -> str:
    """Format the metadata of an image."""
    text = (
        f"image {image['number']}: {printable(image.get('path', ''))} {image['width']}x{image['height']},"
        f" {packets_line(image)}"
    )
    if image.get("patches_lost"):
        text += f", {image['patches_lost']} of {image['patches']} patches concealed"
    if "snr_db" in image:
        text += (
            f", SNR {image['snr_db']:.1f} dB, EVM {image['evm_percent']:.1f} %, CFO {round(image['cfo_hz'])} Hz, clock"
            f" {image['clock_ppm']:.1f} ppm, level {image['level_db']:.1f} dBFS"
        )
    if image.get("enhanced"):
        text += f", enhanced in {image['enhance_s']:.2f} s"
    if image.get("cipher") == "none":
        text += ", sent in clear"
    return text


def suspicion(image: Image) -> str:
    """Format the reasons why an image is suspect."""
    text = (
        f"image {image['number']}: payload tampered or channel worse than measured:"
        f" {image['header_errors']:.0f} header bits wrong, {image['header_errors_expected']:.1f} expected"
    )
    if "random_percent" in image:
        text += f"; {image['random_percent']:.0f} % of the features look random"
    if "relation" in image:
        text += f"; relation {image['relation']:.2f}, 1 expected"
    return text


def totals_line(result: dict[str, Any]) -> str:
    """Format what a whole run has received. result: its figures."""
    text = (
        f"{result['pictures']} image{'s' * (result['pictures'] != 1)}, {result['packets']} packets,"
        f" {result['packets_lost']} lost"
    )
    if result["uncorrected"]:
        text += f", {result['uncorrected']} with too many errors"
    if result["combined"]:
        text += f", {result['combined']} from sums of {result['summed']} transmissions"
    if result["duplicate"]:
        text += f", {result['duplicate']} repeated although received"
    return text


def why_none(counters: dict[str, Any], samples: int) -> str:
    """Return a text that says what arrived instead of an image."""
    if not samples:
        return "no samples arrived: is the other end running?"
    if counters["forged"]:
        return f"{counters['forged']} packets failed authentication: is it the right key?"
    if counters["foreign_model"]:
        return f"{counters['foreign_model']} packets were made with another model: both ends need the same model file"
    if counters["too_large"]:
        return (
            f"{counters['too_large']} packets were of images larger than --max-pixels allows: raise it if you trust"
            " the sender"
        )
    if counters["findings"]:
        return "; ".join(counters["findings"].values())
    if counters["uncorrected"]:
        return f"{counters['uncorrected']} packets had too many errors: is the SNR below that of the lowest layer?"
    if counters["unreadable"] or counters["damaged"]:
        return (
            f"{counters['unreadable'] + counters['damaged']} bursts were not readable: is the modulation right, and the"
            " SNR high enough?"
        )
    if counters["replayed"] or counters["unsupported"]:
        return f"{counters['replayed']} packets were replays, {counters['unsupported']} of another release"
    return (
        "no burst was found: is the sender on, on this frequency and strong enough, and are --sps and --rate those of"
        " the sender?"
    )
