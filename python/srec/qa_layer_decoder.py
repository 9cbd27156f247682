#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The block layer_decoder: images from pieces, losses, interleaved and restarted images, partial images, bad pieces."""
import numpy as np
import pmt
from gnuradio import gr_unittest, srec

from qa_common import NOT_A_PDU, BlockCase, Collector, meta_of, pdu, picture, post, wait_for, with_meta

WIDTH, HEIGHT = 256, 192


def image_of(msg):
    m = meta_of(msg)
    return srec.u8array(pmt.cdr(msg)).reshape(m["height"], m["width"], m["channels"])


class qa_layer_decoder(BlockCase):
    def pieces(self, numbers=(0,), session=1, first=0, **parameters):
        """Return the pieces of images as packet_decoder sends them, in one list per image, and the images."""
        encoder = srec.layer_encoder(
            **{"layers": [0, 4], "cbr": 0.9, "frame_symbols": 8000, "threads": 1, "bursts": False, **parameters}
        )
        pdus, arrays = zip(*(picture(n, WIDTH, HEIGHT, seed=n) for n in numbers))
        sent, _ = self.through(encoder, pdus, "pdus")
        received = [
            with_meta(m, session=session, packet=first + i, origin=first + i, modulation="qpsk", cipher="add")
            for i, m in enumerate(sent)
        ]
        return [[m for m in received if meta_of(m)["picture"] == n] for n in numbers], arrays

    def decode(self, pieces, **parameters):
        """Return (images, info dicts) of a decoder that gets these messages."""
        return self.through(srec.layer_decoder(**{"threads": 1, "timeout": 1e6, **parameters}), pieces, "in", "pdus")

    def test_all_pieces_give_the_image_with_the_error_that_the_encoder_measured(self):
        (pieces,), (array,) = self.pieces()
        (image,), info = self.decode(pieces)
        m = meta_of(image)
        self.assertEqual((m["coding"], m["reason"], m["session"], m["picture"]), ("layers", "complete", 1, 0))
        self.assertEqual((m["width"], m["height"], m["channels"], m["cipher"]), (WIDTH, HEIGHT, 3, "add"))
        self.assertEqual((m["layers_sent"], m["layers_received"]), (2, 2))
        self.assertEqual((m["pieces_sent"], m["pieces_received"], m["slices_lost"]), (len(pieces), len(pieces), 0))
        self.assertAlmostEqual(srec.psnr(image_of(image), array), 20 * np.log10(255 / m["rms_error"]), delta=0.2)
        self.assertAlmostEqual(m["code_rates"][0], meta_of(pieces[0])["code_rate"], delta=0.01)
        self.assertLess(m["layer_snr_db"][0], 0)
        self.assertTrue(0 < m["layer_snr_db"][1] < 4)
        self.assertEqual([i["event"] for i in info], ["picture", "eof"])

    def test_the_first_layer_alone_gives_the_coarse_image(self):
        (pieces,), (array,) = self.pieces()
        (image,), _ = self.decode([p for p in pieces if meta_of(p)["layer"] == 0])
        m = meta_of(image)
        self.assertEqual((m["layers_sent"], m["layers_received"], m["reason"]), (2, 1, "end"))
        self.assertAlmostEqual(srec.psnr(image_of(image), array), 20 * np.log10(255 / m["rms_error"]), delta=0.2)
        self.assertTrue(np.isnan(m["code_rates"][1]))

    def test_parity_restores_a_lost_piece_and_without_it_detail_is_lost(self):
        (pieces,), (array,) = self.pieces(layers=[4], parity=1, frame_symbols=5000)
        self.assertGreater(len(pieces), 4)
        whole, recovered, damaged = (
            self.decode([p for i, p in enumerate(pieces) if i not in lost])[0][0] for lost in ((), (1,), (1, 2))
        )
        np.testing.assert_array_equal(image_of(whole), image_of(recovered))
        self.assertEqual((meta_of(recovered)["pieces_recovered"], meta_of(recovered)["slices_lost"]), (1, 1))
        self.assertEqual((meta_of(damaged)["layers_received"], meta_of(damaged)["slices_lost"]), (0, 2))
        self.assertGreater(srec.psnr(image_of(whole), array), srec.psnr(image_of(damaged), array) + 1)

    def test_interleaved_images_of_two_senders_do_not_mix(self):
        (a,), (first,) = self.pieces((3,), session=1)
        (b,), (second,) = self.pieces((4,), session=2)
        mixed = [p for pair in zip(a, b) for p in pair] + a[len(b) :] + b[len(a) :]
        images, _ = self.decode(mixed)
        by_session = {meta_of(m)["session"]: m for m in images}
        self.assertEqual([meta_of(by_session[s])["picture"] for s in (1, 2)], [3, 4])
        for msg, array in ((by_session[1], first), (by_session[2], second)):
            self.assertEqual(meta_of(msg)["reason"], "complete")
            self.assertGreater(srec.psnr(image_of(msg), array), 28)

    def test_a_sender_that_restarts_its_numbers_is_not_late(self):
        once, _ = self.pieces()
        n = len(once[0])
        again, _ = self.pieces(first=n)
        images, info = self.decode(once[0] + again[0])
        self.assertEqual([meta_of(m)["reason"] for m in images], ["complete", "complete"])
        self.assertEqual(info[-1]["late"], 0)

    def test_a_lost_last_parity_piece_does_not_hold_the_image_up(self):
        images, _ = self.pieces((0, 1), layers=[4], parity=1)
        got, _ = self.decode(images[0][:-1] + images[1])
        self.assertEqual([meta_of(m)["picture"] for m in got], [0, 1])
        self.assertEqual([meta_of(m)["reason"] for m in got], ["complete", "complete"])

    def test_repetitions_count_once_and_pieces_of_delivered_images_are_late(self):
        (pieces,), _ = self.pieces()
        images, info = self.decode([pieces[0], *pieces, pieces[1]])
        self.assertEqual(meta_of(images[0])["pieces_received"], len(pieces))
        self.assertEqual((len(images), info[-1]["late"], info[-1]["dropped"]), (1, 1, 0))

    def test_features_and_images_pass_unchanged_and_in_order(self):
        (pieces,), _ = self.pieces()
        other = [pdu({"slice": 1}, np.zeros(8, np.float32)), picture(9)[0]]
        got, _ = self.decode([other[0], *pieces, other[1]])
        self.assertTrue(pmt.equal(got[0], other[0]))
        self.assertEqual(meta_of(got[1])["coding"], "layers")
        self.assertTrue(pmt.equal(got[2], other[1]))

    def test_bad_pieces_are_dropped_and_counted(self):
        (pieces,), _ = self.pieces()
        good = pieces[0]
        changes = (
            {"description": None},
            {"description": 5},
            {"description": np.zeros(3, np.uint8)},
            {"width": 0},
            {"height": 65536},
            {"channels": 2},
            {"layers": 9},
            {"layer": 2},
            {"sent_scale": 3},
            {"data_pieces": 0},
            {"piece": 70000},
            {"payload_bytes": 0},
            {"picture": 2**32},
        )
        bad = [with_meta(good, **change) for change in changes]
        contradicting = [with_meta(good, width=WIDTH - 1), with_meta(good, layers=3)]
        first = [with_meta(good, picture=9, session=3, **change) for change in changes[:8]]  # of an image of their own
        images, info = self.decode([*NOT_A_PDU[:4], *first, *pieces[:2], *bad, *contradicting, *pieces[2:]])
        self.assertEqual([(meta_of(m)["picture"], meta_of(m)["reason"]) for m in images], [(0, "complete")])
        self.assertEqual(info[-1]["dropped"], 4 + len(first) + len(bad) + len(contradicting))

    def test_images_that_are_too_large_are_counted_and_released(self):
        (pieces,), _ = self.pieces((6,))
        images, info = self.decode(pieces, max_pixels=WIDTH * HEIGHT - 1)
        self.assertEqual(images, [])
        self.assertEqual((info[-1]["too_large"], info[0]["picture"]), (len(pieces), 6))

    def test_partial_images_sharpen_as_layers_arrive(self):
        (pieces,), (array,) = self.pieces(layers=[0, 4, 8])
        block = srec.layer_decoder(threads=1, timeout=1e6, progress=0.001)
        partial, out = Collector(self.tb, block, "progress"), Collector(self.tb, block, "pdus")
        self.tb.start()
        for layer in range(2):
            n = len(partial)
            post(block, "in", *(p for p in pieces if meta_of(p)["layer"] == layer))
            wait_for(
                lambda: len(partial) > n and meta_of(partial.messages()[-1])["layers_received"] == layer + 1,
                "the partial image",
            )
        post(block, "in", *(p for p in pieces if meta_of(p)["layer"] == 2))
        wait_for(lambda: len(out) == 1, "the image")
        # the first with each number of layers: later ones may already contain pieces of the next layer
        shown = {meta_of(m)["layers_received"]: m for m in reversed(partial.messages()) if meta_of(m)["partial"]}
        quality = [srec.psnr(image_of(m), array) for m in (shown[1], shown[2], out.messages()[0])]
        self.assertEqual(quality, sorted(quality))
        self.assertGreater(quality[2], quality[0] + 1)
        self.assertNotIn("partial", meta_of(out.messages()[0]))
        self.assertEqual(meta_of(out.messages()[0])["partials"], len(partial))

    def test_silence_delivers_an_incomplete_image(self):
        (pieces,), _ = self.pieces()
        block = srec.layer_decoder(threads=1, timeout=0.3)
        out = Collector(self.tb, block, "pdus")
        self.tb.start()
        post(block, "in", *pieces[:-2])
        wait_for(lambda: len(out) == 1, "the image")
        self.assertEqual(meta_of(out.messages()[0])["reason"], "timeout")

    def test_an_unfinished_image_is_counted_when_the_flowgraph_stops_without_the_end_mark(self):
        (pieces,), _ = self.pieces((6,))
        block = srec.layer_decoder(threads=1, timeout=1e6, progress=0.001)
        partial, out = Collector(self.tb, block, "progress"), Collector(self.tb, block, "pdus")
        self.tb.start()
        post(block, "in", *pieces[:-1])
        wait_for(lambda: len(partial), "the partial image")
        self.tb.stop()
        self.tb.wait()
        self.assertEqual((len(out), block.counters()["dropped"]), (0, 1))

    def test_it_can_run_again_after_a_stop(self):
        (pieces,), _ = self.pieces()
        block = srec.layer_decoder(threads=1)
        for _ in range(2):
            images, _ = self.through(block, pieces, "in", "pdus")
            self.assertEqual([meta_of(m)["reason"] for m in images], ["complete"])

    def test_impossible_parameters_are_refused_with_one_line(self):
        for words, parameters in (
            (["timeout"], {"timeout": 0}),
            (["threads"], {"threads": -1}),
            (["max_queue"], {"max_queue": 0}),
            (["policy"], {"policy": "block"}),
            (["progress"], {"progress": -1}),
            (["max_pixels"], {"max_pixels": -1}),
            (["max_pictures"], {"max_pictures": 0}),
            (["reorder"], {"reorder": 0}),
        ):
            self.assert_refused(words, srec.layer_decoder, **parameters)


if __name__ == "__main__":
    gr_unittest.run(qa_layer_decoder)
