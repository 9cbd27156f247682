#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of metadata and info dicts: C++ and Python use the same list, and docs/blocks.md documents it."""
import ast
import glob
import os
import re

from gnuradio import gr_unittest, srec
from gnuradio.srec.metadata import KEYS, PYTHON_KEYS

from qa_common import ROOT

DICTS = {"meta", "info", "known", "more", "counters"}  # names of Python variables that hold metadata
CPP_ACCESS = re.compile(
    r"\b(?:put|put_u64|put_real|get_u64|get_bool|get_text|has_number)\(\s*(?:[^;\"()]|\([^;\"()]*\))*?,\s*\"(\w+)\""
)
CPP_TAG = re.compile(r"(?:dict_\w+|eqv\(\w+\.key|add_item_tag|get_tags_in_\w+)[(,][^;\"]*(?:mp|intern)\(\"(\w+)\"")


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def python_keys(source):
    """Yield the keys that Python code uses in metadata, with their lines."""
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Subscript) and getattr(node.value, "id", "") in DICTS:
            names = [node.slice]
        elif isinstance(node, ast.Call):
            function = node.func
            if getattr(function, "attr", "") in ("get", "pop") and getattr(function.value, "id", "") in DICTS:
                names = node.args[:1]
            elif "to_pmt" in (getattr(function, "id", ""), getattr(function, "attr", "")):
                names = [key for argument in node.args if isinstance(argument, ast.Dict) for key in argument.keys]
        for name in names:
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield name.value, node.lineno


class qa_metadata(gr_unittest.TestCase):
    def test_cpp_blocks_take_every_key_from_the_list(self):
        paths = glob.glob(os.path.join(ROOT, "lib", "blocks", "*.[ch]*"))
        self.assertGreater(len(paths), 20)
        for path in paths:
            for pattern in (CPP_ACCESS, CPP_TAG):
                self.assertEqual(pattern.findall(text_of(path)), [], f"{path}: write key::NAME")

    def test_the_search_finds_bare_keys(self):
        self.assertEqual(CPP_ACCESS.findall('meta = put_u64(pmt::car(msg),\n "session", 1);'), ["session"])
        self.assertEqual(CPP_TAG.findall('pmt::eqv(tag.key, pmt::mp("srec_eof"))'), ["srec_eof"])
        self.assertEqual(list(python_keys('meta["a"], meta.get("b"), to_pmt({"c": 1, **more})')), [
            ("a", 1), ("b", 1), ("c", 1),
        ])

    def test_python_blocks_use_keys_of_the_list(self):
        paths = glob.glob(os.path.join(ROOT, "python", "srec", "*.py"))
        paths += glob.glob(os.path.join(ROOT, "python", "srec", "view", "*.py"))
        used = set()
        for path in paths:
            if not os.path.basename(path).startswith("qa_"):
                for key, line in python_keys(text_of(path)):
                    self.assertIn(key, KEYS, f"{path}:{line}")
                    used.add(key)
        self.assertLess({"picture", "filename", "eof"}, used)

    def test_a_key_has_one_home(self):
        self.assertEqual(PYTHON_KEYS & set(srec.metadata_keys()), set())
        self.assertEqual(len(set(srec.metadata_keys())), len(srec.metadata_keys()))

    def test_every_key_is_documented(self):
        documented = set(re.findall(r"`(\w+)`", text_of(os.path.join(ROOT, "docs", "blocks.md"))))
        self.assertEqual(sorted(KEYS - documented), [])


if __name__ == "__main__":
    gr_unittest.run(qa_metadata)
