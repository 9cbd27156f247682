#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""An exception in a block written in Python: the flowgraph ends, and a watch reports the reason."""
import numpy as np
import pmt
from gnuradio import blocks, gr, gr_unittest, srec
from gnuradio.srec import guard
from gnuradio.srec.io import sample_io

from qa_common import END, BlockCase, Collector, captured_log, is_end, post, wait_for


class Relay(guard.message_block):
    """Passes messages on, and raises an exception on demand."""

    def __init__(self):
        guard.message_block.__init__(self, "relay", None, None)
        self.message_port_register_in(pmt.intern("in"))
        self.message_port_register_out(pmt.intern("out"))
        self.set_msg_handler(pmt.intern("in"), self._handle)

    def _handle(self, msg):
        if pmt.eqv(msg, pmt.intern("bad")):
            {}["nothing of the kind"]
        self.message_port_pub(pmt.intern("out"), msg)

    def last_words(self):
        self.message_port_pub(pmt.intern("out"), END)


class Careless(gr.basic_block):
    """A block as many users write it."""

    def __init__(self):
        gr.basic_block.__init__(self, "careless", None, None)
        self.message_port_register_in(pmt.intern("in"))
        self.set_msg_handler(pmt.intern("in"), self._handle)

    def _handle(self, msg):
        raise OSError("not guarded")


class Source(guard.message_block):
    """A source whose thread raises at once."""

    def __init__(self):
        guard.message_block.__init__(self, "source", None, None)
        self.message_port_register_out(pmt.intern("pdus"))

    def start(self):
        self.guarded_thread(self._run).start()
        return True

    def _run(self):
        open("/no such folder/picture\x1b[2J.png").close()

    def last_words(self):
        self.message_port_pub(pmt.intern("pdus"), END)


class Reader:
    """A reader that gives two samples, then an unexpected exception."""

    def __init__(self):
        self.reads = 0

    def read(self, n):
        self.reads += 1
        if self.reads > 2:
            raise ZeroDivisionError("of the reader")
        return np.ones(1, np.complex64)

    def close(self):
        pass


class Writer:
    def open(self):
        pass

    def write(self, samples):
        raise KeyError("of the writer")

    def close(self, complete):
        self.complete = complete


class qa_guard(BlockCase):
    def setUp(self):
        super().setUp()
        self.watch = srec.fault_watch()

    def tearDown(self):
        super().tearDown()
        self.watch = None

    def test_what_a_handler_raises_ends_the_flowgraph_with_an_end_mark(self):
        relay = Relay()
        out = Collector(self.tb, relay, "out")
        self.tb.start()
        post(relay, "in", *map(pmt.intern, ("first", "bad", "later")))
        self.assert_ends_by_itself(self.tb, out)
        self.assertEqual([str(m) for m in out.messages()[:-1]], ["first"])
        self.assertTrue(is_end(out.messages()[-1]))
        self.assertEqual(self.watch.faults(), [(relay.alias(), "KeyError: 'nothing of the kind'")])
        self.assertIsInstance(relay.error, KeyError)

    def test_what_a_thread_raises_ends_the_flowgraph_with_an_end_mark(self):
        source = Source()
        out = Collector(self.tb, source, "pdus")
        self.tb.start()
        self.assert_ends_by_itself(self.tb, out)
        self.assertTrue(is_end(out.messages()[0]))
        ((block, what),) = self.watch.faults()
        self.assertEqual(block, source.alias())
        self.assertEqual(what, "/no such folder/picture\\x1b[2J.png: No such file or directory")

    def test_a_fault_that_nobody_watches_is_logged(self):
        self.watch = None
        relay = Relay()
        with captured_log() as log:
            self.tb.msg_connect(relay, "out", blocks.message_debug(False), "store")
            self.tb.start()
            post(relay, "in", pmt.intern("bad"))
            self.assert_ends_by_itself(self.tb)
        self.assertEqual(log.count("nothing of the kind"), 1, log.text)

    def test_a_careless_block_is_seen(self):
        careless = Careless()
        with captured_log():
            relay = Relay()
            self.tb.msg_connect(relay, "out", careless, "in")
            self.tb.start()
            post(relay, "in", pmt.intern("any"))
            wait_for(self.watch.faults, "the fault")
        ((block, what),) = self.watch.faults()
        self.assertEqual(block, "")
        self.assertIn("not guarded", what)

    def test_a_reader_that_raises_ends_the_stream_with_the_end_mark(self):
        source, sink = sample_io.sample_source(Reader()), blocks.vector_sink_c()
        self.tb.connect(source, sink)
        self.tb.start()
        self.assert_ends_by_itself(self.tb)
        self.assertEqual(len(sink.data()), 3)
        self.assertEqual([t.offset for t in sink.tags()], [2])
        self.assertIsInstance(source.error, ZeroDivisionError)

    def test_a_writer_that_raises_ends_the_flowgraph_or_is_left_out(self):
        for optional in (False, True):
            top, writer = gr.top_block(), Writer()
            sink = sample_io.sample_sink(writer, optional=optional)
            source = blocks.vector_source_c(np.ones(100000), not optional)
            top.connect(source, sink)
            top.start()
            self.assert_ends_by_itself(top)
            self.assertIsInstance(sink.error, KeyError)
            self.assertFalse(writer.complete)


if __name__ == "__main__":
    gr_unittest.run(qa_guard)
