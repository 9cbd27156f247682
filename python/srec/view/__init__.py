# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows. They need PyQt5, which is loaded when a window opens.

    widget.py    the window of the block image_view
    window.py    the window of `srec receive --view`
"""
