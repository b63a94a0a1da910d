#!/usr/bin/env python3
"""Compares what an example wrote with its expected results.

    check.py EXAMPLE OUT      such as: python3 examples/check.py sensors target/examples/sensors

OUT holds a folder of JSON lines for each output. Lines of debezium-json are a changelog: it is folded, and
what is left is compared. The order of rows does not matter. Standard library only.
"""

import json
import sys
from collections import Counter
from pathlib import Path


def canonical(row):
    """A row as a comparable value: numbers by value, timestamps without trailing zeros of the fraction."""

    def plain(value):
        if isinstance(value, str) and value[:1].isdigit() and value.count(":") == 2 and "." in value:
            return value.rstrip("0").rstrip(".")
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value

    return json.dumps({name: plain(value) for name, value in row.items()}, sort_keys=True)


def fold(folder):
    """The rows that are left when all changes in a folder were applied."""
    rows = Counter()
    for path in sorted(Path(folder).rglob("*")):
        hidden = any(part[0] in "._" for part in path.relative_to(folder).parts)
        for line in [] if hidden or not path.is_file() else path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if set(record) == {"before", "after", "op"}:
                if record["before"] is not None:
                    rows[canonical(record["before"])] -= 1
                if record["after"] is not None:
                    rows[canonical(record["after"])] += 1
            else:
                rows[canonical(record)] += 1
    return rows


def main(example, out):
    failed = 0
    for path in sorted(Path(__file__).parent.joinpath(example, "expected").glob("*.jsonl")):
        expected = Counter(canonical(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines())
        seen = fold(Path(out, path.stem))
        wrong = [(row, seen[row] - expected[row]) for row in expected | seen if seen[row] != expected[row]]
        failed += bool(wrong)
        print(f"{'FAIL' if wrong else 'ok'} {path.stem}: {sum(expected.values())} rows expected")
        for row, difference in sorted(wrong)[:5]:
            print(f"  {difference:+} {row}")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
