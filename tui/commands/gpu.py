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
    from tui.terminal import table

    rows = [row for gpu in snapshot.gpus for row in _gpu(gpu)]
    if not snapshot.gpus:
        rows.append(("GPU", "-", snapshot.reason or "no reason was given"))
    cores = f"{snapshot.cores} cores" if snapshot.cores else ""
    rows.append(("CPU", percent(snapshot.cpu_percent), cores))
    rows.append(
        ("memory", share(snapshot.memory_used, snapshot.memory_total), gibibytes(snapshot.memory_used, snapshot.memory_total))
    )
    return table(rows)


def _gpu(gpu: Gpu) -> list[tuple[str, str, str]]:
    heat = "-" if gpu.temperature is None else f"{gpu.temperature:.0f} °C"
    power = "-" if gpu.power is None else f"{gpu.power:.0f} W"
    state = gpu.error or f"{heat}, {power}"
    return [
        (f"GPU {gpu.index}", percent(gpu.utilisation), f"{gpu.name or 'name not known'}, {state}"),
        ("  memory", share(gpu.memory_used, gpu.memory_total), gibibytes(gpu.memory_used, gpu.memory_total)),
    ]


def percent(value: float | None) -> str:
    """Return a percentage, or a dash for one that is not known."""
    return "-" if value is None else f"{value:.0f} %"


def share(used: int | None, total: int | None) -> str:
    """Return how much of ``total`` is used."""
    return percent(None if used is None or not total else 100 * used / total)


def gibibytes(used: int | None, total: int | None) -> str:
    """Return used and total bytes in GiB."""
    return " of ".join("-" if value is None else f"{value / 2**30:.1f} GiB" for value in (used, total))
