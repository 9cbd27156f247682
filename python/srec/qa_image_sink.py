#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_sink: files and memory, metadata of any 64-bit session, messages that are not images."""
import json
import os
import tempfile

import numpy as np
import pmt
from gnuradio import blocks, gr, gr_unittest, srec
from PIL import Image

from qa_common import wait_for
from disk import largest_file

END = pmt.cons(pmt.dict_add(pmt.make_dict(), pmt.intern("eof"), pmt.PMT_T), pmt.init_u8vector(0, []))


def picture(array, **meta):
    array = np.asarray(array, np.uint8)
    values = {"width": array.shape[1], "height": array.shape[0], "channels": 3 if array.ndim == 3 else 1, **meta}
    d = pmt.make_dict()
    for key, value in values.items():
        d = pmt.dict_add(d, pmt.intern(key), pmt.from_uint64(value) if isinstance(value, int) else value)
    return pmt.cons(d, srec.u8vector(array))


class qa_image_sink(gr_unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.folder = os.path.join(self.temp.name, "new", "out")

    def tearDown(self):
        self.temp.cleanup()

    def run_sink(self, sink, messages, expect_infos):
        """Run the sink. Return its info dicts as PMT."""
        top, debug = gr.top_block(), blocks.message_debug(False)
        top.msg_connect(sink, "info", debug, "store")
        top.start()
        for message in messages:
            sink.to_basic_block()._post(pmt.intern("pdus"), message)
        wait_for(lambda: debug.num_messages() >= expect_infos, f"{expect_infos} reports")
        top.stop()
        top.wait()
        self.assertEqual(debug.num_messages(), expect_infos)
        return [debug.get_message(i) for i in range(expect_infos)]

    def test_every_session_of_64_bits_passes(self):
        sessions = (0, 2**63 - 1, 2**63, 2**64 - 1)
        sink = srec.image_sink(self.folder)
        infos = self.run_sink(
            sink, [picture(np.full((4, 5, 3), i), session=s) for i, s in enumerate(sessions)] + [END], 5
        )
        for i, session in enumerate(sessions):
            self.assertEqual(pmt.to_uint64(pmt.dict_ref(infos[i], pmt.intern("session"), pmt.PMT_NIL)), session)
            with open(os.path.join(self.folder, f"picture{i:04d}.json")) as f:
                self.assertEqual(json.load(f)["session"], session)
        self.assertEqual((sink.count, sink.dropped), (4, 0))

    def test_files_hold_the_very_samples_and_the_metadata(self):
        rgb, grey = np.arange(4 * 6 * 3).reshape(4, 6, 3), np.arange(35).reshape(5, 7)
        sink = srec.image_sink(self.folder, "p_")
        infos = self.run_sink(sink, [picture(rgb, picture=9, filename=pmt.intern("x.png")), picture(grey), END], 3)
        self.assertTrue(sink.wait(0))
        self.assertEqual(sorted(os.listdir(self.folder)), ["p_0000.json", "p_0000.png", "p_0001.json", "p_0001.png"])
        for i, array in enumerate((rgb, grey)):
            np.testing.assert_array_equal(np.array(Image.open(os.path.join(self.folder, f"p_{i:04d}.png"))), array)
        with open(os.path.join(self.folder, "p_0000.json")) as f:
            self.assertEqual(
                json.load(f), {"width": 6, "height": 4, "channels": 3, "picture": 9, "filename": "x.png", "number": 0}
            )
        self.assertEqual([pmt.to_python(i)["event"] for i in infos], ["picture", "picture", "eof"])
        self.assertEqual(pmt.to_python(infos[1])["path"], os.path.join(self.folder, "p_0001.png"))

    def test_without_folder_the_latest_pictures_stay_in_memory(self):
        sink = srec.image_sink(keep=2)
        self.run_sink(sink, [picture(np.full((1, 1), i)) for i in range(5)], 5)
        self.assertEqual([int(array[0, 0]) for array, _ in sink.pictures], [3, 4])
        self.assertFalse(sink.wait(0))

    def test_wait_returns_after_the_number_asked_for(self):
        sink = srec.image_sink(stop_after=2)
        self.run_sink(sink, [picture(np.zeros((2, 2)))], 1)
        self.assertFalse(sink.wait(0))
        self.run_sink(sink, [picture(np.zeros((2, 2)))] * 3, 1)
        self.assertTrue(sink.wait(0))
        self.assertEqual(sink.count, 2, "no more, though the flowgraph still runs")

    def test_what_is_no_picture_is_dropped_and_counted(self):
        good = np.zeros((3, 4, 3))
        bad = [
            pmt.PMT_NIL,
            pmt.intern("text"),
            pmt.cons(pmt.make_dict(), pmt.init_u8vector(0, [])),
            pmt.cons(pmt.from_long(1), pmt.init_u8vector(1, [1])),
            picture(good, width=5),
            picture(good, width=2**63),
            picture(good, channels=2),
            picture(good, height=0),
            pmt.cons(pmt.car(picture(good)), pmt.init_f32vector(36, [0.0] * 36)),
            pmt.cons(pmt.car(picture(good)), pmt.PMT_NIL),
        ]
        sink = srec.image_sink(self.folder)
        infos = self.run_sink(sink, bad + [picture(good)], len(bad) + 1)
        self.assertEqual((sink.count, sink.dropped), (1, len(bad)))
        self.assertEqual(pmt.to_python(infos[-2]), {"event": "dropped", "dropped": len(bad)})
        self.assertEqual(pmt.to_python(infos[-1])["event"], "picture")

    def test_metadata_of_any_kind_is_kept(self):
        sink = srec.image_sink(self.folder)
        values = {
            "v": pmt.init_u8vector(2, [1, 2]),
            "w": pmt.init_u64vector(1, [2**64 - 1]),
            "z": pmt.from_complex(1 + 2j),
            "f": pmt.from_double(0.5),
        }
        self.run_sink(sink, [picture(np.zeros((2, 2)), **values)], 1)
        with open(os.path.join(self.folder, "picture0000.json")) as f:
            meta = json.load(f)
        self.assertEqual((meta["v"], meta["f"]), ([1, 2], 0.5))
        self.assertIn("18446744073709551615", meta["w"])

    def test_a_folder_that_vanishes_costs_the_picture_not_the_flowgraph(self):
        sink = srec.image_sink(self.folder)
        os.rmdir(self.folder)
        infos = self.run_sink(sink, [picture(np.zeros((2, 2))), END], 2)
        self.assertEqual([pmt.to_python(i)["event"] for i in infos], ["dropped", "eof"])

    def test_a_full_disk_costs_the_picture_and_leaves_nothing_behind(self):
        sink = srec.image_sink(self.folder)
        noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3))
        with largest_file(4096):  # too small for the image, large enough for its metadata
            self.run_sink(sink, [picture(noise)], 1)
        self.assertEqual((os.listdir(self.folder), sink.dropped), ([], 1))
        long = {"text": pmt.intern(9000 * "x")}
        with largest_file(4096):  # and vice versa
            self.run_sink(sink, [picture(np.zeros((2, 2)), **long)], 1)
        self.assertEqual((os.listdir(self.folder), sink.dropped), ([], 2))
        infos = self.run_sink(sink, [picture(noise, **long)], 1)
        self.assertEqual(
            (pmt.to_python(infos[0])["number"], sorted(os.listdir(self.folder))),
            (0, ["picture0000.json", "picture0000.png"]),
        )

    def test_nobodys_file_is_overwritten_and_no_link_is_followed(self):
        sink = srec.image_sink(self.folder)
        victim = os.path.join(self.temp.name, "victim")
        with open(victim, "w") as f:
            f.write("precious")
        names = ["picture0000.png", "picture0000.png.tmp", "picture0001.json", "picture0002.png", "picture0003.json"]
        for name in names[:2] + names[4:]:
            os.symlink(victim, os.path.join(self.folder, name))
        for name in names[2:4]:
            with open(os.path.join(self.folder, name), "w") as f:
                f.write("theirs")
        os.symlink("nowhere", os.path.join(self.folder, "picture0004.png"))
        infos = self.run_sink(sink, [picture(np.zeros((2, 2))), picture(np.ones((2, 2)))], 2)
        self.assertEqual([pmt.to_python(i)["number"] for i in infos], [5, 6])
        with open(victim) as f:
            self.assertEqual(f.read(), "precious")
        self.assertEqual(
            sorted(set(os.listdir(self.folder)) - set(names)),
            ["picture0004.png", "picture0005.json", "picture0005.png", "picture0006.json", "picture0006.png"],
        )
        with open(os.path.join(self.folder, "picture0006.json")) as f:
            self.assertEqual(json.load(f)["number"], 6)

    def test_two_sinks_on_one_folder_keep_every_picture(self):
        sinks, n = [srec.image_sink(self.folder) for _ in range(2)], 12
        top = gr.top_block()
        debugs = [blocks.message_debug(False) for _ in sinks]
        for sink, debug in zip(sinks, debugs):
            top.msg_connect(sink, "info", debug, "store")
        top.start()
        for i in range(n):
            for mine, sink in enumerate(sinks):
                sink.to_basic_block()._post(
                    pmt.intern("pdus"), picture(np.full((2, 2), 100 * mine + i), value=100 * mine + i)
                )
        wait_for(lambda: all(debug.num_messages() == n for debug in debugs), "all images")
        top.stop()
        top.wait()
        found = []
        for number in range(2 * n):
            with open(os.path.join(self.folder, f"picture{number:04d}.json")) as f:
                meta = json.load(f)
            self.assertEqual(
                (meta["number"], np.array(Image.open(os.path.join(self.folder, f"picture{number:04d}.png")))[0, 0]),
                (number, meta["value"]),
            )
            found.append(meta["value"])
        self.assertEqual(sorted(found), [*range(n), *range(100, 100 + n)])
        self.assertEqual(len(os.listdir(self.folder)), 4 * n)

    def test_names_that_are_not_utf8_do(self):
        folder = os.fsdecode(os.fsencode(self.temp.name) + b"/f\xe4")
        sink = srec.image_sink(folder, "p\udcff")
        infos = self.run_sink(sink, [picture(np.zeros((2, 2)))], 1)
        self.assertTrue(pmt.to_python(infos[0])["path"].endswith("f\\xe4/p\\xff0000.png"))
        self.assertTrue(os.path.exists(sink.path(0)))

    def test_folder_and_prefix_change_while_running(self):
        sink = srec.image_sink(self.folder)
        self.run_sink(sink, [picture(np.zeros((2, 2)))], 1)
        other = os.path.join(self.temp.name, "other")
        sink.set_folder(other)
        sink.set_prefix("q")
        self.run_sink(sink, [picture(np.zeros((2, 2)))], 1)
        self.assertEqual(sorted(os.listdir(other)), ["q0001.json", "q0001.png"])

    def test_numbers_begin_where_they_are_told(self):
        sink = srec.image_sink(self.folder, first=41)
        infos = self.run_sink(sink, [picture(np.zeros((2, 2))), picture(np.zeros((2, 2)))], 2)
        self.assertEqual([pmt.to_python(i)["number"] for i in infos], [41, 42])
        self.assertIn("picture0042.png", os.listdir(self.folder))
        self.assertEqual(sink.count, 2)

    def test_impossible_parameters_are_refused(self):
        for arguments in ({"stop_after": -1}, {"keep": 0}, {"first": -1}, {"prefix": "../x"}):
            with self.assertRaises(ValueError, msg=str(arguments)):
                srec.image_sink(**arguments)
        file = os.path.join(self.temp.name, "file")
        open(file, "w").close()
        with self.assertRaises(OSError):
            srec.image_sink(file)


if __name__ == "__main__":
    gr_unittest.run(qa_image_sink)
