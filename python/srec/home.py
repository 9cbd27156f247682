# SPDX-License-Identifier: GPL-3.0-or-later
"""Flowgraphs without a home folder. The first one that starts in a process notes in $HOME/.gnuradio which kind of
buffer the machine can do, and
GNU Radio refuses to start where it cannot: for a user of services, whose home is missing or cannot be written."""
import os
import tempfile

NOTE = "vmcircbuf_default_factory"  # in .gnuradio/prefs


def _can_note(home):
    folder = os.path.join(home, ".gnuradio", "prefs")
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError:
        return False
    return os.path.exists(os.path.join(folder, NOTE)) or os.access(folder, os.W_OK)


def prepare():
    """Before the first flowgraph starts: with a home of no use a small one runs in a temporary home, and GNU Radio
    remembers what it found."""
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
