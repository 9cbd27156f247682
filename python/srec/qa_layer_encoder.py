#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The block layer_encoder: pieces of all layers, figures on info, budgets, bad images, refused parameters."""
import numpy as np
import pmt
from gnuradio import gr_unittest, srec
from gnuradio.srec.metadata import to_dict

from qa_common import (
    KEY,
    NOT_A_PDU,
    BlockCase,
    Collector,
    data_of,
    is_end,
    meta_of,
    pdu,
    picture,
    post,
    wait_for,
    with_meta,
)

SMALL = {"cbr": 0.9, "frame_symbols": 2500, "threads": 1, "bursts": False}


class qa_layer_encoder(BlockCase):
    def encode(self, pictures, **parameters):
        return self.through(srec.layer_encoder(**{**SMALL, **parameters}), pictures, "pdus")

    def test_pieces_come_layer_by_layer_with_all_that_a_receiver_needs(self):
        pieces, info = self.encode([picture(5, 160, 96)[0]], layers=[0, 4, 8], parity=1)
        metas = [meta_of(m) for m in pieces]
        self.assertEqual([m["slice"] for m in metas], list(range(len(metas))))
        self.assertEqual([m["layer"] for m in metas], sorted(m["layer"] for m in metas))
        self.assertEqual({m["layer"] for m in metas}, {0, 1, 2})
        for layer in range(3):
            of_layer = [m for m in metas if m["layer"] == layer]
            n = of_layer[0]["data_pieces"] + of_layer[0]["parity_pieces"]
            self.assertEqual([m["piece"] for m in of_layer], list(range(n)))
            self.assertEqual(len({m["rms_error"] for m in of_layer}), 1)
        for msg, m in zip(pieces, metas):
            self.assertEqual((m["coding"], m["picture"], m["layers"]), ("layers", 5, 3))
            self.assertEqual((m["width"], m["height"], m["channels"], m["sent_scale"]), (160, 96, 3, 1))
            self.assertEqual((m["original_width"], m["original_height"]), (160, 96))
            self.assertEqual((m["slices"], len(m["description"])), (len(metas), 11))
            self.assertAlmostEqual((data_of(msg).size + 16) / m["payload_bytes"], m["code_rate"], delta=0.01)

    def test_info_reports_rates_errors_and_symbols_within_the_budget(self):
        for bursts in (False, True):
            pieces, info = self.encode([picture(2, 256, 192)[0]], layers=[0, 8], shares=[2, 1], bursts=bursts)
            report = info[0]
            self.assertEqual((report["event"], report["coding"]), ("picture", "layers"))
            self.assertEqual((report["picture"], report["layers"], report["pieces"]), (2, 2, len(pieces)))
            np.testing.assert_array_equal(report["layer_snr_db"], [0, 8])
            self.assertTrue(0 < report["code_rates"][0] < report["code_rates"][1] <= 8 / 9 + 1e-6)
            self.assertGreater(report["rms_errors"][0], report["rms_errors"][1])
            self.assertLessEqual(report["planned_symbols"], 0.9 * 3 * 256 * 192)
            self.assertLessEqual(report["used_symbols"], report["planned_symbols"])
            self.assertGreater(report["used_symbols"], 0.9 * report["planned_symbols"])
            bits = 8 * sum(data_of(m).size for m in pieces)
            self.assertAlmostEqual(report["bits_per_pixel"], bits / (256 * 192), places=6)

    def test_set_cbr_counts_from_the_next_image_on(self):
        block = srec.layer_encoder(**SMALL)
        used = []
        for cbr in (0.9, 1.8):
            block.set_cbr(cbr)
            self.assertEqual(block.cbr(), cbr)
            used.append(self.through(block, [picture(0, 128, 128)[0]], "pdus")[1][0]["used_symbols"])
        self.assertGreater(used[1], 1.6 * used[0])

    def test_scale_2_sends_the_half_size_image_within_the_budget_of_the_original(self):
        pieces, info = self.encode([picture(0, 255, 160)[0]], scale=2)
        m = meta_of(pieces[0])
        self.assertEqual((m["width"], m["height"], m["sent_scale"]), (128, 80, 2))
        self.assertEqual((m["original_width"], m["original_height"]), (255, 160))
        self.assertLessEqual(info[0]["used_symbols"], 0.9 * 3 * 255 * 160)

    def test_images_without_a_number_are_numbered(self):
        image = with_meta(picture(0, 96, 96)[0], picture=None)
        pieces, _ = self.encode([with_meta(image, picture=7), image])
        self.assertEqual(sorted({meta_of(m)["picture"] for m in pieces}), [7, 8])

    def test_bad_images_are_dropped_and_counted_with_their_number(self):
        image, array = picture(3, 96, 96)
        bad = [*NOT_A_PDU, pdu({"width": 96, "height": 95, "picture": 3}, array)]
        bad += [with_meta(image, width=None), with_meta(image, height=70000)]
        bad += [with_meta(image, channels=2), with_meta(image, picture=2**32)]
        pieces, info = self.encode([*bad, image])
        self.assertEqual({meta_of(m)["picture"] for m in pieces}, {3})
        self.assertEqual(info[-1]["dropped"], len(bad))
        self.assertIn(3, [m.get("picture") for m in info if m["event"] == "dropped"])

    def test_a_budget_below_the_least_drops_the_image_and_releases_its_source(self):
        pieces, info = self.encode([picture(4, 64, 64)[0]], cbr=0.01)
        self.assertEqual(pieces, [])
        self.assertEqual([(m["event"], m.get("picture")) for m in info], [("dropped", 4), ("eof", None)])

    def test_impossible_parameters_are_refused_with_one_line(self):
        for words, parameters in (
            (["pam256"], {"modulation": "pam256"}),
            (["8psk"], {"modulation": "8psk"}),
            (["ascend"], {"layers": [4, 0]}),
            (["ascend"], {"layers": [4, 4]}),
            (["qpsk", "-1"], {"layers": [-3]}),
            (["layers"], {"layers": []}),
            (["layers"], {"layers": list(range(9))}),
            (["shares"], {"layers": [0, 4], "shares": [1]}),
            (["share"], {"layers": [0, 4], "shares": [1, 0]}),
            (["margin"], {"margin_db": 40}),
            (["cbr"], {"cbr": 0}),
            (["parity"], {"parity": -2}),
            (["frame_symbols"], {"frame_symbols": -1}),
            (["scale"], {"scale": 3}),
            (["max_queue"], {"max_queue": 0}),
            (["policy"], {"policy": "block"}),
        ):
            self.assert_refused(words, srec.layer_encoder, **parameters)

    def test_a_repeated_image_gives_the_same_pieces_under_its_first_number(self):
        image = with_meta(picture(5, 160, 96)[0], first_picture=5)
        pieces, info = self.encode([image, with_meta(image, picture=6), with_meta(image, picture=7)], layers=[0, 6])
        n = info[0]["pieces"]
        self.assertEqual(len(pieces), 3 * n)
        for i in range(2 * n):
            first, repeat = to_dict(pmt.car(pieces[i % n])), to_dict(pmt.car(pieces[n + i]))
            self.assertEqual((repeat.pop("picture"), repeat.pop("first_picture")), (6 + i // n, 5))
            self.assertEqual(repeat, {key: value for key, value in first.items() if key != "picture"})
            np.testing.assert_array_equal(data_of(pieces[n + i]), data_of(pieces[i % n]))
        self.assertNotIn("first_picture", info[0])
        self.assertEqual([(m["picture"], m["first_picture"]) for m in info[1:3]], [(6, 5), (7, 5)])
        np.testing.assert_array_equal(info[2]["rms_errors"], info[0]["rms_errors"])

    def test_what_is_no_repeat_is_encoded_anew(self):
        (image, array), other = picture(0, 96, 96), picture(1, 96, 96)[0]
        again = {"picture": 3, "first_picture": 0}
        for between in (
            [with_meta(other, picture=1, first_picture=1)],  # another image came between
            [with_meta(other, picture=1)],
        ):
            pieces, info = self.encode([with_meta(image, first_picture=0), *between, with_meta(image, **again)])
            self.assertNotIn("first_picture", info[2])
            self.assertNotIn("first_picture", meta_of(pieces[-1]))
        changed = pdu({"width": 96, "height": 96, **again}, array ^ 1)
        for first, repeat in (
            (image, with_meta(image, **again)),  # not announced
            (with_meta(image, first_picture=0), changed),
        ):
            self.assertNotIn("first_picture", self.encode([first, repeat])[1][1])
        block = srec.layer_encoder(**SMALL)
        self.through(block, [with_meta(image, first_picture=0)], "pdus")
        block.set_cbr(1.2)
        self.assertNotIn("first_picture", self.through(block, [with_meta(image, **again)], "pdus")[1][0])

    def test_it_is_repeated_until_its_first_transmission_is_4096_packets_old(self):
        image = with_meta(picture(0, 96, 96)[0], first_picture=0)
        (n,) = {m["pieces"] for m in self.encode([image])[1] if m["event"] == "picture"}
        rounds = 4096 // n + 2
        _, info = self.encode([with_meta(image, picture=i) for i in range(rounds)], max_queue=rounds)
        found = [m.get("first_picture") for m in info if m["event"] == "picture"]
        self.assertEqual(found, [None] + [0] * (rounds - 2) + [None])

    def test_it_stops_under_load(self):
        self.assert_stops_under_load(
            srec.layer_encoder(**{**SMALL, "max_queue": 500}), [picture(i, 256, 256)[0] for i in range(100)], "pdus"
        )

    def test_both_codings_share_one_sequence_of_packet_numbers(self):
        encoder, scrambler = srec.layer_encoder(**SMALL), srec.scrambler(KEY, True, 9)
        features = srec.semantic_encoder(threads=1)
        self.tb.msg_connect(encoder, "out", scrambler, "in")
        self.tb.msg_connect(features, "out", scrambler, "in")
        out = Collector(self.tb, scrambler, "out")
        self.tb.start()
        post(encoder, "pdus", picture(0, 96, 96)[0])
        wait_for(lambda: any(m["slice"] + 1 == m["slices"] for m in map(meta_of, out.messages())), "layers")
        n = len(out)
        post(features, "pdus", picture(1)[0])
        wait_for(lambda: len(out) > n, "features")
        metas = [meta_of(m) for m in out.messages() if not is_end(m)]
        self.assertEqual([m["packet"] for m in metas], list(range(len(metas))))
        self.assertEqual({m["session"] for m in metas}, {9})
        self.assertEqual(metas[0]["cipher"], "add")


if __name__ == "__main__":
    gr_unittest.run(qa_layer_encoder)
