# SPDX-License-Identifier: GPL-3.0-or-later
"""srec_core, the C core in Python. This test needs neither PyTorch nor GNU Radio."""
import os
import subprocess
import sys
import unittest

WITHOUT_GNURADIO = """
import sys
sys.modules["gnuradio"] = None  # import gnuradio raises ImportError
import srec_core
with open("/proc/self/maps") as maps:
    assert "gnuradio" not in maps.read().replace(sys.argv[1], "")
print(srec_core.version())
"""


class Module(unittest.TestCase):
    def test_it_imports_without_gnu_radio(self):
        folder = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
        done = subprocess.run(
            [sys.executable, "-B", "-c", WITHOUT_GNURADIO, folder], capture_output=True, text=True, timeout=120
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"^\d+\.\d+")


if __name__ == "__main__":
    unittest.main()
