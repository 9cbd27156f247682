# SPDX-License-Identifier: GPL-3.0-or-later
"""Every example compiles with grcc; those without display run to their end and leave a picture."""
import glob
import os
import subprocess
import sys
import tempfile
import unittest

import numpy as np
from PIL import Image

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples")


class Examples(unittest.TestCase):
    def test_examples_compile_and_headless_ones_run(self):
        with tempfile.TemporaryDirectory() as folder:
            picture = os.path.join(folder, "picture.png")
            y, x = np.mgrid[0:128, 0:192]
            Image.fromarray((127 + 90 * np.sin(x / 20) * np.cos(y / 15)).astype(np.uint8)).save(picture)
            examples = sorted(glob.glob(os.path.join(EXAMPLES, "*.grc")))
            self.assertTrue(examples)
            for example in examples:
                done = subprocess.run(["grcc", "-o", folder, example], capture_output=True, text=True, timeout=120)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                name = os.path.splitext(os.path.basename(example))[0]
                if not name.endswith("_nogui"):
                    continue
                out = os.path.join(folder, name)
                done = subprocess.run([sys.executable, os.path.join(folder, name + ".py"), "-i", picture, "-o", out], capture_output=True, text=True, timeout=120)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(os.listdir(out) and sorted(os.listdir(out)), ["picture0000.json", "picture0000.png"])


if __name__ == "__main__":
    unittest.main()
