# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes text from outside (file names, metadata, model cards) safe to print and to write as JSON.

Needs no GNU Radio.
"""
import contextlib
import io
import sys
from typing import Any, Iterator


def _escaped(character: str) -> str:
    code = ord(character)
    # os.fsdecode() represents a byte of a name that is not UTF-8 by these codes.
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def printable(value: Any, limit: int | None = None) -> str:
    r"""Convert any value to text on one line.

    Characters that control a terminal (control characters, line ends, changes of direction) and bytes that are not
    UTF-8 become \xNN or \uNNNN.

    limit: maximum number of characters; dots replace the rest.
    """
    text = str(value)
    cut = limit is not None and len(text) > limit
    text = "".join(c if c.isprintable() else _escaped(c) for c in (text[:limit] if cut else text))
    return text + "..." if cut else text


def utf8(text: str) -> str:
    r"""Convert text from os.fsdecode() to text that every encoder accepts. Bytes that are not UTF-8 become \xNN."""
    return "".join(_escaped(c) if 0xD800 <= ord(c) <= 0xDFFF else c for c in text)


class _PlainStream(io.TextIOWrapper):
    def write(self, text: str) -> int:
        with _naming_stdout():
            super().write("\n".join(map(printable, text.split("\n"))))
        return len(text)

    def flush(self) -> None:
        with _naming_stdout():
            super().flush()


@contextlib.contextmanager
def _naming_stdout() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        error.filename = "standard output"
        raise


def plain_streams() -> None:
    """Make standard output and standard error safe.

    Nothing that the program prints from now on can control a terminal, or fail for a character that the terminal's
    encoding lacks. This is a last resort: values are made printable before they are printed, because line ends pass
    here.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            setattr(
                sys,
                name,
                _PlainStream(
                    stream.buffer,
                    encoding=stream.encoding,
                    errors="backslashreplace",
                    line_buffering=stream.line_buffering,
                    write_through=stream.write_through,
                ),
            )
