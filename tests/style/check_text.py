#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""check_text.py SOURCE_FOLDER: what a formatter does not see. One line per fault; exit code 1 if there is one."""
import os
import re
import subprocess
import sys

SOURCES = (".c", ".h", ".cc", ".cpp", ".py", ".sh", ".cmake", ".in", ".yml", ".yaml", ".cff", ".dict")
TEXTS = SOURCES + (".md", ".txt", ".grc", ".toml")
NAMES = ("CMakeLists.txt", "dev", "run")  # sources without an ending of their own
COLUMNS = 120
# yml, json and CMake hold strings that do not break
MEASURED = (".c", ".h", ".cc", ".cpp", ".py", ".sh", "dev", "run")
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b|<\+")
LINK = re.compile(r"\]\(([^)#\s]+)")
TEST = re.compile(r"(^|/)(qa|test)_\w+\.py$")
SLEEP = re.compile(r"\bsleep\(|\bimport\b.*\bsleep\b")
SKIPPED = {"build", "build-core", "demo", "__pycache__", ".git", "regressions"}


def files(root):
    """Tracked files; without git, whatever lies there."""
    try:
        listed = subprocess.run(
            ["git", "-c", f"safe.directory={root}", "-C", root, "ls-files"], capture_output=True, text=True, check=True
        )
        yield from listed.stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        for folder, folders, names in os.walk(root):
            folders[:] = [f for f in folders if f not in SKIPPED and not f.startswith("build")]
            yield from (os.path.relpath(os.path.join(folder, name), root) for name in names)


def faults(root, path, text):
    name = os.path.basename(path)
    source = path.endswith(SOURCES) or name in NAMES
    lines = text.split("\n")
    if source and not any("SPDX-License-Identifier: GPL-3.0-or-later" in line for line in lines[:3]):
        yield 1, "no SPDX line on top"
    if text and not text.endswith("\n"):
        yield len(lines), "no newline at the end"
    generated = path.endswith(".grc")  # GNU Radio Companion writes these
    for number, line in enumerate(lines, 1):
        if "\t" in line:
            yield number, "tab"
        if line != line.rstrip() and not generated:
            yield number, "space at the end"
        if path.endswith(MEASURED) and len(line) > COLUMNS:
            yield number, f"{len(line)} columns, {COLUMNS} at most"
        for target in LINK.findall(line) if path.endswith(".md") else ():
            if "://" not in target and not os.path.exists(os.path.join(root, os.path.dirname(path), target)):
                yield number, f"link to {target}, which is not there"
        if TEST.search(path) and SLEEP.search(line):
            yield number, "a test waits for what it asserts: wait_for() of tests/helpers/waiting.py"
        if UNFINISHED.search(line):
            yield number, "unfinished: " + line.strip()[:60]


def main(root):
    checked = bad = 0
    for path in sorted(files(root)):
        full = os.path.join(root, path)
        if not (path.endswith(TEXTS) or os.path.basename(path) in NAMES) or not os.path.isfile(full):
            continue
        checked += 1
        with open(full, encoding="utf-8") as f:
            for number, fault in faults(root, path, f.read()):
                print(f"{path}:{number}: {fault}")
                bad += 1
    print(f"{checked} files, {bad} faults")
    return 1 if bad or not checked else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
