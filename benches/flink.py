#!/usr/bin/env python3
"""Runs Flink SQL files on Apache Flink, in this process, with the rules the pipelines are measured by.

    flink.py FILE.sql... [--var K=V]... [--set K=V]... [--parallelism N] [--skip-bad-json]

Needs PyFlink (pip install apache-flink==2.3.0) and Java 11 or 17. `${NAME}` and `${NAME:-default}` come from
--var or the environment. A watermark follows every row unless --set pipeline.auto-watermark-interval=... says
otherwise. --skip-bad-json lets Flink skip malformed JSON, as --bad-records keep does. Each file has an environment
of its own and ends with a line of JSON on standard output: seconds of its statements, CPU seconds and peak memory
of this process and its virtual machine so far; or why it failed, if there are more files.
"""

import argparse
import json
import os
import re
import time

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z_0-9]*)(?::-([^}]*))?\}")
# What must not be split at a semicolon: strings, quoted names, comments.
PIECE = re.compile(r"'(?:[^']|'')*'|`[^`]*`|--[^\n]*|/\*.*?\*/|;|\w+|\s+|.", re.S)


def substitute(sql, variables):
    def value(match):
        name, default = match.groups()
        found = variables.get(name, os.environ.get(name, default))
        if found is None:
            raise SystemExit(f"variable '{name}' is not set; use --var {name}=VALUE")
        return found

    return VARIABLE.sub(value, sql)


def statements(sql):
    """The statements of a file; a statement set stays one."""
    current, in_set = "", False
    for piece in PIECE.findall(sql):
        word = piece.upper()
        if piece.startswith(("--", "/*")) and not piece.startswith("/*+"):
            continue
        if word == "BEGIN":
            in_set = True
        elif word == "END" and current.rstrip().endswith(";"):
            in_set = False
        if piece == ";" and not in_set:
            if current.strip():
                yield current.strip()
            current = ""
        else:
            current += piece
    if current.strip():
        yield current.strip()


def environment(arguments):
    from pyflink.table import EnvironmentSettings, TableEnvironment

    table = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    settings = {
        "parallelism.default": str(arguments.parallelism),
        "pipeline.auto-watermark-interval": "0ms",
        "table.dml-sync": "true",
        "table.local-time-zone": "UTC",
        "restart-strategy.type": "none",
        "taskmanager.numberOfTaskSlots": str(max(2, arguments.parallelism)),
    }
    for key, value in {**settings, **pairs(arguments.set)}.items():
        table.get_config().set(key, value)
    return table


def pairs(texts):
    return dict(text.split("=", 1) for text in texts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--var", action="append", default=[], metavar="K=V")
    parser.add_argument("--set", action="append", default=[], metavar="K=V")
    parser.add_argument("--parallelism", type=int, default=1)
    parser.add_argument("--skip-bad-json", action="store_true")
    arguments = parser.parse_args()
    for file in arguments.files:
        begin = time.monotonic()
        try:
            run(file, arguments)
        except Exception as error:  # Py4J has no class of its own for what Flink refuses.
            if len(arguments.files) == 1:
                raise
            print(json.dumps({"file": file, "error": str(error)}), flush=True)
            continue
        print(json.dumps({"file": file, "seconds": round(time.monotonic() - begin, 3), **usage()}), flush=True)


def run(path, arguments):
    with open(path, encoding="utf-8") as file:
        sql = substitute(file.read(), pairs(arguments.var))
    if arguments.skip_bad_json:
        sql = sql.replace("'format' = 'json'", "'format' = 'json', 'json.ignore-parse-errors' = 'true'")
    table = environment(arguments)
    for statement in statements(sql):
        table.execute_sql(statement).wait() if not statement.upper().startswith("SET") else set_option(table, statement)


def usage():
    """CPU seconds and the peaks of resident memory of this process and its children."""
    cpu, peak_kb, ticks = 0, 0, os.sysconf("SC_CLK_TCK")
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/children", encoding="ascii") as children:
            for process in ["self", *children.read().split()] if task == str(os.getpid()) else children.read().split():
                with open(f"/proc/{process}/stat", encoding="ascii") as stat:
                    fields = stat.read().rpartition(")")[2].split()
                cpu += int(fields[11]) + int(fields[12])
                with open(f"/proc/{process}/status", encoding="ascii") as status:
                    peak_kb += int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1))
    return {"cpu_seconds": round(cpu / ticks, 2), "peak_mb": round(peak_kb / 1024, 1)}


def set_option(table, statement):
    key, value = re.findall(r"'([^']*)'", statement)
    table.get_config().set(key, value)


if __name__ == "__main__":
    main()
