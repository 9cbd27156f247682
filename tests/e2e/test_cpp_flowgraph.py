# SPDX-License-Identifier: GPL-3.0-or-later
"""GNU Radio Companion writes flowgraphs of the C++ blocks in C++, which compile and run."""
import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
BUILD = os.environ["SREC_BUILD"]
HANG = 600  # seconds after which a program counts as hanging: no measure of speed
IMPLEMENTATIONS = os.path.join(ROOT, "lib", "blocks", "*_impl.cc")

# Variants of parameters that C++ writes in another way than Python.
LINK = {
    "semantic_encoder": {},
    "layer_encoder": {"layers": "[4, 8.5]", "shares": "(3, 1)"},
    "scrambler": {"key": "seed:1", "encrypt": "False"},
    "packet_encoder": {"key": "seed:1"},
    "mapper": {},
    "channel": {},
    "burst_shaper": {},
    "impairments": {},
    "level_meter": {},
    "burst_sync": {"key": "seed:1"},
    "soft_demapper": {"snr_db": "float('nan')"},
    "packet_decoder": {"key": "seed:1"},
    "descrambler": {"key": "seed:1", "clear_key": "seed:2"},
    "layer_decoder": {},
    "semantic_decoder": {},
    "sr_enhancer": {"model": "none"},
    "any_key": {"id": "srec_burst_sync", "key": ""},
    "null_sink": {"id": "blocks_null_sink"},
}
CONNECTIONS = [
    ["semantic_encoder", "out", "scrambler", "in"],
    ["layer_encoder", "out", "scrambler", "in"],
    ["scrambler", "out", "packet_encoder", "in"],
    ["packet_encoder", "out", "mapper", "in"],
    ["mapper", "0", "channel", "0"],
    ["channel", "0", "burst_shaper", "0"],
    ["burst_shaper", "0", "impairments", "0"],
    ["impairments", "0", "level_meter", "0"],
    ["impairments", "0", "burst_sync", "0"],
    ["burst_sync", "0", "soft_demapper", "0"],
    ["burst_sync", "1", "soft_demapper", "1"],
    ["soft_demapper", "0", "packet_decoder", "0"],
    ["packet_decoder", "out", "descrambler", "in"],
    ["descrambler", "out", "layer_decoder", "in"],
    ["layer_decoder", "pdus", "semantic_decoder", "in"],
    ["semantic_decoder", "pdus", "sr_enhancer", "pdus"],
    ["sr_enhancer", "pdus", "semantic_encoder", "pdus"],  # nothing arrives
    ["sr_enhancer", "pdus", "layer_encoder", "pdus"],
    ["impairments", "0", "any_key", "0"],
    ["any_key", "0", "null_sink", "0"],
]


def flowgraph(blocks, connections):
    """Return the text of a .grc that waits for the Enter key.

    blocks: {name: parameters}. The parameter id is by default srec_ and the name.
    """
    options = {
        "id": "cpp_link",
        "title": "link",
        "generate_options": "no_gui",
        "output_language": "cpp",
        "run_options": "prompt",
        "gen_cmake": "On",
    }

    def states(i):
        return {"coordinate": [50 + 150 * i, 200], "rotation": 0, "state": "enabled"}

    def as_block(parameters):
        others = {key: value for key, value in parameters.items() if key != "id"}
        return {"parameters": others, **({"id": parameters["id"]} if "id" in parameters else {})}

    return yaml.safe_dump(
        {
            "options": {"parameters": options, "states": states(0)},
            "blocks": [
                {"name": name, "id": f"srec_{name}", "states": states(i), **as_block(parameters)}
                for i, (name, parameters) in enumerate(blocks.items())
            ],
            "connections": connections,
            "metadata": {"file_format": 1},
        }
    )


class CppFlowgraph(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def run_here(self, *command, **options):
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, errors="replace", timeout=HANG, **options
        )
        self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout

    def generated(self, blocks, connections):
        """Return the C++ source that Companion writes."""
        with open(os.path.join(self.folder, "link.grc"), "w") as file:
            file.write(flowgraph(blocks, connections))
        self.run_here("grcc", "-o", self.folder, "link.grc")
        return os.path.join(self.folder, "cpp_link", "cpp_link.cpp")

    def test_every_cpp_block_has_cpp_templates(self):
        names = {re.sub(r"_impl\.cc$", "", os.path.basename(path)) for path in glob.glob(IMPLEMENTATIONS)}
        for name in sorted(names):
            with open(os.path.join(ROOT, "grc", f"srec_{name}.block.yml"), encoding="utf-8") as file:
                block = yaml.safe_load(file)
            with self.subTest(name):
                self.assertEqual(block["flags"], ["python", "cpp"])
                self.assertEqual(block["cpp_templates"]["link"], ["gnuradio::gnuradio-srec"])
                self.assertEqual(
                    block["templates"].get("callbacks"), block["cpp_templates"].get("callbacks"), "the same callbacks"
                )

    def test_a_link_of_cpp_blocks_compiles_and_runs(self):
        source = self.generated(LINK, CONNECTIONS)
        with open(source, encoding="utf-8") as file:
            text = file.read()
        for name in (name for name, parameters in LINK.items() if "id" not in parameters):
            self.assertIn(f"gr::srec::{name}::make(", text)
        self.assertIn("std::nullopt", text, "a burst_sync without key")
        library = os.path.join(BUILD, "lib", "blocks")
        compiler = [os.environ.get("CXX", "c++"), "-std=c++17", "-O0", f"-I{ROOT}/include", source, "-o", "link.run"]
        libraries = [f"-L{library}", f"-Wl,-rpath,{library}", "-lgnuradio-srec", "-lgnuradio-blocks"]
        libraries += ["-lgnuradio-runtime", "-lgnuradio-pmt", "-lspdlog", "-lfmt"]
        self.run_here(*compiler, *libraries)
        output = self.run_here("./link.run", input="\n")
        self.assertIn("Press Enter to quit", output)


if __name__ == "__main__":
    unittest.main()
