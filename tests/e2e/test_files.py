# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, images and output files of the command as a user meets them: pipes, full disks, odd names, hostile files."""
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

import numpy as np
from gnuradio import srec
from PIL import Image

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python", "srec"))
import qa_key  # noqa: E402
from waiting import wait_for  # noqa: E402

SREC = os.environ["SREC_COMMAND"]
TIMEOUT = 300


def run(*args, **options):
    """Run srec. With a limit of the size of files, Python must write no bytecode: it would be cut off and then used."""
    if "preexec_fn" in options:
        options["env"] = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([SREC, *args], capture_output=True, timeout=TIMEOUT, **options)


def small_files(n_bytes):
    """-> preexec_fn: no file may grow beyond it, as on a full disk"""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))


class Case(unittest.TestCase):
    def setUp(self):
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.folder = temp.name
        self.key, self.picture = self.path("link.key"), self.path("waves.png")
        srec.key_generate(self.key)
        y, x = np.mgrid[0:96, 0:128]
        array = np.stack([127 + 90 * np.sin(x / (9 + c)) * np.cos(y / (11 - c)) for c in range(3)], 2)
        Image.fromarray(array.astype(np.uint8)).save(self.picture)

    def path(self, name):
        return os.path.join(self.folder, name)

    def passes(self, *args, **options):
        done = run(*args, **options)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done

    def send(self, *args, device=None, **options):
        return self.passes(
            "send",
            "--image",
            self.picture,
            "--device",
            device or "file:" + self.path("take"),
            "--snr",
            "15",
            "--status",
            "0",
            *args,
            **options,
        )

    def receive_arguments(self, out):
        return "receive", "--key", self.key, "--device", "file:" + self.path("take"), "--out", out, "--status", "0"

    def receive(self, out, *args, **options):
        return run(*self.receive_arguments(out), *args, **options)

    def one_line(self, done, *words, code=1):
        """The command's own line; warnings of blocks may come before it."""
        lines = [
            line for line in done.stderr.decode().splitlines() if line.startswith("srec ") and ": working, " not in line
        ]
        self.assertEqual((done.returncode, len(lines)), (code, 1), done.stderr.decode())
        self.assertNotIn(b"Traceback", done.stderr)
        for word in words:
            self.assertIn(word, lines[0])

    def files(self, folder):
        return sorted(
            os.path.relpath(os.path.join(root, name), folder) for root, _, names in os.walk(folder) for name in names
        )


class Keys(Case):
    def key_bytes(self):
        with open(self.key, "rb") as f:
            return f.read()

    def test_a_key_from_standard_input_and_from_a_pipe_works_at_both_ends(self):
        self.send("--key", "/dev/stdin", input=self.key_bytes())
        self.assertEqual(self.receive(self.path("a")).returncode, 0)
        script = f'exec {SREC} receive --key <(cat "$0") --device "file:$1" --out "$2" --status 0'
        done = subprocess.run(
            ["bash", "-c", script, self.key, self.path("take"), self.path("b")], capture_output=True, timeout=TIMEOUT
        )
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertEqual(self.files(self.path("b")), ["picture0000.json", "picture0000.png"])
        self.send("--key", "/dev/stdin", device="sim", input=self.key_bytes())  # both ends in one process

    def test_standard_input_cannot_give_key_and_samples(self):
        done = run("receive", "--key", "/dev/stdin", "--device", "-", "--out", self.path("a"), input=self.key_bytes())
        self.one_line(done, "standard input carries the samples", code=2)

    def test_a_named_pipe_without_a_writer_ends_with_one_line(self):
        os.mkfifo(self.path("pipe"))
        done = run("send", "--image", self.picture, "--key", self.path("pipe"), "--device", "sim", "--status", "0")
        self.one_line(done, self.path("pipe"), "no program has opened")

    def test_doubtful_keys_get_one_warning_and_work(self):
        done = self.send("--key", "seed:12", device="sim")
        self.assertEqual(done.stderr.count(b"for tests"), 1, done.stderr)
        done = self.send("--key", "5a" * 32, device="sim")
        self.assertEqual(done.stderr.count(b"for tests"), 1, done.stderr)
        os.chmod(self.key, 0o640)
        done = self.send("--key", self.key, device="sim")
        self.assertEqual(done.stderr.count(b"mode 0640"), 1, done.stderr)
        os.chmod(self.key, 0o600)
        self.assertEqual(self.send("--key", self.key, device="sim").stderr, b"")

    def test_a_sender_and_a_receiver_hold_the_master_key_once_in_locked_memory(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            address = f"zmq:tcp://127.0.0.1:{s.getsockname()[1]}"
        commands = (("send", "--image", self.picture, "--repeat"), ("receive", "--out", self.path("out")))
        processes = []
        for name, *more in commands:
            command = [SREC, name, *more, "--key", self.key, "--device", address, "--status", "0"]
            processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
            self.addCleanup(processes[-1].communicate)
            self.addCleanup(processes[-1].kill)
        ended = lambda: [p.poll() for p in processes] != [None, None]  # noqa: E731
        wait_for(lambda: ended() or os.path.exists(self.path("out/picture0000.json")), "both to have worked", TIMEOUT)
        self.assertFalse(ended())
        for process in processes:
            try:
                found = qa_key.copies(process.pid, self.key_bytes())
            except PermissionError:
                self.skipTest("this system shows nobody the memory of a process")
            self.assertEqual(len(found), 1)
            self.assertLessEqual({"dd", "lo"}, set(qa_key.flags_of(process.pid, found[0])))
        for process in processes:
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(TIMEOUT), 0)


class FullDisk(Case):
    def test_a_received_picture_that_does_not_fit_leaves_nothing(self):
        self.send("--key", self.key)
        done = self.receive(self.path("out"), preexec_fn=small_files(500))
        self.one_line(done, "1 image", "could not be written")
        self.assertEqual(self.files(self.path("out")), [])

    def test_figures_that_cannot_be_written_are_an_error_that_names_the_file(self):
        self.send("--key", self.key)
        for path in ("/dev/full", self.path("no/such/folder.json"), self.folder):
            self.one_line(self.receive(self.path("out"), "--json", path), path)
        self.assertTrue(os.path.exists("/dev/full"))
        self.assertNotIn(".tmp", "".join(self.files(self.folder)))

    def test_a_simulation_writes_all_its_pictures_or_none(self):
        out, figures = self.path("sim"), self.path("figures.json")
        done = run("simulate", "--image", self.picture, "--out", out, "--json", figures, preexec_fn=small_files(40000))
        self.one_line(done, out)  # one of the images is larger, another smaller
        self.assertEqual((self.files(out), os.path.exists(figures)), ([], False))
        self.passes("simulate", "--image", self.picture, "--out", out, "--json", figures)
        names = self.files(out)
        self.assertIn("comparison.png", names)
        sizes = [os.path.getsize(os.path.join(out, name)) for name in names]
        self.assertTrue(min(sizes) < 40000 < max(sizes), sizes)

    def test_a_key_that_does_not_fit_leaves_nothing(self):
        self.one_line(run("keygen", self.path("new.key"), preexec_fn=small_files(16)), self.path("new.key"))
        self.assertFalse(os.path.exists(self.path("new.key")))


class Names(Case):
    ODD = os.fsdecode(b"n\xe4\x1b[31m\n")

    def test_pictures_folders_recordings_keys_and_models_may_have_any_name(self):
        folder, out, key = self.path(self.ODD), self.path("out" + self.ODD), self.path("key" + self.ODD)
        model = self.path("model" + self.ODD)
        os.mkdir(folder)
        os.rename(self.key, key)
        os.symlink(os.environ["SREC_MODEL"], model)
        for name in ("a.png", "b" + self.ODD + ".png", "c.png"):
            Image.open(self.picture).save(os.path.join(folder, name), "PNG")
        self.key, self.picture = key, folder
        done = self.send("--key", key, "--model", model, device="file:" + self.path("take" + self.ODD))
        self.assertIn(rb"bn\xe4\x1b[31m\x0a.png", done.stdout)
        script = self.path("hook.sh")
        with open(script, "w") as f:
            f.write(f'#!/bin/sh\ntest -s "$1" && echo yes >> "{self.path("hooked")}"\n')
        os.chmod(script, 0o755)
        done = run(
            "receive",
            "--key",
            key,
            "--model",
            model,
            "--device",
            "file:" + self.path("take" + self.ODD),
            "--out",
            out,
            "--prefix",
            "p" + self.ODD,
            "--hook",
            script,
            "--status",
            "0",
            "--json",
            self.path("run" + self.ODD),
        )
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertEqual(len(self.files(out)), 6)
        with open(self.path("hooked")) as f:
            self.assertEqual(f.read(), "yes\n" * 3)
        for text in (done.stdout, done.stderr):
            self.assertTrue(all(line.isprintable() for line in text.decode().splitlines()), text)
        with open(self.path("run" + self.ODD), encoding="utf-8") as f:
            self.assertIn(r"taken\xe4", json.load(f)["device"])
        picture = os.path.join(out, "p" + self.ODD + "0000.png")
        self.passes("simulate", "--image", picture, "--out", out, "--key", key, "--model", model)
        for arguments in (
            ("info", model),
            ("info", self.path("take" + self.ODD)),
            ("keygen", self.path("new" + self.ODD)),
        ):
            self.assertIn(rb"n\xe4\x1b[31m\x0a", self.passes(*arguments).stdout)

    def test_every_error_about_an_odd_name_is_one_line(self):
        odd = self.path("no" + self.ODD)
        below = os.path.join(odd, "x")
        for arguments in (
            ("info", odd),
            ("simulate", "--image", odd, "--out", self.folder),
            ("keygen", below),
            ("send", "--image", odd, "--key", self.key, "--device", "sim"),
            ("send", "--image", self.picture, "--key", odd, "--device", "sim"),
            ("send", "--image", self.picture, "--key", self.key, "--device", "file:" + below),
            ("receive", "--out", self.folder, "--key", self.key, "--device", "file:" + odd),
            ("simulate", "--image", self.picture, "--out", self.folder, "--model", odd),
        ):
            done = run(*arguments)
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (1, 1), done.stderr.decode())
            self.assertTrue(done.stderr.strip().decode().isprintable(), done.stderr)
            self.assertIn(rb"n\xe4\x1b[31m\x0a", done.stderr)


class Pictures(Case):
    def test_a_picture_that_is_none_costs_the_sender_one_line(self):
        for name, content in (
            ("a.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
            ("b.jpg", b"DDS |" + bytes(300)),
            ("c.tif", b""),
        ):
            with open(self.path(name), "wb") as f:
                f.write(content)
            done = run("send", "--image", self.path(name), "--key", self.key, "--device", "sim")
            self.one_line(done, self.path(name))

    def test_a_picture_too_large_for_the_memory_is_refused_by_send(self):
        huge = self.path("huge.png")
        Image.new("1", (30000, 30000), 1).save(huge)
        limit = 8 << 30  # of address space; the image alone would take 20 bytes for each of 900 million pixels
        done = run(
            "send",
            "--image",
            huge,
            "--key",
            self.key,
            "--device",
            "sim",
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        )
        self.one_line(done, huge, "30000x30000", "GB of memory to send")


class Shared(Case):
    def test_receivers_on_one_folder_overwrite_nothing_and_follow_no_link(self):
        self.send("--key", self.key)
        out = self.path("out")
        os.mkdir(out)
        with open(self.path("victim"), "w") as f:
            f.write("precious")
        for name in ("picture0000.png.tmp", "picture0000.json.tmp", "picture0001.png"):
            os.symlink("../victim", os.path.join(out, name))
        command = [SREC, *self.receive_arguments(out)]
        processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
        for process in processes:
            _, errors = process.communicate(timeout=TIMEOUT)
            self.assertEqual(process.returncode, 0, errors.decode())
        new = [name for name in self.files(out) if not os.path.islink(os.path.join(out, name))]
        self.assertEqual(sorted(name.rsplit(".", 1)[1] for name in new), ["json"] * 3 + ["png"] * 3)
        for name in new:
            if name.endswith("json"):
                with open(os.path.join(out, name)) as f:
                    self.assertEqual(f"picture{json.load(f)['number']:04d}.json", name)
        with open(self.path("victim")) as f:
            self.assertEqual(f.read(), "precious")


if __name__ == "__main__":
    unittest.main()
