"""What the examples' expected results are computed with: Flink's event-time windows, in plain Python.

Written from Flink's documented rules, not from the engine under test: a watermark after every row, a window
fires at a watermark of its end less a millisecond, a row behind enters only the windows that have not fired,
and the end of the input fires the rest. Standard library only.
"""

import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MINUTE_MS = 60_000


def millis(text, form="%Y-%m-%d %H:%M:%S.%f"):
    """The milliseconds since 1970 of a time in UTC."""
    return (datetime.strptime(text, form).replace(tzinfo=timezone.utc) - EPOCH) // timedelta(milliseconds=1)


def text(time_ms):
    """A time as Flink's json format writes a TIMESTAMP(3) of whole seconds."""
    return (EPOCH + timedelta(milliseconds=time_ms)).strftime("%Y-%m-%d %H:%M:%S")


def read_json(path):
    """The good records of a file in their order; a line that is no JSON object is a bad record."""
    for line in Path(path).read_bytes().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield record


def window(rows, size_ms, slide_ms=None, delay_ms=5_000):
    """Groups `(time_ms, row)` pairs into `{(start_ms, end_ms): [row, ...]}`, without late rows."""
    slide_ms = slide_ms or size_ms
    watermark, groups = None, {}
    for time_ms, row in rows:
        first = time_ms - time_ms % slide_ms
        for start in range(first, time_ms - size_ms, -slide_ms):
            end = start + size_ms
            if watermark is None or watermark < end - 1:
                groups.setdefault((start, end), []).append(row)
        candidate = time_ms - delay_ms
        watermark = candidate if watermark is None else max(watermark, candidate)
    return groups


def by(rows, *names):
    """Groups rows by the values of some columns."""
    groups = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return groups


def write(folder, outputs):
    """Writes `{output: rows}` as one sorted file of JSON lines each."""
    for name, rows in outputs.items():
        lines = sorted(json.dumps(row, ensure_ascii=False) for row in rows)
        Path(folder, name + ".jsonl").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        print(f"{name}: {len(lines)} rows", file=sys.stderr)
