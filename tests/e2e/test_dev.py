# SPDX-License-Identifier: GPL-3.0-or-later
"""./dev run, with a build that is made up: the script alone is looked at."""
import os
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Run(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.addCleanup(self.temp.cleanup)
        names = ("project", "tools", "somewhere else")
        self.project, self.tools, self.folder = (os.path.join(self.temp.name, name) for name in names)
        for path in (self.project, self.tools, self.folder, os.path.join(self.project, "models")):
            os.makedirs(path)
        for name in ("dev", "CMakeLists.txt"):
            shutil.copy(os.path.join(ROOT, name), self.project)
        self.tool("dpkg-query", "echo installed")
        self.tool("cmake", "mkdir -p build && echo Python3_EXECUTABLE:FILEPATH=/usr/bin/python3 > build/CMakeCache.txt")

    def tool(self, name, text):
        path = os.path.join(self.tools, name)
        with open(path, "w") as f:
            f.write(f"#!/bin/sh\n{text}\n")
        os.chmod(path, 0o755)

    def run_dev(self, *args):
        environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "SREC_MODEL")}
        environment["PATH"] = self.tools + os.pathsep + os.environ["PATH"]
        done = subprocess.run(
            [os.path.join(self.project, "dev"), "run", *args],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_a_command_runs_in_the_callers_folder_and_its_files_are_there(self):
        self.assertEqual(self.run_dev("pwd").strip(), self.folder)
        self.run_dev("sh", "-c", "echo image > result.txt")
        self.assertEqual(os.listdir(self.folder), ["result.txt"])

    def test_the_build_tree_is_found_from_any_folder(self):
        text = self.run_dev("sh", "-c", 'echo "$PYTHONPATH|$GRC_BLOCKS_PATH|$SREC_MODEL|$PATH"')
        for path in text.strip().split("|"):
            self.assertTrue(path.startswith(self.project), text)


if __name__ == "__main__":
    unittest.main()
