#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""companion_window.py FOLDER FLOWGRAPH...: opens GNU Radio Companion's own window with the flowgraphs, on the display
of DISPLAY, and writes what it shows: FOLDER/tree.json, the tree of blocks; FOLDER/NAME.json, blocks and wires of a
flowgraph; FOLDER/NAME.png, Companion's own screen capture of it. Exit code 1 if the window is not there in time."""
import json
import os
import sys
import time

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("PangoCairo", "1.0")

from companion_start import update_documentation_in_main_thread  # noqa: E402
from gi.repository import GLib  # noqa: E402
from gnuradio import gr  # noqa: E402
from gnuradio.grc.gui.Platform import Platform  # noqa: E402  (first: the others import each other)
from gnuradio.grc.gui import Utils  # noqa: E402
from gnuradio.grc.gui.Application import Application  # noqa: E402

DEADLINE_S = 300  # no measure of speed
MOVE_TO, LINE_TO, CURVE_TO = 0, 1, 2  # cairo's path elements


def bezier(p, n=40):
    """-> n points of a cubic curve behind its first one"""
    for i in range(1, n + 1):
        t = i / n
        weights = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
        yield tuple(sum(w * q[axis] for w, q in zip(weights, p)) for axis in (0, 1))


def wire(connection):
    """-> points along a drawn wire, canvas coordinates"""
    x, y = connection.coordinate
    points = []
    for kind, values in connection._line_path:
        corners = [(x + values[i], y + values[i + 1]) for i in range(0, len(values), 2)]
        if kind == CURVE_TO:
            points += bezier([points[-1], *corners])
        elif kind == LINE_TO:  # long straight ones are sampled too
            start, end = points[-1], corners[0]
            points += [tuple(a + (b - a) * i / 10 for a, b in zip(start, end)) for i in range(1, 11)]
        else:
            points += corners
    return points


def box(block):
    """-> x, y, width, height of the block without its ports"""
    width, height = (block.width, block.height) if block.is_horizontal() else (block.height, block.width)
    return (*block.coordinate, width, height)


def tree(model, parent=None):
    """-> what a tree view shows, in its order: [name, [what is below it]]"""
    found, row = [], model.iter_children(parent)
    while row:
        found.append([model.get_value(row, 0), tree(model, row)])
        row = model.iter_next(row)
    return found


def name(port):
    return f"{port.parent_block.name}.{port.key}"


def describe(graph):
    wires = [{"from": name(c.source_port), "to": name(c.sink_port), "points": wire(c)} for c in graph.connections]
    return {
        "errors": list(graph.get_error_messages()),
        "blocks": {b.name: box(b) for b in graph.blocks},
        "hidden": {b.name: [key for key, p in b.params.items() if p.hide == "all"] for b in graph.blocks},
        "wires": wires,
    }


def write(folder, window):
    with open(os.path.join(folder, "tree.json"), "w", encoding="utf-8") as file:
        json.dump(tree(window.btwin.treeview.get_model()), file)
    for page in window.get_pages():
        graph = page.flow_graph
        graph.update()
        graph.create_labels()
        graph.create_shapes()
        base = os.path.join(folder, os.path.splitext(os.path.basename(page.file_path))[0])
        Utils.make_screenshot(graph, base + ".png")  # draws: then the wires have their ways
        with open(base + ".json", "w", encoding="utf-8") as file:
            json.dump(describe(graph), file)


def main(folder, *flowgraphs):
    parts = gr.major_version(), gr.api_version(), gr.minor_version()
    platform = Platform(version=gr.version(), version_parts=parts, prefs=gr.prefs(), install_prefix=gr.prefix())
    platform.build_library()
    update_documentation_in_main_thread()
    application = Application(flowgraphs, platform)
    until, result = time.monotonic() + DEADLINE_S, []

    def look():
        """Called until it returns False; an exception ends the program too."""
        window, done = getattr(application, "main_window", None), True
        try:
            shown = window and window.get_visible()
            pages = [p for p in window.get_pages() if p.file_path] if shown else []
            if pages and len(pages) == len(flowgraphs):
                write(folder, window)
                result.append(window.get_title())
            done = bool(result) or time.monotonic() > until
        finally:
            if done:
                application.quit()
        return not done

    GLib.timeout_add(100, look)
    application.run([])
    if not result:
        print(f"no window with these flowgraphs within {DEADLINE_S} s", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
