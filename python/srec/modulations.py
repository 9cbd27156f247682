# SPDX-License-Identifier: GPL-3.0-or-later
"""The modulations, as the core names them (srec/modem.h)."""

MODULATIONS = ("bpsk", "qpsk", "16qam", "64qam", "256qam", "pam256")
