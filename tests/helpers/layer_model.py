# SPDX-License-Identifier: GPL-3.0-or-later
"""An enhancer for coded layers, from the tiny one of tests/golden."""
import json
import os

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden")


def enhancer_for_layers(folder, scale=1):
    """Write the tiny enhancer of a scale as one for coded layers into a folder, and return its path."""
    with open(os.path.join(GOLDEN, f"enhancer-x{scale}.safetensors"), "rb") as f:
        content = f.read()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    numbers = json.loads(header["__metadata__"]["enhancer"])
    header["__metadata__"]["enhancer"] = json.dumps({**numbers, "coding": "layers"})
    text = json.dumps(header).encode()
    path = os.path.join(folder, f"layers-x{scale}.safetensors")
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text + content[8 + length :])
    return path
