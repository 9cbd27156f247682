# SPDX-License-Identifier: GPL-3.0-or-later
"""The transmitter in one block: images in, complex symbols out."""
from collections.abc import Iterable
from typing import Any, Sequence

from gnuradio import gr

from . import srec_python as srec


class transmitter(gr.hier_block2):
    """Sends images as bursts of samples or as symbols.

    Message ports: in `pdus` (images), out `info` (of the mapper), out `encoder_info`. Connect both info ports to
    image_source's `next`: one reports images that have been sent, the other one images that the encoder drops. Stream
    out: bursts of samples for a radio. With samples_per_symbol = 0, bare symbols, Es = 1.

    key: an srec.key, or the text of one.
    coding: "features" (semantic_encoder) or "layers" (layer_encoder).
    plan: Es/N0 of the receivers in dB, ascending. If it is not empty, coding, eta, layers, shares and scale are chosen
    for these SNRs, the modulation and the budget cbr, as `srec plan` does for an average photograph (docs/plan.md).
    It also chooses parity and frame_symbols where they have their default values. If either is set, it plans layers
    only. A line in the log, and the attribute `planned`, name the choice and the receivers that get no image.

    eta, model, frame_bytes and precision apply to features only; cbr, layers, shares, margin_db, parity, rate_max and
    frame_symbols to layers only. The other parameters are those of scrambler, packet_encoder, mapper and burst_shaper
    (docs/blocks.md).
    """

    def __init__(
        self,
        key: Any,
        modulation: str = "qpsk",
        eta: float = 0.2,
        encrypt: bool = True,
        model: str = "",
        frame_bytes: int = 16000,
        threads: int = 0,
        precision: str = "auto",
        session: int = 0,
        len_tag_key: str = "packet_len",
        cipher: str = "auto",
        samples_per_symbol: int = 4,
        rolloff: float = 0.25,
        amplitude: float = 1.0,
        idle: int = 0,
        tail: int = 0,
        scale: int = 1,
        coding: str = "features",
        cbr: float = 0.2,
        layers: Sequence[float] = (6.0,),
        shares: Sequence[float] = (),
        margin_db: float = 0.5,
        parity: int = -1,
        rate_max: float = 0.0,
        frame_symbols: int = 0,
        plan: Sequence[float] = (),
    ):
        planned = ""
        if not isinstance(plan, Iterable):
            raise ValueError("plan: a list of SNRs in dB is needed, such as [4]")
        if len(plan):
            from .plan.choice import transmitter_choice

            choice = transmitter_choice(
                plan,
                cbr,
                modulation,
                margin=margin_db,
                bursts=samples_per_symbol > 0,
                parity=None if parity == -1 else parity,
                frame_symbols=frame_symbols or None,
            )
            planned, chosen = choice.summary(plan), choice.parameters()
            coding, scale, eta = chosen["coding"], chosen["scale"], chosen.get("eta", eta)
            layers, shares = chosen.get("layers", layers), chosen.get("shares", shares)
            parity, frame_symbols = chosen.get("parity", parity), chosen.get("frame_symbols", frame_symbols)
        if coding not in ("features", "layers"):
            raise ValueError(f"unknown coding '{coding}': features or layers")
        self._check_cipher(modulation, cipher)
        self._modulation = modulation
        gr.hier_block2.__init__(
            self, "srec_transmitter", gr.io_signature(0, 0, 0), gr.io_signature(1, 1, gr.sizeof_gr_complex)
        )
        key = srec.key(key)  # read once, because it may be a pipe
        if coding == "layers":
            self.encoder = srec.layer_encoder(
                modulation,
                list(layers),
                cbr,
                list(shares),
                margin_db,
                parity,
                samples_per_symbol > 0,
                rate_max,
                frame_symbols,
                threads,
                scale=scale,
            )
        else:
            self.encoder = srec.semantic_encoder(model, eta, modulation, frame_bytes, threads, precision, scale=scale)
        self.coding, self.planned = coding, planned
        if planned:
            gr.logger("transmitter").info("plan: " + planned)
        self.scrambler = srec.scrambler(key, encrypt, session, cipher)
        self.packet_encoder = srec.packet_encoder(key, modulation)
        self.mapper = srec.mapper(modulation, len_tag_key)
        self.shaper = None
        if samples_per_symbol:
            self.shaper = srec.burst_shaper(samples_per_symbol, rolloff, amplitude, idle, len_tag_key, tail)
        # Connected after everything has been created: GNU Radio never frees a block that has connections, and such a
        # block holds the key.
        self._connect_all()

    def _connect_all(self) -> None:
        self.message_port_register_hier_in("pdus")
        self.message_port_register_hier_out("info")
        self.message_port_register_hier_out("encoder_info")
        self.msg_connect(self, "pdus", self.encoder, "pdus")
        self.msg_connect(self.encoder, "out", self.scrambler, "in")
        self.msg_connect(self.scrambler, "out", self.packet_encoder, "in")
        self.msg_connect(self.packet_encoder, "out", self.mapper, "in")
        self.msg_connect(self.mapper, "info", self, "info")
        self.msg_connect(self.encoder, "info", self, "encoder_info")
        self.connect(self.mapper, *([self.shaper] if self.shaper else []), self)

    def set_eta(self, eta: float) -> None:
        """Set the rate of features; without effect on layers."""
        if self.coding == "features":
            self.encoder.set_eta(eta)

    def set_cbr(self, cbr: float) -> None:
        """Set the budget of layers; without effect on features."""
        if self.coding == "layers":
            self.encoder.set_cbr(cbr)

    def set_encrypt(self, encrypt: bool) -> None:
        self.scrambler.set_encrypt(encrypt)

    @staticmethod
    def _check_cipher(modulation: str, cipher: str) -> None:
        if modulation == "pam256" and cipher == "xor":
            raise ValueError("cipher xor does not go with pam256: use auto or add")

    def set_cipher(self, cipher: str) -> None:
        self._check_cipher(self._modulation, cipher)
        self.scrambler.set_cipher(cipher)

    def set_amplitude(self, amplitude: float) -> None:
        if self.shaper:
            self.shaper.set_amplitude(amplitude)

    def session(self) -> int:
        return self.scrambler.session()
