# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of gr-srec's models (docs/training.md)."""
import os

# Idle threads of OpenMP should sleep. Spinning threads take the processor from the thread that all wait for, as soon as
# the machine does anything else. OpenMP reads this when PyTorch loads it, so it must be set before.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
