#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_source: what it reads, what releases the next image, and that a folder ends whatever the encoder drops."""
import importlib
import os
import tempfile
import threading

import numpy as np
import pmt
from gnuradio import blocks, gr, gr_unittest, srec
from PIL import Image

from qa_common import HANG, Teller, captured_log, ends, stops, wait_for, wait_for_silence


def release(event="picture", **values):
    d = pmt.dict_add(pmt.make_dict(), pmt.intern("event"), pmt.intern(event))
    for key, value in values.items():
        d = pmt.dict_add(d, pmt.intern(key), pmt.from_uint64(value))
    return d


class spoiler(gr.basic_block):
    """Passes images on, the first ones together. The images with the given numbers get a wrong width."""

    def __init__(self, numbers, together=1):
        gr.basic_block.__init__(self, "spoiler", None, None)
        self.numbers, self.together, self.waiting = numbers, together, []
        self.message_port_register_in(pmt.intern("in"))
        self.message_port_register_out(pmt.intern("out"))
        self.set_msg_handler(pmt.intern("in"), self._spoil)

    def _spoil(self, msg):
        meta = pmt.car(msg)
        number = pmt.dict_ref(meta, pmt.intern("picture"), pmt.PMT_NIL)
        if not pmt.is_null(number) and pmt.to_uint64(number) in self.numbers:
            meta = pmt.dict_add(meta, pmt.intern("width"), pmt.from_uint64(7))
        self.waiting.append(pmt.cons(meta, pmt.cdr(msg)))
        if len(self.waiting) < self.together:
            return
        for waiting in self.waiting:
            self.message_port_pub(pmt.intern("out"), waiting)
        self.waiting, self.together = [], 1


class qa_image_source(gr_unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.folder = self.temp.name

    def tearDown(self):
        self.temp.cleanup()

    def save(self, name, value=100, shape=(48, 64, 3), dtype=np.uint8, **options):
        path = os.path.join(self.folder, name)
        Image.fromarray(np.full(shape, value, dtype)).save(path, **options)
        return path

    def start(self, source, driven=True):
        """Start a source.

        driven: something is connected to `next`, but sends nothing by itself.
        """
        top, debug, self.teller = gr.top_block(), blocks.message_debug(False), Teller()
        top.msg_connect(source, "pdus", debug, "store")
        if driven:
            self.teller.connect(top, source)
        top.start()
        self.addCleanup(lambda: (top.stop(), top.wait()))
        return top, debug

    def names(self, debug):
        metas = [pmt.to_python(pmt.car(debug.get_message(i))) for i in range(debug.num_messages())]
        return ["end" if m.get("eof") else os.path.basename(m["filename"]) for m in metas]

    def send(self, source, message):
        source.to_basic_block()._post(pmt.intern("next"), message)

    def exactly(self, debug, n):
        """Assert that exactly n PDUs arrive."""
        wait_for(lambda: debug.num_messages() >= n, f"{n} messages")
        wait_for_silence()
        self.assertEqual(debug.num_messages(), n)

    def test_a_folder_is_sent_in_order_and_ends(self):
        for name in ("b.png", "a.jpg", "c.PGM"):
            self.save(name, shape=(48, 64))
        open(os.path.join(self.folder, "notes.txt"), "w").close()
        source = srec.image_source(self.folder, in_flight=9)
        _, debug = self.start(source)
        self.exactly(debug, 4)
        self.assertEqual(self.names(debug), ["a.jpg", "b.png", "c.PGM", "end"])

    def test_pictures_wait_for_those_before_them(self):
        files = [self.save(f"{i}.png") for i in range(6)]
        source = srec.image_source(files, in_flight=2)
        _, debug = self.start(source)
        self.exactly(debug, 2)
        # each number counts once; unknown numbers do not count
        for number, expect in ((0, 3), (0, 3), (77, 3), (1, 4)):
            self.send(source, release(picture=number))
            self.exactly(debug, expect)
        self.send(source, release("dropped", picture=2))
        self.exactly(debug, 5)
        self.send(source, release("picture", picture=3, encode_s=5))  # only encoded
        self.send(source, release("eof", picture=3))
        self.send(source, pmt.intern("picture"))
        self.exactly(debug, 5)
        self.send(source, release())  # without number: the oldest
        self.exactly(debug, 7)

    def test_a_picture_the_encoder_refuses_does_not_stall_the_folder(self):
        for i in range(3):
            self.save(f"{i}.png", 60 * i)
        for refused in ({0}, {1}, {2}, {0, 1, 2}):
            self.assertEqual(
                self.through_link(srec.image_source(self.folder, in_flight=1), spoiler(refused)),
                (sorted({0, 1, 2} - refused), sorted(refused)),
            )

    def test_every_picture_is_reported_encoded_or_dropped_when_the_queue_is_full(self):
        for i in range(12):
            self.save(f"{i:02d}.png", 20 * i, (256, 256, 3))
        for policy in ("drop_oldest", "drop_newest"):
            encoded, dropped = self.through_link(
                srec.image_source(self.folder, in_flight=6), spoiler(set(), 6), max_queue=1, policy=policy
            )
            self.assertTrue(encoded and dropped)
            self.assertEqual(sorted(encoded + dropped), list(range(12)))

    def through_link(self, source, between, **options):
        """Run source -> between -> encoder ... mapper until it ends. Return (numbers encoded, numbers dropped)."""
        top, debug = gr.top_block(), blocks.message_debug(False)
        encoder, scrambler = srec.semantic_encoder(threads=1, **options), srec.scrambler("seed:1")
        packets, mapper = srec.packet_encoder("seed:1"), srec.mapper()
        top.msg_connect(source, "pdus", between, "in")
        top.msg_connect(between, "out", encoder, "pdus")
        top.msg_connect(encoder, "out", scrambler, "in")
        top.msg_connect(scrambler, "out", packets, "in")
        top.msg_connect(packets, "out", mapper, "in")
        top.msg_connect(mapper, "info", source, "next")
        top.msg_connect(encoder, "info", source, "next")
        top.msg_connect(encoder, "info", debug, "store")
        sink = blocks.null_sink(gr.sizeof_gr_complex)
        top.connect(mapper, sink)
        top.start()
        end = threading.Thread(target=top.wait)  # returns once the end mark has left the mapper
        end.start()
        end.join(HANG)
        ended = not end.is_alive()
        top.stop()
        end.join()
        self.assertTrue(ended, "the folder did not end")
        infos = [pmt.to_python(debug.get_message(i)) for i in range(debug.num_messages())]
        return [i["picture"] for i in infos if i["event"] == "picture"], sorted(
            i["picture"] for i in infos if i["event"] == "dropped"
        )

    def ended(self, source):
        return not source._thread.is_alive()

    def test_repeat_starts_over_until_told_otherwise(self):
        self.save("a.png")
        self.save("b.png")
        source = srec.image_source(self.folder, repeat=True, interval=0.01)
        _, debug = self.start(source)
        wait_for(lambda: debug.num_messages() > 5, "six images")
        source.set_repeat(False)
        wait_for(lambda: self.names(debug)[-1] == "end", "the end mark")
        self.assertEqual(self.names(debug)[:5], ["a.png", "b.png", "a.png", "b.png", "a.png"])

    def test_each_image_is_sent_several_times_in_a_row_and_names_its_first_transmission(self):
        files = [self.save("a.png"), self.save("b.png")]
        source = srec.image_source(files, in_flight=9, transmissions=3)
        _, debug = self.start(source)
        self.exactly(debug, 7)
        metas = [pmt.to_python(pmt.car(debug.get_message(i))) for i in range(6)]
        self.assertEqual(self.names(debug), ["a.png"] * 3 + ["b.png"] * 3 + ["end"])
        self.assertEqual([m["picture"] for m in metas], list(range(6)))
        self.assertEqual([m["first_picture"] for m in metas], [0, 0, 0, 3, 3, 3])
        with self.assertRaisesRegex(ValueError, "transmissions"):
            source.set_transmissions(-1)

    def test_an_image_without_end_gives_way_to_another_path_or_number(self):
        files = [self.save("a.png"), self.save("b.png")]
        source = srec.image_source(files[0], interval=0.01, transmissions=0)
        _, debug = self.start(source)
        wait_for(lambda: debug.num_messages() > 3, "four transmissions")
        source.set_path(files[1])
        wait_for(lambda: self.names(debug)[-1] == "b.png", "the other image")
        source.set_transmissions(1)
        wait_for(lambda: self.names(debug)[-1] == "end", "the end mark")

    def test_path_and_pictures_in_flight_change_while_running(self):
        first, second = self.save("a.png"), self.save("b.png")
        source = srec.image_source(first, repeat=True, in_flight=1)
        _, debug = self.start(source)
        self.exactly(debug, 1)
        source.set_path(second)
        source.set_in_flight(4)
        self.exactly(debug, 4)
        self.assertEqual(self.names(debug)[2:], ["b.png", "b.png"])
        with self.assertRaises(ValueError):
            source.set_path(self.folder + "/none")

    def test_interval_paces_and_stop_is_prompt(self):
        source = srec.image_source([self.save("a.png"), self.save("b.png")], interval=1000)
        top, debug = self.start(source)
        self.exactly(debug, 1)
        self.assertTrue(stops(top))
        wait_for(lambda: self.ended(source), "the end of the source")

    def test_a_flowgraph_runs_again_from_the_first_picture(self):
        source = srec.image_source([self.save("a.png"), self.save("b.png")], in_flight=1)
        top, debug = self.start(source)
        self.exactly(debug, 1)
        top.stop()
        top.wait()
        top.start()
        self.exactly(debug, 2)
        self.assertEqual(self.names(debug), ["a.png", "a.png"])

    def test_unreadable_files_of_a_folder_are_skipped_and_counted(self):
        self.save("b.png")
        for name, content in (("a.png", b""), ("c.png", b"no image")):
            with open(os.path.join(self.folder, name), "wb") as f:
                f.write(content)
        source = srec.image_source(self.folder)
        _, debug = self.start(source)
        self.exactly(debug, 2)
        self.assertEqual((self.names(debug), source.skipped), (["b.png", "end"], 2))

    def test_with_next_open_the_source_follows_the_transmitter_behind_it_and_ends_the_flowgraph(self):
        for i in range(5):
            self.save(f"{i}.png", 50 * i)
        source = srec.image_source(self.folder, in_flight=1)
        top, transmitter, sink = (
            gr.top_block(),
            srec.transmitter("seed:1", samples_per_symbol=0),
            blocks.null_sink(gr.sizeof_gr_complex),
        )
        encoder_info = blocks.message_debug(False)
        top.msg_connect(source, "pdus", transmitter, "pdus")
        top.msg_connect(transmitter, "encoder_info", encoder_info, "store")
        # The link is slower than the encoder.
        top.connect(transmitter, blocks.throttle(gr.sizeof_gr_complex, 1e5), sink)
        top.start()
        self.assertTrue(ends(top.wait), "it did not end")
        infos = [pmt.to_python(encoder_info.get_message(i)) for i in range(encoder_info.num_messages())]
        self.assertEqual([i["event"] for i in infos], 5 * ["picture"] + ["eof"])
        self.assertEqual({i["queue"] for i in infos[:-1]}, {0})

    def test_with_nothing_to_report_behind_it_every_picture_goes_in_turn_and_the_source_ends(self):
        files = [self.save(f"{i}.png") for i in range(6)]
        source = srec.image_source(files, in_flight=2)
        top, debug = self.start(source, driven=False)
        self.assertTrue(ends(top.wait), "it did not end")
        self.assertEqual(self.names(debug), [f"{i}.png" for i in range(6)] + ["end"])

    def test_next_connected_behind_a_stream_is_seen(self):
        source, debug = srec.image_source([self.save(f"{i}.png") for i in range(3)], in_flight=1), blocks.message_debug(
            False
        )
        top, transmitter = gr.top_block(), srec.transmitter("seed:1", samples_per_symbol=0)
        receiver = srec.receiver("seed:1", snr_db=30, samples_per_symbol=0)
        top.msg_connect(source, "pdus", transmitter, "pdus")
        top.msg_connect(source, "info", debug, "store")
        top.connect(transmitter, receiver)
        top.msg_connect(receiver, "packet_info", source, "next")  # never releases an image
        top.start()
        self.addCleanup(lambda: (top.stop(), top.wait()))
        self.exactly(debug, 1)

    def test_a_picture_that_waits_for_a_report_that_nothing_gives_is_warned_of(self):
        pace = importlib.import_module("gnuradio.srec.pace")
        patience, pace.WARN_S = pace.WARN_S, 0.3
        self.addCleanup(setattr, pace, "WARN_S", patience)
        source = srec.image_source([self.save("a.png"), self.save("b.png")], in_flight=1)
        with captured_log() as log:
            top, debug = self.start(source)
            wait_for(lambda: source._pace._warned, "the warning")
            self.assertTrue(stops(top))
        self.assertEqual(log.count("port next"), 1, log.text)

    def test_every_kind_of_picture_becomes_grey_or_rgb_bytes(self):
        y = np.arange(256, dtype=np.uint16).reshape(16, 16)
        Image.fromarray(y * 257).save(os.path.join(self.folder, "16bit.png"))
        self.save("clear.png", (10, 20, 30, 0), (4, 5, 4))
        self.save("grey.png", 7, (4, 5))
        Image.new("1", (5, 4), 1).save(os.path.join(self.folder, "bit.png"))
        Image.new("P", (5, 4), 3).save(os.path.join(self.folder, "palette.png"))
        Image.new("CMYK", (5, 4)).save(os.path.join(self.folder, "cmyk.jpg"))
        load = importlib.import_module("gnuradio.srec.image_source").load_picture
        np.testing.assert_array_equal(load(os.path.join(self.folder, "16bit.png")), y)
        for name, shape, value in (("clear.png", (4, 5, 3), 255), ("grey.png", (4, 5), 7), ("bit.png", (4, 5), 255)):
            np.testing.assert_array_equal(load(os.path.join(self.folder, name)), np.full(shape, value), name)
        for name in ("palette.png", "cmyk.jpg"):
            self.assertEqual(load(os.path.join(self.folder, name)).shape, (4, 5, 3), name)

    def test_nothing_to_send_is_refused_with_its_name(self):
        empty = os.path.join(self.folder, "empty.png")
        open(empty, "w").close()
        folder = tempfile.mkdtemp(dir=self.folder)
        for path, word in (
            ("", "no image"),
            ([], "no image"),
            (empty, "empty.png: the file is empty"),
            ("/none.png", "/none.png"),
            (folder, folder),
        ):
            with self.assertRaisesRegex(ValueError, word):
                srec.image_source(path)
        good = self.save("good.png")
        for arguments in ({"in_flight": 0}, {"interval": -1}, {"interval": float("nan")}):
            with self.assertRaises(ValueError, msg=str(arguments)):
                srec.image_source(good, **arguments)


if __name__ == "__main__":
    gr_unittest.run(qa_image_source)
