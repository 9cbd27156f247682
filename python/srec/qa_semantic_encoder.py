#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The block semantic_encoder: slices that cover the image, figures on info, eta, queue and policy, bad images."""
import math
import tempfile

import numpy as np
from gnuradio import gr_unittest, srec

from qa_common import (
    KEY,
    LADDER,
    MODEL,
    MODEL_ID,
    MODULATIONS,
    NOT_A_PDU,
    BlockCase,
    Collector,
    captured_log,
    data_of,
    meta_of,
    pdu,
    picture,
    post,
    stops,
    wait_for,
    with_meta,
)


class qa_semantic_encoder(BlockCase):
    def encode(self, pictures, block=None, **parameters):
        return self.through(block or srec.semantic_encoder(**{"threads": 1, **parameters}), pictures, "pdus")

    def assert_covers(self, slices, width, height, channels):
        """Assert that slices 0 .. n-1 have all patches of the padded image, and as many bytes as the rate map says."""
        metas = [meta_of(m) for m in slices]
        self.assertEqual([m["slice"] for m in metas], list(range(len(slices))))
        self.assertEqual(
            sum(m["rate_map"].size for m in metas),
            16 * math.ceil(width / 64) * math.ceil(height / 64),
            "16x16 patches, padded to 64",
        )
        for msg, m in zip(slices, metas):
            self.assertEqual(
                (m["slices"], m["width"], m["height"], m["channels"], m["model"]),
                (len(slices), width, height, channels, MODEL_ID),
            )
            self.assertEqual(data_of(msg).size, sum(LADDER[step] for step in m["rate_map"]))

    def test_slices_cover_pictures_of_any_size(self):
        for width, height, channels in ((64, 64, 3), (1, 1, 3), (65, 30, 1), (128, 70, 3)):
            slices, info = self.encode([picture(0, width, height, channels)[0]], frame_bytes=2000)
            self.assert_covers(slices, width, height, channels)
            self.assertEqual(info[0]["slices"], len(slices))
            self.assertEqual(info[0]["n_features"], sum(data_of(m).size for m in slices))

    def test_scale_2_sends_the_half_size_picture(self):
        msg, array = picture(0, 97, 64)
        half, _ = self.encode([pdu({"width": 49, "height": 32, "channels": 3, "picture": 0}, srec.image_halve(array))])
        slices, _ = self.encode([msg], scale=2)
        self.assertEqual([data_of(m).tolist() for m in slices], [data_of(m).tolist() for m in half])
        self.assertEqual((meta_of(slices[0])["width"], meta_of(slices[0])["height"]), (49, 32))

    def test_number_of_features_is_eta_times_the_entropy(self):
        for eta in (0.1, 0.2, 0.4):
            _, (info, _) = self.encode([picture(0, 128, 128)[0]], eta=eta)
            self.assertAlmostEqual(
                info["n_features"] / (eta * info["entropy_bits"]), 1.0, delta=0.2, msg="up to the steps of the ladder"
            )
            self.assertAlmostEqual(info["eta"], eta, places=6)

    def test_set_eta_works_at_run_time(self):
        block = srec.semantic_encoder(threads=1, eta=0.05)
        few = self.encode([picture()[0]], block)[1][0]["n_features"]
        block.set_eta(0.5)
        self.assertAlmostEqual(block.eta(), 0.5)
        many = self.encode([picture()[0]], block)[1][0]["n_features"]
        self.assertGreater(many, 5 * few)
        for bad in (0.0, -1.0, 10.1, math.nan, math.inf):
            self.assert_refused(["eta", "0.001 .. 10"], block.set_eta, bad)
        self.assertAlmostEqual(block.eta(), 0.5)

    def test_frames_keep_to_frame_bytes_with_no_slice_to_spare(self):
        for modulation in ("qpsk", "64qam", "256qam"):
            for frame_bytes in (3200, 8000):
                slices, info = self.encode(
                    [picture(0, 128, 128)[0]], eta=2.0, modulation=modulation, frame_bytes=frame_bytes
                )
                self.assert_covers(slices, 128, 128, 3)
                numbered = self.through(srec.scrambler(KEY), slices)[0]
                sizes = [data_of(m).size for m in self.through(srec.packet_encoder(KEY, modulation), numbered)[0]]
                self.assertEqual(len(sizes), len(slices))
                self.assertLessEqual(max(sizes), frame_bytes)
                self.assertGreater(np.mean(sizes), 0.4 * frame_bytes, "frames are well filled")

    def test_shortest_frame_allowed_carries_a_picture_under_every_modulation(self):
        for modulation in MODULATIONS:
            with self.assertRaises(ValueError) as caught:
                srec.semantic_encoder(modulation=modulation, frame_bytes=1)
            least = int(str(caught.exception).split("must be ")[1].split(" ..")[0])
            for width, height in ((64, 64), (192, 128)):
                slices, _ = self.encode(
                    [picture(0, width, height)[0]], eta=10.0, modulation=modulation, frame_bytes=least
                )
                self.assert_covers(slices, width, height, 3)
            self.assert_refused(
                ["frame_bytes", str(least)], srec.semantic_encoder, modulation=modulation, frame_bytes=least - 1
            )

    def test_modulation_decides_the_feature_format(self):
        for modulation in MODULATIONS:
            (msg,), _ = self.encode([picture()[0]], modulation=modulation)
            self.assertEqual(meta_of(msg)["format"], int(modulation == "pam256"))

    def test_same_picture_same_slices_whatever_the_threads(self):
        results = [self.encode([picture(0)[0], picture(0)[0]], threads=threads)[0] for threads in (1, 2, 0)]
        first = results[0][0]
        for slices in results:
            self.assertEqual(len(slices), 2)
            for msg in slices:
                np.testing.assert_array_equal(meta_of(msg)["rate_map"], meta_of(first)["rate_map"])
                difference = np.abs(data_of(msg).astype(int) - data_of(first))
                self.assertLessEqual(difference.max(), 1, "rounding at most")

    def test_pictures_are_numbered_as_told_or_one_after_another(self):
        given = picture(41)[0]
        untold = with_meta(given, picture=None)
        slices, info = self.encode([untold, given, untold], max_queue=8)
        self.assertEqual([meta_of(m)["picture"] for m in slices], [0, 41, 42])
        self.assertEqual([i["picture"] for i in info[:-1]], [0, 41, 42])

    def test_reports_each_picture_and_the_end(self):
        _, info = self.encode([picture(0)[0], picture(1)[0]])
        self.assertEqual([i["event"] for i in info], ["picture", "picture", "eof"])
        for i in info[:2]:
            self.assertEqual(i["dropped"], 0)
            self.assertGreater(i["encode_s"], 0)
            self.assertGreater(i["entropy_bits"], 100)

    def test_bad_pictures_are_dropped_counted_and_warned_of_once_per_kind(self):
        good, array = picture()
        flat = array.ravel()
        no_pdu = [*NOT_A_PDU, pdu(meta_of(good), np.zeros(4, np.float32))]
        no_fit = [
            pdu(meta_of(good), flat[:0]),
            pdu(meta_of(good), flat[:-1]),
            with_meta(good, width=None),
            with_meta(good, height=65),
            with_meta(good, width="64"),
            with_meta(good, width=2**32 + 64),
            with_meta(good, channels=259),
            with_meta(good, width=0),
            with_meta(good, channels=0),
            pdu({"width": 65536, "height": 1, "channels": 1}, np.zeros(65536, np.uint8)),
            pdu({"width": 64, "height": 64, "channels": 2}, np.zeros(8192, np.uint8)),
            with_meta(good, picture=2**32),
        ]
        bad = no_pdu + no_fit
        with captured_log() as log:
            slices, info = self.encode([*bad, good], max_queue=100)
        self.assertEqual(len(slices), 1)
        self.assertEqual(
            [(i["event"], i["dropped"]) for i in info[: len(bad)]], [("dropped", n + 1) for n in range(len(bad))]
        )
        self.assertEqual(info[-1]["dropped"], len(bad))
        self.assertLessEqual(log.count("dropped"), 4, log.text)
        self.assertEqual(log.count("not an image PDU"), 1, log.text)
        self.assertEqual(log.count("do not fit the vector"), 1, log.text)

    def queue_up(self, policy, pictures, max_queue):
        """Post all images and the end mark before the block first runs. Return numbers encoded, last info."""
        block = srec.semantic_encoder(threads=1, max_queue=max_queue, policy=policy)
        numbers, info, log = self.queued(block, [picture(n)[0] for n in range(pictures)], "pdus", "out")
        self.assertEqual(log.count("dropped"), int(pictures > max_queue), log.text)
        return numbers, info

    def test_drop_oldest_keeps_the_newest_pictures_and_the_end_mark(self):
        numbers, info = self.queue_up("drop_oldest", 10, 3)
        self.assertEqual((numbers, info["dropped"]), ([7, 8, 9], 7))

    def test_drop_newest_keeps_the_oldest_pictures_and_the_end_mark(self):
        numbers, info = self.queue_up("drop_newest", 10, 3)
        self.assertEqual((numbers, info["dropped"]), ([0, 1, 2], 7))

    def test_end_mark_takes_no_place_in_the_queue(self):
        for policy in ("drop_oldest", "drop_newest"):
            numbers, info = self.queue_up(policy, 1, 1)
            self.assertEqual((numbers, info["dropped"]), ([0], 0))

    def test_constructor_says_what_is_wrong(self):
        self.assert_refused(["scale"], srec.semantic_encoder, scale=3)
        make = srec.semantic_encoder
        self.assert_refused(["/no/such/model"], make, "/no/such/model")
        self.assert_refused(["8psk", "qpsk"], make, modulation="8psk")
        for eta in (0.0, 10.1, math.nan):
            self.assert_refused(["eta", "0.001 .. 10"], make, eta=eta)
        for frame_bytes in (0, -1, 1999, 30001):
            self.assert_refused(["frame_bytes", "2000 .. 30000"], make, frame_bytes=frame_bytes)
        self.assert_refused(["threads"], make, threads=-1)
        self.assert_refused(["max_queue"], make, max_queue=0)
        self.assert_refused(["fp8", "f32", "bf16"], make, precision="fp8")
        self.assert_refused(["drop_all", "drop_oldest", "drop_newest"], make, policy="drop_all")

    def test_truncated_model_is_refused_by_name(self):
        with tempfile.NamedTemporaryFile(suffix=".safetensors") as file, open(MODEL, "rb") as model:
            file.write(model.read(100000))
            file.flush()
            self.assert_refused([file.name], srec.semantic_encoder, file.name)

    def test_stops_promptly_with_hundreds_of_pictures_waiting(self):
        block = srec.semantic_encoder(threads=1, max_queue=1000)
        info = Collector(self.tb, block, "info")
        big = picture(0, 512, 512)[0]
        self.tb.start()
        post(block, "pdus", *[big] * 300)
        wait_for(lambda: len(info), "the first image")
        self.assertTrue(stops(self.tb))
        self.assertLess(
            sum(meta_of(m)["event"] == "picture" for m in info.messages()), 300, "what waited is not encoded first"
        )


if __name__ == "__main__":
    gr_unittest.run(qa_semantic_encoder)
