from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from rich.cells import cell_len

from agents.events import Usage
from agents.gpu import Gpu, GpuSnapshot
from agents.lag import LagSnapshot
from agents.metrics import MetricsSnapshot, Window
from agents.models.figures import EndpointLoad
from agents.models.names import parse_model
from agents.models.spend import Spend
from agents.percentiles import Percentiles
from agents.requests import Message, ModelCall
from agents.settings import Price
from tests.servers.paced import PacedServer
from tests.tui.room import HOSTILE, room
from tests.tui.stage import Stage, stage
from tui.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from pathlib import Path

    from agents.workspace import Workspace

GIB = 2**30
EMPTY = Window(span=60.0)


def figures(**fields: Any) -> MetricsSnapshot:
    given: dict[str, Any] = {"minute": EMPTY, "session": EMPTY, "tokens_per_second": None, "tokens_per_second_estimated": False}
    return MetricsSnapshot(at=0.0, queued=0, in_flight=0, **(given | fields))


def lag(p99: float | None) -> LagSnapshot:
    return LagSnapshot(now=p99, p99=p99, worst=None, stalls=())


def desk(
    *,
    metrics: MetricsSnapshot | None = None,
    loads: tuple[EndpointLoad, ...] = (),
    late: float | None = None,
    machine: GpuSnapshot | None = None,
    opened: bool = True,
    spend: Spend | None = None,
) -> Workspace:
    """Return what the status line reads, with these readings."""

    def load() -> tuple[EndpointLoad, ...]:
        assert opened, "there are no models before the workspace is open"
        return loads

    found = SimpleNamespace(
        opened=opened,
        metrics=SimpleNamespace(snapshot=lambda: metrics or figures()),
        models=SimpleNamespace(load=load, spend=spend or Spend()),
        lag=SimpleNamespace(snapshot=lambda: lag(late)),
        gpu=SimpleNamespace(snapshot=lambda: machine or GpuSnapshot()),
    )
    return cast("Workspace", found)


async def lines(workspace: Workspace, *, waiting: int = 0, notice: str = "", width: int = 200) -> list[str]:
    line = StatusLine(workspace, lambda: waiting)
    line.notice = notice
    async with room(line, (width, 4)):
        shown = line.render().plain.split("\n")
        assert len(shown) == 2
        assert all(cell_len(row) < max(width, 2) for row in shown)
        return shown


@pytest.mark.parametrize(
    ("budget", "tokens", "words"),
    [
        (None, 0, ""),
        (None, 250, "cost 0.25 "),
        (1.0, 250, "cost 0.25 of 1.00 "),
        (1.0, 1200, "cost 1.20 of 1.00 stops! "),
        (1.0, 0, "cost 0.00 of 1.00 "),
    ],
)
async def test_what_was_spent_stands_beside_the_budget_and_what_is_estimated_says_so(
    budget: float | None, tokens: int, words: str
) -> None:
    spend = Spend(budget)
    meter = spend.start(ModelCall(model=parse_model("paid/m"), messages=(Message("user", ""),)), Price(output=1000.0))
    if tokens:
        spend.budget = None
        meter.wrote(40)
        spend.budget = budget
        calls, _ = await lines(desk(spend=spend))
        assert "cost ≈0.01" in calls
        meter.settle(Usage(output=tokens))
    calls, _ = await lines(desk(spend=spend))
    assert words in calls
    assert words or "cost" not in calls


async def test_every_figure_is_the_one_that_was_read() -> None:
    minute = Window(
        span=60.0, total=Percentiles(p50=1.0, p95=3.21, count=9), ttft=Percentiles(p50=0.45, p95=0.9, count=9), hit_rate=0.2
    )
    session = Window(span=900.0, total=Percentiles(p95=99.0, count=90), ttft=Percentiles(p50=99.0, count=90), hit_rate=0.9)
    loads = (EndpointLoad("lab", 3, 2, 4, 1.5), EndpointLoad("far", 1, 5, 8, 0.1))
    metrics = figures(minute=minute, session=session, tokens_per_second=53.6, tokens_per_second_estimated=True)
    machine = GpuSnapshot(cpu_percent=80.6, memory_used=int(4.1 * GIB), memory_total=int(23.4 * GIB), reason="no driver here")
    calls, below = await lines(desk(metrics=metrics, loads=loads, late=0.004, machine=machine), waiting=2)
    assert calls.split("   ")[:8] == [
        "prompts waiting 2",
        "queue 4",
        "in flight 7",
        "tok/s ≈54",
        "TTFT 450 ms",
        "P95 3.21 s",
        "cache 20 %",
        "lag 4 ms",
    ]
    assert below.split("   ")[:3] == ["CPU 81 %", "memory 4.1 GiB of 23.4 GiB", "no GPU: no driver here"]


async def test_what_is_not_known_is_a_dash_and_nothing_waits_unless_it_does() -> None:
    calls, below = await lines(desk(opened=False))
    assert calls.split("   ")[:7] == ["queue 0", "in flight 0", "tok/s –", "TTFT –", "P95 –", "cache –", "lag –"]
    assert below.split("   ")[:2] == ["CPU –", "memory – of –"]
    assert "GPU" not in below


async def test_a_quiet_minute_shows_the_session() -> None:
    session = Window(span=900.0, total=Percentiles(p95=2.0, count=3), ttft=Percentiles(p50=0.1, count=3), hit_rate=0.5)
    calls, _ = await lines(desk(metrics=figures(session=session, tokens_per_second=0.0, tokens_per_second_estimated=True)))
    assert calls.split("   ")[2:6] == ["tok/s 0", "TTFT 100 ms", "P95 2.00 s", "cache 50 %"]


@pytest.mark.parametrize(("late", "shown"), [(0.05, "lag 50 ms"), (0.051, "lag 51 ms late!"), (2.0, "lag 2.00 s late!")])
async def test_a_loop_that_is_late_says_so(late: float, shown: str) -> None:
    calls, _ = await lines(desk(late=late))
    assert calls.rstrip().endswith(shown)


async def test_each_gpu_shows_how_busy_and_how_full_it_is() -> None:
    gpus = (
        Gpu(index=0, utilisation=37.4, memory_used=10 * GIB, memory_total=80 * GIB),
        Gpu(index=1, error="this card is lost"),
    )
    machine = GpuSnapshot(gpus=gpus, cpu_percent=3.0, memory_used=GIB, memory_total=2 * GIB)
    _, below = await lines(desk(machine=machine))
    assert below.split("   ")[:3] == ["GPU 0 37 % 10.0 GiB of 80.0 GiB", "GPU 1 this card is lost", "CPU 3 %"]
    assert "no GPU" not in below


async def test_a_notice_stands_before_the_machine() -> None:
    _, below = await lines(desk(), notice="starting the embedded model")
    assert below.startswith("starting the embedded model   CPU")


@pytest.mark.parametrize("width", [1, 2, 20, 40, 60, 80, 120])
async def test_no_reason_and_no_width_breaks_the_two_lines(width: int) -> None:
    reasons = iter(HOSTILE)
    workspace = desk()
    line = StatusLine(workspace, lambda: 0)
    async with room(line, (width, 4)):
        for line.notice in HOSTILE:
            machine = GpuSnapshot(reason=next(reasons))
            workspace.gpu.snapshot = lambda machine=machine: machine  # type: ignore[method-assign,misc]
            rows = line.render().plain.split("\n")
            assert len(rows) == 2
            assert all(cell_len(row) < max(width, 2) for row in rows)
            assert not any(ord(char) < 32 or 127 <= ord(char) < 160 or char == "\u202e" for row in rows for char in row)


def figure(at: Stage, name: str) -> str:
    """Return a figure as the screen shows it."""
    text = at.text_of(at.app.dashboard.status)
    return text.partition(f"{name} ")[2].split("  ")[0].strip()


async def test_the_screen_counts_what_streams_and_what_queues(tmp_path: Path) -> None:
    models = ["lab/paced-8000-100", "lab/paced-8000-101", "lab/paced-8000-102"]
    async with PacedServer() as server, stage(tmp_path, server.base_url, *models, concurrency=2, size=(160, 40)) as at:
        panes = at.app.dashboard.compare.answers
        await at.until(lambda: len(panes) == 3)
        await at.until(lambda: figure(at, "in flight") == "0")
        await at.send("go")
        await at.until(lambda: figure(at, "in flight") == "2" and figure(at, "queue") == "1")
        await at.until(lambda: server.counts.in_flight == 2)
        await at.until(lambda: figure(at, "tok/s").startswith("≈") and float(figure(at, "tok/s")[1:]) > 0)
        await at.send("and this")
        await at.until(lambda: figure(at, "prompts waiting") == "1")
        await at.press("f9")
        await at.until(lambda: figure(at, "in flight") == "0" and figure(at, "queue") == "0")
        await at.until(lambda: "prompts waiting" not in at.screen())
        await at.until(lambda: figure(at, "TTFT") not in {"", "–"})


async def test_what_goes_wrong_at_endpoints_is_said_only_while_it_does() -> None:
    well = EndpointLoad("lab", 0, 1, 8, 0.0, answered=9, refused_ever=40)
    shown = (await lines(desk(loads=(well,))))[0]
    assert not any(word in shown for word in ("late", "refused", "ill"))
    bad = EndpointLoad("far\x1b]0;x\x07", 3, 1, 8, 2.0, late=12, refused=3, refused_ever=40, ill=True)
    shown = (await lines(desk(loads=(well, bad))))[0]
    assert "late ⚠ 12" in shown
    assert "refused ⚠ 3" in shown
    assert "ill ○ far" in shown
    assert "\x1b" not in shown
    assert (await lines(desk(loads=(bad,)), width=20))[0]
