#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""output: files are complete or absent, links are not followed, no file is overwritten unless requested."""
import errno
import json
import multiprocessing
import os
import stat
import sys
import tempfile
import unittest
from unittest import mock

from gnuradio.srec.io import output

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
sys.path.append(os.path.join(ROOT, "tests", "helpers"))
from disk import largest_file  # noqa: E402

BEFORE = b"before"


def claim(folder, mine):
    """A separate process that writes ten files under the first free numbers."""
    number = 0
    for i in range(10):
        file = output.NewFile(os.path.join(folder, str(number)))
        file.file.write(f"{mine} {i}".encode())
        while True:
            try:
                file.commit(os.path.join(folder, str(number)))
                break
            except FileExistsError:
                number += 1


class qa_output(unittest.TestCase):
    def setUp(self):
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.folder = temp.name
        self.path = os.path.join(self.folder, "result")

    def put(self, path, data=BEFORE):
        with open(path, "wb") as f:
            f.write(data)

    def content(self, path=None):
        with open(path or self.path, "rb") as f:
            return f.read()

    def names(self):
        return sorted(os.listdir(self.folder))

    def test_a_file_has_its_name_only_when_it_is_whole(self):
        with output.NewFile(self.path) as file:
            file.write(b"half")
            file.flush()
            self.assertFalse(os.path.exists(self.path))
            file.write(b", whole")
        self.assertEqual((self.content(), self.names()), (b"half, whole", ["result"]))

    def test_an_existing_file_stays_until_the_new_one_is_whole(self):
        self.put(self.path)
        with output.NewFile(self.path, overwrite=True) as file:
            file.write(b"after")
            self.assertEqual(self.content(), BEFORE)
        self.assertEqual((self.content(), self.names()), (b"after", ["result"]))

    def test_whatever_fails_leaves_nothing_behind_and_what_was_there_as_it_was(self):
        for error in (OSError(errno.EIO, "broken"), ValueError("no image"), KeyboardInterrupt()):
            with self.assertRaises(type(error)):
                with output.NewFile(self.path) as file:
                    file.write(b"half")
                    raise error
            self.assertEqual(self.names(), [], error)
        self.put(self.path)
        with self.assertRaises(ValueError):
            with output.NewFile(self.path, overwrite=True):
                raise ValueError
        self.assertEqual((self.names(), self.content()), (["result"], BEFORE))

    def test_a_full_disk_leaves_nothing_behind_and_names_the_file(self):
        for size in (2000, 5 << 20):  # noticed at close(), and earlier
            with largest_file(1000), self.assertRaises(OSError) as caught:
                output.write(self.path, bytes(size))
            self.assertEqual((caught.exception.filename, caught.exception.errno), (self.path, errno.EFBIG))
            self.assertEqual(self.names(), [])

    def test_a_link_is_replaced_or_refused_but_not_followed(self):
        victim = os.path.join(self.folder, "victim")
        self.put(victim)
        os.symlink("victim", self.path)
        with self.assertRaises(FileExistsError):
            output.write(self.path, b"x", overwrite=False)
        self.assertTrue(os.path.islink(self.path))
        output.write(self.path, b"after")
        self.assertEqual((self.content(victim), self.content(), os.path.islink(self.path)), (BEFORE, b"after", False))
        os.remove(self.path)
        os.symlink("nowhere", self.path)  # a dangling link, whose target would be created
        with self.assertRaises(FileExistsError):
            output.write(self.path, b"x", overwrite=False)
        self.assertEqual(self.names(), ["result", "victim"])

    def test_what_exists_is_not_overwritten_unasked(self):
        self.put(self.path)
        with self.assertRaises(FileExistsError) as caught:
            output.write(self.path, b"x", overwrite=False)
        self.assertEqual((caught.exception.filename, self.content(), self.names()), (self.path, BEFORE, ["result"]))

    def test_processes_that_share_a_folder_overwrite_nothing_of_each_other(self):
        fork = multiprocessing.get_context("fork")  # no threads here
        processes = [fork.Process(target=claim, args=(self.folder, i)) for i in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
            self.assertEqual(process.exitcode, 0)
        contents = {self.content(os.path.join(self.folder, name)) for name in self.names()}
        self.assertEqual(contents, {f"{mine} {i}".encode() for mine in range(3) for i in range(10)})

    def test_file_systems_without_hard_links_keep_the_same_promises(self):
        with mock.patch("os.link", side_effect=OSError(errno.EPERM, "no links here")):
            output.write(self.path, b"first", overwrite=False)
            with self.assertRaises(FileExistsError):
                with output.NewFile(self.path + "2") as file:
                    file.write(b"second")
                    self.put(self.path + "2")
        self.assertEqual((self.content(), self.content(self.path + "2")), (b"first", BEFORE))
        self.assertEqual(self.names(), ["result", "result2"])

    def test_permissions_follow_the_umask(self):
        for umask, expected in ((0o022, 0o644), (0o077, 0o600), (0o002, 0o664)):
            before = os.umask(umask)
            try:
                output.write(self.path, b"x")
            finally:
                os.umask(before)
            self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), expected)

    def test_devices_and_pipes_are_written_to_not_replaced(self):
        output.write("/dev/null", b"x")
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))
        with self.assertRaises(OSError) as caught:
            output.write("/dev/full", b"x")
        self.assertEqual((caught.exception.filename, caught.exception.errno), ("/dev/full", errno.ENOSPC))
        reader, writer = os.pipe()
        output.write(f"/dev/fd/{writer}", b"through")
        os.close(writer)
        self.assertEqual(os.read(reader, 100), b"through")
        os.close(reader)
        with open(self.path, "wb") as f:  # like > FILE and --json /dev/stdout
            output.write(f"/proc/self/fd/{f.fileno()}", b"in place")
        self.assertEqual(self.content(), b"in place")

    def test_errors_name_the_file_that_was_asked_for(self):
        for path, kind in (
            (os.path.join(self.folder, "no", "folder"), FileNotFoundError),
            (self.folder, IsADirectoryError),
            (os.path.join(self.folder, 300 * "x"), OSError),
        ):
            with self.assertRaises(kind) as caught:
                output.write(path, b"x")
            self.assertEqual(caught.exception.filename, path)
        self.assertEqual(self.names(), [])

    def test_json_holds_nothing_that_another_reader_refuses(self):
        output.write_json(
            self.path,
            {
                "na\udce4me": "t\udce4ke \ud800",
                "bad": [float("nan"), float("inf"), 1.5],
                "umlaut": "ä",
                "n": 2**64 - 1,
            },
        )
        text = self.content().decode()  # is valid UTF-8
        self.assertEqual(
            json.loads(text, parse_constant=self.fail),
            {"na\\xe4me": "t\\xe4ke \\ud800", "bad": [None, None, 1.5], "umlaut": "ä", "n": 2**64 - 1},
        )
        self.assertNotIn("\\ud", text.replace("\\\\ud", ""))


if __name__ == "__main__":
    unittest.main()
