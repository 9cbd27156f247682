# SPDX-License-Identifier: GPL-3.0-or-later
"""The window of image_view. It needs PyQt5. Everything here runs in the thread of Qt."""
from typing import Any

import numpy as np
from PyQt5 import QtCore, QtGui, QtWidgets

MARGIN, BAR = 4, 5  # pixels
GROUND, BAR_COLOUR, BAR_GROUND = QtGui.QColor(24, 24, 24), QtGui.QColor(90, 170, 255), QtGui.QColor(70, 70, 70)


class Changed(QtCore.QObject):
    """Reports a change from a block's thread to the thread of Qt."""

    signal = QtCore.pyqtSignal()


def qimage(array: np.ndarray) -> QtGui.QImage:
    """Return a QImage with its own memory.

    array: uint8, (height, width) or (height, width, 3).
    """
    height, width = array.shape[:2]
    form = QtGui.QImage.Format_Grayscale8 if array.ndim == 2 else QtGui.QImage.Format_RGB888
    return QtGui.QImage(array.tobytes(), width, height, array.strides[0], form).copy()


class Picture(QtWidgets.QWidget):
    """An image as large as the space permits, and below it a bar for the share that has arrived."""

    def __init__(self) -> None:
        super().__init__()
        self._image: QtGui.QImage | None = None
        self._part = 1.0  # share of the image that has arrived
        self.setMinimumSize(160, 120)
        self.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Expanding)

    def show_picture(self, array: np.ndarray, part: float) -> None:
        self._image, self._part = qimage(array), part
        self.update()

    def paintEvent(self, _: Any) -> None:
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.SmoothPixmapTransform)
        painter.fillRect(self.rect(), GROUND)
        if self._image is None:
            painter.setPen(QtCore.Qt.gray)
            painter.drawText(self.rect(), QtCore.Qt.AlignCenter, "no image yet")
            return
        room = self.rect().adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN - BAR)
        size = self._image.size().scaled(room.size(), QtCore.Qt.KeepAspectRatio)
        place = QtCore.QRect(QtCore.QPoint(0, 0), size)
        place.moveCenter(room.center())
        painter.drawImage(place, self._image)
        bar = QtCore.QRect(place.left(), place.bottom() + 1, place.width(), BAR - 1)
        if self._part < 1.0:
            painter.fillRect(bar, BAR_GROUND)
            bar.setWidth(round(bar.width() * self._part))
            painter.fillRect(bar, BAR_COLOUR)


class Panel(QtWidgets.QWidget):
    """Title, image, caption."""

    def __init__(self, title: str):
        super().__init__()
        self.picture = Picture()
        self._caption = QtWidgets.QLabel()
        heading = QtWidgets.QLabel(f"<b>{title}</b>")
        for label in (heading, self._caption):
            label.setAlignment(QtCore.Qt.AlignCenter)
            label.setMinimumWidth(1)  # a long line must not widen the window
        box = QtWidgets.QVBoxLayout(self)
        box.setContentsMargins(2, 2, 2, 2)
        box.addWidget(heading)
        box.addWidget(self.picture, 1)
        box.addWidget(self._caption)

    def show_state(self, state: Any) -> None:
        if state.array is not None:
            self.picture.show_picture(state.array, state.part)
        self._caption.setText(state.caption)


class View(QtWidgets.QWidget):
    """Panels side by side and a line of figures.

    The first panel is always visible, each other one from its first image on.
    """

    def __init__(self, title: str, names: dict[str, str]):
        super().__init__()
        self.setWindowTitle(title or "SREC")
        self._panels: dict[str, Panel] = {}
        self._row = QtWidgets.QHBoxLayout()
        for name, heading in names.items():
            panel = self._panels[name] = Panel(heading)
            self._row.addWidget(panel, 1)
            panel.setVisible(name == "bob")
        self._status = QtWidgets.QLabel()
        self._status.setAlignment(QtCore.Qt.AlignCenter)
        self._status.setMinimumWidth(1)
        box = QtWidgets.QVBoxLayout(self)
        box.setContentsMargins(2, 2, 2, 2)
        if title:
            text = QtWidgets.QLabel(title)
            text.setAlignment(QtCore.Qt.AlignCenter)
            box.addWidget(text)
        box.addLayout(self._row, 1)
        box.addWidget(self._status)

    def show_states(self, states: dict[str, Any], status: str) -> None:
        for name, state in states.items():
            self._panels[name].setVisible(name == "bob" or state.array is not None)
            self._panels[name].show_state(state)
        self._status.setText(status)


def pixels(widget: QtWidgets.QWidget) -> np.ndarray:
    """Return what the widget shows as uint8 array (height, width, 3)."""
    image = widget.grab().toImage().convertToFormat(QtGui.QImage.Format_RGB888)
    memory = image.bits()
    memory.setsize(image.byteCount())
    rows = np.frombuffer(memory, np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()
