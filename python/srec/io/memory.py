# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory that this process may still take. Linux grants more than it has, and kills processes later."""
import resource


def _number(path: str, key: str = "") -> int | None:
    """Return the first integer of a file, or of its line that begins with key, or None."""
    try:
        with open(path) as f:
            for line in f:
                words = line.split()
                if not key and words and words[0].isdigit():
                    return int(words[0])
                if key and words and words[0] == key:
                    return int(words[1])
    except (OSError, ValueError, IndexError):
        pass
    return None


def available() -> int | None:
    """Return the available bytes, or None if unknown: the minimum for the machine, the container and the process."""
    limits = []
    free = _number("/proc/meminfo", "MemAvailable:")
    if free is not None:
        limits.append(free * 1024)
    top, used = _number("/sys/fs/cgroup/memory.max"), _number("/sys/fs/cgroup/memory.current")
    if top is not None and used is not None:
        limits.append(top - used + (_number("/sys/fs/cgroup/memory.stat", "inactive_file") or 0))
    own, pages = resource.getrlimit(resource.RLIMIT_AS)[0], _number("/proc/self/statm")
    if own != resource.RLIM_INFINITY and pages is not None:
        limits.append(own - pages * resource.getpagesize())
    return max(0, min(limits)) if limits else None
