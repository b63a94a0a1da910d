#!/usr/bin/env python3
"""Computes the expected results of the sensors example from its input."""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parents[2]))
from reference import MINUTE_MS, by, millis, read_json, text, window, write

HERE = Path(__file__).parent


def minutes(windows):
    for (start, end), rows in windows.items():
        for (sensor,), group in by(rows, "sensor_id").items():
            values = [row["temperature"] for row in group]
            yield {
                "sensor_id": sensor,
                "window_start": text(start),
                "window_end": text(end),
                "avg_temperature": round(sum(values) / len(values), 2),
                "min_temperature": min(values),
                "max_temperature": max(values),
                "readings": len(values),
            }


def plant(windows):
    for (start, end), rows in windows.items():
        values = [row["temperature"] for row in rows]
        yield {
            "window_start": text(start),
            "window_end": text(end),
            "sensors": len({row["sensor_id"] for row in rows}),
            "spread": round(max(values) - min(values), 2),
            "humid_readings": sum(row["humidity"] > 60 for row in rows),
        }


readings = read_json(HERE.parent / "input" / "readings.jsonl")
windows = window([(millis(row["event_time"]), row) for row in readings], MINUTE_MS)
write(HERE, {"sensor_minutes": minutes(windows), "plant_minutes": plant(windows)})
