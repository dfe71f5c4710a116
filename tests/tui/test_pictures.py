"""Every screen at three sizes in two themes, as text: compared with what is kept in ``__snapshots__``.

``uv run pytest tests/tui/test_pictures.py --snapshot-update`` keeps what is drawn now; look at the difference before committing it.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from agents.gpu import GpuSnapshot
from agents.lag import LagSnapshot
from tests.servers.paced import PacedServer
from tests.tui.picture import picture
from tests.tui.stage import Stage, stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

SIZES = ((80, 24), (100, 30), (200, 50))
THEMES = ("stretto-dark", "stretto-light")
ANSWER = """\
# Overlap

A voice that *enters* before the last has **finished** makes a `stretto` [1].

1. The subject
   - in another key
2. The answer, see https://example.org/score

```python
def enter(voices: list[str]) -> int:
    return len(voices)  # all at once
```

| voice | enters |
|:------|-------:|
| alto  |    0.0 |
| 字字  |    1.5 |

> A rest where none was written.
"""


class TextFile(SingleFileSnapshotExtension):
    """A text file for each picture."""

    _file_extension = "txt"
    _write_mode = WriteMode.TEXT


class Steady:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def still(folder: Path, *models: str) -> AsyncIterator[Stage]:
    """Open the app with everything that moves by itself at rest."""
    clock = Steady()

    def reply(asked: dict[str, Any]) -> str:
        return ANSWER if asked["model"] != "second" else ANSWER.replace("another", "the same").replace("all at once", "one by one")

    async with PacedServer(reply=reply) as server:
        names = [f"lab/{name}" for name in models or ("first", "second")]
        async with stage(folder, server.base_url, *names, size=SIZES[1], reduced_motion=True, clock=clock) as at:
            workspace = at.app.workspace
            workspace.lag.snapshot = lambda: LagSnapshot(now=0.001, p99=0.004, worst=None, stalls=())  # type: ignore[method-assign]
            workspace.gpu.snapshot = lambda: GpuSnapshot(reason="no NVIDIA driver on this machine")  # type: ignore[method-assign]
            await at.until(lambda: len(at.app.dashboard.compare.answers) == len(names) and not at.app.dashboard.status.notice)
            yield at


async def pictures(at: Stage) -> str:
    """Return the screen at every size in every theme."""
    parts = []
    # The metrics read the stream five times a second; what they show is settled when two readings on are the same.
    metrics, before = at.app.workspace.metrics, None
    while (now := metrics.snapshot()) != before:
        before = now
        await asyncio.sleep(0.45)
    for theme in THEMES:
        at.app.theme = theme
        for size in SIZES:
            await at.resize(*size)
            clock = at.app.workspace.engine.clock
            assert isinstance(clock, Steady)
            clock.now += 1.0
            for _ in range(4):  # one look in four is taken while nothing runs
                at.app.dashboard.status.look()
            await at.settle()
            await at.pilot.pause()
            parts.append(f"== {theme} {size[0]}x{size[1]}\n{picture(at.app)}")
    return "\n".join(parts)


async def answered(at: Stage, text: str = "Why do voices overlap?") -> None:
    await at.send(text)
    panes = at.app.dashboard.compare.answers
    await at.until(lambda: all(pane.state.state == "saved" for pane in panes))
    await at.until(lambda: not any(pane.pane.flush() for pane in panes))


@pytest.fixture
def kept(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(TextFile)


async def test_compare_before_anything_is_asked(tmp_path: Path, kept: SnapshotAssertion) -> None:
    async with still(tmp_path) as at:
        assert await pictures(at) == kept


async def test_compare_with_answers_as_markdown(tmp_path: Path, kept: SnapshotAssertion) -> None:
    async with still(tmp_path) as at:
        await answered(at)
        assert await pictures(at) == kept
