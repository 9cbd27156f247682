#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The block packet_decoder: frames from a stream of soft values; dropped frames and counters."""

import numpy as np
import pmt
from gnuradio import blocks, gr, gr_unittest, srec

from qa_common import (
    KEY,
    MODEL_ID,
    MODULATIONS,
    OTHER_KEY,
    BlockCase,
    Collector,
    captured_log,
    data_of,
    is_end,
    meta_of,
    slice_pdu,
    soft_values,
    stops,
    wait_for,
    with_meta,
)

RNG = np.random.default_rng(3)


class qa_packet_decoder(BlockCase):
    def frames(self, slices, modulation="qpsk", key=KEY):
        """Return the soft values of each frame, received without error."""
        return [
            soft_values(modulation, data_of(m)) for m in self.through(srec.packet_encoder(key, modulation), slices)[0]
        ]

    def decode(self, pieces, modulation="qpsk", key=KEY, tag="packet_len", end=True, chunk=0, block=None):
        """Decode pieces of a stream. Return (slices, infos, block).

        pieces: (tagged, values); a frame begins at each tagged piece.
        """
        tags, at = [], 0
        for tagged, values in pieces:
            if tagged:
                tags.append(self.tag(at, tag, pmt.from_long(len(values))))
            at += len(values)
        if end:
            tags.append(self.tag(at, "srec_eof", pmt.PMT_T))
            pieces = [*pieces, (False, [0.0])]
        tb = gr.top_block()
        block = block or srec.packet_decoder(key, "", modulation, tag)
        source = blocks.vector_source_f(np.concatenate([p[1] for p in pieces]).tolist(), False, 1, tags)
        tb.connect(source, block)
        out, info = Collector(tb, block, "out"), Collector(tb, block, "info")
        tb.start(*([chunk] if chunk else []))
        self.assert_ends_by_itself(tb, out, info)
        found = out.messages()
        self.assertEqual(sum(map(is_end, found)), int(end))
        return [m for m in found if not is_end(m)], [meta_of(m) for m in info.messages()], block

    @staticmethod
    def tag(offset, key, value):
        t = gr.tag_t()
        t.offset, t.key, t.value = offset, pmt.intern(key), value
        return t

    def assert_counts(self, info, **expected):
        keys = ("accepted", "damaged", "forged", "replayed", "foreign_model", "unsupported", "truncated")
        self.assertEqual({k: info[k] for k in keys}, {k: expected.get(k, 0) for k in keys})

    def test_gives_back_slice_and_soft_values_for_every_modulation(self):
        for modulation in MODULATIONS:
            msg, payload = slice_pdu(
                number=3, packet=11, session=2**63 + 5, part=1, parts=2, fmt=int(modulation == "pam256"), scale=2
            )
            (frame,) = self.frames([msg], modulation)
            (out,), info, block = self.decode([(True, frame)], modulation)
            sent, got = meta_of(msg), meta_of(out)
            np.testing.assert_array_equal(got.pop("rate_map"), sent.pop("rate_map"))
            damage = got.pop("damage")
            self.assertGreater(damage["header_bits"], 500)
            self.assertEqual((damage["header_errors"], damage["features"], damage["suspect"]), (0, 0, False))
            self.assertEqual(got, {**sent, "modulation": modulation})
            np.testing.assert_allclose(data_of(out), soft_values(modulation, payload), rtol=1e-6, err_msg=modulation)
            self.assert_counts(info[-1], accepted=1)
            self.assertEqual((block.accepted(), block.dropped()), (1, 0))

    def test_reliabilities_pass_unchanged_in_the_order_of_the_bytes(self):
        msg, payload = slice_pdu()
        for modulation, order in (("qpsk", range(8)), ("16qam", [0, 1, 4, 5, 2, 3, 6, 7])):
            (frame,) = self.frames([msg], modulation)
            magnitude = RNG.uniform(0.1, 30, (payload.size, 8))
            signs = 1.0 - 2.0 * np.unpackbits(payload).reshape(-1, 8)
            frame[-8 * payload.size :] = (magnitude * signs)[:, order].ravel()
            (out,), _, _ = self.decode([(True, frame)], modulation)
            np.testing.assert_allclose(data_of(out), (magnitude * signs).ravel(), rtol=1e-6)

    def test_two_frames_in_a_row_with_and_without_a_gap(self):
        a, b, c = self.frames([slice_pdu(n, packet=n)[0] for n in range(3)])
        out, info, _ = self.decode([(True, a), (True, b), (False, RNG.normal(0, 20, 501)), (True, c)])
        self.assertEqual([meta_of(m)["picture"] for m in out], [0, 1, 2])
        self.assert_counts(info[-1], accepted=3)

    def test_result_does_not_depend_on_how_the_stream_is_cut(self):
        pieces = [(True, f) for f in self.frames([slice_pdu(n, packet=n)[0] for n in range(3)], "16qam")]
        whole = self.decode(pieces, "16qam")[0]
        for chunk in (1, 7, 1000):
            cut = self.decode(pieces, "16qam", chunk=chunk)[0]
            self.assertEqual(len(cut), 3)
            for a, b in zip(whole, cut):
                np.testing.assert_array_equal(data_of(a), data_of(b))

    def test_tag_key_is_a_parameter(self):
        (frame,) = self.frames([slice_pdu()[0]])
        self.assertEqual(len(self.decode([(True, frame)], tag="burst")[0]), 1)

    def test_values_without_a_tag_are_ignored(self):
        (frame,) = self.frames([slice_pdu()[0]])
        out, info, block = self.decode([(False, frame)])
        self.assertEqual(out, [])
        self.assert_counts(info[-1])
        self.assertEqual(block.dropped(), 0)

    def test_tags_that_never_come_are_missed_in_one_line(self):
        values = np.concatenate(self.frames([slice_pdu(packet=i)[0] for i in range(2)]))
        with captured_log() as log:
            slices, _, _ = self.decode([(True, values)], tag="frame_len", block=srec.packet_decoder(KEY))
        self.assertEqual((slices, log.count("no tag packet_len")), ([], 1), log.text)
        self.assertIn("the tags here are frame_len", log.text)
        with captured_log() as log:
            self.decode([(False, [0.0] * 70000), (True, values), (False, [0.0] * 70000)], chunk=4096)
        self.assertEqual(log.count("no tag"), 1, log.text)
        with captured_log() as log:
            self.decode([(True, values), (False, [0.0] * 70000)])
        self.assertEqual(log.count("no tag"), 0, log.text)

    def test_noise_yields_no_slice_and_counts_as_damage(self):
        out, info, _ = self.decode([(True, RNG.normal(0, 5, 6000)) for _ in range(20)])
        self.assertEqual(out, [])
        self.assert_counts(info[-1], damaged=20)

    def test_values_that_are_not_finite_crash_nothing(self):
        (frame,) = self.frames([slice_pdu()[0]])
        pieces = [(True, np.full(frame.size, value, np.float32)) for value in (np.nan, np.inf, -np.inf, 0.0)]
        out, info, _ = self.decode([*pieces, (True, frame)])
        self.assertEqual(len(out), 1)
        self.assert_counts(info[-1], accepted=1, damaged=4)

    def test_wrong_key_is_counted_as_forged_with_one_line(self):
        frames = self.frames([slice_pdu(n, packet=n)[0] for n in range(3)])
        with captured_log() as log:
            out, info, block = self.decode([(True, f) for f in frames], key=OTHER_KEY)
        self.assertEqual(out, [])
        self.assert_counts(info[-1], forged=3)
        self.assertEqual([i["event"] for i in info], ["authentication failed"] * 3 + ["eof"])
        self.assertEqual(block.dropped(), 3)
        self.assertLessEqual(log.count("dropped"), 1, log.text)

    def test_forged_header_is_dropped(self):
        msg, payload = slice_pdu()
        (frame,) = self.frames([msg])
        frame[1200 : -8 * payload.size] *= -1
        self.assert_counts(self.decode([(True, frame)])[1][-1], forged=1)

    def test_errors_that_the_code_corrects_lose_nothing(self):
        msg, payload = slice_pdu()
        (frame,) = self.frames([msg])
        wrong = RNG.random(frame.size - 8 * payload.size) < 0.08
        frame[: -8 * payload.size][wrong] *= -1
        self.assert_counts(self.decode([(True, frame)])[1][-1], accepted=1)

    def test_replay_is_counted(self):
        (frame,) = self.frames([slice_pdu()[0]])
        out, info, _ = self.decode([(True, frame)] * 3)
        self.assertEqual(len(out), 1)
        self.assert_counts(info[-1], accepted=1, replayed=2)

    def test_foreign_model_is_counted(self):
        (frame,) = self.frames([with_meta(slice_pdu()[0], model=MODEL_ID ^ 1)])
        self.assert_counts(self.decode([(True, frame)])[1][-1], foreign_model=1)

    def test_another_modulation_is_damage(self):
        (frame,) = self.frames([slice_pdu()[0]], "qpsk")
        self.assert_counts(self.decode([(True, frame)], "16qam")[1][-1], damaged=1)

    def test_frame_cut_off_by_the_next_or_by_the_end_is_counted_as_truncated(self):
        a, b, c = self.frames([slice_pdu(n, packet=n)[0] for n in range(3)])
        out, info, block = self.decode([(True, a[:-1]), (True, a[:600]), (True, []), (True, b), (True, c[:3000])])
        self.assertEqual([meta_of(m)["picture"] for m in out], [1])
        self.assert_counts(info[-1], accepted=1, truncated=4)
        self.assertEqual((block.accepted(), block.dropped()), (1, 4))

    def test_constructor_says_what_is_wrong(self):
        self.assert_refused(["8psk", "qpsk"], srec.packet_decoder, KEY, "", "8psk")
        self.assert_refused(["/no/such/key"], srec.packet_decoder, "/no/such/key")
        self.assert_refused(["/no/such/model"], srec.packet_decoder, KEY, "/no/such/model")

    def test_stops_promptly_under_endless_input(self):
        (frame,) = self.frames([slice_pdu()[0]])
        source = blocks.vector_source_f(frame.tolist(), True, 1, [self.tag(0, "packet_len", pmt.from_long(1))])
        block = srec.packet_decoder(KEY)
        self.tb.connect(source, block)
        Collector(self.tb, block, "info")
        self.tb.start()
        wait_for(lambda: block.dropped() > 10, "the replays")
        self.assertTrue(stops(self.tb))


if __name__ == "__main__":
    gr_unittest.run(qa_packet_decoder)
