# SPDX-License-Identifier: GPL-3.0-or-later
"""How tests wait: for the condition that they assert, with a deadline. No test sleeps for a fixed time
(tests/style)."""
import os
import time

HANG_S = 300.0  # after which a test calls it a hang: no measure of speed, however loaded the machine
POLL_S = 0.005


def wait_for(condition, what, seconds=HANG_S):
    """-> what condition() returns, once it is true. Raises AssertionError that names what did not happen."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {seconds:g} s")
        time.sleep(POLL_S)
    return value


def _asleep(task):
    """Whether a thread of this process waits for something. True for one that has ended."""
    try:
        with open(f"/proc/self/task/{task}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] == "S"
    except OSError:
        return True


def wait_for_silence(seconds=HANG_S, observations=20):
    """Returns when all other threads of this process were seen waiting so many times in a row: nothing more happens
    by itself, timers aside. Raises AssertionError if a thread never rests."""
    own, quiet = os.readlink("/proc/thread-self").rpartition("/")[2], 0

    def rests():
        nonlocal quiet
        quiet = quiet + 1 if all(_asleep(task) for task in os.listdir("/proc/self/task") if task != own) else 0
        return quiet >= observations

    wait_for(rests, "a rest of all threads", seconds)
