# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures in, complex symbols out: the transmitter in one block."""
from gnuradio import gr

from . import srec_python as srec


class transmitter(gr.hier_block2):
    """Message ports: in `pdus` (pictures), out `info` (of the mapper: connect it to image_source's
    `next`), out `encoder_info`. Stream out: symbols, Es = 1.

    Parameters as of semantic_encoder, scrambler, packet_encoder and mapper (docs/blocks.md).
    """

    def __init__(self, key, modulation="qpsk", eta=0.2, encrypt=True, model="", frame_bytes=16000, threads=0, precision="f32",
                 session=0, len_tag_key="packet_len"):
        gr.hier_block2.__init__(self, "srec_transmitter", gr.io_signature(0, 0, 0), gr.io_signature(1, 1, gr.sizeof_gr_complex))
        self.message_port_register_hier_in("pdus")
        self.message_port_register_hier_out("info")
        self.message_port_register_hier_out("encoder_info")
        self.encoder = srec.semantic_encoder(model, eta, modulation, frame_bytes, threads, precision)
        self.scrambler = srec.scrambler(key, encrypt, session)
        self.packet_encoder = srec.packet_encoder(key, modulation)
        self.mapper = srec.mapper(modulation, len_tag_key)
        self.msg_connect(self, "pdus", self.encoder, "pdus")
        self.msg_connect(self.encoder, "out", self.scrambler, "in")
        self.msg_connect(self.scrambler, "out", self.packet_encoder, "in")
        self.msg_connect(self.packet_encoder, "out", self.mapper, "pdus")
        self.msg_connect(self.mapper, "info", self, "info")
        self.msg_connect(self.encoder, "info", self, "encoder_info")
        self.connect(self.mapper, self)

    def set_eta(self, eta):
        self.encoder.set_eta(eta)

    def set_encrypt(self, encrypt):
        self.scrambler.set_encrypt(encrypt)

    def session(self):
        return self.scrambler.session()
