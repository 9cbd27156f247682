# SPDX-License-Identifier: GPL-3.0-or-later
"""Training side of gr-srec: networks in PyTorch, and model files for the C core."""
