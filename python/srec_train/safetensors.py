# SPDX-License-Identifier: GPL-3.0-or-later
"""safetensors files with the metadata of docs/model-format.md, as NumPy arrays."""
import hashlib
import json
import struct

import numpy as np

from . import stopping

_DTYPES = {"F32": np.float32, "F16": np.float16, "U8": np.uint8}


def load(path: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Load a file. Return (tensors {name: array}, metadata {str: str}). Raises OSError, ValueError."""
    with open(path, "rb") as f:
        content = f.read()
    length = int.from_bytes(content[:8], "little")
    if not 8 < 8 + length <= len(content):
        raise ValueError("not a safetensors file")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[begin:end], _DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors, metadata


def save(path: str, tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Save tensors in their dtype (float32, float16, uint8). The checksum is added here."""
    names = {np.dtype(v): k for k, v in _DTYPES.items()}
    header, blobs, offset = {}, [], 0
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        blob = array.tobytes()
        header[name] = {
            "dtype": names[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + len(blob)],
        }
        blobs.append(blob)
        offset += len(blob)
    data = b"".join(blobs)
    checksum = hashlib.blake2b(data, digest_size=32).hexdigest()
    header["__metadata__"] = {**metadata, "checksum": checksum}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with stopping.whole(path) as new, open(new, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)
