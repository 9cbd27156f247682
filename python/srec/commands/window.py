# SPDX-License-Identifier: GPL-3.0-or-later
"""The window of `srec receive --view`: image_view, kept alive between the command's own work."""
import queue
import time

BEAT_S = 0.02


class Window:
    """Made before the flowgraph. Raises RuntimeError with one line if PyQt5 or a display is missing."""

    def __init__(self, title):
        from gnuradio import srec
        from gnuradio.srec.image_view import application

        self._app = application()
        self.view = srec.image_view(title)
        self.view.qwidget().resize(900, 620)
        self.view.qwidget().show()

    def closed(self):
        return not self.view.qwidget().isVisible()

    def turn(self):
        """Lets Qt do what it has to."""
        self._app.processEvents()

    def get(self, found, seconds):
        """Next item of a queue, Qt working meanwhile. Raises queue.Empty after so long."""
        until = time.monotonic() + seconds
        while True:
            self.turn()
            try:
                return found.get(timeout=min(BEAT_S, seconds))
            except queue.Empty:
                if time.monotonic() >= until:
                    raise

    def hold(self, stop):
        """Until the user closes the window or stops the command; not at all where nobody can see it."""
        while self._app.platformName() not in ("offscreen", "minimal") and not stop and not self.closed():
            self.turn()
            time.sleep(BEAT_S)
