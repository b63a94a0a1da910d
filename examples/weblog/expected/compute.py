#!/usr/bin/env python3
"""Computes the expected results of the weblog example from its input."""

import re
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parents[2]))
from reference import MINUTE_MS, by, millis, text, window, write

HERE = Path(__file__).parent
LINE = re.compile(r'^(\S+) \S+ \S+ \[(\d+/\w+/\d+:\d+:\d+:\d+) [^\]]+\] "(\S+) (\S+) [^"]*" (\d+) (\d+|-)')


def parse(line):
    """A timed request, or a row at time 0 for a line that is none; both move the watermark."""
    match = LINE.match(line)
    if match is None:
        return 0, {"line": line, "status": None}
    ip, time, method, path, status, size = match.groups()
    row = {"line": line, "ip": ip, "path": path, "status": int(status), "sent_bytes": None if size == "-" else int(size)}
    return millis(time, "%d/%b/%Y:%H:%M:%S"), row


def statuses(windows):
    for (start, end), rows in windows.items():
        for (status,), group in by(rows, "status").items():
            yield {"window_start": text(start), "window_end": text(end), "status": status, "requests": len(group),
                   "clients": len({row["ip"] for row in group})}


def paths(windows):
    for (start, end), rows in windows.items():
        for (path,), group in by(rows, "path").items():
            yield {"window_start": text(start), "window_end": text(end), "path": path, "requests": len(group),
                   "sent_bytes": sum(row["sent_bytes"] or 0 for row in group)}


lines = [parse(line) for line in (HERE.parent / "input" / "access.log").read_text().splitlines()]
# Lines that are no request are filtered before the window, after the watermark.
groups = window(lines, MINUTE_MS)
windows = {key: kept for key, rows in groups.items() if (kept := [row for row in rows if row["status"]])}
write(HERE, {
    "status_counts": statuses(windows),
    "path_bytes": paths(windows),
    "unparsed_lines": [{"line": row["line"]} for _, row in lines if row["status"] is None],
})
