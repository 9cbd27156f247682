# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiver in one block: complex symbols in, images out."""
from typing import Any

import pmt
from gnuradio import gr

from . import srec_python as srec
from .metadata import to_pmt

ENHANCER_QUEUE = 4  # images that may wait for the enhancer


class receiver(gr.hier_block2):
    """Receives images from samples or symbols.

    Stream in: samples from a radio. With samples_per_symbol = 0, bare symbols with length tags.

    Features and coded layers need no option: packets say what they carry.

    Message ports: out `pdus` (images), out `received` (images before super-resolution), out `info` (of the semantic
    decoder), out `layer_info` (of the layer decoder), out `packet_info` (of the packet decoder: counters), out
    `burst_info` (of the synchroniser, if there is one), out `progress` (partial images, with progress above 0). With an
    enhancer, `pdus` has the enhanced images, `received` those before enhancement, and `enhancer_info` a dict for each.

    key: an srec.key, or the text of one.
    model: "none": no model, for a receiver of layers only; `info` is then that of the layer decoder.
    payload_key: another key for encrypted payloads than for the headers, to show what an eavesdropper sees. "": the
        same. Encrypted layers then give no image.
    enhancer: "": no such block. "installed": $SREC_ENHANCER or the installed models. "none": images at their full size
        without enhancement. Otherwise a model file.
    scale: 0: the scale at which each image was sent, according to its packets. 1 or 2: images of this scale.
    bypass: see set_bypass().

    If images arrive faster than they can be enhanced, the oldest pass unchanged. The other parameters are those of
    burst_sync, soft_demapper, packet_decoder, descrambler and semantic_decoder (docs/blocks.md). Raises ValueError or
    RuntimeError for impossible parameters.
    """

    def __init__(
        self,
        key: Any,
        modulation: str = "qpsk",
        snr_db: float = float("nan"),
        soft: bool = True,
        model: str = "",
        timeout: float = 2.0,
        threads: int = 0,
        precision: str = "auto",
        len_tag_key: str = "packet_len",
        payload_key: Any = "",
        gain_input: bool = False,
        samples_per_symbol: int = 4,
        rolloff: float = 0.25,
        max_queue: int = 4096,
        policy: str = "drop_oldest",
        progress: float = 0.0,
        enhancer: str = "",
        scale: int = 0,
        bypass: bool = False,
        max_pixels: float = 64e6,
        max_pictures: int = 8,
        reorder: int = 16,
    ):
        if samples_per_symbol and gain_input:
            raise ValueError("gain_input needs samples_per_symbol = 0: with bursts the synchroniser measures the gains")
        gr.hier_block2.__init__(
            self,
            "srec_receiver",
            gr.io_signature(1 + gain_input, 1 + gain_input, gr.sizeof_gr_complex),
            gr.io_signature(0, 0, 0),
        )
        key = srec.key(key)  # read once, because it may be a pipe
        self.sync = (
            srec.burst_sync(modulation, samples_per_symbol, rolloff, len_tag_key, key) if samples_per_symbol else None
        )
        # With bursts the noise estimates arrive as tags.
        self.demapper = srec.soft_demapper(modulation, float("nan") if self.sync else snr_db, len_tag_key)
        self.packet_decoder = srec.packet_decoder(key, model, modulation, len_tag_key)
        self.descrambler = srec.descrambler(payload_key or key, model, soft, key)
        collecting = {"max_pixels": max_pixels, "max_pictures": max_pictures, "reorder": reorder}
        self.layer_decoder = srec.layer_decoder(timeout, threads, max_queue, policy, progress, **collecting)
        self.decoder = self.layer_decoder
        if model != "none":
            self.decoder = srec.semantic_decoder(
                model, timeout, threads, precision, max_queue, policy, progress, **collecting
            )
        self.enhancer = None
        if enhancer:
            model = "" if enhancer == "installed" else enhancer
            self.enhancer = srec.sr_enhancer(model, scale, bypass, threads, precision, ENHANCER_QUEUE, "pass_oldest")
        # Connected after everything has been created: GNU Radio never frees a block that has connections, and such a
        # block holds the key.
        self._connect_streams(gain_input)
        self._connect_messages()

    def _connect_streams(self, gain_input: bool) -> None:
        if self.sync:
            self.connect(self, self.sync, self.demapper)
            self.connect((self.sync, 1), (self.demapper, 1))
        else:
            self.connect(self, self.demapper)
        if gain_input:
            self.connect((self, 1), (self.demapper, 1))
        self.connect(self.demapper, self.packet_decoder)

    def _connect_messages(self) -> None:
        for port in ("pdus", "received", "progress", "info", "layer_info", "packet_info", "burst_info"):
            self.message_port_register_hier_out(port)
        if self.sync:
            self.msg_connect(self.sync, "info", self, "burst_info")
        self.msg_connect(self.packet_decoder, "out", self.descrambler, "in")
        self.msg_connect(self.packet_decoder, "info", self, "packet_info")
        self.msg_connect(self.descrambler, "out", self.layer_decoder, "in")
        if self.decoder is not self.layer_decoder:
            self.msg_connect(self.layer_decoder, "pdus", self.decoder, "in")
            self.msg_connect(self.layer_decoder, "progress", self, "progress")
        self.msg_connect(self.layer_decoder, "info", self, "layer_info")
        self.msg_connect(self.decoder, "pdus", self, "received")
        self.msg_connect(self.decoder, "progress", self, "progress")
        self.msg_connect(self.decoder, "info", self, "info")
        if self.enhancer:
            self.message_port_register_hier_out("enhancer_info")
            self.msg_connect(self.decoder, "pdus", self.enhancer, "pdus")
            self.msg_connect(self.enhancer, "pdus", self, "pdus")
            self.msg_connect(self.enhancer, "info", self, "enhancer_info")
        else:
            self.msg_connect(self.decoder, "pdus", self, "pdus")

    def set_snr_db(self, snr_db: float) -> None:
        if not self.sync:
            self.demapper.set_snr_db(snr_db)

    def set_bypass(self, bypass: bool) -> None:
        """Set whether images pass the enhancer unchanged (at scale 2 doubled by cubic interpolation)."""
        if self.enhancer:
            self.enhancer.set_bypass(bypass)

    def finish(self) -> None:
        """Deliver the unfinished images, then the end mark: for radios, whose streams have no end. Any thread."""
        self.descrambler.to_basic_block()._post(
            pmt.intern("in"), pmt.cons(to_pmt({"eof": True}), pmt.init_u8vector(0, []))
        )

    def set_soft(self, soft: bool) -> None:
        self.descrambler.set_soft(soft)

    def decoder_counters(self) -> dict[str, int]:
        """Return the dropped messages of both decoders by reason: late, too_large, dropped."""
        counters = self.layer_decoder.counters()
        if self.decoder is not self.layer_decoder:
            counters = {name: n + counters[name] for name, n in self.decoder.counters().items()}
        return counters

    def set_progress(self, progress: float) -> None:
        self.layer_decoder.set_progress(progress)
        self.decoder.set_progress(progress)
