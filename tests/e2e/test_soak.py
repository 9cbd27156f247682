# SPDX-License-Identifier: GPL-3.0-or-later
"""10 000 packets through every block of the link but the networks, as samples, at 12 dB with carrier and clock offset:
none is lost and memory stays flat."""
import os
import resource
import sys
import threading
import unittest

import numpy as np
import pmt
from gnuradio import gr, srec

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python", "srec"))
from qa_common import END, KEY, meta_of, slice_pdu  # noqa: E402

PACKETS, SPS, SNR_DB = int(os.environ.get("SREC_SOAK_PACKETS", 10000)), 2, 12
IN_FLIGHT = 64  # packets between source and sink: message ports have no back-pressure
GROWTH_MAX = 16 << 20  # bytes, from a tenth of the way to the end


def memory():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * resource.getpagesize()


class Source(gr.basic_block):
    """Slices, a new one for each that has arrived."""

    def __init__(self):
        gr.basic_block.__init__(self, "source", None, None)
        self.message_port_register_out(pmt.intern("out"))
        self.slots = threading.Semaphore(IN_FLIGHT)

    def start(self):
        threading.Thread(target=self._run, daemon=True).start()
        return True

    def _run(self):
        for number in range(PACKETS):
            self.slots.acquire()
            self.message_port_pub(pmt.intern("out"), slice_pdu(number, seed=number % 100, steps=8)[0])
        self.message_port_pub(pmt.intern("out"), END)


class Sink(gr.basic_block):
    def __init__(self, source):
        gr.basic_block.__init__(self, "sink", None, None)
        self.message_port_register_in(pmt.intern("in"))
        self.set_msg_handler(pmt.intern("in"), self._handle)
        self.source, self.count, self.memory, self.snr, self.done = source, 0, [], 0.0, threading.Event()

    def _handle(self, message):
        meta = meta_of(message)
        if meta.get("eof"):
            self.done.set()
            return
        if self.count % (PACKETS // 10) == 0:
            self.memory.append(memory())
        self.count += 1
        self.snr += meta["burst"]["snr_db"]
        self.source.slots.release()


class Soak(unittest.TestCase):
    def test_ten_thousand_packets_arrive_and_memory_is_flat(self):
        top, source = gr.top_block(), Source()
        sink = Sink(source)
        scrambler, packets, mapper = srec.scrambler(KEY), srec.packet_encoder(KEY), srec.mapper()
        channel = srec.impairments(
            noise_power=SPS * 10 ** (-0.1 * SNR_DB), cfo=0.01, clock_ppm=20, delay=1000.3, seed=1
        )
        sync, demapper = srec.burst_sync("qpsk", SPS), srec.soft_demapper("qpsk", float("nan"))
        decoder, descrambler = srec.packet_decoder(KEY), srec.descrambler(KEY)
        top.msg_connect(source, "out", scrambler, "in")
        top.msg_connect(scrambler, "out", packets, "in")
        top.msg_connect(packets, "out", mapper, "in")
        top.connect(mapper, srec.burst_shaper(SPS), channel, sync, demapper, decoder)
        top.connect((sync, 1), (demapper, 1))
        top.msg_connect(decoder, "out", descrambler, "in")
        top.msg_connect(descrambler, "out", sink, "in")
        top.start()
        try:
            while not sink.done.wait(60):
                print(f"{sink.count} packets, {memory() >> 20} MB", flush=True)
        finally:
            top.stop()
            top.wait()
        sink.memory.append(memory())
        growth = sink.memory[-1] - sink.memory[1]
        print(
            f"{sink.count} of {PACKETS} packets, mean SNR {sink.snr / max(sink.count, 1):.2f} dB; memory in MB"
            f" {[m >> 20 for m in sink.memory]}; {sync.counters()} {decoder.counters()}"
        )
        self.assertEqual(sink.count, PACKETS)
        self.assertEqual((sync.counters()["bursts"], decoder.dropped()), (PACKETS, 0))
        self.assertAlmostEqual(sink.snr / PACKETS, SNR_DB, delta=0.4)
        self.assertLess(growth, GROWTH_MAX)


if __name__ == "__main__":
    np.seterr(all="raise")
    unittest.main()
