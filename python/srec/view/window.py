# SPDX-License-Identifier: GPL-3.0-or-later
"""The window of `srec receive --view`: an image_view whose events are processed while the command works."""
import queue
import time
from typing import Any

BEAT_S = 0.02


class Window:
    """The window. Create it before the flowgraph.

    Raises RuntimeError with one line if PyQt5 or a display is missing.
    """

    def __init__(self, title: str):
        from gnuradio import srec
        from gnuradio.srec.image_view import application

        self._app = application()
        self.view = srec.image_view(title)
        self.view.qwidget().resize(900, 620)
        self.view.qwidget().show()

    def closed(self) -> bool:
        return not self.view.qwidget().isVisible()

    def turn(self) -> None:
        """Process the events of Qt."""
        self._app.processEvents()

    def get(self, collector: Any, seconds: float) -> dict[str, Any]:
        """Return collector.get() while Qt works. Raises queue.Empty after `seconds`."""
        until = time.monotonic() + seconds
        while True:
            self.turn()
            try:
                return collector.get(min(BEAT_S, seconds))
            except queue.Empty:
                if time.monotonic() >= until:
                    raise

    def hold(self, stop: Any) -> None:
        """Wait until the user closes the window or stops the command. Return at once if the window is invisible."""
        while self._app.platformName() not in ("offscreen", "minimal") and not stop and not self.closed():
            self.turn()
            time.sleep(BEAT_S)
