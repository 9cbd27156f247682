# SPDX-License-Identifier: GPL-3.0-or-later
"""SigMF recordings that are written completely or not at all.

The samples of NAME go to NAME.part.sigmf-data, with metadata, until commit() gives both files their names. A killed
program leaves NAME.part, a valid recording. Needs no GNU Radio.
"""
import contextlib
import errno
import fcntl
import os
from typing import Any

import numpy as np

from . import output, sigmf


def part_of(path: str) -> str:
    """Return the name of the unfinished recording: 'take' gives 'take.part'. Any name of the recording will do."""
    return sigmf.paths(path)[0][: -len(sigmf.META)] + ".part"


def _is_being_written(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


class RecordingWriter:
    """The writer of a sample_sink for a recording. Nothing on the disk changes before open().

    overwrite: the recording may replace an existing one, which remains until commit(), and one that a killed program
        has left.
    n_samples: number of samples written so far.
    Raises ValueError for impossible parameters, FileExistsError for a name that is taken, OSError.
    """

    def __init__(
        self,
        path: str,
        datatype: str,
        rate: float,
        frequency: float | None = None,
        srec: dict[str, Any] | None = None,
        overwrite: bool = False,
    ):
        if datatype not in sigmf.DATATYPES:
            raise ValueError(f"datatype {datatype!r} is none of {', '.join(sigmf.DATATYPES)}")
        if not 0 < rate < float("inf"):
            raise ValueError("rate must be above 0")
        self.name = sigmf.paths(path)[0][: -len(sigmf.META)]
        self._metadata = sigmf.metadata(datatype, rate, frequency, srec)
        self._datatype, self._overwrite = datatype, overwrite
        self._data: output.NewFile | None = None
        self._meta: output.NewFile | None = None
        self.n_samples = 0
        self.check()

    def check(self) -> None:
        """Check that the recording can be created, as far as possible without creating it. Raises OSError."""
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

    def open(self) -> None:
        """Create the files, unless they are open. Raises OSError and then leaves nothing behind."""
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

    def _opened(self) -> output.NewFile:
        if not self._data:
            raise ValueError("the recording is not open")
        return self._data

    def write(self, samples: np.ndarray) -> int:
        """Write all samples, and return their number. Raises OSError; earlier samples remain, as whole samples."""
        rest = memoryview(sigmf.to_bytes(samples, self._datatype))
        size = sigmf.bytes_per_sample(self._datatype)
        data, at = self._opened(), self.n_samples * size
        try:
            while rest:
                n = os.pwrite(data.file.fileno(), rest, at)
                rest, at = rest[n:], at + n
        except OSError as error:
            self.n_samples = at // size
            with contextlib.suppress(OSError):
                os.ftruncate(data.file.fileno(), self.n_samples * size)
            error.filename = data.path
            raise
        self.n_samples += len(samples)
        return len(samples)

    def commit(self) -> None:
        """Give the recording its name; remove it if it has no samples. Raises OSError; NAME.part then remains."""
        if self._data and self._meta and self.n_samples:
            self._data.commit()
            self._meta.commit()
        self.discard()

    def leave(self) -> None:
        """Keep the recording as NAME.part; remove it if it has no samples."""
        if self._data and self._meta and self.n_samples:
            self._data.leave()
            self._meta.leave()
        self.discard()

    def discard(self) -> None:
        """Remove the recording, unless commit() or leave() was called before."""
        for file in (self._meta, self._data):
            if file:
                file.discard()
        self._meta = self._data = None

    def abandon(self) -> None:
        """Do nothing: a recording waits for no other end."""

    def close(self, _complete: bool) -> None:
        """Commit when the block recording_sink ends. An interrupted stream is worth keeping too."""
        self.commit()
