# SPDX-License-Identifier: GPL-3.0-or-later
"""Message ports that end one by one."""
import pmt

from .guard import message_block


class message_port(message_block):
    """One message port `in` with a handler, and any out ports, as a block of its own. GNU Radio ends a message block as
    soon as the first of the
    blocks that send to it has ended: a block with several senders, some of which end before the last picture is
    through, is made of these.
    """

    def __init__(self, name, handler, outputs=()):
        message_block.__init__(self, name, None, None)
        self.message_port_register_in(pmt.intern("in"))
        for port in outputs:
            self.message_port_register_out(pmt.intern(port))
        self._handler = handler
        self.set_msg_handler(pmt.intern("in"), self._handle)

    def _handle(self, msg):  # GNU Radio calls handlers by name, as methods of the block
        self._handler(msg)


def add_ports(hier, handlers, outputs=None):
    """Gives a hier_block2 message ports in {name: handler}, each handler in a thread of its own, and out {name of the
    port in: names of its ports
    out}. -> {name of the port in: message_port}"""
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
