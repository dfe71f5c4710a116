"""A thousand prompts at once: the engine against the floor and the usual ways, each in a process of its own, in the same run.

``uv run python -m bench.engine [--prompts 1000] [--in-flight 50] [--delay 0.2] [--no-litellm]`` asks a server that gives each
answer after ``delay`` seconds, and prints for each way the wall time, the efficiency (ideal / wall) and the processor time a
request. litellm gets an environment of its own, made with uv the first time. Then ten times as many prompts go through the
engine: memory must stay where it was.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.stream import ROOT, paced_server

_LITELLM = "litellm!=1.82.7,!=1.82.8"
"""These two releases carried a thief."""
_NAMES = {
    "aiohttp": "bare aiohttp (the floor)",
    "stretto": "stretto, journal and metrics on",
    "sdk": "openai SDK + semaphore",
    "litellm": "litellm + semaphore",
}


def litellm_python() -> str | None:
    """Return the interpreter of an environment that has litellm; ``None`` where none can be made."""
    folder = Path(tempfile.gettempdir()) / "stretto-bench-litellm"
    python = folder / "bin" / "python"
    uv = shutil.which("uv")
    if not python.exists() and uv is not None:
        made = subprocess.run([uv, "venv", "-q", str(folder)], check=False)
        if made.returncode == 0:
            subprocess.run([uv, "pip", "install", "-q", "--python", str(python), _LITELLM], check=False)
    if python.exists() and subprocess.run([str(python), "-c", "import litellm"], check=False, capture_output=True).returncode == 0:
        return str(python)
    return None


def ask(python: str, way: str, address: str, model: str, prompts: int, in_flight: int) -> dict[str, float]:
    """Run one way in a process of its own."""
    command = [python, str(ROOT / "bench" / "ways.py"), way, address, model, str(prompts), str(in_flight)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=None if way == "litellm" else _environment())
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _environment() -> dict[str, str]:
    import os

    return os.environ | {"PYTHONPATH": str(ROOT)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--in-flight", type=int, default=50)
    parser.add_argument("--delay", type=float, default=0.2)
    parser.add_argument("--tokens", type=int, default=20)
    parser.add_argument("--no-litellm", action="store_true")
    parser.add_argument("--no-memory", action="store_true")
    arguments = parser.parse_args()
    prompts, in_flight = arguments.prompts, arguments.in_flight
    model = f"delay-{arguments.delay}-{arguments.tokens}"
    ideal = prompts / in_flight * arguments.delay
    pythons = {"aiohttp": sys.executable, "stretto": sys.executable, "sdk": sys.executable}
    if not arguments.no_litellm:
        python = litellm_python()
        if python is None:
            print("litellm: no environment could be made for it")
        else:
            pythons["litellm"] = python
    print(f"{prompts:,} prompts, {in_flight} in flight, answers after {arguments.delay:g} s: ideal {ideal:.2f} s")
    found = {}
    with paced_server() as address:
        for way, python in pythons.items():
            each = found[way] = ask(python, way, address, model, prompts, in_flight)
            cpu = each["cpu"] / prompts * 1000
            print(f"{_NAMES[way]:34}{each['wall']:7.2f} s   efficiency {ideal / each['wall']:.2f}   CPU {cpu:5.2f} ms a request")
        ratio = found["stretto"]["cpu"] / found["sdk"]["cpu"]
        print(f"stretto: efficiency at least 0.90; CPU {ratio:.2f} of the SDK's (bound 0.50)")
        if not arguments.no_memory:
            many = ask(sys.executable, "stretto", address, model, 10 * prompts, in_flight)
            growth = (many["peak"] - found["stretto"]["peak"]) / 1e6
            told = f"peak memory {many['peak'] / 1e6:.0f} MB, {growth:+.0f} MB (bound +20 MB)"
            print(f"{10 * prompts:,} prompts: efficiency {ideal * 10 / many['wall']:.2f}; {told}")


if __name__ == "__main__":
    main()
