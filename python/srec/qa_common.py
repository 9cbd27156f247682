# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared by the qa_<block>.py: flowgraphs around one block, PDUs, captured log lines, independent references."""
import contextlib
import json
import os
import struct
import sys
import tempfile
import threading

import numpy as np
import pmt
from gnuradio import blocks, gr, gr_unittest, srec
from gnuradio.srec.modulations import MODULATIONS

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "helpers"))
from layer_model import enhancer_for_layers  # noqa: E402,F401
from waiting import wait_for, wait_for_silence  # noqa: E402,F401

KEY, OTHER_KEY = "seed:1", "seed:2"
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODEL = srec.default_model()
VECTORS = os.path.join(ROOT, "tests", "core", "data", "crypto_vectors.txt")
sys.path.insert(0, os.path.dirname(VECTORS))
import make_crypto_vectors as CRYPTO  # noqa: E402

SOFT_PER_BYTE = {name: 2 if name == "pam256" else 8 for name in MODULATIONS}
# frame bytes that fill a whole number of symbols
GRANULE = {name: {"64qam": 3, "pam256": 2}.get(name, 1) for name in MODULATIONS}
PAM_STEP = np.sqrt(0.5 / ((256**2 - 1) / 12))
HANG = 120.0  # seconds after which a test reports a hang: no measure of speed, even on a loaded machine
END = pmt.cons(pmt.to_pmt({"eof": True}), pmt.init_u8vector(0, []))


# --- PDUs ---------------------------------------------------------------------------------------------------------


def _value(value):
    if isinstance(value, (bool, str, float, dict)):
        return pmt.to_pmt(value)
    if isinstance(value, (int, np.integer)):
        return pmt.from_uint64(int(value))
    return u8(value)


def u8(array):
    return pmt.init_u8vector(np.size(array), np.asarray(array, np.uint8).ravel().tolist())


def pdu(meta, data):
    """Return a PDU.

    meta: dict; int values become u64, arrays u8vectors.
    data: uint8 or float32 array.
    """
    d = pmt.make_dict()
    for key, value in meta.items():
        d = pmt.dict_add(d, pmt.intern(key), _value(value))
    data = np.asarray(data)
    if data.dtype == np.uint8:
        return pmt.cons(d, u8(data))
    return pmt.cons(d, pmt.init_f32vector(data.size, data.ravel().tolist()))


def meta_of(msg):
    """Convert a PDU or info dict to a Python dict."""
    return pmt.to_python(pmt.car(msg) if pmt.is_pdu(msg) else msg)


def data_of(msg):
    return np.array(pmt.to_python(pmt.cdr(msg)))


def with_meta(msg, **changes):
    """Return the same PDU with changed keys. The value None removes a key."""
    d = pmt.car(msg)
    for key, value in changes.items():
        d = pmt.dict_delete(d, pmt.intern(key)) if value is None else pmt.dict_add(d, pmt.intern(key), _value(value))
    return pmt.cons(d, pmt.cdr(msg))


def dropped_so_far(info):
    """Return the counter of each report of a dropped message."""
    return [i["dropped"] for i in info if i["event"] == "dropped"]


def is_end(msg):
    return pmt.is_pdu(msg) and bool(meta_of(msg).get("eof"))


def picture(number=0, width=64, height=64, channels=3, seed=0):
    """Return a smooth image with some texture, as (PDU, array)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    base = 128 + 60 * np.sin(2 * np.pi * x / 40 + seed)[..., None] * np.cos(2 * np.pi * y / 56)[
        ..., None
    ] * np.linspace(1, 0.4, channels)
    array = np.clip(base + rng.normal(0, 4, (height, width, channels)), 0, 255).astype(np.uint8)
    return pdu({"width": width, "height": height, "channels": channels, "picture": number}, array), array


MODEL_HOLDER = srec.descrambler(KEY, MODEL)  # blocks share a loaded model as long as one of them exists
LADDER = srec.model_info(MODEL)["ladder"]  # features of a patch at each step
MODEL_ID = int(srec.model_info(MODEL)["id"], 16)


def slice_pdu(
    number=0, packet=0, session=1, part=0, parts=1, seed=0, cipher="add", model=MODEL_ID, fmt=0, steps=16, scale=1
):
    """Return a slice of a 64x64 image (16 patches) from the scrambler, with random bytes, as (PDU, bytes).

    steps: number of ladder steps to use, from the lowest.
    """
    rng = np.random.default_rng([seed, number, part])
    rate_map = rng.integers(0, min(steps, len(LADDER)), 16 // parts)
    data = rng.integers(0, 256, sum(LADDER[step] for step in rate_map)).astype(np.uint8)
    return (
        pdu(
            {
                "model": model,
                "picture": number,
                "width": 64,
                "height": 64,
                "channels": 3,
                "format": fmt,
                "slice": part,
                "slices": parts,
                "sent_scale": scale,
                "rate_map": rate_map,
                "session": session,
                "packet": packet,
                "cipher": cipher,
            },
            data,
        ),
        data,
    )


BAD_SLICE_KEYS = (  # values that no slice can have; None: the key is missing
    {"model": None},
    {"rate_map": None},
    {"rate_map": 3},
    {"slices": 0},
    {"slices": "one"},
    {"slice": 1},
    {"slice": 2**32},
    {"width": 0},
    {"width": 65536 + 64},
    {"height": 2**32 + 64},
    {"channels": 2},
    {"channels": 259},
    {"format": 2},
    {"picture": 2**32},
    {"sent_scale": 0},
    {"sent_scale": 3},
    {"sent_scale": "two"},
)

NOT_A_PDU = (
    pmt.PMT_T,
    pmt.from_long(3),
    pmt.intern("text"),
    pmt.cons(pmt.from_long(1), pmt.from_long(2)),
    pmt.cons(pmt.make_dict(), pmt.init_s16vector(2, [1, 2])),
)


# --- references that share no code with the module ---------------------------------------------------------------


def keystream(seed, session, packet, n):
    """Return the ChaCha20 keystream from the known-answer file (written from RFC 8439, not from the library)."""
    with open(VECTORS) as file:
        for line in file:
            what, *fields = line.split()
            if what == "keystream" and [int(f) for f in fields[:4]] == [seed, session, packet, 0]:
                answer = np.frombuffer(bytes.fromhex(fields[4]), np.uint8)
                if answer.size >= n:
                    return answer[:n]
    raise KeyError(f"no known answer for seed {seed}, session {session}, packet {packet}, {n} bytes")


def order(seed, session, packet, n):
    """Return the place in the packet of each byte of the slice, from the same reference."""
    return np.array(CRYPTO.order(seed, session, packet, n), int)


def in_order(values, seed, session, packet):
    """Reorder (n, ...) to the order on the air."""
    sent = np.empty_like(values)
    sent[order(seed, session, packet, len(values))] = values
    return sent


def model_priors(fmt):
    """Read the priors from the model file according to the safetensors specification.

    Returns (levels, tables (n, 256), index (step, position), [covariance (k, k) of each step]).
    """
    name = ("bits", "amplitude")[fmt]
    with open(MODEL, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()

    def tensor(key, dtype):
        entry = header[key]
        return np.frombuffer(data[slice(*entry["data_offsets"])], dtype).reshape(entry["shape"])

    codec = json.loads(header["__metadata__"]["codec"])
    return (
        codec["formats"][name]["levels"],
        tensor(f"prior.{name}.tables", "<f4").astype(float),
        tensor(f"prior.{name}.index", "u1"),
        [tensor(f"prior.{name}.covariance.{step}", "<f2").astype(float) for step in range(len(codec["ladder"]))],
    )


def axis(bits_per_axis):
    """Return the level of each label of one axis in half minimum distances: reflected Gray code from the right."""
    n = 1 << bits_per_axis
    levels = np.empty(n)
    for position in range(n):
        levels[position ^ (position >> 1)] = n - 1 - 2 * position
    return levels


def constellation(modulation):
    """Return (points by label, bits per symbol), with Es = 1.

    The bits of a label alternate between I and Q, most significant first.
    """
    if modulation == "bpsk":
        return np.array([1, -1], complex), 1
    bits = {"qpsk": 2, "16qam": 4, "64qam": 6, "256qam": 8}[modulation]
    levels = axis(bits // 2)
    points = np.empty(1 << bits, complex)
    for label in range(1 << bits):
        digits = [label >> (bits - 1 - k) & 1 for k in range(bits)]
        i, q = (int("".join(map(str, digits[k::2])), 2) for k in (0, 1))
        points[label] = levels[i] + 1j * levels[q]
    return points / np.sqrt(np.mean(np.abs(points) ** 2)), bits


def modulate(modulation, data):
    """Map bytes to symbols."""
    data = np.asarray(data, np.uint8)
    if modulation == "pam256":
        amplitude = (data.astype(float) - 127.5) * PAM_STEP
        return amplitude[0::2] + 1j * amplitude[1::2]
    points, bits = constellation(modulation)
    labels = np.unpackbits(data).reshape(-1, bits) @ (1 << np.arange(bits)[::-1])
    return points[labels]


def llrs(modulation, symbols, n0, gain=1.0):
    """Compute ln p(bit = 0) / p(bit = 1), (symbols * bits), by brute force over the constellation."""
    points, bits = constellation(modulation)
    exponent = -np.abs(np.asarray(symbols)[:, None] - np.atleast_1d(gain)[:, None] * points) ** 2 / n0
    labels = np.arange(points.size)
    out = [
        np.logaddexp.reduce(exponent[:, labels >> b & 1 == 0], axis=1)
        - np.logaddexp.reduce(exponent[:, labels >> b & 1 == 1], axis=1)
        for b in reversed(range(bits))
    ]
    return np.stack(out, 1).ravel()


def soft_values(modulation, data, reliability=20.0):
    """Return the demapper's output for bytes received without error: LLRs, or (amplitude, variance) pairs."""
    data = np.asarray(data, np.uint8)
    if modulation == "pam256":
        return (
            np.stack([(data.astype(float) - 127.5) * PAM_STEP, np.full(data.size, 1e-4)], 1).astype(np.float32).ravel()
        )
    return (reliability * (1.0 - 2.0 * np.unpackbits(data))).astype(np.float32)


# --- flowgraphs ---------------------------------------------------------------------------------------------------


def ends(action, seconds=HANG):
    """Return whether a call that may hang returns. It runs in its own thread."""
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


def stops(tb):
    """Return whether stop() and wait() of a flowgraph return."""
    return ends(lambda: (tb.stop(), tb.wait()))


def post(block, port, *messages):
    for message in messages:
        block.to_basic_block()._post(pmt.intern(port), message)


class Log:
    """Text that the process has written to its standard outputs."""

    text = ""

    def count(self, words):
        return self.text.count(words)


@contextlib.contextmanager
def captured_log():
    """Capture both standard outputs at file level, where GNU Radio's logger writes.

    Gives a Log, which is filled at the end of the context.
    """
    log = Log()
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield log
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy in zip((1, 2), kept):
                os.dup2(copy, number)
                os.close(copy)
            file.seek(0)
            log.text = file.read().decode(errors="replace")


FLUSHED = pmt.intern("flushed")


class sender(gr.basic_block):
    """Publishes the messages of the test, since the ports of a hier block are reached only by a connection."""

    def __init__(self):
        gr.basic_block.__init__(self, "sender", None, None)
        self.message_port_register_out(pmt.intern("out"))

    def send(self, *messages):
        for message in messages:
            self.message_port_pub(pmt.intern("out"), message)


class Teller(gr.basic_block):
    """A block behind a source of images that is connected to its `next` but sends nothing by itself: the test posts."""

    def __init__(self):
        gr.basic_block.__init__(self, "teller", None, None)
        self.message_port_register_in(pmt.intern("in"))
        self.message_port_register_out(pmt.intern("report"))
        self.set_msg_handler(pmt.intern("in"), self._ignore)

    def connect(self, top, source):
        top.msg_connect(source, "pdus", self, "in")
        top.msg_connect(self, "report", source, "next")

    def _ignore(self, msg):
        pass


class Collector:
    """Collects the messages of one port."""

    def __init__(self, tb, block, port):
        self.debug, self.late = blocks.message_debug(False), []
        tb.msg_connect(block, port, self.debug, "store")

    def __len__(self):
        return self.debug.num_messages()

    def flush(self):
        """Return when everything published before the call has arrived. The collector has its own thread."""
        post(self.debug, "store", FLUSHED)
        wait_for(lambda: any(pmt.eqv(self.debug.get_message(i), FLUSHED) for i in range(len(self))), "the flush")

    def take_late(self):
        """Take the messages that remain in the queue once the flowgraph has ended.

        The collector's thread ends with the preceding block.
        """
        while (message := self.debug.delete_head_nowait(pmt.intern("store"))) is not None:
            self.late.append(message)

    def messages(self):
        return [m for m in (self.debug.get_message(i) for i in range(len(self))) if not pmt.eqv(m, FLUSHED)] + self.late

    def last(self):
        found = self.messages()
        return meta_of(found[-1]) if found else {}


class Flowgraph(gr.top_block):
    """Keeps the connected blocks alive, as GRC's flowgraphs do by their attributes.

    GNU Radio keeps only the C++ half of a block written in Python. A test that returns while the
    flowgraph runs drops the other half, and the block's thread then calls a freed object.
    """

    def __init__(self):
        gr.top_block.__init__(self)
        self.kept = []

    def connect(self, *points):
        self.kept.append(points)
        gr.top_block.connect(self, *points)

    def msg_connect(self, *ports):
        self.kept.append(ports)
        gr.top_block.msg_connect(self, *ports)


class BlockCase(gr_unittest.TestCase):
    """One flowgraph per test, stopped at its end in any case."""

    def setUp(self):
        self.tb = Flowgraph()

    def tearDown(self):
        self.tb.stop()
        self.tb.wait()
        self.tb = None

    def through(self, block, messages, port_in="in", port_out="out"):
        """Post messages and an end mark to a message block.

        Returns (messages out without the end mark, info dicts). The last info dict reports the end.
        """
        tb = gr.top_block()
        out, info = Collector(tb, block, port_out), Collector(tb, block, "info")
        tb.start()
        post(block, port_in, *messages, END)
        wait_for(lambda: len(out) and is_end(out.messages()[-1]), "the end mark")
        # Blocks report the end after they have passed it on.
        wait_for(lambda: info.last().get("event") == "eof", "the report of the end")
        info.flush()
        tb.stop()
        tb.wait()
        found = out.messages()
        self.assertEqual(sum(map(is_end, found)), 1, "one end mark in, one out")
        return found[:-1], [meta_of(m) for m in info.messages()]

    def queued(self, block, messages, port_in, port_out):
        """Post messages and an end mark before the block runs for the first time.

        Returns (numbers of the images that came out, last info dict, Log).
        """
        tb = gr.top_block()
        out, info = Collector(tb, block, port_out), Collector(tb, block, "info")
        post(block, port_in, *messages, END)
        with captured_log() as log:
            tb.start()
            wait_for(lambda: len(out) and is_end(out.messages()[-1]), "the end mark")
            wait_for(lambda: info.last().get("event") == "eof", "the last report")
            tb.stop()
            tb.wait()
        return [meta_of(m)["picture"] for m in out.messages()[:-1]], info.last(), log

    def assert_ends_by_itself(self, tb, *collectors):
        """Assert that the flowgraph ends without a stop(). The collectors have all messages then."""
        self.assertTrue(ends(tb.wait), f"the flowgraph still ran after {HANG:g} s")
        for collector in collectors:
            collector.take_late()

    def assert_stops_under_load(self, block, messages, port_in):
        """Assert that stop() and wait() return while hundreds of messages wait."""
        Collector(self.tb, block, "info")
        self.tb.start()
        post(block, port_in, *messages)
        self.assertTrue(stops(self.tb))

    def assert_refused(self, words, make, *arguments, **named):
        """Assert that the constructor (or callback) throws one line that contains each of the words."""
        with self.assertRaises((ValueError, RuntimeError)) as caught:
            make(*arguments, **named)
        text = str(caught.exception)
        self.assertNotIn("\n", text)
        for word in words:
            self.assertIn(word, text)
