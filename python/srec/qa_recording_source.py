#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The blocks recording_source and recording_sink: values, metadata, round trips, the end mark, damaged files."""
import json
import os
import tempfile

import numpy as np
import pmt
from gnuradio import blocks, gr, gr_unittest, srec
from gnuradio.srec.io import sigmf

from qa_common import BlockCase, wait_for
from disk import largest_file

EXACT = {"cf32_le": 0.0, "ci16_le": 0.5 / 32768, "ci8": 0.5 / 128, "cu8": 0.5 / 127.5}  # maximum error of I or Q


class qa_recording(BlockCase):
    def setUp(self):
        super().setUp()
        self.temp = tempfile.TemporaryDirectory()
        self.name = os.path.join(self.temp.name, "take")

    def tearDown(self):
        super().tearDown()
        self.temp.cleanup()

    def record(self, samples, *args):
        top = gr.top_block()
        sink = srec.recording_sink(self.name, *args, overwrite=True)
        top.connect(blocks.vector_source_c(samples), sink)
        top.run()
        self.assertIsNone(sink.error)

    def replay(self, repeat=False, head=0):
        top, source, sink = gr.top_block(), srec.recording_source(self.name, repeat), blocks.vector_sink_c()
        if head:
            top.connect(source, blocks.head(gr.sizeof_gr_complex, head), sink)
        else:
            top.connect(source, sink)
        top.run()
        return np.array(sink.data()), [t.offset for t in sink.tags() if pmt.symbol_to_string(t.key) == "srec_eof"]

    def meta(self, change):
        with open(self.name + sigmf.META) as f:
            meta = json.load(f)
        change(meta)
        with open(self.name + sigmf.META, "w") as f:
            json.dump(meta, f)

    def test_a_full_disk_is_a_fault_and_said(self):
        top, sink = gr.top_block(), srec.recording_sink(self.name)
        top.connect(blocks.vector_source_c([1j] * 100000), sink)
        watch = srec.fault_watch()
        with largest_file(200000):
            top.run()
        ((_, what),) = watch.faults()
        self.assertIn("File too large", what)

    def test_a_source_goes_on_after_a_lock_and_a_sink_refuses_a_second_run(self):
        self.record(np.full(10**6, 1j))
        top, source, sink = gr.top_block(), srec.recording_source(self.name), blocks.vector_sink_c()
        head = blocks.head(gr.sizeof_gr_complex, 600)
        top.connect(source, head, sink)
        top.run()
        head.reset()
        top.run()  # like lock() and unlock(), this stops and starts the source
        self.assertEqual((len(sink.data()), source.error), (1200, None))
        top, recorder = gr.top_block(), srec.recording_sink(self.name, overwrite=True)
        top.connect(blocks.vector_source_c([1j] * 10, True), blocks.head(gr.sizeof_gr_complex, 500), recorder)
        top.run()
        self.assertIsNone(recorder.error)
        watch = srec.fault_watch()
        top.run()
        ((_, what),) = watch.faults()
        self.assertIn("the recording ended with the first run", what)
        self.assertEqual(sigmf.Recording(self.name).n_samples, 500)

    def test_samples_come_back_and_the_end_is_marked(self):
        rng = np.random.default_rng(1)
        samples = rng.uniform(-0.99, 0.99, (20001, 2)) @ [1, 1j]
        for datatype, error in EXACT.items():
            self.record(samples, datatype)
            got, end = self.replay()
            self.assertEqual((got.size, end), (samples.size + 1, [samples.size]))
            difference = got[:-1] - samples.astype(np.complex64)
            self.assertLessEqual(
                max(np.abs(difference.real).max(), np.abs(difference.imag).max()), error * 1.001 + 1e-7, datatype
            )

    def test_stored_values_are_those_of_the_datatype(self):
        samples = np.array([0, 1, -1 - 1j, 0.5 + 0.25j, 3 - 3j])
        self.record(samples, "ci16_le")
        np.testing.assert_array_equal(
            np.fromfile(self.name + sigmf.DATA, "<i2"), [0, 0, 32767, 0, -32768, -32768, 16384, 8192, 32767, -32768]
        )
        self.record(samples, "cu8")
        np.testing.assert_array_equal(
            np.fromfile(self.name + sigmf.DATA, "u1"), [128, 128, 255, 128, 0, 0, 191, 159, 255, 0]
        )
        self.record(samples, "cf32_le")
        np.testing.assert_array_equal(
            np.fromfile(self.name + sigmf.DATA, "<f4"), [0, 0, 1, 0, -1, -1, 0.5, 0.25, 3, -3]
        )

    def test_metadata_are_sigmf(self):
        self.record(
            np.zeros(10), "cu8", 2.4e6, 433.9e6, {"modulation": "qpsk", "samples_per_symbol": 4, "snr_db": None}
        )
        with open(self.name + sigmf.META) as f:
            meta = json.load(f)
        self.assertEqual(
            {k: meta["global"][k] for k in ("core:datatype", "core:sample_rate", "core:version")},
            {"core:datatype": "cu8", "core:sample_rate": 2.4e6, "core:version": "1.0.0"},
        )
        self.assertEqual(meta["captures"][0]["core:frequency"], 433.9e6)
        self.assertEqual(meta["global"]["core:extensions"][0]["name"], "srec")
        given = sigmf.Recording(self.name)
        self.assertEqual(
            (given.rate, given.frequency, given.n_samples, given.srec),
            (2.4e6, 433.9e6, 10, {"modulation": "qpsk", "samples_per_symbol": 4}),
        )

    def test_wrong_metadata_are_refused(self):
        for metadata in ({"frequency": 1}, "text", {"scale": "two"}, {"code_rates": 5}):
            with self.assertRaisesRegex(ValueError, "^metadata "):
                srec.recording_sink(self.name, "cu8", 1e6, metadata=metadata)

    def test_repeat_starts_over(self):
        samples = np.arange(100) / 100
        self.record(samples)
        got, _ = self.replay(True, 350)
        np.testing.assert_allclose(got, np.tile(samples, 4)[:350], atol=1e-7)

    def test_finish_ends_the_stream(self):
        self.record(np.ones(1000))
        source, sink = srec.recording_source(self.name, True), blocks.null_sink(gr.sizeof_gr_complex)
        self.tb.connect(source, sink)
        self.tb.start()
        source.finish()
        self.assert_ends_by_itself(self.tb)

    def test_bad_recordings_are_refused_in_one_line(self):
        self.assert_refused(["No such file"], srec.recording_source, self.name)
        self.record(np.ones(10))
        for change, word in (
            (lambda m: m.pop("global"), "global"),
            (lambda m: m["global"].pop("core:datatype"), "datatype"),
            (lambda m: m["global"].update({"core:datatype": ["cu8"]}), "datatype"),
            (lambda m: m["global"].update({"core:sample_rate": float("nan")}), "core:sample_rate"),
            (lambda m: m["global"].update({"core:sample_rate": True}), "core:sample_rate"),
            (lambda m: m["global"].update({"srec:rolloff": "x"}), "srec:rolloff"),
            (lambda m: m["captures"].append(1), "captures"),
            (lambda m: m["captures"][0].update({"core:header_bytes": 4}), "header bytes"),
            (lambda m: m["captures"][0].update({"core:frequency": "high"}), "core:frequency"),
        ):
            self.record(np.ones(10))
            self.meta(change)
            self.assert_refused([word], srec.recording_source, self.name)
        for text in (b"", b"[]", b"[" * 100000, b"\xff"):
            with open(self.name + sigmf.META, "wb") as f:
                f.write(text)
            self.assert_refused(["take.sigmf-meta"], srec.recording_source, self.name)

    def test_an_existing_recording_is_refused_and_a_new_one_appears_when_the_flowgraph_ends(self):
        self.record(np.ones(10))
        with self.assertRaises(FileExistsError):
            srec.recording_sink(self.name)
        top, sink = gr.top_block(), srec.recording_sink(self.name + "2")
        self.assertEqual(len(os.listdir(self.temp.name)), 2)
        top.connect(blocks.vector_source_c(np.ones(10), True), sink)
        top.start()
        part = self.name + "2.part.sigmf-data"
        wait_for(lambda: os.path.exists(part) and os.path.getsize(part), "the recording")
        top.stop()
        top.wait()
        self.assertEqual(
            sorted(os.listdir(self.temp.name)),
            [f"take{n}.sigmf-{kind}" for n in ("", "2") for kind in ("data", "meta")],
        )

    def test_a_recording_that_cannot_be_made_ends_the_flowgraph(self):
        watch, folder = srec.fault_watch(), os.path.join(self.temp.name, "gone")
        os.mkdir(folder)
        sink = srec.recording_sink(os.path.join(folder, "take"))
        os.rmdir(folder)
        self.tb.connect(blocks.vector_source_c(np.ones(10), True), sink)
        self.tb.start()
        self.assert_ends_by_itself(self.tb)
        ((_, what),) = watch.faults()
        self.assertIn("gone", what)

    def test_bad_parameters_of_the_sink_are_refused(self):
        self.assert_refused(["cf64_le", "cu8"], srec.recording_sink, self.name, "cf64_le")
        self.assert_refused(["rate"], srec.recording_sink, self.name, "cu8", 0)
        with self.assertRaises(OSError):
            srec.recording_sink(os.path.join(self.temp.name, "none", "take"))


if __name__ == "__main__":
    gr_unittest.run(qa_recording)
