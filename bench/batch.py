"""``stretto batch`` as people run it, in a process of its own, against a paced server in another.

``uv run python -m bench.batch [--rows 1000 --jobs 50 --delay 0.2]`` prints how long the rows took against the ideal, the processor
time of each, and the peak of resident memory (VmHWM) of that many rows and of ten times as many: it must stay within 20 MB.
Journal, metrics and both of the batch's files are on; the cache is off.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from bench.stream import ROOT, paced_server


class Figures(NamedTuple):
    """What one batch took."""

    rows: float
    """Seconds from the first request to the last answer, as the command says them."""
    wall: float
    """Seconds from exec to the end."""
    cpu: float
    peak: float
    """Bytes."""


def peak_of(pid: int) -> float:
    """Return the most memory the process has had so far, in bytes; 0 once it is gone."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0.0
    return float(found[1]) * 1024 if found else 0.0


def measure(address: str, rows: int, jobs: int, model: str) -> Figures:
    """Run one batch."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.toml").write_text(f'[endpoints.lab]\nbase_url = "{address}"\n')
        with (folder / "in.jsonl").open("w") as file:
            file.writelines(json.dumps({"prompt": f"Prompt {number}"}) + "\n" for number in range(rows))
        env = os.environ | {
            "STRETTO_DATA_DIR": str(folder / "data"),
            "STRETTO_CONFIG": str(folder / "config.toml"),
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, "-m", "tui.main", "batch", "in.jsonl", "-o", "out.jsonl", "-m", f"lab/{model}", "-j", str(jobs)]
        began = time.perf_counter()
        process = subprocess.Popen([*command, "--no-cache"], env=env, cwd=folder, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        peak = 0.0
        while True:
            peak = max(peak, peak_of(process.pid))
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            time.sleep(0.02)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        said = process.stderr.read()
        process.stderr.close()
        taken = re.search(r"rows in ([\d.]+) s", said)
        assert process.returncode == 0, said
        assert taken is not None, said
        assert (folder / "out.jsonl").read_bytes().count(b"\n") == rows
    return Figures(float(taken[1]), wall, usage.ru_utime + usage.ru_stime, peak)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=50)
    parser.add_argument("--delay", type=float, default=0.2)
    parser.add_argument("--tokens", type=int, default=20)
    options = parser.parse_args()
    rows, jobs = options.rows, options.jobs
    ideal = rows / jobs * options.delay
    model = f"delay-{options.delay}-{options.tokens}"
    with paced_server() as address:
        start = measure(address, 1, jobs, model)
        once = measure(address, rows, jobs, model)
        print(f"{rows:,} rows, {jobs} in flight, answers of {options.tokens} tokens after {options.delay:g} s: ideal {ideal:.2f} s")
        print(f"rows       {once.rows:.2f} s: efficiency {ideal / once.rows:.2f} (bound 0.90); the whole command {once.wall:.2f} s")
        print(f"processor  {(once.cpu - start.cpu) / (rows - 1) * 1e3:.2f} ms a row; {start.cpu:.2f} s for a batch of one row")
        print(f"peak       {once.peak / 1e6:.1f} MB")
        ten = measure(address, rows * 10, jobs, model)
        print(
            f"{rows * 10:,} rows: {ten.rows:.1f} s, efficiency {ideal * 10 / ten.rows:.2f}; peak {ten.peak / 1e6:.1f} MB, "
            f"{(ten.peak - once.peak) / 1e6:+.1f} MB (bound +20)"
        )


if __name__ == "__main__":
    main()
