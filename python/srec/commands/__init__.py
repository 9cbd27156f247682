# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of the program `srec`: one module each, with add_arguments(parser) and run(args) -> exit code."""


class Failure(Exception):
    """Ends a command with exit code 1 and one line."""


class Usage(Exception):
    """Ends a command with exit code 2 and one line."""


class Stopped(Exception):
    """Ends a command that a signal has stopped before it had a result, with one line and exit code 128 + the signal's
    number."""

    def __init__(self, text, number):
        Exception.__init__(self, text)
        self.exit_code = 128 + number
