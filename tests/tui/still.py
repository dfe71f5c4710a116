"""The real app with everything that moves by itself at rest, and runs that are played from a score: for pictures of its screens."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from unittest import mock

from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from agents.chat import queue_lanes
from agents.errors import CallError, InputError, LateError
from agents.events import Hit, Place, Score, Usage
from agents.gpu import GpuSnapshot
from agents.lag import LagSnapshot
from agents.metrics import MetricsSnapshot, Window
from agents.offers import Offer, Question
from agents.percentiles import Percentiles
from agents.requests import Ask, Chat, Judge, Merge, Race, Research
from agents.retrieval.ask import notes
from tests.servers.paced import PacedServer
from tests.tui.picture import picture, strips_of
from tests.tui.stage import Stage, stage
from tui.compare.lanes import onward
from tui.widgets.pane_clock import Allowance
from tui.widgets.stream_pane import StreamPane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from textual.strip import Strip

    from agents.runs import Run, Step

SIZES = ((80, 24), (100, 30), (200, 50))
PAIR = ("first", "second")
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

```sh
sing --voices 4
```

| voice | enters |
|:------|-------:|
| alto  |    0.0 |
| 字字  |    1.5 |

> A rest where none was written.
"""
OTHER = ANSWER.replace("another", "the same").replace("all at once", "one by one").replace("A rest", "A long rest")
MERGED = "A voice that enters before the last has finished makes a **stretto**, in any key.\n"
CITED = "Voices overlap because each enters before the last has finished [1]. Nothing waits for what it does not need [2].\n"
SUMMARY = "Voices enter before the last has finished.\n"
HITS = tuple(
    Hit(
        chunk=f"c{number}",
        title=title,
        place=Place(uri=uri, page=page, line=line, line_end=None if line is None else line + 4),
        text=text,
        score=1.0 / number,
        ranks={"vector": number, "keyword": 4 - number},
    )
    for number, (title, uri, page, line, text) in enumerate(
        (
            ("Fugue", "/music/fugue.md", None, 12, "# Stretto\n\nA voice enters before the last has finished.\n字字 stands wide."),
            ("Canon", "/music/canon.pdf", 3, None, "Nothing waits for what it does not need."),
            ("Score", "https://example.org/score", None, None, "The score of the whole."),
        ),
        1,
    )
)
_FIGURES = MetricsSnapshot(
    at=0.0,
    minute=Window(span=60.0, ttft=Percentiles(p50=0.2, count=4), total=Percentiles(p95=1.9, count=4), hit_rate=0.25),
    session=Window(span=60.0),
    queued=0,
    in_flight=0,
    tokens_per_second=96.0,
    tokens_per_second_estimated=False,
)


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


class Play:
    """Plays runs in no time at all, on a clock that says otherwise: the same run has the same times, whatever the machine does."""

    def __init__(self, clock: Steady) -> None:
        self._clock = clock
        self._notes: list[tuple[float, Callable[[], object]]] = []

    def at(self, when: float, do: Callable[[], object]) -> None:
        """Have something happen at a time after the run's begin."""
        self._notes.append((when, do))

    def step(self, step: Step, start: float, end: float, error: BaseException | None = None) -> None:
        """Have a step run from ``start`` to ``end``."""
        self.at(start, step.__enter__)
        self.at(start, step.start)
        self.at(end, lambda: step.__exit__(None if error is None else type(error), error, None))

    def voice(self, step: Step, text: str, *, start: float = 0.1, first: float = 0.3, whole: bool = True, added: str = "") -> float:
        """Have a model say ``text``, 20 ms a word, and return when it ends; a voice that is not whole stays where it is."""
        words = text.split(" ")
        spoken = words if whole else words[: len(words) // 2]
        end = first + 0.02 * len(spoken)
        for number, word in enumerate(spoken):
            self.at(first + 0.02 * number, lambda word=word, number=number: step.write(word if number == 0 else f" {word}"))  # type: ignore[misc]  # defaults bind
        if whole:
            usage = Usage(input=24, output=len(words))
            self.at(end, lambda: step.finish(finish="stop", usage=usage, cost=0.0012))
            self.at(end, lambda: step.write(added))
            self.step(step, start, end)
        else:
            self.at(start, step.__enter__)
            self.at(start, step.start)
        return end

    def perform(self) -> None:
        """Do all of it, in the order of its times."""
        begin = self._clock.now
        notes, self._notes = self._notes, []
        for when, do in sorted(notes, key=lambda note: note[0]):
            self._clock.now = begin + when
            do()

    async def chat(self, run: Run) -> None:
        """Answer every lane: one prompt that is to be slow stays half said, one that is to fail does so."""
        assert isinstance(run.request, Chat)
        whole = True
        for number, (step, lane) in enumerate(queue_lanes(run, run.request.lanes)):
            asked = lane.messages[-1].content
            text = OTHER if number % 2 else ANSWER
            first = 0.3 + 0.07 * number
            if "fail" in asked and number == 1:
                told = "lab: the server answered 503 (overloaded); it may work again in a minute"
                self.step(step, 0.1, 0.8, CallError("server", told))
                continue
            whole = "slowly" not in asked
            self.voice(step, text, first=first, whole=whole)
        self.perform()
        if not whole:
            await asyncio.Event().wait()

    async def race(self, run: Run) -> None:
        """Let the second lane win."""
        assert isinstance(run.request, Race)
        for number, (step, _) in enumerate(queue_lanes(run, run.request.lanes)):
            if number == 1:
                end = self.voice(step, OTHER)
                self.at(end - 0.001, lambda step=step: step.won("at least 20 characters", 240))  # type: ignore[misc]  # a default binds
            else:
                self.voice(step, ANSWER, first=0.4, whole=False)
                self.at(2.0, lambda step=step: step.__exit__(asyncio.CancelledError, asyncio.CancelledError(), None))  # type: ignore[misc]  # a default binds
        self.perform()

    async def ask(self, run: Run) -> None:
        """Search three sources, of which one is late, fuse, and answer."""
        assert isinstance(run.request, Ask)
        for number, name in enumerate(("vector", "keyword", "files")):
            step = run.step("source", name, lane=name)
            late = LateError("no answer within 10 s") if name == "files" else None
            self.step(step, 0.01, 0.2 + 0.1 * number, late)
            if late is None:
                self.at(0.15, lambda step=step, number=number: step.found(HITS[number:]))  # type: ignore[misc]  # defaults bind
        self.perform()
        fuse = run.step("merge", "fuse")
        self.step(fuse, 0.0, 0.02)
        self.at(0.01, lambda: fuse.found(HITS))
        self.perform()
        step = run.step("model", run.request.model.model, lane=str(run.request.model))
        self.voice(step, CITED, added=notes(CITED, [(hit.title, str(hit.place)) for hit in HITS], []))
        self.perform()

    async def research(self, run: Run) -> None:
        """Read two places, of which one is not there, and report."""
        assert isinstance(run.request, Research)
        there, gone = run.step("group", "/music/fugue.md"), run.step("group", "/music/gone.md")
        read = run.step("tool", "read /music/fugue.md", parent=there, lane="read")
        missing = run.step("tool", "read /music/gone.md", parent=gone, lane="read")
        error = InputError("/music/gone.md: there is no such file")
        self.step(missing, 0.02, 0.05, error)
        self.step(gone, 0.0, 0.06, error)
        self.at(0.0, there.start)
        self.step(read, 0.02, 0.4)
        self.at(0.39, lambda: read.log("2,048 characters"))
        self.perform()
        said = run.step("model", "summarise Fugue", parent=there, lane=str(run.request.model))
        end = self.voice(said, SUMMARY)
        self.at(0.0, there.__enter__)
        self.at(end + 0.01, lambda: there.__exit__(None, None, None))
        self.perform()
        self.voice(run.step("model", "report", lane=str(run.request.model)), ANSWER)
        self.perform()

    async def judge(self, run: Run) -> None:
        """Score the answers in the order they came."""
        assert isinstance(run.request, Judge)
        labels = [candidate.label for candidate in run.request.candidates]
        step = run.step("model", "scores", lane=str(run.request.model))
        reasons = (
            "it is right, clear and complete",
            "it is right, but it says one by one where all sing at once, which is no stretto",
        )
        scores = tuple(Score(label=label, score=9.0 - 2 * at, reason=reasons[at % 2]) for at, label in enumerate(labels))
        self.voice(step, "scored")
        self.at(0.31, lambda: step.judged(scores))
        self.perform()

    async def merge(self, run: Run) -> None:
        """Make one answer."""
        assert isinstance(run.request, Merge)
        self.voice(run.step("model", "merge", lane=str(run.request.model)), MERGED)
        self.perform()


@asynccontextmanager
async def still(folder: Path, *models: str) -> AsyncIterator[Stage]:
    """Open the app with everything that moves by itself at rest; without ``models`` it looks for some itself."""
    clock = Steady()
    play = Play(clock)
    numbers = (f"run{number:011}" for number in itertools.count(1))
    # How many rows a text has is a guess until its blocks were shaped: here each is at once, however slow the machine is.
    unlimited = mock.patch.object(Allowance, "__bool__", return_value=True)
    with mock.patch("agents.runs.new_run_id", side_effect=numbers), unlimited:
        async with PacedServer(models=("first", "second", "third")) as server:
            names = [f"lab/{name}" for name in models]
            async with stage(folder, server.base_url, *names, size=SIZES[1], reduced_motion=True, clock=clock) as at:
                workspace = at.app.workspace
                workspace.lag.snapshot = lambda: LagSnapshot(now=0.001, p99=0.004, worst=None, stalls=())  # type: ignore[method-assign]
                machine = GpuSnapshot(
                    reason="no NVIDIA driver on this machine", cpu_percent=12.0, memory_used=2**32, memory_total=2**34
                )
                workspace.gpu.snapshot = lambda: machine  # type: ignore[method-assign]
                workspace.metrics.snapshot = lambda: _FIGURES  # type: ignore[method-assign]
                workspace.engine._handlers = {
                    **workspace.engine._handlers,
                    Chat: play.chat,
                    Race: play.race,
                    Ask: play.ask,
                    Research: play.research,
                    Judge: play.judge,
                    Merge: play.merge,
                }
                await at.until(lambda: len(at.app.dashboard.compare.answers) == len(names) and not at.app.dashboard.status.notice)
                await at.resize(*SIZES[0])
                yield at


async def pictures(at: Stage) -> str:
    """Return the screen at every size in every theme; it goes from size to size and back again, which takes fewer layouts."""
    parts: dict[tuple[str, tuple[int, int]], str] = {}
    for theme, sizes in zip(sorted(THEMES, key=lambda name: name != at.app.theme), (SIZES, SIZES[::-1]), strict=True):
        at.app.theme = theme
        for size in sizes:
            await at.resize(*size)
            parts[theme, size] = await at_rest(at)
    return "\n".join(f"== {theme} {size[0]}x{size[1]}\n{parts[theme, size]}" for theme in THEMES for size in SIZES)


async def at_rest(at: Stage) -> str:
    """Return the screen once it does not change any more: layouts and what is drawn in slices come within a few frames."""
    before: list[Strip] = []
    same = 0
    for _ in range(200):
        for _ in range(4):  # a frame is drawn in parts
            at.app._half_frame()
        if at.app.screen is not at.app.dashboard:
            at.app.screen.refresh()  # what stands behind it is drawn with it, and may be newer
        for _ in range(4):  # one look in four is taken while nothing runs
            at.app.dashboard.status.look()
        await at.settle()
        await asyncio.sleep(0.02)  # the least time between two layouts
        strips = strips_of(at.app)
        settled = all(pane.settled for pane in at.app.screen.query(StreamPane) if pane.region)
        same = same + 1 if settled and strips == before else 0
        if same == 2:
            return picture(at.app)
        before = strips
    raise AssertionError(f"it never comes to rest:\n{at.screen()}")


async def answered(at: Stage, text: str = "Why do voices overlap?") -> None:
    """Send a prompt to every pane and wait for all answers to be on disk and drawn."""
    turns = [len(pane.turns) for pane in at.app.dashboard.compare.answers]
    await at.send(text)
    panes = at.app.dashboard.compare.answers
    await at.until(lambda: all(len(pane.turns) > count for pane, count in zip(panes, turns, strict=True)))
    await over(at)


def offered(at: Stage, *texts: str) -> None:
    """Offer these as likely next questions in the marked pane; the first is answered already."""
    ahead, marked = at.app.workspace.speculation, at.app.dashboard.compare.marked
    assert marked is not None
    offer = ahead._offer = Offer(onward(marked), ahead._clock(), use_cache=False)
    offer.questions = [Question(text, "model") for text in texts]
    offer.questions[0].state = "ready"


async def over(at: Stage) -> None:
    """Wait until nothing runs and every pane tells how it ended."""
    await at.until(lambda: not at.app.workspace.engine.runs)
    ends = {"saved", "failed", "cancelled", "idle"}
    await at.until(lambda: all(pane.state.state in ends for pane in at.app.dashboard.compare.answers))
