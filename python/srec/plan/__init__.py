# SPDX-License-Identifier: GPL-3.0-or-later
"""Which coding, modulation and settings give the best image for given SNRs and a budget of symbols.

`table` reads the measured tables, `source` knows how well an image compresses (`curves`: as layers; `features`: as
features), `choice` compares the settings.
"""
