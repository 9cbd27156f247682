# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/command-line.md describes every command, option, JSON key and choice, and no others. The descriptions of the
blocks in GNU Radio Companion name every parameter that the blocks take, and the program of docs/blocks.md runs.
"""
import glob
import inspect
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import yaml
from gnuradio import srec
from PIL import Image

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SREC = os.environ["SREC_COMMAND"]
ENHANCER = os.path.join(ROOT, "tests", "golden", "enhancer-x1.safetensors")


def run(*args):
    return subprocess.run(
        [SREC, *args], capture_output=True, text=True, timeout=300, env=dict(os.environ, COLUMNS="200")
    )


class CommandLine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(ROOT, "docs", "command-line.md"), encoding="utf-8") as f:
            parts = re.split(r"(?m)^## srec (\w+)$", f.read())
        cls.sections = dict(zip(parts[1::2], parts[2::2]))
        cls.commands = re.findall(r"(?m)^    (\w+) ", run("--help").stdout.split("COMMAND\n", 1)[1])

    def test_every_command_has_a_section_with_an_example(self):
        self.assertEqual(set(self.sections), set(self.commands))
        for name, text in self.sections.items():
            self.assertRegex(text, r"```\nsrec " + name + r"[ \n]")

    def test_options_and_arguments_are_those_of_the_help(self):
        for name in self.commands:
            shown = run(name, "--help").stdout
            options = set(re.findall(r"(?m)^  (?:-\w, )?(--[\w-]+)", shown)) - {"--help"}
            arguments = set(
                re.findall(
                    r"(?m)^  (\w+)  ",
                    shown.split("positional arguments:\n")[1].split("\n\n")[0] if "positional" in shown else "",
                )
            )
            self.assertEqual(set(re.findall(r"(?m)^\| `(--[\w-]+)` \|", self.sections[name])), options, name)
            for argument in arguments:
                self.assertIn(f"| `{argument}` |", self.sections[name])
            for choice in re.findall(r"--\w+ \{([^}]*)\}", shown):
                for value in choice.split(","):
                    self.assertRegex(self.sections[name], rf"(`{value}`|\| {value} \||\| {value} )", f"{name}: {value}")

    def test_every_option_has_a_word_of_help(self):
        for name in self.commands:
            for line in re.findall(r"(?m)^  (--.*)$", run(name, "--help").stdout):
                self.assertRegex(line, r"^--\S+( \S+)?  +\S|^--\S+( \S+)?$", line)
            self.assertNotRegex(run(name, "--help").stdout, r"(?m)^  --[^\n]*\}\n  -", "an option without help")

    def test_the_json_keys_are_those_of_a_run(self):
        with tempfile.TemporaryDirectory() as folder:
            picture = os.path.join(folder, "picture.png")
            Image.fromarray(np.add.outer(np.arange(64), np.arange(80)).astype(np.uint8)).save(picture)
            done = run("simulate", "--enhancer", ENHANCER, "--image", picture, "--out", folder, "--json", "-")
            self.assertEqual(done.returncode, 0, done.stderr)
            files = {f for f in os.listdir(folder) if f != "picture.png"}
        table = self.sections["simulate"].split("Keys of the JSON", 1)[1]
        told = {key for row in re.findall(r"(?m)^\| (`[^|]*) \|", table) for key in re.findall(r"`(\w+)`", row)}
        self.assertEqual(told, set(json.loads(done.stdout)))
        self.assertEqual(files, set(re.findall(r"(?m)^\| `(\w+\.png)` \|", self.sections["simulate"])))

    def test_the_python_program_of_the_block_page_receives_its_image(self):
        with open(os.path.join(ROOT, "docs", "blocks.md"), encoding="utf-8") as f:
            (program,) = re.findall(r"(?ms)^```python\n(.*?)^```", f.read())
        with tempfile.TemporaryDirectory() as folder:
            ramp = np.add.outer(np.arange(64), np.arange(80)).astype(np.uint8)
            Image.fromarray(ramp).save(os.path.join(folder, "image.png"))
            done = subprocess.run(
                [sys.executable, "-B", "-c", program], cwd=folder, capture_output=True, text=True, timeout=300
            )
            self.assertEqual(done.returncode, 0, done.stderr)
            count, path = done.stdout.splitlines()[-1].split()  # after a warning about the key
            self.assertEqual(count, "1")
            received = np.asarray(Image.open(os.path.join(folder, path)), np.float64)
        error = np.mean((received - ramp) ** 2)
        self.assertGreater(10 * np.log10(255**2 / error), 25)

    def test_what_cannot_be_written_is_one_line(self):
        with tempfile.TemporaryDirectory() as folder:
            picture = os.path.join(folder, "picture.png")
            Image.new("L", (16, 16)).save(picture)
            done = run(
                "simulate",
                "--no-sr",
                "--image",
                picture,
                "--out",
                folder,
                "--json",
                os.path.join(folder, "none", "x.json"),
            )
        self.assertEqual(done.returncode, 1)
        said = [
            line for line in done.stderr.splitlines() if ": working, " not in line
        ]  # which comes where an image takes long
        self.assertEqual(len(said), 1, done.stderr)
        self.assertIn("x.json: No such file or directory", done.stderr)


class BlockDescriptions(unittest.TestCase):
    def test_every_parameter_of_a_block_is_in_its_description(self):
        files = glob.glob(os.path.join(ROOT, "grc", "*.block.yml"))
        self.assertGreater(len(files), 12)
        for file in files:
            with open(file, encoding="utf-8") as f:
                description = yaml.safe_load(f)
            name = description["id"][len("srec_") :]
            block = getattr(srec, name)
            if inspect.isfunction(block.__init__):
                takes = [p for p in inspect.signature(block.__init__).parameters if p != "self"]
            else:
                takes = re.findall(r"(\w+): ", block.__init__.__doc__.split("->")[0])[1:]
            given = re.findall(r"(\w+)=(?:srec\.\w+\()?\$\{(\w+)\}", description["templates"]["make"])
            self.assertEqual([a for a, _ in given], [b for _, b in given], name)
            self.assertEqual(sorted(a for a, _ in given), sorted(takes), name)
            own = {p["id"] for p in description["parameters"]} - {
                "gui_hint"
            }  # where in the window: Companion's business
            self.assertEqual(sorted(own), sorted(takes), name)

    def test_every_setter_of_a_block_is_a_callback(self):
        for file in glob.glob(os.path.join(ROOT, "grc", "*.block.yml")):
            with open(file, encoding="utf-8") as f:
                description = yaml.safe_load(f)
            block = getattr(srec, description["id"][len("srec_") :])
            own = {m for m in vars(block) if m.startswith("set_")}
            called = {re.match(r"\w+", c).group() for c in description["templates"].get("callbacks", [])}
            self.assertEqual(called, own, description["id"])

    def test_the_documentation_tab_explains_every_parameter_with_its_default(self):
        for file in glob.glob(os.path.join(ROOT, "grc", "*.block.yml")):
            with open(file, encoding="utf-8") as f:
                description = yaml.safe_load(f)
            parts = description["documentation"].split("\nParameters:\n")
            self.assertEqual(
                len(parts), 2, f"{file}: summary and ports, a line `Parameters:`, then a paragraph for each"
            )
            paragraphs = [" ".join(p.split()) for p in re.split(r"\n(?! )", parts[1])]
            for parameter in description["parameters"]:
                if parameter["dtype"] == "gui_hint":  # Companion's own
                    continue
                label, default = (
                    parameter["label"].split(" (")[0],
                    str(parameter.get("default", "")).strip("'") or "empty",
                )
                found = [
                    p for p in paragraphs if re.match(rf"{re.escape(label)} \(default {re.escape(default)}[;:,) ]", p)
                ]
                self.assertEqual(
                    len(found), 1, f"{file}: a paragraph must begin: {label} (default {default}; range or unit): ..."
                )
                self.assertGreater(len(found[0].split("): ", 1)[1].split()), 3, found[0])

    def test_categories_are_numbered_in_the_order_of_use(self):
        """Companion sorts by name."""
        found = {}
        for file in glob.glob(os.path.join(ROOT, "grc", "*.block.yml")):
            with open(file, encoding="utf-8") as f:
                description = yaml.safe_load(f)
            found[description["id"]] = description["category"]
        for block, category in found.items():
            self.assertRegex(category, r"^\[srec\]/[1-5] [A-Z]", block)
        chain = ("image_source", "transmitter", "channel", "receiver", "image_view")
        self.assertEqual([found["srec_" + name].split("/")[1][0] for name in chain], list("12345"))
        self.assertEqual(
            {found["srec_" + name].count("/") for name in chain}, {1}, "what a beginner needs lies in no subfolder"
        )


if __name__ == "__main__":
    unittest.main()
