"""What the benchmarks share: runs of both engines, their time, CPU seconds and memory, and how figures are written.

Deliberately not here: which cases there are and what is compared. Standard library only.
"""

import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# A run that takes longer for each of its files is ended and counts as failed.
RUN_SECONDS_MAX = 900


def number(text):
    factor = {"k": 10**3, "M": 10**6, "G": 10**9}.get(text[-1:], 1)
    return int(float(text.rstrip("kMG")) * factor)


def short(events):
    return next(f"{events / f:g} {u}" for f, u in ((10**6, "M"), (10**3, "k"), (1, "")) if events >= f)


def timed(command, log, files=1):
    """Runs a command: wall seconds, CPU seconds, peak memory in MB."""
    with open(log, "wb") as output:
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT)
        alarm = threading.Timer(RUN_SECONDS_MAX * files, process.kill)
        alarm.start()
        _, status, usage = os.wait4(process.pid, 0)
        alarm.cancel()
        wall = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        tail = Path(log).read_text(errors="replace")[-2_000:]
        raise RuntimeError(f"exit code {process.returncode}: {' '.join(command)}\n{tail}")
    return {"seconds": wall, "cpu": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss / 1024}


def run_tidemill(binary, files, variables, parallelism, log):
    command = [binary, "run", *map(str, files), "--parallelism", str(parallelism), "--quiet"]
    return timed(command + flags(variables), log)


def run_flink(python, files, variables, parallelism, log):
    """Flink's own figures are those of the last file."""
    command = [python, str(ROOT / "benches" / "flink.py"), *map(str, files)]
    measured = timed(command + ["--parallelism", str(parallelism), *flags(variables)], log, len(files))
    own = json.loads(Path(log).read_text(errors="replace").strip().splitlines()[-1])
    return {"seconds": measured["seconds"], "cpu": own["cpu_seconds"], "peak_mb": own["peak_mb"]}


def flags(variables):
    return [text for key, value in variables.items() for text in ("--var", f"{key}={value}")]


def flink_python(path):
    """The interpreter, also of a virtual environment."""
    return str(Path(path, "bin", "python")) if path and Path(path).is_dir() else path


def into_page_cache(path):
    with open(path, "rb") as file:
        while file.read(1 << 24):
            pass


def make_lines(binary, sql, variables, path):
    """Runs SQL that writes to the folder `${OUT}`; what it wrote becomes one file."""
    part = path.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    run_tidemill(binary, [sql], {**variables, "OUT": part}, 1, f"{part}.log")
    with Path(f"{part}.whole").open("wb") as whole:
        for piece in sorted(part.glob("part-*"), key=lambda file: int(re.findall(r"\d+", file.name)[-1])):
            with piece.open("rb") as lines:
                shutil.copyfileobj(lines, whole, 1 << 24)
    Path(f"{part}.whole").rename(path)
    shutil.rmtree(part)
    Path(f"{part}.log").unlink()


def spread(values):
    return f"±{(max(values) - min(values)) / 2 / statistics.median(values) * 100:.0f} %"


def machine():
    cpuinfo = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = next((line.split(":", 1)[1].strip() for line in cpuinfo.splitlines() if line.startswith("model name")),
                 platform.processor() or platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} × {model}, {memory:.0f} GB, {platform.system()} {platform.release()}"


def commit():
    described = subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=12"], cwd=ROOT,
                               capture_output=True, text=True, check=False)
    return described.stdout.strip() or "unknown"
