#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""text: text from outside cannot control a terminal."""
import os
import subprocess
import sys
import unittest

from gnuradio.srec.text import printable, utf8


class qa_text(unittest.TestCase):
    def test_ordinary_text_of_any_language_passes_unchanged(self):
        for text in ("", "photo 1 (2).png", "Köln, 東京, Москва, אבג", "a\\b", "½ 😀"):
            self.assertEqual(printable(text), text)

    def test_no_character_that_a_terminal_obeys_passes(self):
        for code in [*range(0x3000), *range(0xD7F0, 0xE010), *range(0xFE00, 0x10000), 0xE0001, sys.maxunicode]:
            if not chr(code).isprintable():
                shown = printable(f"a{chr(code)}b")
                self.assertTrue(shown.isprintable() and shown.startswith("a\\") and shown.endswith("b"), hex(code))
        self.assertEqual(printable("\x1b]0;pwned\x07 a\nb\u202ec\x9b"), "\\x1b]0;pwned\\x07 a\\x0ab\\u202ec\\x9b")

    def test_bytes_that_are_not_utf8_are_shown_as_bytes(self):
        self.assertEqual(printable(os.fsdecode(b"b\xe4\xff.jpg")), "b\\xe4\\xff.jpg")
        self.assertEqual(printable("\ud800"), "\\ud800")
        self.assertEqual(utf8(os.fsdecode(b"b\xe4\n")), "b\\xe4\n")
        utf8("".join(map(chr, range(0xD7F0, 0xE010)))).encode()

    def test_any_value_is_shown_and_long_ones_are_cut(self):
        self.assertEqual((printable(12), printable(None)), ("12", "None"))
        self.assertEqual((printable("abcdef", 3), printable("abc", 3)), ("abc...", "abc"))

    def test_a_program_prints_nothing_that_a_terminal_obeys_in_any_encoding(self):
        for encoding in ("utf-8", "latin-1", "ascii"):
            text = (
                "from gnuradio.srec.text import plain_streams; import sys; plain_streams()\n"
                "print('a\\x1b[31mb\\x9bc\\udce4', '\u6771\u4eac'); print('second', file=sys.stderr)\n"
                "raise SystemExit('\\x07 the end')"
            )
            done = subprocess.run(
                [sys.executable, "-c", text],
                capture_output=True,
                timeout=120,
                env={**os.environ, "PYTHONIOENCODING": encoding},
            )
            shown = done.stdout.decode(encoding)
            self.assertTrue(shown.startswith("a\\x1b[31mb\\x9bc\\xe4 ") and shown.endswith("\n"), shown)
            self.assertTrue(shown.strip().isprintable(), shown)
            self.assertEqual(done.stderr, b"second\n\\x07 the end\n")

    def test_a_full_standard_output_is_named(self):
        for unbuffered in ("", "1"):
            text = (
                "from gnuradio.srec.text import plain_streams; import sys; plain_streams()\n"
                "try: print('x'); sys.stdout.flush()\n"
                "except OSError as error: print(error.filename, file=sys.stderr); __import__('os')._exit(0)\n"
            )
            with open("/dev/full", "w") as full:
                done = subprocess.run(
                    [sys.executable, "-c", text],
                    stdout=full,
                    stderr=subprocess.PIPE,
                    timeout=120,
                    env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
                )
            self.assertEqual(done.stderr, b"standard output\n")


if __name__ == "__main__":
    unittest.main()
