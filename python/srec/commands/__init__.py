# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of the program `srec`. Each module has add_arguments(parser) and run(args), which returns the exit code."""


class Failure(Exception):
    """Ends a command with exit code 1. Its text is one line."""


class Usage(Exception):
    """Ends a command with exit code 2. Its text is one line."""


class Stopped(Exception):
    """Ends a command that a signal has stopped before it had a result.

    Its text is one line. The exit code is 128 + the number of the signal.
    """

    def __init__(self, text: str, number: int):
        Exception.__init__(self, text)
        self.exit_code = 128 + number
