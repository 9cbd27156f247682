#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_view: pixels and texts of the window, appearing panels, growing images, counters, threads, missing parts."""
import importlib.util
import os
import subprocess
import sys
import tempfile
import threading
import time

os.environ["QT_QPA_PLATFORM"] = "offscreen"

import numpy as np  # noqa: E402
import pmt  # noqa: E402
from gnuradio import gr_unittest, srec  # noqa: E402
from gnuradio.srec.image_view import application  # noqa: E402
from PIL import Image  # noqa: E402

from qa_common import END, HANG, NOT_A_PDU, BlockCase, pdu, sender, wait_for, with_meta  # noqa: E402

HAVE_QT = importlib.util.find_spec("PyQt5") is not None
RED, GREEN, BLUE = (200, 30, 20), (20, 180, 40), (10, 40, 220)


def plain(colour, number=0, width=64, height=48, **meta):
    """Return a PDU of an image of one colour. A number means grey."""
    grey = isinstance(colour, int)
    array = np.full((height, width) if grey else (height, width, 3), colour, np.uint8)
    return pdu(
        {"width": width, "height": height, "channels": 1 if grey else 3, "picture": number, "session": 1, **meta}, array
    )


def run(code, **environment):
    """Run a separate program. Return (exit code, standard error)."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=HANG, env={**os.environ, **environment}
    )
    return done.returncode, done.stderr.strip()


class qa_image_view(BlockCase):
    @classmethod
    def setUpClass(cls):
        cls.app = application() if HAVE_QT else None

    def setUp(self):
        if not HAVE_QT:
            self.skipTest("PyQt5 is not installed (python3-pyqt5)")
        super().setUp()
        self.view = None

    def tearDown(self):
        if HAVE_QT:
            super().tearDown()

    def begin(self, **parameters):
        self.view = srec.image_view(**parameters)
        self.view.qwidget().resize(900, 300)
        self.view.qwidget().show()
        self.port = {}
        for name in ("bob", "eve", "original", "info"):
            self.port[name] = sender()
            self.tb.msg_connect(self.port[name], "out", self.view, name)
        self.tb.start()

    def give(self, name, *messages, shows=None):
        """Send messages to a port.

        shows: words of the captions that prove the arrival of the last message.
        """
        self.port[name].send(*messages)
        if shows:
            wait_for(lambda: shows in " | ".join(self.view.captions().values()), f"'{shows}' in {self.view.captions()}")

    def has_colour(self, colour, least=2000):
        """Return whether enough pixels of the window have this colour."""
        self.app.processEvents()
        return np.sum(np.all(self.view.grab() == np.array(colour, np.uint8), axis=2)) >= least

    def test_a_picture_appears_in_its_own_colours(self):
        self.begin()
        self.assertFalse(self.has_colour(RED))
        for number, (colour, width, pixel) in enumerate(
            ((RED, 64, RED), (GREEN, 63, GREEN), (77, 61, (77, 77, 77)), (BLUE, 1, BLUE))
        ):
            self.give("bob", plain(colour, number, width), shows=f"image {number}")
            self.assertTrue(self.has_colour(pixel, 400), f"{width} wide")

    def test_drawn_by_the_event_loop_alone(self):
        self.begin()
        drawn = []
        show = self.view.qwidget().show_states
        self.view.qwidget().show_states = lambda states, status: (
            drawn.append(threading.get_ident()),
            show(states, status),
        )
        for number in range(200):
            self.give("bob", plain(RED, number))
        wait_for(lambda: self.view.pictures == 200, "the images")
        self.assertEqual(drawn, [], "nothing is drawn but in the thread of Qt")
        wait_for(lambda: self.app.processEvents() or drawn, "the drawing")
        for _ in range(5):
            self.app.processEvents()
        self.assertLessEqual(len(drawn), 2, "only the newest of those that wait")
        self.assertEqual(set(drawn), {threading.get_ident()})

    def test_panels_appear_with_their_first_picture(self):
        self.begin()
        shown = lambda: {name for name, panel in self.view.qwidget()._panels.items() if panel.isVisible()}  # noqa: E731
        self.assertEqual(shown(), {"bob"})
        self.give("eve", plain(RED), shows="image 0")
        self.assertTrue(self.has_colour(RED))
        self.assertEqual(shown(), {"bob", "eve"})
        self.give("original", plain(GREEN, 5), shows="image 5")
        self.assertTrue(self.has_colour(GREEN))
        self.assertEqual(shown(), {"sent", "bob", "eve"})

    def test_the_picture_grows_packet_by_packet(self):
        self.begin()
        bar = (90, 170, 255)
        lengths = []
        for there in (2, 7):
            self.give(
                "bob",
                plain(RED, 3, slices=10, slices_lost=10 - there, partial=True),
                shows=f"image 3, {there} of 10 packets",
            )
            self.assertTrue(self.has_colour(RED))
            lengths.append(np.sum(np.all(self.view.grab() == np.array(bar, np.uint8), axis=2)))
        self.assertAlmostEqual(lengths[1] / lengths[0], 3.5, delta=0.2)
        self.assertEqual((self.view.pictures, self.view.partials), (0, 2))
        self.give("bob", plain(GREEN, 3, slices=10, slices_lost=1), shows="image 3, 9 of 10 packets")
        self.assertFalse(self.has_colour(RED))
        self.assertFalse(self.has_colour(bar, 1), "no bar on an image that is done")
        self.assertEqual((self.view.pictures, self.view.packets, self.view.packets_lost), (1, 9, 1))

    def test_psnr_and_latency_against_the_picture_sent(self):
        self.begin()
        sent = plain(100, 4)
        sent = pmt.cons(
            pmt.dict_add(pmt.car(sent), pmt.intern("time"), pmt.from_double(time.time() - 10000)), pmt.cdr(sent)
        )
        self.give("original", sent, shows="image 4")
        psnr = 10 * np.log10(255**2 / 100)
        self.give("bob", plain(110, 4), shows=f"image 4, {psnr:.1f} dB, 100")  # 10000 s and a bit, in ms
        self.give("eve", plain(80, 4), shows=f"image 4, {10 * np.log10(255**2 / 400):.1f} dB")
        self.give("bob", plain(110, 5), shows="image 5")
        self.assertEqual(self.view.captions()["bob"], "image 5", "its original is unknown")

    def test_psnr_against_a_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "sent.png")
            Image.fromarray(np.full((48, 64), 100, np.uint8)).save(path)
            self.begin(original=path)
            self.give("bob", plain(110, 9), shows=f"image 9, {10 * np.log10(255**2 / 100):.1f} dB")
            self.assertTrue(self.has_colour((100, 100, 100)), "and the file's image is shown")
            self.assertRaisesRegex(ValueError, "none.png", srec.image_view, original=os.path.join(folder, "none.png"))

    def test_counters_snr_and_missed_pictures(self):
        self.begin(snr_db=7.5, title="QPSK")
        self.assertIn("SNR 7.5 dB", self.view.captions()["status"])
        self.view.set_snr_db(8.25)
        self.assertIn("SNR 8.2 dB", self.view.captions()["status"])
        self.give("info", pmt.to_pmt({"event": "burst", "snr_db": 12.34, "truncated": 7}), shows="SNR 12.3 dB")
        self.give(
            "info",
            pmt.to_pmt({"event": "forged", "accepted": 3, "damaged": 2, "forged": 4, "replayed": 9}),
            shows="refused 6",
        )
        self.give("bob", *(plain(RED, n, slices=4, slices_lost=n % 2) for n in (0, 1, 5)), shows="image 5")
        self.assertIn("images 3, missed 3", self.view.captions()["status"])
        self.assertIn("packets 10, lost 2, refused 6", self.view.captions()["status"])
        other = pmt.cons(
            pmt.dict_add(pmt.car(plain(RED, 50)), pmt.intern("session"), pmt.from_uint64(2**64 - 1)),
            pmt.cdr(plain(RED, 50)),
        )
        self.give("bob", other, shows="image 50")
        self.assertIn("images 4, missed 3", self.view.captions()["status"], "another session's numbers begin anew")

    def test_bad_messages_are_counted_and_the_end_mark_changes_nothing(self):
        self.begin()
        for n, name in enumerate(("bob", "eve", "original")):
            self.give(
                name,
                *NOT_A_PDU,
                pdu({"width": 4, "height": 4, "channels": 3, "picture": 0}, np.zeros(5, np.uint8)),
                END,
            )
            wait_for(lambda: self.view.dropped == (n + 1) * (len(NOT_A_PDU) + 1), "the count")
        dropped = self.view.dropped
        for key in ("snr_db", "slices", "slices_lost", "picture"):
            self.give("bob", with_meta(plain(RED, 0), **{key: "7 dB"}))
        wait_for(lambda: self.view.dropped == dropped + 4, "the count")
        with self.assertRaises(TypeError):
            self.view.set_snr_db(None)
        self.give("info", *NOT_A_PDU, pmt.to_pmt({"snr_db": "loud"}))
        self.give("bob", plain(RED, 1), shows="image 1")
        self.assertTrue(self.has_colour(RED))

    def test_pictures_that_come_after_the_window_is_gone_harm_nothing(self):
        from PyQt5 import sip

        self.begin()
        sip.delete(self.view.qwidget())
        self.give("bob", plain(RED), plain(RED, 1))
        wait_for(lambda: self.view.pictures == 2, "the images")
        self.app.processEvents()

    def test_what_is_missing_is_said_in_one_line(self):
        make = "from gnuradio import srec\ntry: srec.image_view()\nexcept RuntimeError as e: raise SystemExit(str(e))"
        self.assertEqual(run(make), (1, "image_view needs a QApplication: make one first"))
        window = (
            "from gnuradio.srec.image_view import application\ntry: application()\nexcept RuntimeError as e: raise"
            " SystemExit(str(e))"
        )
        no_qt = "import sys\nsys.modules['PyQt5'] = None\n"
        self.assertEqual(run(no_qt + window), (1, "a window needs PyQt5: apt install python3-pyqt5"))
        self.assertEqual(run(no_qt + make), (1, "image_view needs PyQt5: apt install python3-pyqt5"))
        code, text = run(window, QT_QPA_PLATFORM="", DISPLAY="", WAYLAND_DISPLAY="")
        self.assertEqual((code, text.split(":")[0], text.count("\n")), (1, "no display for a window", 0))
        code, text = run(window, QT_QPA_PLATFORM="", DISPLAY=":4711", WAYLAND_DISPLAY="")
        self.assertEqual((code, text.split(":")[0], text.count("\n")), (1, "no window can be opened on display '", 0))


if __name__ == "__main__":
    gr_unittest.run(qa_image_view)
