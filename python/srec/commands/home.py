# SPDX-License-Identifier: GPL-3.0-or-later
"""Flowgraphs without a home folder.

The first flowgraph of a process writes to $HOME/.gnuradio which kind of buffer the machine supports. GNU Radio does not
start where it cannot write: for a service user, whose home folder is missing or read-only.
"""
import os
import tempfile

NOTE = "vmcircbuf_default_factory"  # in .gnuradio/prefs


def _can_note(home: str) -> bool:
    folder = os.path.join(home, ".gnuradio", "prefs")
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError:
        return False
    return os.path.exists(os.path.join(folder, NOTE)) or os.access(folder, os.W_OK)


def prepare() -> None:
    """Call this before the first flowgraph starts.

    If the home folder is unusable, a small flowgraph runs in a temporary one, and GNU Radio remembers the result.
    """
    home = os.environ.get("HOME")
    if home is None or _can_note(home):
        return
    from gnuradio import blocks, gr

    with tempfile.TemporaryDirectory(prefix="srec-home-") as folder:
        os.environ["HOME"] = folder
        try:
            top = gr.top_block("prepare")
            top.connect(blocks.null_source(1), blocks.head(1, 1), blocks.null_sink(1))
            top.run()
        finally:
            os.environ["HOME"] = home
