# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples from and to files, pipes and ZeroMQ sockets: readers and writers, and the two blocks that put them into a flowgraph.
Unlike GNU Radio's own sources these pass on the end (tag `srec_eof`), so that a run ends when its last picture is done."""
import os
import select
import threading

import numpy as np
import pmt
from gnuradio import gr

from . import sigmf

POLL_S = 0.1  # how long a reader or writer may keep the flowgraph from stopping
LINGER_MS = 30000  # how long the last samples may wait for a receiver
HIGH_WATER = 64  # messages that a ZeroMQ socket queues: half a second of 1 Msample/s


class FileReader:
    """A recording, or a file of bare samples. Raises OSError."""

    def __init__(self, path, datatype, repeat=False):
        self._file, self._datatype, self._repeat = open(path, "rb"), datatype, repeat

    def read(self, n):
        """-> up to n samples, or None at the end"""
        size = sigmf.bytes_per_sample(self._datatype)
        data = self._file.read(n * size)
        if len(data) < size and self._repeat:
            self._file.seek(0)
            data = self._file.read(n * size)
        data = data[:len(data) - len(data) % size]
        return sigmf.to_samples(data, self._datatype) if data else None

    def close(self):
        self._file.close()


class PipeReader:
    """Bare samples from a file descriptor, standard input as a rule."""

    def __init__(self, fd, datatype):
        self._fd, self._datatype, self._rest = fd, datatype, b""

    def read(self, n):
        if not select.select([self._fd], [], [], POLL_S)[0]:
            return np.empty(0, np.complex64)
        size = sigmf.bytes_per_sample(self._datatype)
        data = os.read(self._fd, n * size - len(self._rest))
        if not data:
            return None
        data = self._rest + data
        whole = len(data) - len(data) % size
        self._rest = data[whole:]
        return sigmf.to_samples(data[:whole], self._datatype)

    def close(self):
        pass


class ZmqReader:
    """Bare cf32 samples of a PUSH socket (srec send, GNU Radio's ZMQ PUSH Sink without tags). Raises OSError."""

    def __init__(self, address):
        import zmq
        self._context, self._rest = zmq.Context(), np.empty(0, np.complex64)
        self._socket = self._context.socket(zmq.PULL)
        self._socket.setsockopt(zmq.RCVHWM, HIGH_WATER)
        self._socket.setsockopt(zmq.LINGER, 0)
        _attach(self, self._socket.connect, address)

    def read(self, n):
        if not self._rest.size and self._socket.poll(1000 * POLL_S):
            message = self._socket.recv()
            self._rest = np.frombuffer(message[:len(message) - len(message) % 8], np.complex64)
        samples, self._rest = self._rest[:n], self._rest[n:]
        return samples

    def close(self):
        self._socket.close()
        self._context.term()


class FileWriter:
    """Bare samples to a file, made anew. Raises OSError."""

    def __init__(self, path, datatype):
        self._file, self._datatype = open(path, "wb"), datatype

    def write(self, samples):
        """-> samples taken"""
        self._file.write(sigmf.to_bytes(samples, self._datatype))
        return len(samples)

    def close(self, complete):
        self._file.close()


class PipeWriter:
    """Bare samples to a file descriptor, standard output as a rule."""

    def __init__(self, fd, datatype):
        self._fd, self._datatype, self._rest = fd, datatype, b""

    def write(self, samples):
        if self._rest:  # of the samples before: first that
            if select.select([], [self._fd], [], POLL_S)[1]:
                self._rest = self._rest[os.write(self._fd, self._rest[:select.PIPE_BUF]):]
            return 0
        data = memoryview(sigmf.to_bytes(samples, self._datatype))
        while data and select.select([], [self._fd], [], POLL_S)[1]:
            data = data[os.write(self._fd, data[:select.PIPE_BUF]):]  # as much as goes without blocking
        self._rest = bytes(data)
        return len(samples)

    def close(self, complete):
        while complete and self._rest:
            self._rest = self._rest[os.write(self._fd, self._rest):]


class ZmqWriter:
    """Bare cf32 samples to a PUSH socket, which waits for receivers. Raises OSError."""

    def __init__(self, address):
        import zmq
        self._zmq, self._context = zmq, zmq.Context()
        self._socket = self._context.socket(zmq.PUSH)
        self._socket.setsockopt(zmq.SNDHWM, HIGH_WATER)
        _attach(self, self._socket.bind, address)

    def write(self, samples):
        if not self._socket.poll(1000 * POLL_S, self._zmq.POLLOUT):
            return 0
        self._socket.send(np.ascontiguousarray(samples, np.complex64).tobytes())
        return len(samples)

    def close(self, complete):
        self._socket.close(linger=LINGER_MS if complete else 0)
        self._context.term()


def _attach(owner, method, address):
    import zmq
    try:
        method(address)
    except zmq.ZMQError as error:
        owner._socket.close(linger=0)
        owner._context.term()
        raise OSError(error.errno, error.strerror, address) from None


class sample_source(gr.sync_block):
    """Stream out: what a reader gives; at its end one more sample with the tag `srec_eof`, then the flowgraph ends. error: what went wrong, or None."""

    def __init__(self, reader, name="sample_source"):
        gr.sync_block.__init__(self, name, None, [np.complex64])
        self._reader, self._finish, self._ended, self.error = reader, threading.Event(), False, None

    def finish(self):
        """The stream ends here. Any thread."""
        self._finish.set()

    def work(self, input_items, output_items):
        if self._ended:
            return -1
        out = output_items[0]
        samples = None
        if not self._finish.is_set():
            try:
                samples = self._reader.read(len(out))
            except OSError as error:
                self.error = error
        if samples is None:
            out[0] = 0
            self.add_item_tag(0, self.nitems_written(0), pmt.intern("srec_eof"), pmt.PMT_T)
            self._ended = True
            return 1
        out[:len(samples)] = samples
        return len(samples)

    def stop(self):
        self._reader.close()
        return True


class sample_sink(gr.sync_block):
    """Stream in: what a writer takes. error: what went wrong, or None; then the flowgraph ends."""

    def __init__(self, writer, name="sample_sink"):
        gr.sync_block.__init__(self, name, [np.complex64], None)
        self._writer, self._whole, self.error = writer, False, None

    def work(self, input_items, output_items):
        samples = input_items[0]
        try:
            taken = self._writer.write(samples)
        except OSError as error:
            self.error = error
            return -1
        if taken:
            n = self.nitems_read(0)
            self._whole = bool(self.get_tags_in_range(0, n, n + taken, pmt.intern("srec_eof")))
        return taken

    def stop(self):
        try:
            self._writer.close(self._whole and not self.error)
        except OSError as error:
            self.error = self.error or error
        return True


class recording_source(sample_source):
    """A SigMF recording as a stream of samples, then the end mark.

    path: NAME, NAME.sigmf-meta or NAME.sigmf-data; cf32_le, ci16_le or cu8; repeat: start over for ever. Raises ValueError (sigmf.Fault) with one line.
    recording: what the metadata say (sigmf.Recording).
    """

    def __init__(self, path, repeat=False):
        self.recording = sigmf.Recording(path)
        sample_source.__init__(self, FileReader(self.recording.data, self.recording.datatype, repeat), "recording_source")


class recording_sink(sample_sink):
    """Samples into a SigMF recording; an existing one is overwritten.

    datatype: cf32_le, ci16_le or cu8 (these two limit samples to full scale, 1); rate: samples per second; frequency: Hz, 0 = not told;
    metadata: dict of what the metadata say of gr-srec (sigmf.SREC_KEYS). Raises OSError, ValueError.
    """

    def __init__(self, path, datatype="cf32_le", rate=1e6, frequency=0.0, metadata=None):
        if datatype not in sigmf.DATATYPES:
            raise ValueError(f"datatype {datatype!r} is none of {', '.join(sigmf.DATATYPES)}")
        if not 0 < rate < float("inf"):
            raise ValueError("rate must be above 0")
        writer = FileWriter(sigmf.paths(path)[1], datatype)
        sigmf.write_meta(path, datatype, rate, frequency or None, metadata)
        sample_sink.__init__(self, writer, "recording_sink")
