# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks that only the commands use. They need GNU Radio, so a command imports them when it runs."""
import argparse
import datetime
import queue
import threading
from typing import Any

import pmt

from ..guard import message_block
from ..metadata import to_dict, to_pmt


class Collector(message_block):
    """Collects the dicts that arrive on its port `info` from one sender. Any thread.

    A message block ends as soon as one of its senders has ended, so each sender needs its own Collector.
    """

    def __init__(self) -> None:
        message_block.__init__(self, "collector")
        self._arrival = threading.Condition()  # guards the following
        self._latest: dict[Any, dict[str, Any]] = {}  # by event
        self._waiting: list[dict[str, Any]] = []  # not taken yet, oldest first
        self.message_port_register_in(pmt.intern("info"))
        self.set_msg_handler(pmt.intern("info"), self._keep)

    def _keep(self, message: Any) -> None:
        known = to_dict(message)
        with self._arrival:
            self._latest[known.get("event")] = known
            self._waiting.append(known)
            self._arrival.notify_all()

    def get(self, timeout: float = 0.0) -> dict[str, Any]:
        """Return the oldest dict that has not been taken. Raises queue.Empty after `timeout` seconds without one."""
        with self._arrival:
            if not self._arrival.wait_for(lambda: self._waiting, timeout):
                raise queue.Empty
            return self._waiting.pop(0)

    def take(self, event: str) -> list[dict[str, Any]]:
        """Return the dicts of this event that have arrived since the previous call."""
        with self._arrival:
            taken = [known for known in self._waiting if known.get("event") == event]
            self._waiting = [known for known in self._waiting if known.get("event") != event]
            return taken

    def last(self, event: str) -> dict[str, Any]:
        """Return the latest dict of this event, or {}."""
        with self._arrival:
            return self._latest.get(event, {})


class Annotator(message_block):
    """Adds the information that `srec receive` has to the metadata of the images."""

    def __init__(self, args: argparse.Namespace):
        message_block.__init__(self, "annotator")
        self._args = args
        self.message_port_register_in(pmt.intern("in"))
        self.message_port_register_out(pmt.intern("out"))
        self.set_msg_handler(pmt.intern("in"), self._handle)

    def _handle(self, message: Any) -> None:
        meta, args = pmt.car(message), self._args
        known = to_dict(meta)
        if not known.get("eof"):
            more: dict[str, Any] = {
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
