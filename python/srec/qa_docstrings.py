#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""help() of the C++ blocks shows the prose of their headers."""
import glob
import os
import pydoc
import re

from gnuradio import gr_unittest, srec

from qa_common import ROOT

HEADERS = os.path.join(ROOT, "include", "gnuradio", "srec", "*.h")
BLOCK = re.compile(r"/\*!(?P<comment>(?:(?!\*/).)*)\*/\s*class GR_SREC_API (?P<name>\w+) : (?P<body>.*)\n};", re.S)


def words(text):
    return re.findall(r"[\w.]+", text)


class qa_docstrings(gr_unittest.TestCase):
    def setUp(self):
        self.blocks = {}
        for path in glob.glob(HEADERS):
            with open(path, encoding="utf-8") as file:
                found = BLOCK.search(file.read())
            if found:
                self.blocks[found["name"]] = found["comment"], found["body"]
        self.assertGreater(len(self.blocks), 13)

    def test_help_shows_the_prose_and_every_parameter_of_the_header(self):
        for name, (comment, _) in self.blocks.items():
            with self.subTest(name):
                shown = pydoc.plain(pydoc.render_doc(getattr(srec, name)))
                prose = re.sub(r"\\(brief|p)\b", "", comment.split("\\param")[0]).replace("= true", "= True")
                self.assertIn(" ".join(words(prose)), " ".join(words(shown.replace(" |", " "))))
                for parameter in re.findall(r"\\param (\w+)", comment):
                    self.assertRegex(shown, rf"(?m)^ \|  {parameter}: ")
                for tag in ("\\param", "\\brief", "\\throws", "std::"):
                    self.assertNotIn(tag, getattr(srec, name).__doc__)

    def test_every_method_of_the_header_has_a_docstring(self):
        for name, (_, body) in self.blocks.items():
            for method in re.findall(r"virtual [\w:<>, ]+ (\w+)\(", body):
                with self.subTest(f"{name}.{method}"):
                    text = getattr(getattr(srec, name), method).__doc__
                    self.assertRegex(text, r"\n\n\w[^\n]+")  # behind the signature
                    self.assertNotIn("Any thread", text)


if __name__ == "__main__":
    gr_unittest.run(qa_docstrings)
