# SPDX-License-Identifier: GPL-3.0-or-later
"""srec-train average: the mean of models, and models that have none."""
import os
import subprocess
import sys
import tempfile
import unittest

import numpy as np

try:
    import torch  # noqa: F401
except ImportError:
    print("skipped: no PyTorch (package python3-torch)")
    sys.exit(77)

from srec_train import safetensors


class Average(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def save(self, name, weight, table=b"\x01\x02", **metadata):
        tensors = {"w": np.float16(weight), "b": np.float32(weight) / 3, "t": np.frombuffer(table, np.uint8)}
        path = os.path.join(self.folder, name)
        safetensors.save(path, tensors, {"kind": "enhancer", "graph": "{}", "training": name, **metadata})
        return path

    def run_stage(self, *models):
        out = os.path.join(self.folder, "mean.safetensors")
        done = subprocess.run([os.environ["SREC_TRAIN"], "average", out, *models], capture_output=True, text=True)
        return done, out

    def refused(self, words, *models):
        done, out = self.run_stage(*models)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1), done.stderr)
        self.assertIn(words, done.stderr)
        self.assertFalse(os.path.exists(out))

    def test_weights_become_their_mean_and_metadata_say_so(self):
        models = [self.save(f"m{i}", [[i, 2.0 * i]], validation=f"gain {i}") for i in range(3)]
        done, out = self.run_stage(*models)
        self.assertEqual(done.returncode, 0, done.stderr)
        tensors, metadata = safetensors.load(out)
        np.testing.assert_array_equal(tensors["w"], np.float16([[1, 2]]))
        np.testing.assert_allclose(tensors["b"], np.float32([[1, 2]]) / 3, rtol=1e-6)
        self.assertEqual([tensors[name].dtype for name in "wbt"], [np.float16, np.float32, np.uint8])
        self.assertEqual(metadata["training"], "mean of the weights of: m0; m1; m2")
        self.assertNotIn("validation", metadata)  # nobody has measured the mean

    def test_models_of_different_networks_are_refused(self):
        first = self.save("first", [1.0, 2.0])
        self.refused("at least two", first)
        self.refused("differ in graph", first, self.save("graph", [1.0, 2.0], graph='{"nodes": []}'))
        self.refused("different tensors", first, self.save("shape", [1.0, 2.0, 3.0]))
        self.refused("different bytes", first, self.save("bytes", [1.0, 2.0], table=b"\x01\x03"))
        self.refused("no model file", first, __file__)
        self.refused("none", first, os.path.join(self.folder, "none"))

    def test_only_another_model_is_replaced(self):
        first, second = self.save("first", [1.0, 2.0]), self.save("second", [1.0, 4.0])
        notes = os.path.join(self.folder, "notes.txt")
        with open(notes, "w", encoding="utf-8") as f:
            f.write("mine\n")
        for out, says in ((first, "one of the models"), (notes, "no model file")):
            with open(out, "rb") as f:
                before = f.read()
            command = [os.environ["SREC_TRAIN"], "average", out, first, second]
            done = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1), done.stderr)
            self.assertIn(says, done.stderr)
            with open(out, "rb") as f:
                self.assertEqual(f.read(), before)


if __name__ == "__main__":
    unittest.main()
