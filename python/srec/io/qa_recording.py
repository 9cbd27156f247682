#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings that are written completely or not at all, and archives of them."""
import errno
import io
import os
import resource
import tarfile
import tempfile
import unittest

import numpy as np
from gnuradio.srec.io import recording, sigmf
from gnuradio.srec.io.sample_io import recording_reader


class RecordingCase(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.addCleanup(self.temp.cleanup)
        self.name = self.path("take")

    def path(self, name):
        return os.path.join(self.temp.name, name)

    def files(self):
        return sorted(os.listdir(self.temp.name))

    def writer(self, name="take", datatype="cf32_le", **more):
        return recording.RecordingWriter(self.path(name), datatype, 1e6, **more)

    def write(self, name="take", n=100, **more):
        writer = self.writer(name, **more)
        writer.open()
        writer.write(np.full(n, 0.5 - 0.25j, np.complex64))
        return writer

    def samples(self, path):
        given = sigmf.Recording(path)
        reader, parts = recording_reader(given), []
        while (part := reader.read(37)) is not None:
            parts.append(part)
        reader.close()
        return np.concatenate(parts)


class qa_writer(RecordingCase):
    def test_nothing_is_made_before_it_is_opened(self):
        self.writer()
        self.assertEqual(self.files(), [])

    def test_it_has_another_name_until_it_is_whole_and_can_be_read_by_that(self):
        writer = self.write()
        self.assertEqual(self.files(), ["take.part.sigmf-data", "take.part.sigmf-meta"])
        self.assertEqual(self.samples(self.path("take.part")).size, 100)
        writer.commit()
        self.assertEqual(self.files(), ["take.sigmf-data", "take.sigmf-meta"])
        np.testing.assert_array_equal(self.samples(self.name), np.full(100, 0.5 - 0.25j, np.complex64))

    def test_a_recording_that_is_given_up_leaves_nothing_and_one_that_is_left_its_part(self):
        self.write().discard()
        self.assertEqual(self.files(), [])
        self.write().leave()
        self.assertEqual(self.files(), ["take.part.sigmf-data", "take.part.sigmf-meta"])

    def test_a_recording_without_samples_is_none(self):
        for end in ("commit", "leave", "discard"):
            getattr(self.write(n=0), end)()
            self.assertEqual(self.files(), [])

    def test_names_that_are_taken_are_refused(self):
        self.write().commit()
        for name in ("take", "take.sigmf-meta", "take.sigmf-data", "take.sigmf"):
            with self.assertRaisesRegex(FileExistsError, "--overwrite"):
                self.writer(name)
        self.write("other").leave()
        with self.assertRaises(FileExistsError):
            self.writer("other")
        self.writer("other", overwrite=True)

    def test_a_name_taken_in_the_meantime_is_not_overwritten(self):
        writer = self.write()
        with open(self.path("take.sigmf-data"), "w") as f:
            f.write("of another program")
        with self.assertRaises(FileExistsError):
            writer.commit()
        with open(self.path("take.sigmf-data")) as f:
            self.assertEqual(f.read(), "of another program")
        writer.leave()
        self.assertEqual(self.samples(self.path("take.part")).size, 100)

    def test_with_overwrite_the_earlier_recording_stays_until_the_new_one_is_whole(self):
        self.write(n=10).commit()
        writer = self.write(n=20, overwrite=True)
        self.assertEqual(self.samples(self.name).size, 10)
        writer.discard()
        self.assertEqual(self.samples(self.name).size, 10)
        self.write(n=20, overwrite=True).commit()
        self.assertEqual(self.samples(self.name).size, 20)

    def test_a_recording_that_another_writer_has_open_is_not_taken_away(self):
        writer = self.write(overwrite=True)
        with self.assertRaisesRegex(FileExistsError, "another program"):
            self.writer(overwrite=True)
        writer.commit()
        self.assertEqual(self.samples(self.name).size, 100)

    def test_symbolic_links_are_not_followed(self):
        victim = self.path("victim")
        with open(victim, "w") as f:
            f.write("precious")
        for suffix in (sigmf.META, sigmf.DATA):
            os.symlink(victim, self.path("take.part") + suffix)
            os.symlink(victim, self.path("take") + suffix)
        with self.assertRaises(FileExistsError):
            self.writer()
        self.write(overwrite=True).commit()
        with open(victim) as f:
            self.assertEqual(f.read(), "precious")
        self.assertEqual(self.samples(self.name).size, 100)

    def test_a_write_that_fails_leaves_whole_samples(self):
        size = 8 * 100 + 3  # in the middle of a sample
        writer = self.write(n=40)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            with self.assertRaises(OSError) as caught:
                writer.write(np.ones(1000, np.complex64))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        self.assertEqual(
            (caught.exception.errno, caught.exception.filename), (errno.EFBIG, self.path("take.sigmf-data"))
        )
        self.assertEqual(writer.n_samples, 100)
        writer.commit()
        given = sigmf.Recording(self.name)
        self.assertEqual((given.n_samples, given.cut), (100, False))

    def test_a_folder_that_is_missing_is_refused_at_once(self):
        with self.assertRaises(FileNotFoundError):
            self.writer("none/take")
        self.write().commit()
        with self.assertRaises(NotADirectoryError):
            self.writer("take.sigmf-data/take")

    def test_bytes_of_every_datatype_come_back(self):
        values = np.array([0, 0.5, -0.5j, 127 / 128 - 1j], np.complex64)
        for datatype in sigmf.DATATYPES:
            writer = self.writer(datatype, datatype)
            writer.open()
            writer.write(values)
            writer.commit()
            np.testing.assert_allclose(self.samples(self.path(datatype)), values, atol=1 / 127)
        with open(self.path("ci8.sigmf-data"), "rb") as f:
            self.assertEqual(list(np.frombuffer(f.read(), "i1")), [0, 0, 64, 0, 0, -64, 127, -128])


class qa_archive(RecordingCase):
    """SigMF archives: tar files of a recording."""

    def archive(self, name, members, **more):
        """Write an archive.

        members: [(name, bytes)].
        """
        with tarfile.open(self.path(name), **{"mode": "w", **more}) as tar:
            for member, data in members:
                information = tarfile.TarInfo(member)
                information.size = len(data)
                tar.addfile(information, io.BytesIO(data))
        return self.path(name)

    def parts(self, n=100):
        self.write("plain", n, datatype="ci16_le", overwrite=True).commit()
        contents = []
        for path in sigmf.paths(self.path("plain")):
            with open(path, "rb") as f:
                contents.append(f.read())
        return contents

    def test_an_archive_is_read_like_the_files_in_it(self):
        meta, data = self.parts()
        for order in (1, -1):
            path = self.archive(
                "a.sigmf", [("x/take.sigmf-meta", meta), ("x/take.sigmf-data", data), ("x/notes.txt", b"?")][::order]
            )
            self.assertTrue(sigmf.is_recording(path))
            np.testing.assert_array_equal(self.samples(path), self.samples(self.path("plain")))
            given = sigmf.Recording(path)
            self.assertEqual((given.n_samples, given.rate, given.datatype), (100, 1e6, "ci16_le"))

    def test_a_bare_name_finds_the_archive_where_no_recording_is(self):
        meta, data = self.parts()
        self.archive("b.sigmf", [("take.sigmf-meta", meta), ("take.sigmf-data", data)])
        self.assertEqual(self.samples(self.path("b")).size, 100)

    def refused(self, word, path):
        with self.assertRaisesRegex(sigmf.Fault, word) as caught:
            sigmf.Recording(path)
        self.assertNotIn("\n", str(caught.exception))

    def test_archives_that_cannot_be_used_are_refused_in_one_line(self):
        meta, data = self.parts()
        pair = [("take.sigmf-meta", meta), ("take.sigmf-data", data)]
        self.refused("archive", self.archive("none.sigmf", []))
        self.refused("archive", self.archive("half.sigmf", pair[:1]))
        self.refused("archive", self.archive("other.sigmf", [pair[0], ("b.sigmf-data", data)]))
        self.refused("2 recordings", self.archive("two.sigmf", pair + [("b.sigmf-meta", meta), ("b.sigmf-data", data)]))
        self.refused("archive", self.archive("packed.sigmf", pair, mode="w:gz"))
        self.refused("no sample", self.archive("empty.sigmf", [pair[0], ("take.sigmf-data", b"")]))
        self.refused("not JSON", self.archive("json.sigmf", [("take.sigmf-meta", b"{"), pair[1]]))
        with open(self.path("text.sigmf"), "w") as f:
            f.write("no tar " * 1000)
        self.refused("archive", self.path("text.sigmf"))
        whole = self.archive("cut.sigmf", pair)
        with open(whole, "r+b") as f:
            f.truncate(
                tarfile.BLOCKSIZE * 2 + len(meta) // tarfile.BLOCKSIZE * tarfile.BLOCKSIZE + tarfile.BLOCKSIZE + 10
            )
        self.refused("archive", whole)
        with tarfile.open(self.path("link.sigmf"), "w") as tar:
            for name in ("take.sigmf-meta", "take.sigmf-data"):
                information = tarfile.TarInfo(name)
                information.type, information.linkname = tarfile.SYMTYPE, "/etc/passwd"
                tar.addfile(information)
        self.refused("archive", self.path("link.sigmf"))


if __name__ == "__main__":
    unittest.main()
