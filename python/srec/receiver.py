# SPDX-License-Identifier: GPL-3.0-or-later
"""Complex symbols in, pictures out: the receiver in one block."""
from gnuradio import gr

from . import srec_python as srec


class receiver(gr.hier_block2):
    """Stream in: symbols with length tags. Message ports: out `pdus` (pictures), out `info` (of the semantic decoder), out
    `packet_info` (of the packet decoder: counters).

    payload_key: another key for the descrambler than for the headers, to show what an eavesdropper sees ("" = the same).
    Other parameters as of soft_demapper, packet_decoder, descrambler and semantic_decoder (docs/blocks.md).
    """

    def __init__(self, key, modulation="qpsk", snr_db=float("nan"), soft=True, model="", timeout=2.0, threads=0, precision="f32",
                 len_tag_key="packet_len", payload_key="", gain_input=False):
        gr.hier_block2.__init__(self, "srec_receiver", gr.io_signature(1 + gain_input, 1 + gain_input, gr.sizeof_gr_complex), gr.io_signature(0, 0, 0))
        self.message_port_register_hier_out("pdus")
        self.message_port_register_hier_out("info")
        self.message_port_register_hier_out("packet_info")
        self.demapper = srec.soft_demapper(modulation, snr_db, len_tag_key)
        self.packet_decoder = srec.packet_decoder(key, model, modulation, len_tag_key)
        self.descrambler = srec.descrambler(payload_key or key, model, soft)
        self.decoder = srec.semantic_decoder(model, timeout, threads, precision)
        self.connect(self, self.demapper, self.packet_decoder)
        if gain_input:
            self.connect((self, 1), (self.demapper, 1))
        self.msg_connect(self.packet_decoder, "out", self.descrambler, "in")
        self.msg_connect(self.descrambler, "out", self.decoder, "in")
        self.msg_connect(self.decoder, "pdus", self, "pdus")
        self.msg_connect(self.decoder, "info", self, "info")
        self.msg_connect(self.packet_decoder, "info", self, "packet_info")

    def set_snr_db(self, snr_db):
        self.demapper.set_snr_db(snr_db)

    def set_soft(self, soft):
        self.descrambler.set_soft(soft)
