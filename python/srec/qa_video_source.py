#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""video_source: order and number of frames, newest-frame policy, sizes and colours, end mark, lost images, refusals."""
import importlib.util
import os
import queue
import shutil
import sys
import tempfile
import time

import numpy as np
import pmt
from gnuradio import gr_unittest, srec
from PIL import Image

from qa_common import HANG, BlockCase, Collector, Teller, data_of, is_end, meta_of, post, wait_for

HAVE_OPENCV = importlib.util.find_spec("cv2") is not None
WIDTH, HEIGHT = 32, 16


def frame(number):
    """Return an RGB frame whose number can be read even after video compression."""
    return np.full((HEIGHT, WIDTH, 3), (8 * number, 255 - 8 * number, 40), np.uint8)


class Camera:
    """A replacement for OpenCV's VideoCapture; the test gives out the frames."""

    def __init__(self):
        self.frames, self.reads, self.released = queue.Queue(), 0, False

    def read(self):
        self.reads += 1
        array = self.frames.get(timeout=HANG)
        return (False, None) if array is None else (True, array[:, :, ::-1] if array.ndim == 3 else array)

    def release(self):
        self.released = True

    def give(self, *arrays):
        """Give out frames. Return once the source has taken the last one and asks for another."""
        want = self.reads + len(arrays) if self.reads else 1 + len(arrays)
        for array in arrays:
            self.frames.put(array)
        wait_for(lambda: self.reads >= want, "the next read")


def report(number, event="picture", **more):
    return pmt.to_pmt({"event": event, **({} if number is None else {"picture": number}), **more})


class qa_video_source(BlockCase):
    def setUp(self):
        if not HAVE_OPENCV:
            self.skipTest("OpenCV for Python is not installed (python3-opencv)")
        super().setUp()
        self.folder = tempfile.mkdtemp()
        for n in range(5):
            Image.fromarray(frame(n)).save(os.path.join(self.folder, f"{n}.png"))

    def tearDown(self):
        if HAVE_OPENCV:
            super().tearDown()
            shutil.rmtree(self.folder)

    def begin(self, source, **parameters):
        """Return (block, images, infos), running."""
        self.block = block = srec.video_source(
            source, **{"timeout": 0, **parameters}
        )  # GNU Radio does not keep Python blocks alive
        self.out, self.info = Collector(self.tb, block, "pdus"), Collector(self.tb, block, "info")
        self.teller = Teller()
        self.teller.connect(self.tb, block)
        self.tb.start()
        return block

    def pictures(self):
        return [m for m in self.out.messages() if not is_end(m)]

    def frames(self):
        return [meta_of(m)["frame"] for m in self.pictures()]

    def wait_end(self):
        wait_for(lambda: len(self.out) and is_end(self.out.messages()[-1]), "the end mark")
        wait_for(lambda: self.info.last().get("event") == "eof", "the report of the end")

    def array(self, msg):
        m = meta_of(msg)
        return data_of(msg).astype(np.uint8).reshape([m["height"], m["width"]] + [3] * (m["channels"] == 3))

    def test_a_folder_goes_out_whole_and_in_order(self):
        before = time.time()
        self.begin(self.folder, in_flight=9)
        self.wait_end()
        self.assertEqual(self.frames(), [0, 1, 2, 3, 4])
        for n, msg in enumerate(self.pictures()):
            np.testing.assert_array_equal(self.array(msg), frame(n))
            m = meta_of(msg)
            self.assertEqual((m["picture"], m["frames_dropped"]), (n, 0))
            self.assertTrue(before <= m["time"] <= time.time())
        self.assertEqual((self.info.last()["pictures"], self.info.last()["frames_dropped"]), (5, 0))

    def test_without_a_rate_files_wait_for_the_link_and_none_is_left_out(self):
        block = self.begin(self.folder, in_flight=1)
        for n in range(5):
            wait_for(lambda: len(self.pictures()) == n + 1, "the image")
            post(block, "next", report(n, encode_s=0.5))  # from the encoder: releases nothing
            post(block, "next", report(n, "dropped" if n == 2 else "picture"))
        self.wait_end()
        self.assertEqual(self.frames(), [0, 1, 2, 3, 4])
        self.assertEqual(self.info.last()["frames_dropped"], 0)

    def test_with_next_open_a_folder_goes_out_whole_and_the_flowgraph_ends(self):
        block = srec.video_source(self.folder, timeout=0)
        out = Collector(self.tb, block, "pdus")
        self.tb.start()
        self.assert_ends_by_itself(self.tb, out)
        self.assertEqual([meta_of(m).get("frame", "end") for m in out.messages()], [0, 1, 2, 3, 4, "end"])

    def test_of_a_cameras_frames_the_newest_goes_and_the_others_are_counted(self):
        camera = Camera()
        block = self.begin(camera, in_flight=1)
        camera.give(frame(0))
        wait_for(lambda: self.frames() == [0], "the first image")
        camera.give(*map(frame, (1, 2, 3, 4)))
        self.assertEqual(self.frames(), [0], "the link is busy")
        post(block, "next", report(0))
        wait_for(lambda: self.frames() == [0, 4], "the newest")
        self.assertEqual(meta_of(self.pictures()[1])["frames_dropped"], 3)
        np.testing.assert_array_equal(self.array(self.pictures()[1]), frame(4))
        post(block, "next", report(1))
        camera.give(frame(5))
        wait_for(lambda: self.frames() == [0, 4, 5], "the next, at once")
        camera.frames.put(None)
        self.wait_end()
        self.assertEqual((self.info.last()["frames_dropped"], self.info.last()["pictures"]), (3, 3))
        self.assertTrue(camera.released)

    def test_the_last_frame_goes_out_before_the_end_mark(self):
        camera = Camera()
        block = self.begin(camera, in_flight=1)
        camera.give(frame(0))
        wait_for(lambda: self.frames() == [0], "the first image")
        camera.give(frame(1))
        camera.frames.put(None)
        wait_for(lambda: camera.released, "the camera's end")
        self.assertEqual(len(self.out), 1)
        post(block, "next", report(0))
        self.wait_end()
        self.assertEqual(self.frames(), [0, 1])

    def test_files_with_a_rate_do_not_wait_for_the_link(self):
        block = self.begin(self.folder, in_flight=1, rate=1000)
        wait_for(lambda: block._ended and len(self.out), "the folder's end and an image on its way")
        post(block, "next", report(0))
        self.wait_end()
        self.assertEqual(self.frames()[-1], 4)
        self.assertLessEqual(len(self.frames()), 2, "only the first was on its way before the report")
        self.assertEqual(block.frames_dropped, 5 - len(self.frames()))

    def test_pictures_that_nobody_reports_are_given_up_and_counted(self):
        block = self.begin(self.folder, in_flight=1, timeout=0.01)
        self.wait_end()
        self.assertEqual(self.frames(), [0, 1, 2, 3, 4])
        self.assertGreaterEqual(block.unreported, 4)
        self.assertEqual(self.info.last()["unreported"], block.unreported)

    def test_frames_ends_the_video_and_repeat_begins_it_again(self):
        self.begin(self.folder, in_flight=20, frames=12, repeat=True)
        self.wait_end()
        self.assertEqual(self.frames(), list(range(12)))
        np.testing.assert_array_equal(self.array(self.pictures()[6]), frame(1))

    def test_a_video_file_gives_its_frames(self):
        import cv2

        path = os.path.join(self.folder, "video.avi")
        writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 10, (WIDTH, HEIGHT))
        self.assertTrue(writer.isOpened())
        for n in range(6):
            writer.write(frame(n)[:, :, ::-1].copy())
        writer.release()
        self.begin(path, in_flight=9)
        self.wait_end()
        self.assertEqual(self.frames(), list(range(6)))
        for n, msg in enumerate(self.pictures()):
            self.assertLess(np.abs(self.array(msg).astype(int) - frame(n)).max(), 12, "colours, and their order")

    def test_sizes(self):
        wide = np.zeros((20, 60, 3), np.uint8)
        wide[:, 20:40] = 200  # the middle
        cases = (
            ((0, 0), wide, (20, 60)),
            ((30, 0), wide, (10, 30)),
            ((0, 40), wide, (40, 120)),
            ((10, 10), wide, (10, 10)),
            ((70, 90), wide, (90, 70)),
            ((8, 8), np.full((16, 16), 9, np.uint8), (8, 8)),
            ((16, 16), np.full((1, 1), 9, np.uint8), (16, 16)),
        )
        for (width, height), array, shape in cases:
            camera = Camera()
            camera.frames.put(array)
            camera.frames.put(None)
            self.tb = type(self.tb)()
            self.begin(camera, width=width, height=height)
            self.wait_end()
            got = self.array(self.pictures()[0])
            self.assertEqual(got.shape[:2], shape)
            if (width, height) == (10, 10):
                np.testing.assert_array_equal(got, np.full((10, 10, 3), 200))
            self.tb.stop()
            self.tb.wait()

    def test_unreadable_frames_are_skipped_and_counted(self):
        with open(os.path.join(self.folder, "2.png"), "w") as f:
            f.write("no image")
        block = self.begin(self.folder, in_flight=9)
        self.wait_end()
        self.assertEqual((len(self.pictures()), block.skipped, self.info.last()["skipped"]), (4, 1, 1))

    def test_a_camera_that_breaks_off_ends_the_video(self):
        class Broken(Camera):
            def read(self):
                if self.reads == 2:
                    raise OSError("unplugged")
                return super().read()

        camera = Broken()
        camera.frames.put(frame(0))
        camera.frames.put(frame(1))
        block = self.begin(camera, in_flight=9)
        self.wait_end()
        self.assertEqual(block.skipped, 1)
        self.assertEqual(self.frames()[-1], 1)

    def test_nonsense_on_next_releases_nothing(self):
        block = self.begin(self.folder, in_flight=1)
        wait_for(lambda: len(self.out) == 1, "the first image")
        post(block, "next", pmt.PMT_T, pmt.from_long(3), pmt.to_pmt({"event": "eof"}), report(77))
        post(block, "next", report(None))  # contains no number: the oldest
        wait_for(lambda: len(self.out) == 2, "the second image")
        self.assertEqual(self.frames(), [0, 1])

    def test_can_be_stopped_while_waiting_and_run_again(self):
        block = self.begin(self.folder, in_flight=1)
        for run in range(3):
            wait_for(lambda: len(self.out) == run + 1, "the first image")
            self.tb.stop()
            self.tb.wait()
            if run < 2:
                self.tb.start()
        self.assertEqual(self.frames(), [0, 0, 0])
        block.set_in_flight(3)

    def test_what_cannot_be_is_refused(self):
        make = srec.video_source
        text = os.path.join(self.folder, "text.avi")
        with open(text, "w") as f:
            f.write("no video")
        empty = tempfile.mkdtemp(dir=self.folder)
        for source, word in (
            ("", "no video is named"),
            ("/no/such.avi", "/no/such.avi"),
            (text, "cannot read this video"),
            (empty, empty),
            ("93", "camera 93"),
            ("/dev/video93", "camera /dev/video93"),
        ):
            self.assert_refused([word], make, source)
        for parameters in (
            {"width": -1},
            {"height": 65536},
            {"rate": -1},
            {"rate": float("nan")},
            {"rate": 1e9},
            {"frames": -1},
            {"in_flight": 0},
            {"timeout": -1},
            {"timeout": float("nan")},
        ):
            self.assert_refused([next(iter(parameters))], make, self.folder, **parameters)

    def test_without_opencv_the_package_is_named(self):
        kept, sys.modules["cv2"] = sys.modules["cv2"], None
        try:
            self.assert_refused(["python3-opencv"], srec.video_source, self.folder)
        finally:
            sys.modules["cv2"] = kept


if __name__ == "__main__":
    gr_unittest.run(qa_video_source)
