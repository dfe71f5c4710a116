"""``stretto gpu``: the GPUs' figures, or why there are none, with the processor's and the memory's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.commands import arguments

if TYPE_CHECKING:
    import argparse

    from agents.gpu import Gpu, GpuSnapshot

DESCRIPTION = """Print one reading of the GPUs (through NVML) or the reason why there is none, and of processor and memory."""

EXAMPLES = """\
  stretto gpu
  stretto gpu --json | jq .reason
  watch -n 1 stretto gpu"""


def configure(parser: arguments.CommandParser) -> None:
    """Describe the arguments."""
    arguments.add_json(parser, "print the reading as one JSON object")


def execute(args: argparse.Namespace, parser: arguments.CommandParser) -> int:
    """Read once and print."""
    import msgspec

    from agents.gpu import read_machine
    from tui.terminal import Terminal

    snapshot = read_machine()
    Terminal().print(msgspec.json.encode(snapshot).decode() if args.json else describe(snapshot))
    return 0


def describe(snapshot: GpuSnapshot) -> str:
    """Return a reading as lines; what was not offered is a dash."""
    from tui.figures import NONE
    from tui.terminal import table

    rows = [row for gpu in snapshot.gpus for row in _gpu(gpu)]
    if not snapshot.gpus:
        rows.append(("GPU", NONE, snapshot.reason or "no reason was given"))
    rows.append(("CPU", _percent(snapshot.cpu_percent), f"{snapshot.cores} cores" if snapshot.cores else ""))
    rows.append(_memory("memory", snapshot.memory_used, snapshot.memory_total))
    return table(rows)


def _gpu(gpu: Gpu) -> list[tuple[str, str, str]]:
    from tui.figures import NONE, gib

    heat = _with_unit(gpu.temperature, "°C")
    power = f"{_with_unit(gpu.power, 'W')} of {_with_unit(gpu.power_limit, 'W')}"
    state = gpu.error or f"{heat}, {power}, SM clock {_with_unit(gpu.sm_clock, 'MHz')}"
    rows = [
        (f"GPU {gpu.index}", _percent(gpu.utilisation), f"{gpu.name or 'name not known'}, {state}"),
        _memory("  memory", gpu.memory_used, gpu.memory_total),
    ]
    if gpu.error is None and gpu.processes is None:
        rows.append(("  processes", NONE, "the driver does not tell"))
    rows += [("  process", str(process.pid), gib(process.memory)) for process in gpu.processes or ()]
    return rows


def _memory(name: str, used: int | None, total: int | None) -> tuple[str, str, str]:
    from tui.figures import gib, percent

    return name, percent(None if used is None or not total else used / total), f"{gib(used)} of {gib(total)}"


def _percent(value: float | None) -> str:
    from tui.figures import percent

    return percent(None if value is None else value / 100)


def _with_unit(value: float | None, unit: str) -> str:
    from tui.figures import NONE

    return f"{NONE if value is None else f'{value:.0f}'} {unit}"
