#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""companion_start.py FLOWGRAPH...: runs gnuradio-companion, without a crash at its start.

GNU Radio Companion 3.10 reads the documentation of all blocks in a thread, and this thread writes the texts into the
window's tree of blocks. GTK permits that only in the main thread: now and then the program ends with SIGSEGV in
g_source_set_name()."""
import runpy
import shutil

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("PangoCairo", "1.0")

from gi.repository import GLib  # noqa: E402
from gnuradio.grc.gui.Platform import Platform  # noqa: E402, F401  (first: the others import each other)
from gnuradio.grc.gui.BlockTreeWindow import BlockTreeWindow  # noqa: E402


def update_documentation_in_main_thread():
    """Makes the thread that read the documentation hand it to the main loop."""
    update = BlockTreeWindow.update_docs
    BlockTreeWindow.update_docs = lambda window: GLib.idle_add(update, window)


if __name__ == "__main__":
    update_documentation_in_main_thread()
    runpy.run_path(shutil.which("gnuradio-companion"), run_name="__main__")
