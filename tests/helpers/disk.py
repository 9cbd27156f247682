# SPDX-License-Identifier: GPL-3.0-or-later
"""A full disk for tests."""
import contextlib
import resource


@contextlib.contextmanager
def largest_file(n_bytes):
    """Context in which no file may grow beyond n_bytes. It simulates a full disk where the tests are not root."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
