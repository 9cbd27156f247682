#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""key: the master key is in memory once, locked, and wiped; a pipe is read once; doubtful keys give a warning."""
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

from gnuradio import srec

from qa_common import wait_for
from waiting import HANG_S

# steps of a process with the key file argv[1]; it waits for a line after each step
STEPS = r"""
import gc, sys
from gnuradio import srec
def pause(step):
    print(step, flush=True)
    sys.stdin.readline()
path = sys.argv[1]
blocks = [srec.scrambler(path), srec.packet_encoder(path), srec.packet_decoder(path), srec.key(path, warn=False),
          srec.descrambler(srec.key(path))]
pause("held")
del blocks
gc.collect()
pause("freed")
for make in (lambda: srec.descrambler(path, "/no/such/model"), lambda: srec.packet_decoder(path, modulation="none"),
             lambda: srec.transmitter(path, cipher="none"), lambda: srec.receiver(path, enhancer="/no/such/model")):
    try:
        make()
        sys.exit("made")
    except (RuntimeError, ValueError):
        pass
gc.collect()
pause("failed")
# GNU Radio keeps hierarchical blocks until the program ends
blocks = [srec.transmitter(path), srec.receiver(path, payload_key=path)]
pause("link")
"""


def copies(process, needle):
    """Return the mappings of a process that contain the bytes, one for each copy."""
    found = []
    with open(f"/proc/{process}/maps") as maps, open(f"/proc/{process}/mem", "rb") as memory:
        for line in maps:
            if "rw" not in line.split()[1]:
                continue
            start, end = (int(v, 16) for v in line.split()[0].split("-"))
            try:
                memory.seek(start)
                found += [line.split()[0]] * memory.read(end - start).count(needle)
            except (OSError, OverflowError, ValueError):  # mappings of the kernel
                pass
    return found


def flags_of(process, mapping):
    with open(f"/proc/{process}/smaps") as f:
        return re.search(rf"(?m)^{mapping} .*\n(?:\w+: .*\n)*?VmFlags: (.*)$", f.read())[1].split()


class qa_key(unittest.TestCase):
    def setUp(self):
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.folder, self.path = temp.name, os.path.join(temp.name, "link.key")
        srec.key_generate(self.path)

    def open_for_writing(self, pipe):
        """Return a file descriptor, or None if nobody reads."""
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return None

    def start(self, text, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", text, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

        def end():
            process.kill()
            process.wait()
            for file in (process.stdin, process.stdout, process.stderr):
                file.close()

        self.addCleanup(end)
        return process

    def run_python(self, text, *arguments, **options):
        return subprocess.run([sys.executable, "-c", text, *arguments], capture_output=True, timeout=HANG_S, **options)

    def test_one_copy_in_locked_memory_serves_all_blocks_and_none_stays(self):
        with open(self.path, "rb") as f:
            secret = f.read()
        process = self.start(STEPS, self.path)
        for step, expected in ((b"held", 1), (b"freed", 0), (b"failed", 0), (b"link", 1)):
            self.assertEqual(process.stdout.readline().strip(), step)
            try:
                found = copies(process.pid, secret)
            except PermissionError:
                self.skipTest("this system shows nobody the memory of a process")
            self.assertEqual(len(found), expected, step)
            if found:
                flags = flags_of(process.pid, found[0])
                self.assertIn("dd", flags, "not in core dumps")
                self.assertIn("lo", flags, "not swapped")
            process.stdin.write(b"\n")
            process.stdin.flush()
        self.assertEqual(process.wait(HANG_S), 0)

    def test_a_pipe_is_read_once_for_all_blocks(self):
        with open(self.path, "rb") as f:
            secret = f.read()
        text = (
            "from gnuradio import srec\n"
            "first = srec.key('/dev/stdin')\n"
            "makers = srec.scrambler, srec.packet_encoder, srec.transmitter, srec.receiver\n"
            "blocks = [make('/dev/stdin') for make in makers]\n"
            "assert first == srec.key(__import__('sys').argv[1])\n"
        )
        done = self.run_python(text, self.path, input=secret)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        for make in ("scrambler", "packet_encoder", "packet_decoder", "descrambler", "transmitter", "receiver"):
            # each may be the first one
            done = self.run_python(
                (
                    f"from gnuradio import srec; first = srec.{make}('/dev/stdin')\n"
                    "second = srec.descrambler('/dev/stdin')"
                ),
                input=secret,
            )
            self.assertEqual(done.returncode, 0, done.stderr.decode())

    def test_a_wait_for_a_pipe_stops_no_other_thread_and_ends_with_ctrl_c(self):
        pipe = os.path.join(self.folder, "pipe")
        os.mkfifo(pipe)
        text = (
            "import sys, threading\nfrom gnuradio import srec\n"
            "echo = lambda: print(sys.stdin.readline(), end='', flush=True)\n"
            "threading.Thread(target=echo, daemon=True).start()\n"
            "srec.key(sys.argv[1])\n"
        )
        process = self.start(text, pipe)
        # open for writing as soon as it is read, so that the key waits for bytes, for up to two minutes
        writer = wait_for(lambda: self.open_for_writing(pipe), "a reader of the pipe")
        self.addCleanup(os.close, writer)
        process.stdin.write(b"alive\n")
        process.stdin.flush()
        self.assertTrue(select.select([process.stdout], [], [], HANG_S)[0])
        self.assertEqual(process.stdout.readline(), b"alive\n")
        process.send_signal(signal.SIGINT)
        self.assertIn(b"KeyboardInterrupt", process.communicate(timeout=HANG_S)[1])

    def test_a_named_pipe_gives_its_key_to_whoever_waits(self):
        pipe = os.path.join(self.folder, "pipe")
        os.mkfifo(pipe)

        def write():
            with open(self.path, "rb") as key, open(pipe, "wb") as f:
                f.write(key.read())

        thread = threading.Thread(target=write)
        thread.start()
        self.assertEqual(srec.key(pipe), srec.key(self.path))
        thread.join()

    def test_doubtful_keys_are_named_and_the_log_has_each_once(self):
        self.assertEqual(srec.key(self.path, warn=False).warning, "")
        self.assertIn("for tests", srec.key("seed:1", warn=False).warning)
        self.assertIn("for tests", srec.key("ab" * 32, warn=False).warning)
        os.chmod(self.path, 0o644)
        self.assertIn("chmod 600", srec.key(self.path, warn=False).warning)
        done = self.run_python(
            "import sys; from gnuradio import srec\nboth = [srec.transmitter(sys.argv[1]), srec.receiver(sys.argv[1])]",
            self.path,
        )
        self.assertEqual((done.stdout + done.stderr).count(b"chmod 600"), 1, done)
        done = self.run_python("from gnuradio import srec; srec.transmitter(srec.key('seed:1', warn=False))")
        self.assertNotIn(b"for tests", done.stdout + done.stderr)

    def test_names_need_not_be_utf8_and_errors_are_one_line(self):
        odd = os.path.join(os.fsencode(self.folder), b"k\xe4y\x1b")
        os.rename(self.path, odd)
        self.assertEqual(srec.key(odd), srec.key(os.fsdecode(odd)))
        os.truncate(odd, 31)
        with self.assertRaisesRegex(RuntimeError, r"k\\xe4y\\x1b is not exactly 32 bytes"):
            srec.scrambler(os.fsdecode(odd))
        for text, kind in (
            ("seed:x", ValueError),
            ("c" * 63, RuntimeError),
            ("", RuntimeError),
            ("/dev/null", RuntimeError),
            (self.folder, RuntimeError),
        ):
            with self.assertRaises(kind) as caught:
                srec.transmitter(text)
            self.assertNotIn("\n", str(caught.exception))

    def test_a_key_shows_nothing_of_itself(self):
        key, same, other = (srec.key(text, warn=False) for text in ("ab" * 32, "AB" * 32, "seed:1"))
        self.assertEqual((repr(key), key == same, key == other, key == "ab" * 32), ("<srec.key>", True, False, False))
        with self.assertRaises(TypeError):
            __import__("pickle").dumps(key)


if __name__ == "__main__":
    unittest.main()
