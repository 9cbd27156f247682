# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs in sessions of their own: whatever a program leaves behind is found there, in other process groups too."""
import glob
import os
import signal
import subprocess

from waiting import wait_for


def start(test, command, **options):
    """-> Popen, its output as text in pipes. What is left of its session is killed at the end of the test."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **options
    )
    test.addCleanup(lambda: [os.kill(pid, signal.SIGKILL) for pid in members(process.pid)])
    return process


def members(session):
    """Process ids, without those that have ended and wait to be asked for"""
    pids = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="utf-8") as file:
                state, _, _, its_session = file.read().rpartition(") ")[2].split()[:4]
        except OSError:
            continue
        if int(its_session) == session and state != "Z":
            pids.append(int(path.split("/")[2]))
    return pids


def wait_for_end(process, seconds=60):
    """Until no process of the session is left."""
    wait_for(lambda: not members(process.pid), "the end of all processes", seconds)


def press_ctrl_c(process, times=1):
    """As a terminal does: SIGINT for the process group."""
    for _ in range(times):
        os.killpg(process.pid, signal.SIGINT)
