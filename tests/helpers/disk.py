# SPDX-License-Identifier: GPL-3.0-or-later
"""A full disk for tests."""
import contextlib
import resource
import sys


@contextlib.contextmanager
def largest_file(n_bytes):
    """Context in which no file may grow beyond n_bytes. It simulates a full disk where the tests are not root."""
    before, bytecode = resource.getrlimit(resource.RLIMIT_FSIZE), sys.dont_write_bytecode
    sys.dont_write_bytecode = True  # it would be cut off, and later imports would use it
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        sys.dont_write_bytecode = bytecode
