# SPDX-License-Identifier: GPL-3.0-or-later
"""What a source of pictures makes of the reports on its port `next`: which picture is off the link's hands."""
import pmt


def released(msg):
    """info dict of mapper or semantic_encoder -> (True, picture number, or None if it names none), or (False, None) if it releases nothing.
    `event` = picture of the mapper and `event` = dropped release; what the encoder says of a picture that it has encoded does not."""
    def value(key):
        return pmt.dict_ref(msg, pmt.intern(key), pmt.PMT_NIL)

    if not pmt.is_dict(msg):
        return False, None
    event, number = value("event"), value("picture")
    sent = pmt.eqv(event, pmt.intern("picture")) and not pmt.dict_has_key(msg, pmt.intern("n_features"))
    if not sent and not pmt.eqv(event, pmt.intern("dropped")):
        return False, None
    return True, pmt.to_python(number) if pmt.is_integer(number) or pmt.is_uint64(number) else None


def without(in_flight, number):
    """The numbers still in flight, oldest first, after this one was released (None: the oldest)."""
    return in_flight[1:] if number is None else [n for n in in_flight if n != number]
