# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes received images as PNG files, with a JSON file of metadata for each."""
import collections
import os
import threading
from typing import Any

import numpy as np
import pmt

from .guard import message_block
from .metadata import picture_array, to_dict, to_pmt
from .io.output import NewFile, write_json
from .io.picture_file import save_png
from .text import printable, utf8


def _intern(meta: Any, key: str, value: Any) -> Any:
    return pmt.dict_add(meta, pmt.intern(key), value)


def _claim(png: NewFile, base: str, number: int) -> tuple[int, str]:
    """Reserve the first free number for an image, so that no other receiver that uses the folder gets it too.

    Returns number and path.
    """
    while True:
        path = f"{base}{number:04d}.png"
        if not os.path.lexists(f"{base}{number:04d}.json"):
            try:
                png.commit(path)
                return number, path
            except FileExistsError:
                pass
        number += 1


class image_sink(message_block):
    """Writes received images as PNG files with their metadata as JSON, or keeps them in memory.

    Message ports: in `pdus` (images), out `info` (each image's metadata with `event`, `number` and, once written,
    `path`).

    folder: created if missing. "": no files; the latest images stay in memory (`pictures`: (array, metadata), oldest
        first).
    prefix: prefix of the file names: PREFIX0000.png and so on.
    stop_after: number of images after which wait() returns and further images are ignored. 0: at the end mark only.
    keep: number of images kept in memory, at least 1.
    first: number of the first image, in file names and metadata, 0 .. 2^63 - 1. Numbers that already have a file in the
        folder are skipped.

    The log names each file (level info). Nothing is overwritten. An image that cannot be written completely leaves no
    file. `count` images have arrived. `dropped` messages were not images or could not be written. Setters may be called
    while the flowgraph runs. Raises ValueError for an impossible number or prefix, OSError if the folder cannot be
    created.
    """

    def __init__(self, folder: str = "", prefix: str = "picture", stop_after: int = 0, keep: int = 8, first: int = 0):
        message_block.__init__(self, "image_sink")
        if stop_after < 0 or keep < 1 or not 0 <= first < 2**63:
            raise ValueError("stop_after and first must be at least 0, keep at least 1")
        self._number = int(first)  # of the next image
        self._stop_after = stop_after
        self._done = threading.Event()
        self._said: set[str] = set()  # kinds of trouble logged so far
        self.pictures: collections.deque[tuple[np.ndarray, dict[str, Any]]] = collections.deque(maxlen=keep)
        self.count = self.dropped = 0
        self.set_prefix(prefix)
        self.set_folder(folder)
        self.message_port_register_in(pmt.intern("pdus"))
        self.message_port_register_out(pmt.intern("info"))
        self.set_msg_handler(pmt.intern("pdus"), self._handle)

    def set_folder(self, folder: str) -> None:
        """Set the folder for the next images. Raises OSError if it cannot be created."""
        if folder:
            os.makedirs(folder, exist_ok=True)
        self._folder = folder

    def folder(self) -> str:
        return self._folder

    def set_prefix(self, prefix: str) -> None:
        """Set the prefix for the next images. Raises ValueError if it is impossible."""
        if os.path.basename(prefix) != prefix:
            raise ValueError(f"prefix '{prefix}': folders belong into the parameter folder")
        self._prefix = prefix

    def prefix(self) -> str:
        return self._prefix

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the last image (end mark or stop_after). Return whether it has arrived within `timeout` seconds."""
        return self._done.wait(timeout)

    def last_words(self) -> None:
        self._done.set()

    def _handle(self, msg: Any) -> None:
        try:
            meta = to_dict(pmt.car(msg))
            if meta.get("eof") is True:
                self._info(to_pmt({"event": "eof", "pictures": self.count, "dropped": self.dropped}))
                self._done.set()
                return
            if self._full():
                return  # the flowgraph has not stopped yet
            meta.pop("deviation", None)  # one per patch, for the enhancer
            array = picture_array(meta, pmt.cdr(msg))
        except Exception as error:  # a stranger may send anything: drop and count it
            self._drop("not an image PDU: ", f"{type(error).__name__} {error}"[:120])
            return
        self.count += 1
        number, path = self._write(array, meta) if self._folder else (self._number, None)
        if number is not None:
            meta["number"], self._number = number, number + 1
            if path:
                self.logger.info(f"wrote {printable(path)}")
            else:
                self.pictures.append((array, meta))
            info = _intern(_intern(pmt.car(msg), "event", pmt.intern("picture")), "number", pmt.from_uint64(number))
            self._info(_intern(info, "path", pmt.intern(utf8(path))) if path else info)
        if self._full():
            self._done.set()

    def _full(self) -> bool:
        return bool(self._stop_after) and self.count >= self._stop_after

    def _info(self, metadata: Any) -> None:
        self.message_port_pub(pmt.intern("info"), metadata)

    def _drop(self, kind: str, why: str) -> None:
        self.dropped += 1
        if kind not in self._said:
            self._said.add(kind)
            self.logger.warn(printable(f"{kind}{why} (reported once)"))
        self._info(to_pmt({"event": "dropped", "dropped": self.dropped}))

    def path(self, number: int) -> str:
        """Return the path of the image with that number, whether it exists or not."""
        return os.path.join(self._folder, f"{self._prefix}{number:04d}.png")

    def _write(self, array: np.ndarray, meta: dict[str, Any]) -> tuple[int, str] | tuple[None, None]:
        """Return number and path of the PNG, or (None, None) if it could not be written."""
        base = os.path.join(self._folder, self._prefix)  # setters may be called meanwhile
        path, png = f"{base}{self._number:04d}.png", None
        try:
            png = NewFile(path)
            save_png(array, png.file)
            number, path = _claim(png, base, self._number)
            try:
                write_json(path[: -len("png")] + "json", {**meta, "number": number}, overwrite=False)
            except OSError:
                os.unlink(path)
                raise
            return number, path
        except OSError as error:
            self._drop("cannot write ", f"{error.filename or path}: {error.strerror or error}")
            return None, None
        finally:
            if png:
                png.discard()
