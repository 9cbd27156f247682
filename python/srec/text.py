# SPDX-License-Identifier: GPL-3.0-or-later
"""Text from outside (file names, metadata, model cards) made safe to print and to write as JSON. Needs no GNU Radio."""
import contextlib
import io
import sys


def _escaped(character):
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # os.fsdecode() has put a byte of a name that is not UTF-8 here
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def printable(value, limit=None):
    """Any value -> text on one line. What a terminal could take as a command (control characters, line ends, changes of
    direction) and bytes that are not UTF-8 become \\xNN or \\uNNNN. limit: characters that are kept; dots follow."""
    text = str(value)
    cut = limit is not None and len(text) > limit
    text = "".join(c if c.isprintable() else _escaped(c) for c in (text[:limit] if cut else text))
    return text + "..." if cut else text


def utf8(text):
    """Text that may hold bytes that are not UTF-8, as os.fsdecode() gives them -> text that every encoder takes: those
    become \\xNN."""
    return "".join(_escaped(c) if 0xD800 <= ord(c) <= 0xDFFF else c for c in text)


class _PlainStream(io.TextIOWrapper):
    def write(self, text):
        with _naming_stdout():
            super().write("\n".join(map(printable, text.split("\n"))))
        return len(text)

    def flush(self):
        with _naming_stdout():
            super().flush()


@contextlib.contextmanager
def _naming_stdout():
    try:
        yield
    except OSError as error:
        error.filename = "standard output"
        raise


def plain_streams():
    """From here on nothing that the program prints can command a terminal, or fails for a character that the terminal's
    encoding lacks. A last resort: values are made printable before they are printed, for line ends pass here."""
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
