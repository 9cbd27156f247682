# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of the C core (libsrec) that training needs.

Feature bytes pass cipher, mapping, noise, soft values and descrambler. The library is found by the linker (`srec`), or
named by SREC_LIBRARY.
"""
import ctypes
import ctypes.util
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

MODULATIONS = ("bpsk", "qpsk", "16qam", "64qam", "256qam", "pam256")
PAM256 = 5
PAYLOAD_MAX = 30000  # SREC_PAYLOAD_MAX: feature bytes of a packet
CIPHERS = {"add": 0, "none": 1, "xor": 2}
FORMATS = ("bits", "amplitude")  # formats of features; pam256 sends amplitudes


class Priors(ctypes.Structure):
    """srec_priors"""

    _fields_ = [
        ("levels", ctypes.c_float),
        ("n_tables", ctypes.c_uint),
        ("tables", ctypes.POINTER(ctypes.c_float)),
        ("n_steps", ctypes.c_uint),
        ("n_positions", ctypes.c_uint),
        ("index", ctypes.c_void_p),
        ("ladder", ctypes.POINTER(ctypes.c_uint)),
        ("covariance", ctypes.POINTER(ctypes.c_void_p)),
    ]


class DescramblerInput(ctypes.Structure):
    """srec_descrambler_input"""

    _fields_ = [
        ("modulation", ctypes.c_int),
        ("keystream", ctypes.c_void_p),
        ("soft", ctypes.c_void_p),
        ("tables", ctypes.c_void_p),
        ("n", ctypes.c_size_t),
        ("rate_map", ctypes.c_void_p),
        ("n_patches", ctypes.c_size_t),
    ]


def _load():
    path = os.environ.get("SREC_LIBRARY") or ctypes.util.find_library("srec")
    try:
        if not path:
            raise OSError("not on the linker's path")
        library = ctypes.CDLL(path)
    except OSError as error:
        raise SystemExit(f"srec-train: libsrec: {error}; install gr-srec, or let SREC_LIBRARY name libsrec.so")
    library.srec_strerror.restype = ctypes.c_char_p
    library.srec_modem_symbols.restype = ctypes.c_size_t
    library.srec_modem_symbols.argtypes = [ctypes.c_int, ctypes.c_size_t]
    for name in ("channel", "scrambler", "descrambler"):
        getattr(library, f"srec_{name}_free").argtypes = [ctypes.c_void_p]
        getattr(library, f"srec_{name}_free").restype = None
    return library


_library = None


def library():
    global _library
    if _library is None:
        _library = _load()
    return _library


def _call(name, *args):
    """Call a function of the core. Raises an error if its status is not SREC_OK."""
    status = getattr(library(), name)(*args)
    if status:
        raise RuntimeError(f"{name}: {library().srec_strerror(status).decode()}")


def _p(array):
    return ctypes.c_void_p(array.ctypes.data)


def _u64(value):
    return ctypes.c_uint64(value & (2**64 - 1))


def packets(n):
    """Yield packet number and slice for each packet that n bytes are divided into."""
    return [
        (number, slice(first, min(n, first + PAYLOAD_MAX))) for number, first in enumerate(range(0, n, PAYLOAD_MAX))
    ]


class Scrambler:
    """srec_scrambler: cipher and secret order of a session's packets.

    Arrays are contiguous. Results are written into the arrays given.
    """

    def __init__(self, key, session):
        self.handle = ctypes.c_void_p()
        _call("srec_scrambler_create", _p(key), _u64(session), ctypes.byref(self.handle), None)
        self.free = library().srec_scrambler_free  # at exit this module may disappear before the object

    def __del__(self):
        self.free(self.handle)

    def scramble(self, packet, cipher, features, out):
        _call(
            "srec_scrambler_scramble",
            self.handle,
            _u64(packet),
            CIPHERS[cipher],
            _p(features),
            _p(out),
            ctypes.c_size_t(len(features)),
        )

    def restore(self, packet, cipher, received, soft, keystream):
        """Write the soft values of the features to soft; for the cipher add, write the keystream too.

        received: (n, per_byte) float32, soft values in the order on the air.
        """
        n = ctypes.c_size_t(len(received))
        if soft.shape[1] == 2:
            _call("srec_scrambler_restore_amplitude", self.handle, _u64(packet), _p(received), _p(soft), n)
        else:
            _call("srec_scrambler_restore_llr", self.handle, _u64(packet), CIPHERS[cipher], _p(received), _p(soft), n)
        if cipher == "add":
            _call("srec_scrambler_keystream", self.handle, _u64(packet), _u64(0), _p(keystream), n)


class Link:
    """Sends feature bytes over a link and computes their posterior. Several threads may call it independently."""

    def __init__(self, levels, tables, covariance=()):
        """Create a link.

        levels: byte levels per unit of the feature.
        tables: (T, 256) float32, priors whose rows sum to 1, T <= 64.
        covariance: covariances of the features of a patch, (k, k) float32 for each ladder step. Without them each
            feature is estimated separately.
        """
        self.tables = np.ascontiguousarray(tables, np.float32)
        self.covariance = [np.ascontiguousarray(c, np.float32) for c in covariance]
        steps = len(self.covariance)
        self.index = np.zeros((1, 1), np.uint8)
        self.priors = Priors(
            levels,
            len(self.tables),
            self.tables.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
            max(1, steps),
            1,
            self.index.ctypes.data,
            (ctypes.c_uint * steps)(*(len(c) for c in self.covariance)) if steps else None,
            (ctypes.c_void_p * steps)(*(c.ctypes.data for c in self.covariance)) if steps else None,
        )
        self.local, self.made = threading.local(), []
        self.free = library().srec_descrambler_free  # at exit this module may disappear before the object

    def priors_in_use(self):
        """Return {"tables", "covariance"} as tensors of this object's memory, to create an equal object."""
        return {"tables": torch.from_numpy(self.tables), "covariance": [torch.from_numpy(c) for c in self.covariance]}

    def __del__(self):
        for handle in self.made:
            self.free(handle)

    def _descrambler(self):
        if not hasattr(self.local, "handle"):
            self.local.handle = ctypes.c_void_p()
            _call("srec_descrambler_create", ctypes.byref(self.priors), ctypes.byref(self.local.handle), None)
            self.made.append(self.local.handle)
        return self.local.handle

    def send(self, features, table, rate_map, modulation, snr_db, seed, cipher="add", hard=False):
        """Send features, and return mean and deviation, each (n,) float32 in units of the feature.

        features: (n,) uint8.
        table: (n,) uint8, prior table of each feature.
        rate_map: (patches,) uint8, ladder steps of the patches of the features.
        snr_db: Es/N0, dB.
        """
        n, mod = len(features), MODULATIONS.index(modulation)
        granule = library().srec_modem_byte_granule(mod)
        sent = np.zeros(-(-n // granule) * granule, np.uint8)
        features = np.ascontiguousarray(features, np.uint8)
        key = np.frombuffer(np.random.default_rng(seed).bytes(32), np.uint8).copy()
        scrambler = Scrambler(key, seed | 1)
        for packet, part in packets(n):
            scrambler.scramble(packet, cipher, features[part], sent[part])
        ordered = np.empty_like(sent)
        _call("srec_modem_order_bytes", mod, _p(sent), _p(ordered), ctypes.c_size_t(len(sent)))
        symbols = library().srec_modem_symbols(mod, len(sent))
        iq = np.empty((symbols, 2), np.float32)
        _call("srec_modem_map", mod, _p(ordered), ctypes.c_size_t(len(sent)), _p(iq))
        channel = ctypes.c_void_p()
        _call("srec_channel_create", 0, ctypes.c_float(snr_db), _u64(seed), 1, ctypes.byref(channel), None)
        _call("srec_channel_apply", channel, _p(iq), _p(iq), None, ctypes.c_size_t(symbols))
        library().srec_channel_free(channel)
        per_byte = library().srec_modem_soft_per_byte(mod)
        received = np.empty((len(sent), per_byte), np.float32)
        _call(
            "srec_modem_demap",
            mod,
            _p(iq),
            None,
            ctypes.c_float(10 ** (-snr_db / 10)),
            ctypes.c_size_t(symbols),
            _p(received),
        )
        ordered = received
        if mod != PAM256:
            ordered = np.empty_like(received)
            _call("srec_modem_restore_soft", mod, _p(received), _p(ordered), ctypes.c_size_t(len(sent)))
        soft, keystream = np.empty((n, per_byte), np.float32), np.empty(n, np.uint8)
        for packet, part in packets(n):
            scrambler.restore(packet, cipher, ordered[part], soft[part], keystream[part])
        key = _p(keystream) if cipher == "add" else None
        mean, deviation = np.empty(n, np.float32), np.empty(n, np.float32)
        table = np.ascontiguousarray(table, np.uint8)
        handle = self._descrambler()
        rate_map = np.ascontiguousarray(rate_map, np.uint8)
        received_bytes = DescramblerInput(mod, key, _p(soft), _p(table), n, _p(rate_map), len(rate_map))
        name = "srec_descrambler_hard" if hard else "srec_descrambler_soft"
        _call(name, handle, ctypes.byref(received_bytes), _p(mean), _p(deviation))
        return mean, deviation


_pool = ThreadPoolExecutor(os.cpu_count())


def send_all(link, parts):
    """Call Link.send for several tuples of arguments in threads. Results are in order."""
    return list(_pool.map(lambda arguments: link.send(*arguments), parts))
