#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The block mapper: constellation points, Es = 1, length tags, the end mark, its queue."""

import numpy as np
import pmt
from gnuradio import blocks, gr, gr_unittest, srec

from qa_common import (
    END,
    GRANULE,
    MODULATIONS,
    NOT_A_PDU,
    BlockCase,
    Collector,
    captured_log,
    constellation,
    meta_of,
    modulate,
    pdu,
    post,
    stops,
    wait_for,
    wait_for_silence,
)

RNG = np.random.default_rng(2)
ALL_BYTES = np.arange(256).astype(np.uint8)


def every_label(modulation):
    """Return bytes that send each point of the constellation 24 times in a row, in the order of the labels."""
    points, bits = constellation(modulation)
    return np.packbits(
        (np.repeat(np.arange(points.size), 24)[:, None] >> np.arange(bits)[::-1] & 1).astype(np.uint8).ravel()
    )


class qa_mapper(BlockCase):
    def send(self, modulation, frames, tag="packet_len"):
        """Send frames. Return (symbols, tags, info dicts). The end mark ends the flowgraph."""
        tb = gr.top_block()
        mapper, sink = srec.mapper(modulation, tag), blocks.vector_sink_c()
        tb.connect(mapper, sink)
        info = Collector(tb, mapper, "info")
        post(mapper, "in", *frames, END)
        tb.start()
        self.assert_ends_by_itself(tb, info)
        tags = [(t.offset, pmt.symbol_to_string(t.key), pmt.to_python(t.value)) for t in sink.tags()]
        return np.array(sink.data()), tags, [meta_of(m) for m in info.messages()]

    def test_symbols_are_the_gray_constellation_for_every_modulation(self):
        for modulation in MODULATIONS:
            # 300 bytes: whole symbols for all modulations
            data = np.concatenate([ALL_BYTES, RNG.integers(0, 256, 44).astype(np.uint8)])
            symbols, _, _ = self.send(modulation, [pdu({}, data)])
            np.testing.assert_allclose(symbols[:-1], modulate(modulation, data), atol=2e-6, err_msg=modulation)

    def test_points_have_unit_mean_power(self):
        for modulation in MODULATIONS:
            data = np.tile(ALL_BYTES, 96) if modulation == "pam256" else every_label(modulation)
            symbols = self.send(modulation, [pdu({}, data)])[0][:-1]
            self.assertAlmostEqual(np.mean(np.abs(symbols) ** 2), 1.0, delta=1e-5, msg=modulation)

    def test_a_neighbour_at_minimum_distance_differs_in_one_bit(self):
        for modulation in MODULATIONS[:5]:
            labels = np.arange(constellation(modulation)[0].size)
            sent = self.send(modulation, [pdu({}, every_label(modulation))])[0][:-1][::24]
            distance = np.abs(sent[:, None] - sent)
            near = (distance < 1.01 * distance[distance > 1e-6].min()) & (distance > 1e-6)
            self.assertEqual(
                {bin(a ^ b).count("1") for a, b in zip(labels[near.nonzero()[0]], labels[near.nonzero()[1]])},
                {1},
                modulation,
            )

    def test_two_frames_in_a_row_each_carry_their_length_in_a_tag(self):
        a, b = RNG.integers(0, 256, 30).astype(np.uint8), RNG.integers(0, 256, 90).astype(np.uint8)
        symbols, tags, _ = self.send("qpsk", [pdu({}, a), pdu({}, b)], "frame")
        self.assertEqual(tags, [(0, "frame", 120), (120, "frame", 360), (480, "srec_eof", True)])
        np.testing.assert_allclose(symbols[:480], modulate("qpsk", np.concatenate([a, b])), atol=2e-6)
        self.assertEqual(symbols.size, 481)
        self.assertEqual(symbols[480], 0)

    def test_frames_longer_than_a_stream_buffer_arrive_whole(self):
        data = RNG.integers(0, 256, 30000).astype(np.uint8)
        symbols, tags, _ = self.send("bpsk", [pdu({}, data)])
        np.testing.assert_allclose(symbols[:-1], modulate("bpsk", data), atol=2e-6)
        self.assertEqual(tags[0], (0, "packet_len", 240000))

    def test_reports_a_picture_when_its_last_symbol_has_left(self):
        frames = [
            pdu(
                {"picture": 5, "slice": i, "slices": 3, "payload_bytes": 100, "modulation": "qpsk"},
                np.zeros(150, np.uint8),
            )
            for i in range(3)
        ]
        _, _, info = self.send("qpsk", frames)
        self.assertEqual(
            info,
            [
                {
                    "event": "picture",
                    "picture": 5,
                    "n_symbols": 1800,
                    "header_symbols": 600,
                    "burst_symbols": 3 * (600 + 280),  # with preamble and pilots
                    "packets_sent": 3,
                    "dropped": 0,
                }
            ],
        )

    def test_bad_frames_are_dropped_counted_and_warned_of_once(self):
        bad = [*NOT_A_PDU, pdu({}, np.zeros(0, np.uint8)), pdu({}, np.zeros(4, np.float32))]
        with captured_log() as log:
            symbols, _, info = self.send("qpsk", [*bad, pdu({}, ALL_BYTES)])
        np.testing.assert_allclose(symbols[:-1], modulate("qpsk", ALL_BYTES), atol=2e-6)
        self.assertEqual([(i["event"], i["dropped"]) for i in info], [("dropped", n + 1) for n in range(len(bad))])
        self.assertEqual(log.count("dropped"), 1, log.text)

    def test_frame_of_part_symbols_is_dropped(self):
        for modulation in ("64qam", "pam256"):
            whole = np.zeros(4 * GRANULE[modulation], np.uint8)
            with captured_log() as log:
                symbols, tags, info = self.send(modulation, [pdu({}, whole[:-1]), pdu({}, whole)])
            self.assertEqual([i["dropped"] for i in info], [1])
            self.assertEqual(len(tags), 2, "one frame and the end")
            self.assertEqual(log.count("dropped"), 1, log.text)

    def test_frame_made_for_another_modulation_is_dropped(self):
        with captured_log() as log:
            symbols, _, info = self.send(
                "qpsk", [pdu({"modulation": "bpsk"}, ALL_BYTES), pdu({"modulation": "qpsk"}, ALL_BYTES)]
            )
        self.assertEqual([i["dropped"] for i in info], [1])
        self.assertEqual(symbols.size, 1025)
        self.assertIn("bpsk", log.text)

    def test_queue_keeps_the_oldest_4096_frames_and_counts_the_rest(self):
        mapper, sink = srec.mapper("qpsk"), blocks.vector_sink_c()
        self.tb.connect(mapper, sink)
        info = Collector(self.tb, mapper, "info")
        frame = [pdu({}, np.array([n >> 8, n & 255], np.uint8)) for n in range(4400)]
        with captured_log() as log:
            post(mapper, "in", *frame, END)
            self.tb.start()
            self.assert_ends_by_itself(self.tb, info)
        sent = np.array(sink.data())[:-1]
        np.testing.assert_allclose(
            sent, modulate("qpsk", np.array([[n >> 8, n & 255] for n in range(4096)]).ravel()), atol=2e-6
        )
        self.assertEqual(info.last()["dropped"], 304)
        self.assertEqual(log.count("dropped"), 1, log.text)

    def test_picture_of_more_frames_than_the_queue_holds_is_reported_all_the_same(self):
        frame = [
            pdu({"picture": 1, "slice": n, "slices": 4400, "payload_bytes": 1}, np.zeros(1, np.uint8))
            for n in range(4400)
        ]
        with captured_log():
            _, tags, info = self.send("qpsk", frame)
        self.assertEqual(len(tags), 4097 + 1, "the oldest 4096, the last, the end")
        self.assertEqual(
            {k: info[-1][k] for k in ("event", "picture", "packets_sent", "dropped")},
            {"event": "picture", "picture": 1, "packets_sent": 4097, "dropped": 303},
        )

    def test_end_mark_alone_ends_the_flowgraph(self):
        symbols, tags, _ = self.send("16qam", [])
        self.assertEqual(tags, [(0, "srec_eof", True)])

    def test_sleeps_while_no_frame_comes(self):
        mapper, sink = srec.mapper("qpsk"), blocks.null_sink(gr.sizeof_gr_complex)
        self.tb.connect(mapper, sink)
        self.tb.start()
        wait_for_silence()

    def test_frames_posted_at_run_time_are_sent_without_an_end_mark(self):
        mapper, sink = srec.mapper("qpsk"), blocks.vector_sink_c()
        self.tb.connect(mapper, sink)
        self.tb.start()
        for n in (1, 2):
            post(mapper, "in", pdu({}, ALL_BYTES))
            wait_for(lambda: len(sink.data()) == n * 1024, f"frame {n}")

    def test_constructor_names_the_modulations(self):
        self.assert_refused(["8psk", "qpsk", "pam256"], srec.mapper, "8psk")
        self.assert_refused(["''"], srec.mapper, "")

    def test_stops_promptly_with_hundreds_of_frames_waiting(self):
        mapper, sink = srec.mapper("bpsk"), blocks.null_sink(gr.sizeof_gr_complex)
        throttle = blocks.throttle(gr.sizeof_gr_complex, 1e5)  # the frames would take 20 minutes
        self.tb.connect(mapper, throttle, sink)
        frame = pdu({}, np.zeros(30000, np.uint8))
        post(mapper, "in", *[frame] * 500)
        self.tb.start()
        wait_for(lambda: sink.nitems_read(0), "the first symbols")
        self.assertTrue(stops(self.tb))


if __name__ == "__main__":
    gr_unittest.run(qa_mapper)
