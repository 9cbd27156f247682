#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The block semantic_decoder: images from estimates, lost slices, time of delivery, queue and policy, bad input."""
import math
import resource
import time

import numpy as np
from gnuradio import gr, gr_unittest, srec

from qa_common import (
    BAD_SLICE_KEYS,
    END,
    HANG,
    LADDER,
    MODEL_ID,
    NOT_A_PDU,
    BlockCase,
    Collector,
    captured_log,
    data_of,
    is_end,
    meta_of,
    pdu,
    picture,
    post,
    stops,
    wait_for,
    with_meta,
)

LEVELS = 16


def estimate(msg, session=1, noise=0.0, seed=0):
    """Return the estimate PDU of a slice of the encoder: its bytes as features, plus noise."""
    feature = (data_of(msg).astype(float) - 128) / LEVELS
    mean = feature + noise * np.random.default_rng(seed).normal(size=feature.size)
    return pdu(
        {**meta_of(msg), "session": session}, np.concatenate([mean, np.full(feature.size, noise)]).astype(np.float32)
    )


def one_patch_of(side, number):
    """Return the estimate PDU of one slice of a large image with one patch per slice. Its sender sends nothing else."""
    cols = math.ceil(side / 64) * 4
    return pdu(
        {
            "model": MODEL_ID,
            "session": 1,
            "packet": 100,
            "picture": number,
            "width": side,
            "height": side,
            "channels": 3,
            "format": 0,
            "slice": 0,
            "slices": cols * cols,
            "rate_map": np.zeros(1),
        },
        np.zeros(2 * LADDER[0], np.float32),
    )


class qa_semantic_decoder(BlockCase):
    @classmethod
    def setUpClass(cls):
        """Create a 64x64 image of one slice (two numbers) and a 128x128 image of several."""
        case = cls()
        small, cls.small = picture()
        large, cls.large = picture(7, 128, 128)
        cls.one, cls.two = case.through(
            srec.semantic_encoder(threads=1, eta=0.5, max_queue=8), [small, with_meta(small, picture=1)], "pdus"
        )[0]
        cls.many = case.through(srec.semantic_encoder(threads=1, eta=0.5, frame_bytes=2000), [large], "pdus")[0]
        assert len(cls.many) >= 3

    def decode(self, messages, block=None, **parameters):
        """Decode messages. Return (images, infos)."""
        return self.through(
            block or srec.semantic_decoder(**{"threads": 1, "timeout": HANG, **parameters}), messages, "in", "pdus"
        )

    @staticmethod
    def pixels(msg):
        m = meta_of(msg)
        return data_of(msg).astype(np.uint8).reshape(m["height"], m["width"], m["channels"])

    def test_undoes_the_encoder(self):
        (out,), _ = self.decode([estimate(m) for m in self.many])
        got = self.pixels(out)
        mse = np.mean((got.astype(float) - self.large) ** 2)  # the texture of the image has variance 16
        self.assertGreater(10 * np.log10(255**2 / mse), 32)
        self.assertAlmostEqual(srec.psnr(got, self.large), 10 * np.log10(255**2 / mse), places=3)

    def test_pictures_of_any_size_and_grey_ones_come_back(self):
        for width, height, channels in ((1, 1, 3), (65, 30, 1), (70, 128, 3)):
            msg, array = picture(0, width, height, channels)
            slices, _ = self.through(srec.semantic_encoder(threads=1, eta=1.0), [msg], "pdus")
            (out,), _ = self.decode([estimate(m) for m in slices])
            self.assertEqual(self.pixels(out).shape, (height, width, channels))
            self.assertLess(np.mean((self.pixels(out).astype(float) - array) ** 2), 60)

    def test_noise_on_the_features_costs_quality_gradually(self):
        errors = []
        for noise in (0.0, 0.2, 1.0):
            (out,), _ = self.decode([estimate(self.one, noise=noise)])
            errors.append(np.mean((self.pixels(out).astype(float) - self.small) ** 2))
        self.assertEqual(errors, sorted(errors))
        self.assertGreater(errors[2], 1.5 * errors[0])

    def test_order_of_slices_does_not_matter(self):
        (a,), _ = self.decode([estimate(m) for m in self.many])
        (b,), _ = self.decode([estimate(m) for m in reversed(self.many)])
        np.testing.assert_array_equal(data_of(a), data_of(b))

    def test_metadata_and_info_tell_of_the_picture(self):
        (out,), info = self.decode([estimate(m, session=5, noise=0.25) for m in self.many])
        m = meta_of(out)
        deviation = m.pop("deviation")
        self.assertEqual(deviation.size, 64)
        np.testing.assert_allclose(deviation, 0.25, rtol=1e-6)
        self.assertEqual((m["picture"], m["width"], m["height"], m["channels"], m["session"]), (7, 128, 128, 3, 5))
        self.assertEqual((m["patches"], m["patches_lost"], m["slices"], m["slices_lost"]), (64, 0, len(self.many), 0))
        self.assertAlmostEqual(m["mean_deviation"], 0.25, places=5)
        self.assertGreater(m["decode_s"], 0)
        self.assertEqual([i["event"] for i in info], ["picture", "eof"])
        self.assertEqual({**m, "event": "picture", "dropped": 0, "late": 0, "too_large": 0, "queue": 0}, info[0])

    def test_lost_slices_are_concealed_and_counted(self):
        (whole,), _ = self.decode([estimate(m) for m in self.many])
        (holed,), _ = self.decode([estimate(m) for m in self.many[1:]])
        m = meta_of(holed)
        self.assertEqual(
            (np.sum(m["deviation"] == 1), np.sum(m["deviation"] == 0)),
            (m["patches_lost"], m["patches"] - m["patches_lost"]),
        )
        self.assertEqual((m["slices_lost"], m["patches_lost"]), (1, meta_of(self.many[0])["rate_map"].size))
        psnr = srec.psnr(self.pixels(holed), self.large)
        self.assertLess(psnr, srec.psnr(self.pixels(whole), self.large))
        self.assertGreater(psnr, 15, "concealed, not grey")

    def test_a_picture_beyond_the_memory_is_dropped_and_the_next_one_comes(self):
        huge = one_patch_of(8000, 1)  # 192 MB of pixels, and as much of features
        block = srec.semantic_decoder(threads=1)
        out, info = Collector(self.tb, block, "pdus"), Collector(self.tb, block, "info")
        self.tb.start()
        post(block, "in", estimate(self.one))  # allocates the memory of the networks before memory runs out
        wait_for(lambda: len(out), "the first image")
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        before = resource.getrlimit(resource.RLIMIT_AS)
        try:
            resource.setrlimit(resource.RLIMIT_AS, (used + 300 * 2**20, before[1]))
            with captured_log() as log:
                post(block, "in", huge, with_meta(estimate(self.two), picture=2, packet=2**40))
                wait_for(lambda: len(out) > 1 and len(info) > 2, "the image after it and its line")
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)
        self.assertIn("no memory for the pixels", log.text)
        self.assertEqual([meta_of(m)["picture"] for m in out.messages()], [0, 2])
        self.assertEqual(
            [(i["event"], i["picture"]) for i in map(meta_of, info.messages())],
            [("picture", 0), ("dropped", 1), ("picture", 2)],
        )

    def test_deviations_after_hard_decisions_are_not_known(self):
        (soft,), _ = self.decode([estimate(m) for m in self.many])
        (hard,), _ = self.decode([with_meta(estimate(m), soft=False) for m in self.many])
        np.testing.assert_array_equal(data_of(soft), data_of(hard))
        self.assertEqual((set(meta_of(soft)["deviation"]), set(meta_of(hard)["deviation"])), ({0}, {-1}))

    def test_slice_that_comes_twice_counts_once(self):
        twice = [estimate(self.many[0])] * len(self.many)
        (out,), _ = self.decode(twice)
        self.assertEqual(meta_of(out)["slices_lost"], len(self.many) - 1)

    def test_two_pictures_in_a_row(self):
        out, info = self.decode([estimate(self.one), estimate(self.two)])
        self.assertEqual([meta_of(m)["picture"] for m in out], [0, 1])
        np.testing.assert_array_equal(data_of(out[0]), data_of(out[1]))
        self.assertEqual([i["event"] for i in info], ["picture", "picture", "eof"])

    def delivered(self, messages, **parameters):
        """Return [(session, image, slices lost, reason)] and the last info."""
        out, info = self.decode(messages, **parameters)
        return [(m["session"], m["picture"], m["slices_lost"], m["reason"]) for m in map(meta_of, out)], info[-1]

    def slices_of(self, session=1, number=7, first_packet=0):
        """Return the estimates of the image of several slices, with packet numbers."""
        return [
            with_meta(estimate(m, session=session), picture=number, packet=first_packet + n)
            for n, m in enumerate(self.many)
        ]

    def test_stations_that_take_turns_get_whole_pictures(self):
        n = len(self.many)
        turns = [m for both in zip(self.slices_of(1), self.slices_of(2), self.slices_of(3)) for m in both]
        out, info = self.decode(turns)
        self.assertEqual([(meta_of(m)["session"], meta_of(m)["slices_lost"]) for m in out], [(1, 0), (2, 0), (3, 0)])
        (alone,), _ = self.decode(self.slices_of())
        for msg in out:
            np.testing.assert_array_equal(data_of(msg), data_of(alone), "not a trace of the others")
        self.assertEqual((info[-1]["late"], info[-1]["dropped"], len(turns)), (0, 0, 3 * n))

    def test_a_late_packet_completes_its_picture(self):
        first, second = self.slices_of(number=0), self.slices_of(number=1, first_packet=len(self.many))
        got, info = self.delivered([*first[:-1], *second[:-1], first[-1], second[-1]])
        self.assertEqual(got, [(1, 0, 0, "complete"), (1, 1, 0, "complete")])
        self.assertEqual(info["late"], 0)

    def test_packets_of_a_picture_already_delivered_are_dropped_and_counted_as_late(self):
        first, second = self.slices_of(number=0), self.slices_of(number=1, first_packet=len(self.many))
        block = srec.semantic_decoder(threads=1, timeout=HANG)
        out, info = self.through(block, [*first, first[0], *second, second[1], first[2]], "in", "pdus")
        self.assertEqual([meta_of(m)["slices_lost"] for m in out], [0, 0])
        self.assertEqual([i["event"] for i in info], ["picture", "late", "picture", "late", "late", "eof"])
        self.assertEqual((info[-1]["late"], info[-1]["dropped"]), (3, 0))
        self.assertEqual(dict(block.counters()), {"dropped": 0, "late": 3, "too_large": 0})

    def test_an_incomplete_picture_comes_just_before_the_later_complete_one(self):
        n = len(self.many)
        first, second, third = (self.slices_of(number=k, first_packet=k * n) for k in range(3))
        got, _ = self.delivered([*first, *second[:-1], *third])
        self.assertEqual(got, [(1, 0, 0, "complete"), (1, 1, 1, "later"), (1, 2, 0, "complete")])

    def test_reorder_says_how_many_later_packets_an_incomplete_picture_waits_for(self):
        n = len(self.many)
        first, second = self.slices_of(number=0), self.slices_of(number=1, first_packet=n)
        for reorder in (1, 2):
            block = srec.semantic_decoder(threads=1, timeout=HANG, reorder=reorder)
            self.tb = gr.top_block()
            info = Collector(self.tb, block, "info")
            self.tb.start()
            post(block, "in", *first[:-1], *second[: reorder - 1], NOT_A_PDU[0], second[reorder - 1])
            wait_for(lambda: len(info) == 2, "the drop and the incomplete image")
            self.assertEqual(
                [(i["event"], i.get("reason")) for i in map(meta_of, info.messages())],
                [("dropped", "not an estimate PDU (dict . f32vector)"), ("picture", "later")],
            )
            self.assertTrue(stops(self.tb))

    def test_beyond_max_pictures_the_one_without_a_packet_for_longest_is_delivered(self):
        one, two, three = (self.slices_of(session) for session in (1, 2, 3))
        got, _ = self.delivered([one[0], two[0], one[1], three[0], *one[2:]], max_pictures=2)
        self.assertEqual(
            got, [(2, 7, len(self.many) - 1, "room"), (1, 7, 0, "complete"), (3, 7, len(self.many) - 1, "end")]
        )

    def test_a_source_that_restarts_its_numbers_is_not_late(self):
        n = len(self.many)
        got, info = self.delivered([m for k in range(3) for m in self.slices_of(number=0, first_packet=k * n)])
        self.assertEqual(got, [(1, 0, 0, "complete")] * 3)
        self.assertEqual(info["late"], 0)

    def test_a_slice_that_contradicts_its_picture_is_dropped(self):
        good = self.slices_of()
        other = with_meta(good[1], channels=1)
        got, info = self.delivered([good[0], other, *good[1:]])
        self.assertEqual((got, info["dropped"]), ([(1, 7, 0, "complete")], 1))

    def test_pictures_beyond_max_pixels_are_dropped_counted_and_warned_of_once(self):
        for limit, numbers, dropped in ((128 * 128, [0, 7], 0), (128 * 128 - 1, [0], len(self.many)), (0, [0, 7], 0)):
            with captured_log() as log:
                out, info = self.decode([estimate(self.one), *self.slices_of()], max_pixels=limit)
            self.assertEqual([meta_of(m)["picture"] for m in out], numbers)
            self.assertEqual((info[-1]["too_large"], info[-1]["dropped"]), (dropped, dropped))
            self.assertEqual(log.count("max_pixels"), int(dropped > 0), log.text)
        self.assertEqual(srec.semantic_decoder().counters()["too_large"], 0)

    def test_the_end_mark_delivers_all_that_is_open(self):
        got, _ = self.delivered([*self.slices_of(2)[:1], *self.slices_of(1)[:2]])
        n = len(self.many)
        self.assertEqual(got, [(2, 7, n - 1, "end"), (1, 7, n - 2, "end")])

    def test_stopping_cancels_a_picture_in_the_middle_of_decoding(self):
        at_work_s = 0.4  # of one core; the whole image takes many times as long
        block = srec.semantic_decoder(threads=1)
        out, info = Collector(self.tb, block, "pdus"), Collector(self.tb, block, "info")
        self.tb.start()
        post(block, "in", estimate(self.one), one_patch_of(4096, 3), END)
        wait_for(lambda: len(info), "the first image")
        begun = time.process_time()
        wait_for(lambda: time.process_time() > begun + at_work_s, "the decoder at work")
        self.assertTrue(stops(self.tb))
        self.assertEqual([meta_of(m).get("picture") for m in out.messages() if not is_end(m)], [0])
        self.assertEqual(block.counters()["dropped"], 1)

    def test_the_end_mark_delivers_the_incomplete_picture(self):
        (out,), _ = self.decode([estimate(self.many[0])])
        self.assertEqual(meta_of(out)["slices_lost"], len(self.many) - 1)

    def test_silence_for_the_timeout_delivers_the_incomplete_picture(self):
        block = srec.semantic_decoder(threads=1, timeout=0.6)
        out = Collector(self.tb, block, "pdus")
        self.tb.start()
        start = time.monotonic()
        post(block, "in", estimate(self.many[0]))
        wait_for(lambda: len(out), "the image")
        self.assertGreater(time.monotonic() - start, 0.6)
        post(block, "in", with_meta(estimate(self.many[0]), picture=8))
        wait_for(lambda: meta_of(out.messages()[-1])["picture"] == 8, "the next image")
        self.assertEqual(
            [(meta_of(m)["picture"], meta_of(m)["slices_lost"]) for m in out.messages()],
            [(7, len(self.many) - 1), (8, len(self.many) - 1)],
            "each once",
        )

    def test_bad_first_slice_begins_no_picture(self):
        block = srec.semantic_decoder(threads=1, timeout=0.3)
        out, info = Collector(self.tb, block, "pdus"), Collector(self.tb, block, "info")
        self.tb.start()
        good = estimate(self.many[0])
        post(block, "in", pdu(meta_of(good), data_of(good).astype(np.float32)[:-2]))
        wait_for(lambda: len(info), "the drop")
        post(block, "in", with_meta(good, picture=8))
        wait_for(lambda: len(out) and meta_of(out.messages()[-1])["picture"] == 8, "the next image")
        self.assertEqual(len(out), 1, "no packet of the image arrived")

    def test_bad_slice_does_not_end_the_picture_being_collected(self):
        good = [estimate(m) for m in self.many]
        bad = [
            pdu({**meta_of(good[0]), "picture": 8}, np.zeros(3, np.float32)),
            with_meta(good[0], picture=8, model=MODEL_ID ^ 1),
            pdu({**meta_of(good[0]), "picture": 8}, np.zeros(4, np.float32)),
            with_meta(good[0], channels=1),
        ]
        out, info = self.decode([good[0], *bad, *good[1:]])
        self.assertEqual([(meta_of(m)["picture"], meta_of(m)["slices_lost"]) for m in out], [(7, 0)])
        self.assertEqual(info[-1]["dropped"], 4)

    def test_bad_messages_are_dropped_counted_and_warned_of_once_per_kind(self):
        good = estimate(self.one)
        data = data_of(good).astype(np.float32)
        no_slice = [
            *NOT_A_PDU,
            *(with_meta(good, **change) for change in BAD_SLICE_KEYS),
            pdu(meta_of(good), np.zeros(8, np.uint8)),
        ]
        others = [
            pdu(meta_of(good), data[:0]),
            pdu(meta_of(good), data[:-1]),
            pdu(meta_of(good), data[:-2]),
            with_meta(good, model=MODEL_ID ^ 1),
            with_meta(good, width=128),
            with_meta(good, rate_map=np.full(16, 200)),
            with_meta(good, rate_map=np.zeros(0)),
            with_meta(good, slices=17),
        ]
        bad = no_slice + others
        with captured_log() as log:
            out, info = self.decode([*bad, good])
        self.assertEqual([meta_of(m)["slices_lost"] for m in out], [0])
        self.assertEqual(
            [(i["event"], i["dropped"]) for i in info[: len(bad)]], [("dropped", n + 1) for n in range(len(bad))]
        )
        for kind in ("not an estimate PDU", "do not fit", "another model"):
            self.assertEqual(log.count(kind), 1, log.text)
        self.assertEqual(log.count("dropped"), 3, log.text)

    def test_estimates_that_are_not_finite_crash_nothing(self):
        good = estimate(self.one)
        bad = [
            pdu({**meta_of(good), "picture": n}, np.full(data_of(good).size, value, np.float32))
            for n, value in enumerate((np.nan, np.inf, 1e30))
        ]
        out, _ = self.decode([*bad, with_meta(good, picture=3)])
        self.assertEqual(len(out), 4)
        self.assertGreater(srec.psnr(self.pixels(out[-1]), self.small), 28, "the next image is unharmed")

    def queue_up(self, policy, max_queue):
        """Post ten images and the end mark before the block first runs. Return numbers decoded, last info."""
        block = srec.semantic_decoder(threads=1, max_queue=max_queue, policy=policy)
        numbers, info, log = self.queued(
            block, [with_meta(estimate(self.one), picture=n) for n in range(10)], "in", "pdus"
        )
        self.assertEqual(log.count("dropped"), 1, log.text)
        return numbers, info

    def test_queue_policies_keep_what_they_say_and_count_the_rest(self):
        for policy, numbers in (("drop_oldest", [8, 9]), ("drop_newest", [0, 1])):
            got, info = self.queue_up(policy, 2)
            self.assertEqual((got, info["dropped"]), (numbers, 8))

    def step_by_step(self, block, slices):
        """Send each slice once the partial image of the previous one has arrived. Return (partial images, image)."""
        out, progress = Collector(self.tb, block, "pdus"), Collector(self.tb, block, "progress")
        self.tb.start()
        for n, msg in enumerate(slices):
            post(block, "in", msg)
            wait_for(lambda: len(progress) == n + 1 or len(out), "the image so far")
        wait_for(lambda: len(out), "the image")
        progress.flush()
        return progress.messages(), out.messages()[0]

    def test_the_picture_so_far_grows_slice_by_slice(self):
        progress, whole = self.step_by_step(
            srec.semantic_decoder(threads=1, timeout=HANG, progress=1e-6), [estimate(m, session=3) for m in self.many]
        )
        metas = [meta_of(m) for m in progress]
        self.assertEqual([m["slices_lost"] for m in metas], list(range(len(self.many) - 1, 0, -1)))
        self.assertTrue(all(m["partial"] is True and (m["picture"], m["session"]) == (7, 3) for m in metas))
        there = np.cumsum([meta_of(m)["rate_map"].size for m in self.many])
        self.assertEqual([m["patches"] - m["patches_lost"] for m in metas], list(there[:-1]))
        self.assertEqual(
            (meta_of(whole).get("partial"), meta_of(whole)["partials"], meta_of(whole)["slices_lost"]),
            (None, len(metas), 0),
        )
        (plain,), _ = self.decode([estimate(m, session=3) for m in self.many])
        np.testing.assert_array_equal(data_of(whole), data_of(plain), "images so far leave the whole one alone")
        (holed,), _ = self.decode([estimate(self.many[0])])
        np.testing.assert_array_equal(data_of(progress[0]), data_of(holed), "what came, and concealment")

    def test_of_several_open_pictures_the_one_whose_slice_came_last_is_shown(self):
        block = srec.semantic_decoder(threads=1, timeout=HANG, progress=1e-6)
        out, progress = Collector(self.tb, block, "pdus"), Collector(self.tb, block, "progress")
        self.tb.start()
        one, two = self.slices_of(1), self.slices_of(2)
        for n, msg in enumerate((one[0], two[0], two[1], one[1])):
            post(block, "in", msg)
            wait_for(lambda: len(progress) == n + 1, "the image so far")
        shown = [(m["session"], m["slices"] - m["slices_lost"]) for m in map(meta_of, progress.messages())]
        self.assertEqual(shown, [(1, 1), (2, 1), (2, 2), (1, 2)])
        post(block, "in", *one[2:], *two[2:], END)
        wait_for(lambda: len(out) == 3, "both images and the end mark")
        progress.flush()
        (plain,), _ = self.decode(one)
        for msg, session in zip(out.messages(), (1, 2)):
            self.assertEqual((meta_of(msg)["session"], meta_of(msg)["slices_lost"]), (session, 0))
            np.testing.assert_array_equal(data_of(msg), data_of(plain), "images so far mix nothing up")
        self.assertEqual(sum(meta_of(m)["partials"] for m in out.messages()[:2]), len(progress.messages()))

    def test_without_new_slices_there_is_no_new_picture_so_far(self):
        block = srec.semantic_decoder(threads=1, timeout=HANG, progress=1e-6)
        progress, info = Collector(self.tb, block, "progress"), Collector(self.tb, block, "info")
        self.tb.start()
        first = estimate(self.many[0])
        post(block, "in", first)
        wait_for(lambda: len(progress), "the image so far")
        post(block, "in", first, NOT_A_PDU[0], NOT_A_PDU[0])
        wait_for(lambda: len(info) == 2, "the drops")
        progress.flush()
        self.assertEqual(len(progress.messages()), 1)

    def test_pictures_so_far_are_left_out_while_slices_wait(self):
        block = srec.semantic_decoder(threads=1, progress=1e-6)
        out, progress = Collector(self.tb, block, "pdus"), Collector(self.tb, block, "progress")
        post(
            block, "in", *[estimate(m) for m in self.many], *[with_meta(estimate(m), picture=8) for m in self.many], END
        )
        self.tb.start()
        wait_for(lambda: len(out) == 3, "both images and the end mark")
        progress.flush()
        self.assertEqual([meta_of(m)["partials"] for m in out.messages()[:2]], [0, 0])
        self.assertEqual(progress.messages(), [])

    def test_pictures_so_far_come_no_faster_than_asked_for(self):
        block = srec.semantic_decoder(threads=1, timeout=HANG, progress=3600)
        progress, info = Collector(self.tb, block, "progress"), Collector(self.tb, block, "info")
        self.tb.start()
        for number, msg in enumerate((estimate(self.many[0]), estimate(self.many[1]))):
            post(block, "in", msg, NOT_A_PDU[0])
            wait_for(lambda: len(info) == number + 1, "the drop after the slice")
        progress.flush()
        self.assertEqual(progress.messages(), [])
        block.set_progress(1e-6)  # takes effect at once: the next tick of the clock shows the image
        self.assertAlmostEqual(block.progress(), 1e-6)
        wait_for(lambda: len(progress.messages()) == 1, "the image so far")
        self.assertEqual(meta_of(progress.messages()[0])["slices_lost"], len(self.many) - 2)

    def test_flowgraph_can_be_run_again(self):
        block = srec.semantic_decoder(threads=1)
        for _ in range(3):
            out, _ = self.decode([estimate(self.one)], block)
            self.assertEqual(len(out), 1)

    def test_constructor_says_what_is_wrong(self):
        make = srec.semantic_decoder
        self.assert_refused(["/no/such/model"], make, "/no/such/model")
        for timeout in (0.0, -1.0, math.nan):
            self.assert_refused(["timeout"], make, timeout=timeout)
        for progress in (-1.0, math.nan, math.inf):
            self.assert_refused(["progress"], make, progress=progress)
            self.assert_refused(["progress"], make().set_progress, progress)
        for name, bad in (("threads", -1), ("max_queue", 0), ("timeout", 0.0)):
            with self.assertRaises(ValueError) as caught:
                make(**{name: bad})
            named = [other for other in ("threads", "max_queue", "timeout") if other in str(caught.exception)]
            self.assertEqual(named, [name], "only the parameter that is wrong")
        for pixels in (-1.0, math.nan):
            self.assert_refused(["max_pixels"], make, max_pixels=pixels)
        for pictures in (0, -1, 1025):
            self.assert_refused(["max_pictures"], make, max_pictures=pictures)
        self.assert_refused(["reorder"], make, reorder=0)
        self.assert_refused(["fp8", "f32", "bf16"], make, precision="fp8")
        self.assert_refused(["drop_all", "drop_oldest", "drop_newest"], make, policy="drop_all")

    def test_stops_promptly_with_hundreds_of_pictures_waiting(self):
        large, _ = picture(0, 512, 512)
        slices = [estimate(m) for m in self.through(srec.semantic_encoder(threads=1), [large], "pdus")[0]]
        block = srec.semantic_decoder(threads=1)
        info = Collector(self.tb, block, "info")
        self.tb.start()
        post(block, "in", *[with_meta(m, picture=n) for n in range(300) for m in slices])
        wait_for(lambda: len(info), "the first image")
        self.assertTrue(stops(self.tb))
        self.assertLess(
            sum(meta_of(m)["event"] == "picture" for m in info.messages()), 300, "what waited is not decoded first"
        )


if __name__ == "__main__":
    gr_unittest.run(qa_semantic_decoder)
