#!/usr/bin/env python3
"""Computes the expected results of the clickstream example from its input."""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parents[2]))
from reference import MINUTE_MS, by, millis, read_json, text, window, write

HERE = Path(__file__).parent


def counts(events, column):
    groups = by(events, column, "event_type").items()
    return [{column: key, "event_type": kind, "events": len(rows)} for (key, kind), rows in groups]


def sliding(timed):
    for (start, end), rows in window(timed, MINUTE_MS, 10_000).items():
        for (kind,), group in by(rows, "event_type").items():
            yield {"window_start": text(start), "window_end": text(end), "event_type": kind, "events": len(group)}


def busy(timed):
    for (start, end), rows in window(timed, MINUTE_MS).items():
        for (user,), group in by(rows, "user_id").items():
            if len(group) > 100:
                yield {"window_start": text(start), "window_end": text(end), "user_id": user, "events": len(group)}


def metrics(timed):
    for (start, end), rows in window(timed, 5 * MINUTE_MS, 10_000).items():
        paid = [row["amount"] for row in rows if row["event_type"] == "purchase"]
        yield {
            "window_start": text(start),
            "window_end": text(end),
            "events": len(rows),
            "users": len({row["user_id"] for row in rows}),
            "purchases": len(paid),
            "revenue": sum(paid) if paid else None,
        }


events = list(read_json(HERE.parent / "input" / "events.jsonl"))
timed = [(millis(event["event_time"]), event) for event in events]
write(HERE, {
    "user_counts": counts(events, "user_id"),
    "page_counts": counts(events, "page_id"),
    "product_counts": counts(events, "product_id"),
    "sliding_counts": sliding(timed),
    "busy_users": busy(timed),
    "five_minute_metrics": metrics(timed),
})
