from __future__ import annotations

from agents.gpu import Gpu, GpuProcess, GpuSnapshot
from tui.commands.gpu import describe

GIB = 1 << 30


def test_everything_that_was_read_of_a_card_is_printed() -> None:
    card = Gpu(
        index=0,
        name="H\x1b[31m",
        utilisation=37.0,
        memory_used=8 * GIB,
        memory_total=80 * GIB,
        power=250.4,
        power_limit=700.0,
        temperature=51.0,
        sm_clock=1980,
        processes=(GpuProcess(pid=41, memory=7 * GIB), GpuProcess(pid=42)),
    )
    snapshot = GpuSnapshot(gpus=(card,), cpu_percent=12.0, cores=16, memory_used=16 * GIB, memory_total=64 * GIB)
    assert describe(snapshot).splitlines() == [
        "GPU 0      37 %  H\x1b[31m, 51 °C, 250 W of 700 W, SM clock 1980 MHz",
        "  memory   10 %  8.0 GiB of 80.0 GiB",
        "  process  41    7.0 GiB",
        "  process  42    –",
        "CPU        12 %  16 cores",
        "memory     25 %  16.0 GiB of 64.0 GiB",
    ]


def test_what_was_not_offered_is_a_dash_and_never_a_zero() -> None:
    lines = describe(GpuSnapshot(gpus=(Gpu(index=1), Gpu(index=2, error="the card was lost", processes=())))).splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "GPU 1 – name not known, – °C, – W of – W, SM clock – MHz",
        "memory – – of –",
        "processes – the driver does not tell",
        "GPU 2 – name not known, the card was lost",
        "memory – – of –",
        "CPU –",
        "memory – – of –",
    ]
    assert describe(GpuSnapshot(reason="no driver")).startswith("GPU     –  no driver\n")
