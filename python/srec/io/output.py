# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that exist completely or not at all.

Each is written under a random name in its folder and gets its own name at the end. After an error it is removed.
Symbolic links are never followed. Needs no GNU Radio.
"""
import contextlib
import errno
import json
import math
import os
import secrets
import stat
from types import TracebackType
from typing import Any, BinaryIO, Iterator

from ..text import utf8

NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)  # errors of file systems without hard links
FLAGS = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC


def _is_special(path: str) -> bool:
    """Return whether the path is a device, pipe or socket, or a name below /dev or /proc (/dev/stdout).

    Such a file cannot be replaced, so it is written directly.
    """
    folder = os.path.realpath(os.path.dirname(os.path.abspath(path)))
    if (folder + "/").startswith(("/dev/", "/proc/")) and not (folder + "/").startswith("/dev/shm/"):
        return os.path.exists(path)
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode))


class NewFile:
    """A file that is being written.

    `file` is a binary file object. commit() gives it its name, discard() removes it. As a context it commits at the
    end, and discards after an exception.

    overwrite: commit() replaces an existing file of that name in one step. Otherwise it raises FileExistsError.
    mode: permissions before the umask. Owner and permissions of an existing file are not kept, and a symbolic link is
        replaced, not followed.
    temporary: name during writing, for work that should remain after a program is killed. By default it is random.

    Every OSError names the file. One thread at a time.
    """

    def __init__(
        self, path: str | os.PathLike, overwrite: bool = False, mode: int = 0o666, temporary: str | None = None
    ):
        self.path, self._overwrite = os.fspath(path), overwrite
        self._temporary: str | None = None
        self.file: BinaryIO
        with self._named():
            if _is_special(self.path):
                self.file = open(os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC), "wb")
                return
            if os.path.isdir(self.path) and not os.path.islink(self.path):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            temporary = temporary or os.path.join(os.path.dirname(self.path), f".srec-{secrets.token_hex(8)}.tmp")
            self.file = open(os.open(temporary, FLAGS | os.O_CREAT | os.O_EXCL, mode), "wb")
            self._temporary = temporary

    def commit(self, path: str | None = None) -> None:
        """Give the complete file its name. After an error call discard(), or try another name.

        path: another name in the same folder, if `path` of the constructor is taken.
        """
        self.path = self.path if path is None else path
        with self._named():
            self.file.close()
            if self._temporary and self._overwrite:
                os.replace(self._temporary, self.path)
            elif self._temporary:
                self._link(self._temporary)
            self._temporary = None

    def _link(self, temporary: str) -> None:
        """Give the file a name that must not exist yet. os.replace() alone would not notice an existing file."""
        try:
            os.link(temporary, self.path, follow_symlinks=False)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            os.close(os.open(self.path, FLAGS | os.O_CREAT | os.O_EXCL, 0o600))
            try:
                os.replace(temporary, self.path)
            except OSError:
                os.unlink(self.path)
                raise
        else:
            os.unlink(temporary)

    def leave(self) -> None:
        """Close the file under its temporary name."""
        self._temporary = None
        with self._named():
            self.file.close()

    def discard(self) -> None:
        """Remove what has been written. Does nothing after commit()."""
        temporary, self._temporary = self._temporary, None
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        with contextlib.suppress(OSError):  # the last bytes may not fit
            self.file.close()

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            error.filename, error.filename2 = self.path, None
            raise

    def __enter__(self) -> BinaryIO:
        return self.file

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.commit()
            elif isinstance(error, OSError) and error.filename is None:
                error.filename = self.path
        finally:
            self.discard()


def plain(value: Any) -> Any:
    r"""Return the value in a form that JSON supports.

    Text becomes UTF-8 (other bytes become \xNN); numbers that are not finite become None.
    """
    if isinstance(value, str):
        return utf8(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {plain(key) if isinstance(key, str) else key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def json_bytes(value: Any) -> bytes:
    return (json.dumps(plain(value), indent=1, allow_nan=False) + "\n").encode()


def write(path: str, data: bytes | str, overwrite: bool = True, mode: int = 0o666) -> None:
    """Write a file. Raises OSError.

    data: bytes or text.
    """
    with NewFile(path, overwrite, mode) as file:
        file.write(utf8(data).encode() if isinstance(data, str) else data)


def write_json(path: str, value: Any, overwrite: bool = True) -> None:
    """Write a value as JSON. Raises OSError."""
    write(path, json_bytes(value), overwrite)
