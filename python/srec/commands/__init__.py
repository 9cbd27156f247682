# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of the program `srec`: one module each, with add_arguments(parser) and run(args) -> exit code."""


class Failure(Exception):
    """Ends a command with exit code 1 and one line."""


class Usage(Exception):
    """Ends a command with exit code 2 and one line."""
