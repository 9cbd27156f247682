# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that `srec receive --hook` calls for each image."""
import queue
import shlex
import shutil
import subprocess
import sys
import threading

from . import Usage
from .running import Stop

WAITING_MAX = 64  # images that may wait for the hook


def hook_command(text: str) -> list[str]:
    """Split the text of a hook command into a list that starts with the program.

    Raises Usage if the program does not exist.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise Usage(f"--hook: {error}") from None
    if not words or not shutil.which(words[0]):
        raise Usage(f"--hook: no program {words[0] if words else ''!r} on this machine")
    return words


class Hooks:
    """Calls the hook for one image after the other, in its own thread.

    failed: number of calls that ended with an error or found no place in the queue.
    """

    def __init__(self, command: list[str]):
        self._command = command
        self._paths: queue.Queue[str | None] = queue.Queue(WAITING_MAX)  # None: the end
        self.failed = 0
        self._said: set[str] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, path: str) -> None:
        try:
            self._paths.put_nowait(path)
        except queue.Full:
            self._fault(f"{WAITING_MAX} images wait for the hook: called no more until it has caught up")

    def _fault(self, text: str) -> None:
        self.failed += 1
        if text not in self._said:
            self._said.add(text)
            print(f"srec receive: {text} (reported once)", file=sys.stderr)

    def _run(self) -> None:
        while True:
            path = self._paths.get()
            if path is None:
                return
            try:
                code = subprocess.run([*self._command, path], stdin=subprocess.DEVNULL, check=False).returncode
                if code:
                    self._fault(f"the hook ended with exit code {code}")
            except (OSError, ValueError) as error:
                self._fault(f"the hook could not be started: {getattr(error, 'strerror', None) or error}")

    def close(self, stop: Stop, seconds: float) -> None:
        """Return when all calls have ended.

        After a signal it returns at the latest `seconds` later. Then a hook that still runs is left alone, and the
        waiting ones are not called.
        """
        threading.Thread(target=self._paths.put, args=(None,), daemon=True).start()  # the queue may be full
        reported = False
        while self._thread.is_alive():
            self._thread.join(0.1)
            if stop and not reported and self._thread.is_alive():
                reported = True
                print("srec receive: stopping; the hook still runs", file=sys.stderr, flush=True)
            if stop and stop.left(seconds) <= 0:
                print("srec receive: the hook keeps running", file=sys.stderr)
                return
