#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""sigmf: any metadata give a recording, or one line that names the fault."""
import json
import os
import random
import tempfile
import unittest

from gnuradio.srec.io import sigmf

GOOD = {"core:datatype": "ci16_le", "core:sample_rate": 250000, "core:version": "1.0.0"}
HUGE = 10**399  # beyond the range of a float
SEED = 20


class qa_sigmf(unittest.TestCase):
    def setUp(self):
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.path = os.path.join(temp.name, "take")
        with open(self.path + sigmf.DATA, "wb") as f:
            f.write(bytes(400))

    def write(self, text):
        with open(self.path + sigmf.META, "wb") as f:
            f.write(text if isinstance(text, bytes) else json.dumps(text).encode())

    def refused(self, text, *words):
        self.write(text)
        with self.assertRaises(sigmf.Fault) as caught:
            sigmf.Recording(self.path)
        line = str(caught.exception)
        self.assertTrue(line.isprintable() and len(line) < 400, line)
        for word in (self.path + sigmf.META, *words):
            self.assertIn(word, line)

    def top(self, **changes):
        return {"global": {**GOOD, **{key.replace("_", ":", 1): value for key, value in changes.items()}}}

    def test_numbers_too_large_for_anything_are_refused(self):
        for key in (
            "core_sample_rate",
            "core_num_channels",
            "srec_samples_per_symbol",
            "srec_seed",
            "srec_eta",
            "srec_symbol_rate",
        ):
            for value in (HUGE, -HUGE):
                self.refused(self.top(**{key: value}), key.replace("_", ":", 1), "more than 64 bits")
        self.refused({**self.top(), "captures": [{"core:frequency": HUGE}]}, "core:frequency")
        for text in (b"1e999", b"-1e999", b"NaN", b"Infinity", b"9" * 400):
            self.refused(b'{"global": {"core:datatype": "cu8", "core:sample_rate": ' + text + b"}}", "core:sample_rate")
        self.refused(b'{"global": {"core:datatype": "cu8", "core:sample_rate": ' + b"9" * 100000 + b"}}", "not JSON")

    def test_values_of_another_kind_are_refused_and_named(self):
        for key in ("core_sample_rate", "srec_eta", "srec_samples_per_symbol", "srec_modulation", "core_datatype"):
            for value in (True, [1, [2]], {"a": {}}, "text \x1b[31m" if "modulation" not in key else 5):
                self.refused(self.top(**{key: value}), key.split("_", 1)[1])

    def test_text_that_a_terminal_would_obey_is_shown_escaped(self):
        self.refused(self.top(core_datatype="\ud800\x1b]0;a\x07\n"), r"'\ud800\x1b]0;a\x07'")
        self.write(self.top(srec_modulation="\udce4\x9b"))
        self.assertEqual(sigmf.shown(sigmf.Recording(self.path).srec["modulation"]), r"\xe4\x9b")

    def test_depth_without_end_is_refused(self):
        deep = b'{"global": {"core:datatype": ' + b"[" * 10**6 + b"]" * 10**6 + b"}}"
        for text in (b"[" * 10**6, b'{"global":' * 10**5, deep):
            self.refused(text, "nested too deeply")
        # around the parser's limit, which Python 3.12 raised: either way one line
        for depth in (*range(100, 1000, 100), 5000, 10000, 20000):
            self.refused(b'{"global": {"core:datatype": ' + b"[" * depth + b"]" * depth + b"}}")

    def test_bytes_that_are_no_json_are_refused(self):
        for text in (b"", b"{", b"\xff\xfe{", b"\x00" * 9, b'{"global": \x1b}', b"[1]", b'"global"', b"null"):
            self.refused(text)

    def test_damaged_metadata_never_do_anything_else(self):
        meta = {**self.top(srec_modulation="qpsk", srec_samples_per_symbol=4), "captures": [{"core:frequency": 1e9}]}
        text = json.dumps(meta).encode()
        generator = random.Random(SEED)
        good = 0
        for _ in range(600):
            damaged = bytearray(text)
            for _ in range(generator.randrange(1, 4)):
                damaged[generator.randrange(len(damaged))] = generator.randrange(256)
            self.write(bytes(damaged))
            try:
                sigmf.Recording(self.path)
                good += 1
            except sigmf.Fault as error:
                self.assertTrue(str(error).isprintable())
        self.assertGreater(good, 30)

    def test_metadata_are_written_whole_or_not_at_all(self):
        sigmf.write_meta(
            self.path, "ci16_le", 1e6, 1e9, {"modulation": "qpsk", "eta": float("nan")}, description="b\udce4"
        )
        self.assertEqual(sorted(os.listdir(os.path.dirname(self.path))), ["take.sigmf-data", "take.sigmf-meta"])
        with open(self.path + sigmf.META, encoding="utf-8") as f:
            self.assertEqual(json.load(f)["global"]["core:description"], r"b\xe4")

    def test_recordings_may_have_names_that_are_not_utf8(self):
        odd = os.path.join(os.path.dirname(self.path), "t\udce4ke")
        os.rename(self.path + sigmf.DATA, odd + sigmf.DATA)
        sigmf.write_meta(odd, "ci16_le", 1e6)
        self.assertEqual(sigmf.Recording(odd).n_samples, 100)
        os.remove(odd + sigmf.META)
        with self.assertRaisesRegex(sigmf.Fault, r"t\\xe4ke.sigmf-meta: No such file"):
            sigmf.Recording(odd)


if __name__ == "__main__":
    unittest.main()
