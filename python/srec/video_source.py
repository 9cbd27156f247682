# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends frames of a camera, a video file or a folder as image PDUs: always the newest frame, never a queue."""
import os
import threading
import time
from typing import Any, Callable

import numpy as np
import pmt

from .guard import describe, message_block
from .image_source import LOOK_S, picture_pdu
from .metadata import to_pmt
from .pace import Pace, released, without
from .io.picture_file import find_pictures, load_picture
from .text import printable

MAX_RATE = 1000.0
Frame = tuple[bool, Any]  # (True, RGB or grey array), or (False, None) at the end


def _opencv() -> Any:
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")  # its long warnings repeat what is reported here in one line
    try:
        import cv2
    except ImportError:
        raise RuntimeError("video_source needs OpenCV for Python: apt install python3-opencv") from None
    return cv2


class _Folder:
    """Frames from the images of a folder. read() returns (True, RGB or grey array), or (False, None) at the end."""

    def __init__(self, path: str, skip: Callable[[str], None]):
        self._files, self._skip = iter(find_pictures(path)), skip

    def read(self) -> Frame:
        for file in self._files:
            try:
                return True, load_picture(file)
            except Exception as error:  # a file may break a decoder in any way: skip this image
                self._skip(str(error) if isinstance(error, ValueError) else f"{file}: {describe(error)}")
        return False, None

    def release(self) -> None:
        pass


class _Capture:
    """OpenCV's reader of cameras and video files, or an equivalent object, with colours converted to RGB."""

    def __init__(self, capture: Any, cv2: Any):
        self._capture, self._cv2 = capture, cv2

    def read(self) -> Frame:
        good, frame = self._capture.read()
        if good and frame.ndim == 3:
            frame = self._cv2.cvtColor(frame, self._cv2.COLOR_BGR2RGB)
        return good, frame

    def release(self) -> None:
        if hasattr(self._capture, "release"):
            self._capture.release()


class video_source(message_block):
    """Sends video frames as image PDUs.

    Message ports: in `next` (both info ports of the transmitter, as for image_source; or, with the receiver in the same
    program, its `info` and the transmitter's `encoder_info`, so that the source waits for the decoder too), out `pdus`
    (images, then the end mark), out `info` (`event` = picture or eof, with the counters below). The metadata of an
    image has `time` (Unix seconds when the frame was read), `frame` (its number in the source, from 0) and
    `frames_dropped` (frames dropped before it).

    source: number of a camera ("0") or its device file, a video file, a folder of images (sorted), or an object with
        OpenCV's read().
    width, height: size to send, 0 .. 65535. 0: unchanged, or in proportion to the other one. With both, the middle of
        the frame with that shape is used.
    rate: frames per second: requested from a camera, played from a file. 0: the camera's own rate; files as fast as the
        link takes them.
    frames: number of frames to read. 0: no limit.
    repeat: start a folder or file again at its end.
    in_flight: images on their way at the same time. It may be changed during the run.
    timeout: seconds without a report on `next` after which an image counts as lost (`unreported`). 0: never.

    A camera, or a file with a rate, does not wait. Of the frames read while the link is busy only the newest is sent;
    the others are dropped and counted (`frames_dropped`). `skipped` files of a folder could not be read. If nothing is
    connected to `next`, the source finds its pace like image_source. After the end mark the source ends, and with it
    the blocks that depend on its images.

    Raises ValueError or RuntimeError, with one line, for a source that cannot be opened or a parameter out of range.
    """

    def __init__(
        self,
        source: Any,
        width: int = 0,
        height: int = 0,
        rate: float = 0.0,
        frames: int = 0,
        repeat: bool = False,
        in_flight: int = 2,
        timeout: float = 2.0,
    ):
        message_block.__init__(self, "video_source")
        self._cv2 = _opencv()
        if not 0 <= width <= 65535 or not 0 <= height <= 65535:
            raise ValueError("width and height must be 0 .. 65535")
        if not 0 <= rate <= MAX_RATE:
            raise ValueError(f"rate must be 0 .. {MAX_RATE:g} frames a second")
        if frames < 0:
            raise ValueError("frames must be 0 (no limit) or more")
        if not 0 <= timeout < threading.TIMEOUT_MAX:
            raise ValueError("timeout must be 0 (never) or more seconds")
        self._timeout = timeout
        self._source, self._size = source, (width, height)
        self._rate, self._frames, self._repeat = float(rate), frames, bool(repeat)
        self._camera = self._camera_of(source)
        self._live = self._camera is not None or not isinstance(source, str) or rate > 0
        self._change = threading.Condition()  # guards the following
        self._in_flight: dict[int, float] = {}  # images on their way, oldest first: time.monotonic() of departure
        # (frame, its number, time, frames dropped before it)
        self._newest: tuple[np.ndarray, int, float, int] | None = None
        self._ended = False
        self._stopped = True
        self.frames_dropped = self.skipped = self.unreported = 0
        self.set_in_flight(in_flight)
        self._pace = Pace(self)
        self._threads: list[threading.Thread] = []
        self._reader = self._open()  # the first one, to report errors at once
        self.message_port_register_in(pmt.intern("next"))
        self.message_port_register_out(pmt.intern("pdus"))
        self.message_port_register_out(pmt.intern("info"))
        self.set_msg_handler(pmt.intern("next"), self._next)

    @staticmethod
    def _camera_of(source: Any) -> int | str | None:
        """Return the number or the device file of a camera, or None."""
        if isinstance(source, int):
            return source
        if isinstance(source, str) and source.isdigit():
            return int(source)
        return source if isinstance(source, str) and source.startswith("/dev/") else None

    def _open(self) -> Any:
        source, cv2 = self._source, self._cv2
        if self._camera is None and not isinstance(source, str):
            return _Capture(source, cv2)
        if self._camera is None:
            if not source:
                raise ValueError("no video is named: give the number of a camera, a video file or a folder")
            if os.path.isdir(source):
                return _Folder(source, self._skip)
            if not os.path.exists(source):
                raise ValueError(f"{printable(source)}: no such file, folder or camera")
        capture = (
            cv2.VideoCapture(source, cv2.CAP_FFMPEG)
            if self._camera is None
            else cv2.VideoCapture(self._camera, cv2.CAP_V4L2)
        )
        if not capture.isOpened():
            what = (
                f"{printable(source)}: OpenCV cannot read this video"
                if self._camera is None
                else f"camera {source} cannot be opened: is it there, in use elsewhere, and are you in the group video?"
            )
            raise RuntimeError(what)
        if self._camera is not None:
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # frames wait here, not in the driver
            for key, value in (
                (cv2.CAP_PROP_FRAME_WIDTH, self._size[0]),
                (cv2.CAP_PROP_FRAME_HEIGHT, self._size[1]),
                (cv2.CAP_PROP_FPS, self._rate),
            ):
                if value:
                    capture.set(key, value)
        return _Capture(capture, cv2)

    def _skip(self, why: str) -> None:
        self.skipped += 1
        self.logger.warn(printable(why))

    def set_in_flight(self, in_flight: int) -> None:
        if in_flight < 1:
            raise ValueError("in_flight must be at least 1")
        with self._change:
            self._limit = in_flight
            self._change.notify_all()

    def _next(self, msg: Any) -> None:
        free, number = released(msg)
        if free:
            with self._change:
                self._pace.hear()
                self._in_flight = {n: self._in_flight[n] for n in without(list(self._in_flight), number)}
                self._change.notify_all()

    def start(self) -> bool:
        for thread in self._threads:
            thread.join()  # of an earlier run
        with self._change:
            self._stopped = self._ended = False
            self._in_flight, self._newest, self.frames_dropped, self.unreported = {}, None, 0, 0
            self._pace.begin()
        self._threads = [self.guarded_thread(run) for run in (self._read, self._send)]
        for thread in self._threads:
            thread.start()
        return True

    def stop(self) -> bool:
        with self._change:
            self._stopped = True
            self._change.notify_all()
        return True

    def _read(self) -> None:
        """Thread: read frames from the source, and keep the newest."""
        self._reader = self._reader or self._open()
        number, due = 0, time.monotonic()
        paced = self._rate > 0 and self._camera is None
        fresh = True  # no frame yet since the source was opened
        while not self._frames or number < self._frames:
            with self._change:
                while not self._stopped and (
                    paced and time.monotonic() < due or not self._live and self._newest is not None
                ):
                    self._change.wait(max(0.0, due - time.monotonic()) if self._live else None)
                if self._stopped:
                    break
            try:
                good, frame = self._reader.read()
            except Exception as error:  # the source may be any object
                self._skip(f"the video broke off: {error}")
                break
            if not good:
                if not self._repeat or fresh or self._camera is not None or not isinstance(self._source, str):
                    break
                self._reader.release()
                try:
                    self._reader, fresh = self._open(), True
                except (ValueError, RuntimeError) as error:
                    self._skip(str(error))
                    break
                continue
            fresh = False
            due = max(due + 1 / self._rate, time.monotonic() - 1 / self._rate) if paced else due
            with self._change:
                self.frames_dropped += self._newest is not None
                self._newest = frame, number, time.time(), self.frames_dropped
                self._change.notify_all()
            number += 1
        self._reader.release()
        self._reader = None
        with self._change:
            self._ended = True
            self._change.notify_all()

    def _give_up(self) -> float | None:
        """Count images without a report within the timeout as lost.

        Returns the seconds until the next one may be lost, or None.
        """
        if not self._timeout or not self._in_flight:
            return None
        oldest = next(iter(self._in_flight))
        rest = self._in_flight[oldest] + self._timeout - time.monotonic()
        if rest > 0:
            return rest
        del self._in_flight[oldest]
        self.unreported += 1
        return 0

    def _link_is_free(self) -> bool:
        return len(self._in_flight) < self._limit if self._pace.driven else self._pace.queue_is_empty()

    def _take(self) -> tuple[np.ndarray, int, float, int] | None:
        """Wait until the link is free. Return the newest frame as tuple, or None at the end or when stopped."""
        with self._change:
            while not self._stopped and (self._newest is None or not self._link_is_free()):
                if self._newest is None and self._ended:
                    return None
                self._change.wait(self._give_up() if self._pace.driven else LOOK_S)
            taken, self._newest = (None if self._stopped else self._newest), None
            self._change.notify_all()
            return taken

    def _send(self) -> None:
        """Thread: send frames over the link."""
        sent = 0
        while (taken := self._take()) is not None:
            frame, number, when, dropped = taken
            with self._change:
                self._in_flight[sent] = time.monotonic()
            more: dict[str, Any] = {"frame": number, "time": when, "frames_dropped": dropped}
            self.message_port_pub(pmt.intern("pdus"), picture_pdu(self._resized(frame), sent, **more))
            counters = {"skipped": self.skipped, "unreported": self.unreported}
            self.message_port_pub(pmt.intern("info"), to_pmt({"event": "picture", "picture": sent, **counters, **more}))
            sent += 1
        if self._stopped:
            return
        self.message_port_pub(
            pmt.intern("info"),
            to_pmt(
                {
                    "event": "eof",
                    "pictures": sent,
                    "skipped": self.skipped,
                    "unreported": self.unreported,
                    "frames_dropped": self.frames_dropped,
                }
            ),
        )
        self.last_words()
        self.end()

    def last_words(self) -> None:
        self.message_port_pub(pmt.intern("pdus"), pmt.cons(to_pmt({"eof": True}), pmt.init_u8vector(0, [])))

    def _resized(self, frame: np.ndarray) -> np.ndarray:
        height, width = frame.shape[:2]
        to_width, to_height = self._size
        if to_width and to_height:  # the middle with the requested shape
            across = max(1, min(width, round(height * to_width / to_height)))
            down = max(1, min(height, round(width * to_height / to_width)))
            top, left = (height - down) // 2, (width - across) // 2
            frame = frame[top : top + down, left : left + across]
        else:
            to_width = to_width or (max(1, round(width * to_height / height)) if to_height else width)
            to_height = to_height or max(1, round(height * to_width / width))
        if frame.shape[:2] == (to_height, to_width):
            return frame
        smaller = to_width < frame.shape[1]
        return self._cv2.resize(
            frame, (to_width, to_height), interpolation=self._cv2.INTER_AREA if smaller else self._cv2.INTER_LINEAR
        )
