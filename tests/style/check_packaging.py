#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""check_packaging.py SOURCE_FOLDER: versions and packages are the same wherever they are named.

One line per fault; exit code 1 if there is one.
"""
import os
import re
import sys

VERSIONS = {
    "CMakeLists.txt": r"^project\(gr-srec VERSION (\S+)",
    "CITATION.cff": r"^version: (\S+)",
    "conda/recipe/meta.yaml": r'set version = "([^"]+)"',
    "debian/changelog": r"\Agr-srec \(([^-)]+)-",
}
# What ./dev installs and docs/install.md need not name.
CONVENIENCE = {"ccache", "python3"}
# What ./dev installs and a package build needs not: tests, and what only runs.
NOT_BUILT_WITH = re.compile(r"ccache|cpputest|libpng-dev|build-essential|gnuradio|fonts-.*|gir1.2-.*|python3(?!-dev).*")


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as f:
        return f.read()


def words(root, path, pattern):
    """Return the package names that the first match of the pattern lists."""
    found = re.search(pattern, read(root, path), re.M | re.S)
    return set(re.findall(r"[a-z0-9][a-z0-9.+-]+", found[1])) if found else set()


def faults(root):
    versions = {}
    for path, pattern in VERSIONS.items():
        found = re.search(pattern, read(root, path), re.M)
        versions[path] = found[1] if found else "no version"
    if len(set(versions.values())) > 1:
        yield "versions differ: " + ", ".join(f"{path} {version}" for path, version in versions.items())

    dev = words(root, "dev", r"^core_packages=\((.*?)\)") | words(root, "dev", r"^gnuradio_packages=\((.*?)\)")
    dev.discard("libvolk2-dev")  # Debian 12's name of libvolk-dev
    named = words(root, "docs/install.md", r"^sudo apt install (.*?)\ncmake ")
    for package in sorted(dev - named - CONVENIENCE):
        yield f"docs/install.md does not name {package}, which ./dev installs"
    for package in sorted(named - dev):
        yield f"docs/install.md names {package}, which ./dev does not install"
    needed = words(root, "debian/control", r"^Build-Depends: (.*?)\n\S")
    for package in sorted(p for p in dev - needed if not NOT_BUILT_WITH.fullmatch(p)):
        yield f"debian/control does not build with {package}, which ./dev installs"


def main(root):
    found = list(faults(root))
    for fault in found:
        print(fault)
    print(f"{len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
