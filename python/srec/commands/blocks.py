# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks that only the commands use. They need GNU Radio, so a command imports them when it runs."""
import collections
import datetime
import queue
import threading

import pmt

from ..guard import message_block
from ..metadata import to_dict, to_pmt


class Keeper(message_block):
    """Keeps the dicts that arrive on its port `info` from one sender.

    A message block ends as soon as one of its senders has ended, so each sender needs its own Keeper.
    """

    def __init__(self):
        message_block.__init__(self, "keeper", None, None)
        self._lock = threading.Lock()  # guards the following
        self._latest = {}  # by event
        self._kept = collections.defaultdict(list)  # by event, not taken yet
        self.message_port_register_in(pmt.intern("info"))
        self.set_msg_handler(pmt.intern("info"), self._keep)

    def _keep(self, message):
        known = to_dict(message)
        with self._lock:
            self._latest[known.get("event")] = known
            self._kept[known.get("event")].append(known)

    def take(self, event):
        """Return the dicts of this event that have arrived since the previous call."""
        with self._lock:
            return self._kept.pop(event, [])

    def last(self, event):
        """Return the latest dict of this event, or {}."""
        with self._lock:
            return self._latest.get(event, {})


class Found(message_block):
    """Puts the dicts that arrive on its port `info` into the queue `found`."""

    def __init__(self):
        message_block.__init__(self, "found", None, None)
        self.found = queue.Queue()
        self.message_port_register_in(pmt.intern("info"))
        self.set_msg_handler(pmt.intern("info"), self._put)

    def _put(self, message):
        self.found.put(to_dict(message))


class Annotator(message_block):
    """Adds the information that `srec receive` has to the metadata of the images."""

    def __init__(self, args):
        message_block.__init__(self, "annotator", None, None)
        self._args = args
        self.message_port_register_in(pmt.intern("in"))
        self.message_port_register_out(pmt.intern("out"))
        self.set_msg_handler(pmt.intern("in"), self._handle)

    def _handle(self, message):
        meta, args = pmt.car(message), self._args
        known = to_dict(meta)
        if not known.get("eof"):
            more = {
                "received": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds"),
                "device": args.device,
                "modulation": args.modulation,
                "rate": float(args.rate),
                "symbol_rate": args.rate / args.sps,
            }
            if args.frequency is not None:
                more["frequency"] = float(args.frequency)
            if "snr_db" in known:
                more["cfo_hz"] = known["cfo"] * args.rate / args.sps
                more["drift_hz_s"] = known["drift"] * (args.rate / args.sps) ** 2
                more["evm_percent"] = 100 * 10 ** (-0.05 * known["snr_db"])
            meta = pmt.dict_update(meta, to_pmt(more))
        self.message_port_pub(pmt.intern("out"), pmt.cons(meta, pmt.cdr(message)))
