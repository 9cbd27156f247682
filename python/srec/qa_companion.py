#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""companion: finding the example image in the source tree and in an installed one, and a place for results."""
import contextlib
import importlib.util
import io
import os
import shutil
import tempfile
import unittest
from unittest import mock

from gnuradio import srec
from gnuradio.srec import companion

from qa_common import ROOT

EXAMPLE = os.path.join(ROOT, "examples", "raccoon.jpg")


class qa_companion(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.folder = os.path.realpath(self.temp.name)
        self.home, self.scratch = (os.path.join(self.folder, name) for name in ("home", "scratch"))
        for folder in (self.home, self.scratch):
            os.mkdir(folder)
        self.taken = os.path.join(self.folder, "taken")  # a file: not even root can create a folder below it
        open(self.taken, "w").close()
        before = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, before)
        patches = mock.patch.dict(os.environ, HOME=self.home), mock.patch.object(tempfile, "tempdir", self.scratch)
        for patch in patches:
            patch.start()
            self.addCleanup(patch.stop)

    def tearDown(self):
        self.temp.cleanup()

    def installed(self, *files):
        """Return the module as installed in a separate prefix, with these files below the prefix."""
        site = os.path.join(self.folder, "prefix", "lib", "python3", "dist-packages", "gnuradio", "srec")
        os.makedirs(site)
        path = shutil.copy(os.path.realpath(companion.__file__), site)
        for file in files:
            os.makedirs(os.path.join(self.folder, "prefix", os.path.dirname(file)))
            open(os.path.join(self.folder, "prefix", file), "w").close()
        spec = importlib.util.spec_from_file_location("companion_of_a_prefix", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def moved(self, folder):
        """Return (folder_to_write(folder), its message)."""
        with contextlib.redirect_stderr(io.StringIO()) as said:
            place = srec.folder_to_write(folder)
        self.assertEqual(sorted(os.listdir(self.folder)), ["home", "scratch", "taken"], "it made something")
        return place, said.getvalue()

    def test_the_example_picture_of_the_source_tree(self):
        self.assertTrue(os.path.samefile(srec.example_picture(), EXAMPLE))
        self.assertTrue(os.path.samefile(srec.picture_or_example(""), EXAMPLE))
        self.assertEqual(srec.picture_or_example("none.png"), "none.png")

    def test_the_example_picture_of_an_installed_tree(self):
        file = "share/gnuradio/examples/srec/raccoon.jpg"
        self.assertEqual(self.installed(file).example_picture(), os.path.join(self.folder, "prefix", file))

    def test_a_missing_example_picture_is_named(self):
        with self.assertRaisesRegex(ValueError, "raccoon.jpg is missing: name an image"):
            self.installed().example_picture()

    def test_folders_that_can_be_written_stay(self):
        for folder in ("", "received", "a/b", "home", self.taken, "/proc/none"):
            self.assertEqual(self.moved(folder), (folder, ""))

    def test_others_move_to_the_home_folder_and_it_is_said(self):
        place, said = self.moved("taken/received")
        self.assertEqual(place, os.path.join(self.home, "taken/received"))
        self.assertEqual(said.count("\n"), 1)
        self.assertIn(place, said)

    def test_without_a_home_folder_they_move_to_a_private_folder_among_the_temporary_files(self):
        private = os.path.join(self.scratch, f"srec-{os.getuid()}")
        for home in (self.taken, "", "/"):
            with mock.patch.dict(os.environ, HOME=home):
                self.assertEqual(self.moved("taken/received")[0], os.path.join(private, "taken/received"))

    def test_a_private_folder_of_somebody_else_is_not_used(self):
        os.symlink(self.home, os.path.join(self.scratch, f"srec-{os.getuid()}"))
        with mock.patch.dict(os.environ, HOME=self.taken):
            self.assertEqual(self.moved("taken/received"), ("taken/received", ""))


if __name__ == "__main__":
    unittest.main()
