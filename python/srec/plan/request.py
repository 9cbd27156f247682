# SPDX-License-Identifier: GPL-3.0-or-later
"""What is planned for, and what a plan consists of."""
from __future__ import annotations

import dataclasses
from typing import Any, Optional, Sequence

from .losses import MAX_LOSS, MAX_PARITY, NOISE_LOSS

MAX_SNRS = 8  # as many as layers
SNR_RANGE = -20.0, 60.0  # dB
FRAME_SYMBOLS = 1000, 1_000_000  # payload symbols of a packet of layers
RANGES = {  # of numbers of a Request
    "cbr": (1e-6, 1e6),
    "margin": (0, 30),  # below 0 no layer arrives
    "loss": (0, MAX_LOSS),
    "parity": (0, MAX_PARITY),
    "frame_symbols": FRAME_SYMBOLS,
}


class Impossible(Exception):
    """No setting fits. Its text is one line."""


@dataclasses.dataclass(frozen=True)
class Request:
    """What is planned for.

    snrs: Es/N0 of the receivers in dB, ascending.
    cbr: greatest channel use, complex symbols / (3 * pixels).
    margin: dB between the threshold of a layer's code and its SNR.
    bursts: whether preambles and pilots count.
    modulations: those that may be chosen; (): all.
    parity: parity packets of each layer; None: chosen for the loss.
    frame_symbols: mean number of payload symbols of a packet; None: chosen.
    loss: probability that a packet is lost for reasons other than noise, such as interference.
    enhance: whether receivers use super-resolution.

    With parity or frame_symbols only layers are planned.
    """

    snrs: tuple[float, ...]
    cbr: float
    margin: float = 0.5
    bursts: bool = True
    modulations: tuple[str, ...] = ()
    parity: Optional[int] = None
    frame_symbols: Optional[int] = None
    loss: float = 0.0
    enhance: bool = True

    @property
    def packet_loss(self) -> float:
        """Probability that a packet is lost, noise included."""
        return self.loss + NOISE_LOSS

    def allows(self, modulation: str) -> bool:
        return not self.modulations or modulation in self.modulations

    def layers_only(self) -> bool:
        return self.parity is not None or self.frame_symbols is not None

    def check(self) -> None:
        """Raise ValueError with one line."""
        low, high = SNR_RANGE
        if not 1 <= len(self.snrs) <= MAX_SNRS:
            raise ValueError(f"{len(self.snrs)} SNRs; 1 to {MAX_SNRS} are possible")
        for snr in self.snrs:
            if not low <= snr <= high:
                raise ValueError(f"SNR {snr:g} dB is not within {low:g} .. {high:g}")
        for snr, following in zip(self.snrs, self.snrs[1:]):
            if not snr < following:
                raise ValueError(f"{snr:g} dB before {following:g} dB: each SNR must exceed the one before")
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"{name} {value:.9g} is not within {low:.9g} .. {high:.9g}")


@dataclasses.dataclass(frozen=True)
class Choice:
    """A setting and what to expect of it.

    psnr: dB at each SNR of the request, if no packet is lost.
    expected: dB at each SNR of the request, averaged over images with and without lost packets.
    cbr: channel use; of layers the budget, unless exact.
    enhanced: whether super-resolution adds to the PSNR.
    layers, shares, rates, thresholds: of coded layers: SNRs, shares of the symbols, code rates, and thresholds of
    the codes in dB without the margin.
    parity, frame_symbols: of coded layers, as in Request; frame_symbols 0: 16000, or a sixteenth of the layer.
    packets: of coded layers: (data, parity) packets of each layer.
    complete: probability that all layers are complete.
    eta: of features.
    exact: whether psnr was measured on the image itself.
    """

    coding: str
    modulation: str
    scale: int
    psnr: tuple[float, ...]
    expected: tuple[float, ...]
    cbr: float
    enhanced: bool
    layers: tuple[float, ...] = ()
    shares: tuple[int, ...] = ()
    rates: tuple[float, ...] = ()
    thresholds: tuple[float, ...] = ()
    parity: Optional[int] = None
    frame_symbols: Optional[int] = None
    packets: tuple[tuple[int, int], ...] = ()
    complete: float = 1.0
    eta: Optional[float] = None
    exact: bool = False

    @property
    def mean_psnr(self) -> float:
        return sum(self.psnr) / len(self.psnr)

    @property
    def mean_expected(self) -> float:
        return sum(self.expected) / len(self.expected)

    def without_image(self, snrs: Sequence[float]) -> list[float]:
        """Return those of the SNRs at which receivers get no image."""
        return [snr for snr in snrs if self.layers and snr < self.layers[0]]

    def setting(self) -> str:
        """Return eta, or the SNRs of the layers, as text."""
        return f"eta {self.eta:g}" if self.eta is not None else f"for {', '.join(f'{s:g}' for s in self.layers)} dB"

    def summary(self, snrs: Sequence[float]) -> str:
        """Return a line on a choice for an average photograph. snrs: those of the request."""
        values = ", ".join(f"{psnr:.1f} dB at {snr:g} dB" for snr, psnr in zip(snrs, self.psnr))
        none = "".join(f"; no image at {snr:g} dB" for snr in self.without_image(snrs))
        size = ", half size" if self.scale == 2 else ""
        return f"{self.coding}, {self.modulation}, {self.setting()}{size}: an average photograph has {values}{none}"

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of srec.transmitter, without cbr and margin."""
        chosen: dict[str, Any] = {"coding": self.coding, "modulation": self.modulation, "scale": self.scale}
        if self.coding == "features":
            return {**chosen, "eta": self.eta}
        return {
            **chosen,
            "layers": list(self.layers),
            "shares": list(self.shares) if len(self.shares) > 1 else [],
            "parity": self.parity,
            "frame_symbols": self.frame_symbols,
        }

    def options(self, request: Request) -> list[str]:
        """Return the options of `srec simulate` and `srec send`."""
        words = ["--coding", self.coding, "--modulation", self.modulation]
        if self.coding == "features":
            words += ["--eta", f"{self.eta:g}"]
        else:
            words += ["--layers=" + ",".join(f"{snr:g}" for snr in self.layers), "--cbr", f"{request.cbr:.6g}"]
            if len(self.shares) > 1:
                words += ["--shares", ",".join(map(str, self.shares))]
            if request.margin != Request.margin:
                words += [f"--margin={request.margin:g}"]
            words += ["--parity", f"{self.parity}"]
            if self.frame_symbols:
                words += ["--frame-symbols", f"{self.frame_symbols}"]
        return words + (["--scale", "2"] if self.scale == 2 else [])
