# SPDX-License-Identifier: GPL-3.0-or-later
"""Message ports that end separately."""
from typing import Any, Callable, Iterable

import pmt

from .guard import message_block


class message_port(message_block):
    """One message port `in` with a handler, and any number of out ports, as a separate block.

    GNU Radio ends a message block as soon as the first of its senders has ended. A block with several senders, some of
    which end before the last image has passed, therefore consists of these.
    """

    def __init__(self, name: str, handler: Callable[[Any], None], outputs: Iterable[str] = ()):
        message_block.__init__(self, name)
        self.message_port_register_in(pmt.intern("in"))
        for port in outputs:
            self.message_port_register_out(pmt.intern(port))
        self._handler = handler
        self.set_msg_handler(pmt.intern("in"), self._handle)

    # GNU Radio calls handlers by name, as methods of the block.
    def _handle(self, msg: Any) -> None:
        self._handler(msg)


def add_ports(
    hier: Any, handlers: dict[str, Callable[[Any], None]], outputs: dict[str, Iterable[str]] | None = None
) -> dict[str, message_port]:
    """Add message ports to a hier_block2.

    handlers: {name of an in port: handler}. Each handler runs in its own thread.
    outputs: {name of an in port: names of its out ports}.
    Returns {name of an in port: message_port}.
    """
    made = {}
    for name, handler in handlers.items():
        out = (outputs or {}).get(name, ())
        made[name] = message_port(name, handler, out)
        hier.message_port_register_hier_in(name)
        hier.msg_connect(hier, name, made[name], "in")
        for port in out:
            hier.message_port_register_hier_out(port)
            hier.msg_connect(made[name], port, hier, port)
    return made
