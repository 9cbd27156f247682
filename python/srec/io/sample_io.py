# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples from and to files, pipes and ZeroMQ sockets.

It contains readers, writers, and the two blocks that put them into a flowgraph. Unlike GNU Radio's own sources, these
pass the end on (tag `srec_eof`), so that a run ends when its last image is done.
"""
import os
import select
import stat
import threading
from typing import Any, Callable, Protocol

import numpy as np
import pmt
from gnuradio import gr

from . import sigmf
from ..guard import describe, guarded_work
from .recording import RecordingWriter
from ..srec_python import record_fault
from ..text import printable

POLL_S = 0.1  # longest time that a reader or writer may delay the end of the flowgraph
LINGER_MS = 30000  # longest time that the last samples may wait for a receiver
HIGH_WATER = 64  # messages that a ZeroMQ socket queues: half a second at 1 Msample/s
MESSAGE_MAX = 4 << 20  # maximum bytes of a ZeroMQ message


class Reader(Protocol):
    """What a sample_source reads from."""

    def read(self, n: int) -> np.ndarray | None:
        """Return up to n samples: an empty array if none has arrived yet, None at the end of the stream."""

    def close(self) -> None:
        """Close the input."""


class Writer(Protocol):
    """What a sample_sink writes to."""

    def open(self) -> None:
        """Open the output, unless it is open."""

    def write(self, samples: np.ndarray) -> int:
        """Return the number of samples taken."""

    def abandon(self) -> None:
        """Discard what the other end has not taken. Any thread."""

    def close(self, complete: bool) -> None:
        """Close the output.

        complete: the end mark has arrived.
        """


class FileReader:
    """Reads `size` bytes of samples of a file from `offset` on; size None: to its end. Raises OSError."""

    def __init__(self, path: str, datatype: str, repeat: bool = False, offset: int = 0, size: int | None = None):
        self._file, self._datatype, self._repeat = open(path, "rb"), datatype, repeat
        self._offset, self._size = offset, size
        self._begin()

    def _begin(self) -> None:
        self._file.seek(self._offset)
        self._left = self._size

    def _bytes(self, n: int) -> bytes:
        data = self._file.read(n if self._left is None else min(n, self._left))
        if self._left is not None:
            self._left -= len(data)
        return data

    def read(self, n: int) -> np.ndarray | None:
        """Return up to n samples, or None at the end."""
        size = sigmf.bytes_per_sample(self._datatype)
        data = self._bytes(n * size)
        if len(data) < size and self._repeat:
            self._begin()
            data = self._bytes(n * size)
        data = data[: len(data) - len(data) % size]
        return sigmf.to_samples(data, self._datatype) if data else None

    def close(self) -> None:
        self._file.close()


def file_reader(path: str, datatype: str, repeat: bool = False) -> Reader:
    """Return a reader for a file of bare samples, a named pipe or a device. Raises OSError."""
    if stat.S_ISREG(os.stat(path).st_mode) or os.path.isdir(path):
        return FileReader(path, datatype, repeat)
    return PipeReader(os.open(path, os.O_RDONLY | os.O_CLOEXEC), datatype)


def recording_reader(recording: sigmf.Recording, repeat: bool = False) -> FileReader:
    """Return a reader for a sigmf.Recording. Raises OSError."""
    size = recording.n_samples * sigmf.bytes_per_sample(recording.datatype)
    return FileReader(recording.data, recording.datatype, repeat, recording.data_offset, size)


class PipeReader:
    """Reads bare samples from a file descriptor, usually standard input."""

    def __init__(self, fd: int, datatype: str):
        self._fd, self._datatype, self._rest = fd, datatype, b""

    def read(self, n: int) -> np.ndarray | None:
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

    def close(self) -> None:
        pass


class _Peers:
    """The programs connected to a ZeroMQ socket, according to its monitor. One thread."""

    def __init__(self, zmq_socket: Any):
        import zmq
        from zmq.utils.monitor import recv_monitor_message

        self._receive = recv_monitor_message
        self._came, self._gone = (zmq.EVENT_ACCEPTED, zmq.EVENT_CONNECTED), (zmq.EVENT_DISCONNECTED, zmq.EVENT_CLOSED)
        self._socket = zmq_socket
        self._monitor = zmq_socket.get_monitor_socket(self._came[0] | self._came[1] | self._gone[0] | self._gone[1])
        self._there: set[int] = set()  # file descriptors
        self.lost = 0  # number of connections that broke off

    def count(self) -> int:
        """Return the number of programs connected now."""
        while self._monitor.poll(0):
            event = self._receive(self._monitor)
            if event["event"] in self._came:
                self._there.add(event["value"])
            elif event["value"] in self._there:
                self._there.remove(event["value"])
                self.lost += 1
        return len(self._there)

    def close(self) -> None:
        self._socket.disable_monitor()
        self._monitor.close(linger=0)


class ZmqReader:
    """Reads bare cf32 samples of a PUSH socket (srec send, GNU Radio's ZMQ PUSH Sink without tags). Raises OSError.

    lost: number of connections that broke off. A sender of messages longer than MESSAGE_MAX loses its connection.
    """

    def __init__(self, address: str):
        import zmq

        self._context, self._rest = zmq.Context(), np.empty(0, np.complex64)
        self._socket = self._context.socket(zmq.PULL)
        self._socket.setsockopt(zmq.RCVHWM, HIGH_WATER)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MESSAGE_MAX)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._peers, self.lost = _Peers(self._socket), 0
        _attach(self, self._socket.connect, address)

    def read(self, n: int) -> np.ndarray:
        if not self._rest.size and self._socket.poll(1000 * POLL_S):
            message = self._socket.recv()
            self._rest = np.frombuffer(message[: len(message) - len(message) % 8], np.complex64)
        self._peers.count()
        self.lost = self._peers.lost
        samples, self._rest = self._rest[:n], self._rest[n:]
        return samples

    def close(self) -> None:
        self._peers.close()
        self._socket.close()
        self._context.term()


class PipeWriter:
    """Writes bare samples to a file descriptor, usually standard output."""

    def __init__(self, fd: int, datatype: str):
        self._fd, self._datatype, self._rest = fd, datatype, b""
        self._abandoned = threading.Event()

    def open(self) -> None:
        pass

    def write(self, samples: np.ndarray) -> int:
        """Return the number of samples taken."""
        if self._rest:  # first the rest of the previous samples
            if select.select([], [self._fd], [], POLL_S)[1]:
                self._rest = self._rest[os.write(self._fd, self._rest[: select.PIPE_BUF]) :]
            return 0
        data = memoryview(sigmf.to_bytes(samples, self._datatype))
        while data and select.select([], [self._fd], [], POLL_S)[1]:
            data = data[os.write(self._fd, data[: select.PIPE_BUF]) :]  # as much as possible without blocking
        self._rest = bytes(data)
        return len(samples)

    def abandon(self) -> None:
        self._abandoned.set()

    def close(self, complete: bool) -> None:
        while complete and self._rest and not self._abandoned.is_set():
            if select.select([], [self._fd], [], POLL_S)[1]:
                self._rest = self._rest[os.write(self._fd, self._rest[: select.PIPE_BUF]) :]


class ZmqWriter:
    """Writes bare cf32 samples to a PUSH socket, which waits for receivers. Raises OSError.

    peers: number of receivers connected now. ZeroMQ distributes the messages among several receivers, so that none of
        them gets whole bursts.
    """

    def __init__(self, address: str):
        import zmq

        self._zmq, self._context = zmq, zmq.Context()
        self._socket = self._context.socket(zmq.PUSH)
        self._socket.setsockopt(zmq.SNDHWM, HIGH_WATER)
        self._abandoned = threading.Event()
        self._peers, self.peers = _Peers(self._socket), 0
        _attach(self, self._socket.bind, address)

    def open(self) -> None:
        pass

    def write(self, samples: np.ndarray) -> int:
        self.peers = self._peers.count()
        if not self._socket.poll(1000 * POLL_S, self._zmq.POLLOUT):
            return 0
        part = samples[: MESSAGE_MAX // 8]
        try:
            self._socket.send(np.ascontiguousarray(part, np.complex64).tobytes(), self._zmq.NOBLOCK)
        except self._zmq.Again:  # the receiver has gone since poll()
            return 0
        return len(part)

    def abandon(self) -> None:
        self._abandoned.set()

    def close(self, complete: bool) -> None:
        self._peers.close()
        self._socket.close(linger=LINGER_MS if complete else 0)
        # term() returns when the receiver has taken the last message.
        end = threading.Thread(target=self._context.term, daemon=True)
        end.start()
        while end.is_alive() and not self._abandoned.is_set():
            end.join(POLL_S)


def _attach(owner: Any, method: Callable[[str], None], address: str) -> None:
    import zmq

    try:
        method(address)
    except zmq.ZMQError as error:
        owner._peers.close()
        owner._socket.close(linger=0)
        owner._context.term()
        raise OSError(error.errno, error.strerror, address) from None


class sample_source(gr.sync_block):
    """Gives out the samples of a reader, then one more sample with the tag `srec_eof`, and ends the flowgraph.

    error: the exception that ended it, or None.
    ended: the reader has reached its end.
    """

    def __init__(self, reader: Reader, name: str = "sample_source"):
        gr.sync_block.__init__(self, name, None, [np.complex64])
        self.reader, self.ended = reader, False
        self.error: Exception | None = None
        self._finish = threading.Event()

    def finish(self) -> None:
        """End the stream here. Any thread."""
        self._finish.set()

    @guarded_work
    def work(self, input_items: list, output_items: list) -> int:
        if self.ended:
            return -1
        out = output_items[0]
        samples = None
        if not self._finish.is_set():
            try:
                samples = self.reader.read(len(out))
            except Exception as error:  # the images received so far still get through
                self._fail(error)
        if samples is None:
            out[0] = 0
            self.add_item_tag(0, self.nitems_written(0), pmt.intern("srec_eof"), pmt.PMT_T)
            self.ended = True
            return 1
        out[: len(samples)] = samples
        return len(samples)

    def _fail(self, error: Exception) -> None:
        self.error = error

    def stop(self) -> bool:
        self.reader.close()
        return True


class sample_sink(gr.sync_block):
    """Passes samples to a writer.

    optional: after an error the samples are discarded. Otherwise the flowgraph ends.
    stay_open: the caller closes the writer's output, because it knows whether the output is good.
    error: the exception of the writer, or None.
    """

    def __init__(self, writer: Writer, name: str = "sample_sink", optional: bool = False, stay_open: bool = False):
        gr.sync_block.__init__(self, name, [np.complex64], None)
        self.writer = writer
        self.error: Exception | None = None
        self._optional, self._stay_open = optional, stay_open
        self.whole = False  # the end mark has arrived

    def start(self) -> bool:
        try:
            self.writer.open()
        except Exception as error:
            self.error = error
            record_fault(self.alias(), describe(error))
        return True

    @guarded_work
    def work(self, input_items: list, output_items: list) -> int:
        samples = input_items[0]
        taken = len(samples)
        if not self.error:
            try:
                taken = self.writer.write(samples)
            except Exception as error:
                self._fail(error)
        if self.error and not self._optional:
            return -1
        if taken:
            n = self.nitems_read(0)
            self.whole = bool(self.get_tags_in_range(0, n, n + taken, pmt.intern("srec_eof")))
        return taken

    def abandon(self) -> None:
        """Discard what the other end has not taken, so that the flowgraph stops at once. Any thread."""
        self.writer.abandon()

    def stop(self) -> bool:
        if self._stay_open:
            return True
        try:
            self.writer.close(self.whole and not self.error)
        except Exception as error:
            self._fail(self.error or error)
        return True

    def _fail(self, error: Exception) -> None:
        self.error = error


class recording_source(sample_source):
    """Gives out a SigMF recording as a stream of samples, then the end mark.

    path: NAME, NAME.sigmf-meta, NAME.sigmf-data or an archive NAME.sigmf.
    repeat: start again at the end, without limit.
    quiet: attribute; True: an error of the file is in `error` only, and no fault of the block.
    recording: the metadata (sigmf.Recording). Raises ValueError (sigmf.Fault) with one line.
    """

    quiet = False

    def __init__(self, path: str, repeat: bool = False):
        self.recording = sigmf.Recording(path)
        sample_source.__init__(self, recording_reader(self.recording, repeat), "recording_source")

    def _fail(self, error: Exception) -> None:
        sample_source._fail(self, error)
        if not self.quiet:
            record_fault(self.alias(), describe(error))

    def stop(self) -> bool:
        return True  # the flowgraph may go on after lock() and unlock(); the file closes with the block


class recording_sink(sample_sink):
    """Writes samples to a SigMF recording, which gets its name when the flowgraph ends. Until then it is NAME.part.

    datatype: cf32_le, ci16_le, ci8 or cu8. All except the first limit samples to full scale, 1.
    rate: samples per second.
    frequency: Hz. 0: unknown.
    metadata: dict of the metadata of gr-srec (sigmf.SREC_KEYS).
    overwrite: replace an existing recording instead of refusing it.
    Raises OSError, ValueError.
    """

    def __init__(
        self,
        path: str,
        datatype: str = "cf32_le",
        rate: float = 1e6,
        frequency: float = 0.0,
        metadata: dict[str, Any] | None = None,
        overwrite: bool = False,
    ):
        if not os.path.basename(path):
            raise ValueError(f"recording_sink: path '{printable(path)}' names no file")
        writer = RecordingWriter(path, datatype, float(rate), float(frequency) or None, metadata, overwrite)
        sample_sink.__init__(self, writer, "recording_sink")
        self._recording, self._recorded = writer, False

    def _fail(self, error: Exception) -> None:
        if error is not self.error:
            record_fault(self.alias(), describe(error))
        sample_sink._fail(self, error)

    def start(self) -> bool:
        if not self._recorded:
            return sample_sink.start(self)
        # After lock() and unlock(), or a second run: a recording has one stretch of time.
        self._fail(ValueError("the recording ended with the first run of the flowgraph; make another recording_sink"))
        return True

    def stop(self) -> bool:
        self._recorded = self._recorded or self._recording.n_samples > 0
        return sample_sink.stop(self)
