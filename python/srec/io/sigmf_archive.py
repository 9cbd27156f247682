# SPDX-License-Identifier: GPL-3.0-or-later
"""SigMF archives: NAME.sigmf, a tar file with the two files of a recording.

They are read in place; nothing is unpacked.
"""
import tarfile
from typing import Any

ENDING = ".sigmf"
MEMBERS_MAX = 1000


class Fault(ValueError):
    """The fault of an archive, without its name."""


def _members(tar: tarfile.TarFile, meta_ending: str, data_ending: str) -> dict[str, dict[str, tarfile.TarInfo]]:
    """Return {name without ending: {ending: TarInfo}} of the regular files with these endings."""
    found: dict[str, dict[str, tarfile.TarInfo]] = {}
    for number, member in enumerate(tar):
        if number >= MEMBERS_MAX:
            raise Fault(f"more than {MEMBERS_MAX} files in the archive")
        for ending in (meta_ending, data_ending):
            if member.name.endswith(ending) and member.isreg() and not member.issparse():
                found.setdefault(member.name[: -len(ending)], {})[ending] = member
    return found


def locate(path: str, meta_ending: str, data_ending: str, meta_max: int) -> tuple[bytes, int, int]:
    """Return the metadata, and offset and size of the samples in the file. Raises Fault, OSError.

    At most meta_max + 1 bytes of the metadata are read.
    """
    try:
        with tarfile.open(path, "r:") as tar:
            found = _members(tar, meta_ending, data_ending)
            whole = [files for files in found.values() if len(files) == 2]
            if len(whole) > 1:
                raise Fault(f"the archive holds {len(whole)} recordings; one can be read: unpack it")
            if not whole:
                raise Fault(f"no {meta_ending} with its {data_ending} in the archive")
            meta, data = whole[0][meta_ending], whole[0][data_ending]
            member: Any = tar.extractfile(meta)  # never None: it is a regular file
            text = member.read(meta_max + 1)
            file: Any = tar.fileobj
            file.seek(0, 2)
            if file.tell() < data.offset_data + data.size:
                raise Fault("the archive is cut off")
            return text, data.offset_data, data.size
    except (tarfile.TarError, EOFError, UnicodeError) as error:
        raise Fault(f"not an archive that can be read (tar, not compressed): {error}") from None
