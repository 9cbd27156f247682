# SPDX-License-Identifier: GPL-3.0-or-later
"""SigMF recordings that are written whole or not at all: the samples of NAME go to NAME.part.sigmf-data, with metadata,
until commit() gives
both their names. A program that is killed leaves NAME.part, a recording like any other. Needs no GNU Radio."""
import contextlib
import errno
import fcntl
import os

from . import output, sigmf


def part_of(path):
    """'take' -> 'take.part', whichever of the recording's names was given"""
    return sigmf.paths(path)[0][: -len(sigmf.META)] + ".part"


def _is_being_written(path):
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


class RecordingWriter:
    """A writer of sample_sink. Nothing on the disk changes before open().

    overwrite: the recording may take the place of an existing one, which stays until commit(), and of one that a killed
    program left.
    n_samples: written so far.
    Raises ValueError for what cannot be, FileExistsError for a name that is taken, OSError.
    """

    def __init__(self, path, datatype, rate, frequency=None, srec=None, overwrite=False):
        if datatype not in sigmf.DATATYPES:
            raise ValueError(f"datatype {datatype!r} is none of {', '.join(sigmf.DATATYPES)}")
        if not 0 < rate < float("inf"):
            raise ValueError("rate must be above 0")
        self.name = sigmf.paths(path)[0][: -len(sigmf.META)]
        self._metadata = sigmf.metadata(datatype, rate, frequency, srec)
        self._datatype, self._overwrite = datatype, overwrite
        self._data = self._meta = None
        self.n_samples = 0
        self.check()

    def check(self):
        """Whether the recording may be made, as far as that can be seen without making it. Raises OSError."""
        folder = os.path.dirname(self.name) or "."
        if not os.path.isdir(folder):
            code = errno.ENOTDIR if os.path.exists(folder) else errno.ENOENT
            raise OSError(code, os.strerror(code), folder)
        for path in sigmf.paths(part_of(self.name)):
            if os.path.lexists(path) and (not self._overwrite or _is_being_written(path)):
                raise FileExistsError(
                    errno.EEXIST,
                    (
                        "another program is writing this recording, or was killed while it did: --overwrite "
                        "replaces what a killed one left"
                    ),
                    path,
                )
        for path in sigmf.paths(self.name):
            if os.path.lexists(path) and not self._overwrite:
                raise FileExistsError(errno.EEXIST, "exists; --overwrite replaces the recording", path)

    def open(self):
        """Makes the files, unless they are open. Raises OSError, and leaves nothing behind then."""
        if self._data:
            return
        self.check()
        for path in sigmf.paths(part_of(self.name)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)  # with overwrite: left by a killed program
        meta, data = sigmf.paths(self.name)
        part_meta, part_data = sigmf.paths(part_of(self.name))
        self.n_samples = 0
        try:
            self._data = output.NewFile(data, self._overwrite, temporary=part_data)
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(self._data.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._meta = output.NewFile(meta, self._overwrite, temporary=part_meta)
            self._meta.file.write(output.json_bytes(self._metadata))
            self._meta.file.flush()
        except OSError:
            self.discard()
            raise

    def write(self, samples):
        """-> samples taken: all. Raises OSError; what was written before stays, in whole samples."""
        rest = memoryview(sigmf.to_bytes(samples, self._datatype))
        size = sigmf.bytes_per_sample(self._datatype)
        file, at = self._data.file, self.n_samples * size
        try:
            while rest:
                n = os.pwrite(file.fileno(), rest, at)
                rest, at = rest[n:], at + n
        except OSError as error:
            self.n_samples = at // size
            with contextlib.suppress(OSError):
                os.ftruncate(file.fileno(), self.n_samples * size)
            error.filename = self._data.path
            raise
        self.n_samples += len(samples)
        return len(samples)

    def commit(self):
        """The recording gets its name; one without samples is removed. Raises OSError: then NAME.part stays."""
        if self._meta and self.n_samples:
            self._data.commit()
            self._meta.commit()
        self.discard()

    def leave(self):
        """It stays under the name NAME.part; one without samples is removed."""
        if self._meta and self.n_samples:
            self._data.leave()
            self._meta.leave()
        self.discard()

    def discard(self):
        """Nothing of it stays, unless commit() or leave() was called before."""
        for file in (self._meta, self._data):
            if file:
                file.discard()
        self._meta = self._data = None

    def abandon(self):
        """Nothing here waits for another end."""

    def close(self, _complete):
        """As the block recording_sink ends: a stream that breaks off is worth keeping too."""
        self.commit()
