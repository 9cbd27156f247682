# SPDX-License-Identifier: GPL-3.0-or-later
"""Outputs of the commands: nothing is destroyed before a run is sure, nothing is overwritten unasked, no output is an
input, a full disk ends what it must."""
import glob
import hashlib
import json
import os
import shutil
import signal
import subprocess
import unittest

from gnuradio.srec.io import sigmf
from PIL import Image

from test_link import Case, run, wait_for, waves


def content(*paths):
    """-> digest of each file, None where there is none"""
    digests = []
    for path in paths:
        digests.append(None)
        if os.path.exists(path):
            with open(path, "rb") as f:
                digests[-1] = hashlib.sha256(f.read()).hexdigest()
    return digests


class OutputCase(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        done = run(
            "send",
            "--image",
            cls.picture,
            "--key",
            cls.key,
            "--device",
            "file:" + cls.path("good"),
            "--snr",
            "15",
            "--status",
            "0",
        )
        assert done.returncode == 0, done.stderr
        cls.good = sigmf.paths(cls.path("good"))

    def refused(self, code, *words, keep=(), args):
        """The command ends with this code and one line that has the words; the files in keep stay as they are."""
        before = content(*keep)
        done = run(*args, "--status", "0") if args[0] != "simulate" else run(*args)
        text = done.stderr.decode()
        self.assertEqual(done.returncode, code, text)
        self.assertEqual(len(text.splitlines()), 1, text)
        for word in words:
            self.assertIn(word, text)
        self.assertEqual(content(*keep), before)
        return text

    def sending(self, *more, image=None, key=None):
        return ("send", "--image", image or self.picture, "--key", key or self.key, *more)

    def receiving(self, *more, device=None):
        return (
            "receive",
            "--key",
            self.key,
            "--out",
            self.path("refused"),
            "--device",
            device or "file:" + self.path("good"),
            *more,
        )

    def copy(self, name):
        """The good recording once more. -> its files"""
        for source, target in zip(self.good, sigmf.paths(self.path(name))):
            shutil.copy(source, target)
        return sigmf.paths(self.path(name))


class Existing(OutputCase):
    def test_a_failed_send_leaves_an_earlier_recording_alone(self):
        keep, device = self.copy("kept"), ("--device", "file:" + self.path("kept"), "--overwrite")
        self.refused(1, "nowhere.key", keep=keep, args=self.sending(*device, key=self.path("nowhere.key")))
        self.refused(1, "nowhere.png", keep=keep, args=self.sending(*device, image=self.path("nowhere.png")))
        self.refused(
            1, "nowhere.safetensors", keep=keep, args=self.sending(*device, "--model", self.path("nowhere.safetensors"))
        )
        self.refused(2, "--eta", keep=keep, args=self.sending(*device, "--eta", "99"))
        self.assertEqual(glob.glob(self.path("*.part*")), [])

    def test_an_existing_recording_is_replaced_only_with_overwrite(self):
        keep, device = self.copy("again"), ("--device", "file:" + self.path("again"))
        self.refused(1, "again.sigmf-meta", "--overwrite", keep=keep, args=self.sending(*device))
        self.refused(
            1, "again.sigmf-meta", "--overwrite", keep=keep, args=self.receiving("--record", self.path("again"))
        )
        os.remove(keep[0])
        self.refused(
            1, "again.sigmf-data", keep=keep, args=self.sending(*device)
        )  # samples alone are worth keeping too
        before = content(*keep)
        self.passes(*self.sending(*device, "--overwrite", "--status", "0"))
        self.assertNotEqual(content(*keep), before)
        self.receive("file:" + self.path("again"))

    def test_a_recording_that_a_killed_receiver_left_can_be_read_and_is_not_overwritten(self):
        read, write = os.pipe()
        receiver = subprocess.Popen(
            [os.environ["SREC_COMMAND"], *self.receiving("--record", self.path("broken"), device="-")],
            stdin=read,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read)
        part = sigmf.paths(self.path("broken.part"))
        with open(self.good[1], "rb") as samples, os.fdopen(write, "wb") as pipe:
            pipe.write(samples.read())
            pipe.flush()
            wait_for(
                lambda: os.path.exists(part[1]) and os.path.getsize(part[1]) == os.path.getsize(self.good[1]),
                "the recording",
            )
            self.refused(1, "broken.part", keep=part, args=self.receiving("--record", self.path("broken")))
            self.refused(
                1, "another program", keep=part, args=self.receiving("--record", self.path("broken"), "--overwrite")
            )
            receiver.send_signal(signal.SIGKILL)
            receiver.wait()
        self.assertEqual(content(*sigmf.paths(self.path("broken"))), [None, None])
        out, figures = self.receive("file:" + self.path("broken.part"))
        self.assertEqual(figures["pictures"], 1)
        self.refused(1, "broken.part", keep=part, args=self.receiving("--record", self.path("broken")))
        self.receive("file:" + self.path("good"), "--record", self.path("broken"), "--overwrite")
        self.assertEqual(content(*part), [None, None])

    def test_figures_replace_earlier_figures_and_nothing_else(self):
        figures, notes = self.path("figures.json"), self.path("notes.txt")
        for _ in range(2):
            self.passes(*self.sending("--device", "sim", "--snr", "15", "--json", figures, "--status", "0"))
        with open(notes, "w") as f:
            f.write("of the user")
        for args in (
            self.sending("--device", "sim", "--json", notes),
            self.receiving("--json", notes),
            ("simulate", "--image", self.picture, "--out", self.path("simulated"), "--json", notes),
        ):
            self.refused(1, "notes.txt", "--overwrite", keep=(notes,), args=args)
        self.passes(*self.sending("--device", "sim", "--snr", "15", "--json", notes, "--overwrite", "--status", "0"))
        with open(notes) as f:
            self.assertEqual(json.load(f)["pictures"], 1)

    def test_pictures_of_a_simulation_replace_earlier_ones_and_nothing_else(self):
        out = self.folder()
        for _ in range(2):
            self.passes("simulate", "--image", self.picture, "--out", out, "--no-sr")
        Image.fromarray(waves(32, 32)).save(os.path.join(out, "eve.png"))
        keep = [os.path.join(out, name) for name in ("sent.png", "received.png", "eve.png", "comparison.png")]
        self.refused(
            1, "eve.png", "--overwrite", keep=keep, args=("simulate", "--image", self.picture, "--out", out, "--no-sr")
        )
        self.passes("simulate", "--image", self.picture, "--out", out, "--no-sr", "--overwrite")


class Inputs(OutputCase):
    """No output is an input, by whatever name, --overwrite or not."""

    def test_a_recording_is_never_recorded_onto_itself(self):
        keep = self.copy("itself")
        os.link(keep[1], self.path("hard.sigmf-data"))
        os.symlink(keep[0], self.path("soft.sigmf-meta"))
        os.makedirs(self.path("folder"), exist_ok=True)
        for name in ("itself", "itself.sigmf-data", "folder/../itself", "hard", "soft"):
            for overwrite in ((), ("--overwrite",)):
                self.refused(
                    2,
                    "--record",
                    keep=keep,
                    args=self.receiving("--record", self.path(name), *overwrite, device="file:" + self.path("itself")),
                )

    def test_key_and_picture_are_never_overwritten(self):
        key, picture = self.path("secret.sigmf-data"), self.path("picture.sigmf-data")
        shutil.copy(self.key, key)
        shutil.copy(self.picture, picture)
        self.refused(
            2,
            "--key",
            keep=(key,),
            args=self.sending("--device", "file:" + self.path("secret"), "--overwrite", key=key),
        )
        self.refused(
            2,
            "--image",
            keep=(picture,),
            args=self.sending("--device", "file:" + self.path("picture"), "--overwrite", image=picture),
        )
        self.refused(
            2, "--json", keep=(self.key,), args=self.sending("--device", "sim", "--json", self.key, "--overwrite")
        )
        self.refused(2, "--json", keep=(self.key,), args=self.receiving("--json", self.key, "--overwrite"))
        self.refused(2, "--json", keep=self.good, args=self.receiving("--json", self.good[0], "--overwrite"))
        self.refused(
            2,
            "--json",
            keep=(self.picture,),
            args=self.sending("--device", "sim", "--json", self.picture, "--overwrite"),
        )

    def test_a_picture_of_the_folder_that_is_sent_is_never_overwritten(self):
        album = self.folder()
        shutil.copy(self.picture, os.path.join(album, "a.png"))
        self.refused(
            2,
            "--json",
            keep=(os.path.join(album, "a.png"),),
            args=self.sending("--device", "sim", "--json", os.path.join(album, "a.png"), "--overwrite", image=album),
        )

    def test_two_outputs_are_two_files(self):
        self.refused(
            2,
            "--json",
            "--record",
            args=self.receiving("--record", self.path("new"), "--json", self.path("new.sigmf-data")),
        )
        self.assertEqual(content(self.path("new.sigmf-data")), [None])

    def test_a_simulation_does_not_overwrite_its_picture(self):
        for name in ("received.png", "sent.png"):
            out = self.folder()
            picture = os.path.join(out, name)
            shutil.copy(self.picture, picture)
            self.refused(
                2, "--image", keep=(picture,), args=("simulate", "--image", picture, "--out", out, "--overwrite")
            )


class FullDisk(OutputCase):
    """A file size limit stands for a full disk: a write fails in the middle of the recording."""

    def limited(self, blocks, *args):
        """Runs a command that may write `blocks` of 1024 bytes to each file."""
        return subprocess.run(
            [
                "bash",
                "-c",
                f'trap "" XFSZ; ulimit -f {blocks}; exec "$@"',
                "bash",
                os.environ["SREC_COMMAND"],
                *args,
            ],
            capture_output=True,
            timeout=300,
        )

    def test_a_full_disk_ends_the_recording_and_not_the_reception(self):
        out, size = self.folder(), os.path.getsize(self.good[1])
        done = self.limited(
            size // 2048,
            "receive",
            "--key",
            self.key,
            "--device",
            "file:" + self.path("good"),
            "--out",
            out,
            "--record",
            self.path("half"),
            "--status",
            "0",
        )
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        (line,) = done.stderr.decode().splitlines()
        self.assertIn("half.sigmf-data", line)
        self.assertGreater(self.psnr(out), 25)
        half = sigmf.Recording(self.path("half"))
        self.assertEqual(half.n_samples, size // 2048 * 1024 // 8)
        self.assertFalse(half.cut)
        with open(half.data, "rb") as a, open(self.good[1], "rb") as b:
            data = a.read()
            self.assertEqual(data, b.read(len(data)))

    def test_a_recording_that_cannot_be_sent_whole_is_not_there(self):
        folder = self.folder()
        done = self.limited(
            os.path.getsize(self.good[1]) // 2048,
            "send",
            "--image",
            self.picture,
            "--key",
            self.key,
            "--device",
            "file:" + os.path.join(folder, "take"),
            "--status",
            "0",
        )
        self.assertEqual(done.returncode, 1, done.stderr.decode())
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr.decode())
        self.assertIn(b"take.sigmf-data", done.stderr)
        self.assertEqual(os.listdir(folder), [])


class Stopped(OutputCase):
    def test_a_send_that_is_stopped_leaves_what_it_has_under_the_name_part(self):
        folder, album = self.folder(), self.folder()
        for name in ("a.png", "b.png"):
            shutil.copy(self.picture, os.path.join(album, name))
        sender = subprocess.Popen(
            [
                os.environ["SREC_COMMAND"],
                *self.sending(
                    "--device",
                    "file:" + os.path.join(folder, "take"),
                    "--interval",
                    "1000",
                    "--status",
                    "0",
                    image=album,
                ),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.assertIn(b"image 0", sender.stdout.readline())
        sender.send_signal(signal.SIGINT)
        _, text = sender.communicate(timeout=60)
        self.assertEqual(sender.returncode, 0, text.decode())
        self.assertIn(b"take.part", text)
        self.assertEqual(sorted(os.listdir(folder)), ["take.part.sigmf-data", "take.part.sigmf-meta"])

    def test_what_is_recorded_until_the_receiver_is_stopped_is_a_recording(self):
        folder = self.folder()
        receiver = subprocess.Popen(
            [
                os.environ["SREC_COMMAND"],
                *self.receiving("--record", os.path.join(folder, "take"), device="-"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with open(self.good[1], "rb") as f:
            receiver.stdin.write(f.read())
        receiver.stdin.flush()
        part = sigmf.paths(os.path.join(folder, "take.part"))[1]
        wait_for(
            lambda: os.path.exists(part) and os.path.getsize(part) == os.path.getsize(self.good[1]), "the recording"
        )
        receiver.send_signal(signal.SIGTERM)
        receiver.communicate(timeout=60)
        self.assertEqual(sorted(os.listdir(folder)), ["take.sigmf-data", "take.sigmf-meta"])
        self.assertGreaterEqual(
            sigmf.Recording(os.path.join(folder, "take")).n_samples, os.path.getsize(self.good[1]) // 8
        )


if __name__ == "__main__":
    unittest.main()
