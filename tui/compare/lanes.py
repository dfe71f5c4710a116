"""From panes to lanes of a run, and from a run's steps back to the panes they answer in."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

from agents.events import RunEnded, Saved, StepEnded, StepEvent, StepQueued
from agents.requests import Chat, Lane, Message, Race
from tui.prompts import Prompt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.events import AnyEvent
    from agents.requests import ModelRef, Params
    from agents.runs import Run
    from tui.widgets.compare_pane import ComparePane


def lane(pane: ComparePane, prompt: Prompt) -> Lane:
    """Return one pane's side of a turn: its model, its conversation, and of the prompt what goes before the pane's own."""
    return Lane(
        model=asked(pane, prompt),
        messages=(Message("user", prompt.text, prompt.attachments),),
        system=pane.system if prompt.system is None else prompt.system,
        after=pane.after(prompt),
    )


def onward(pane: ComparePane) -> Lane:
    """Return what the pane's next turn would be sent with, less its message: a plain prompt that brings nothing of its own."""
    return Lane(model=pane.model, messages=(), system=pane.system, after=pane.after(Prompt("")))


def asked(pane: ComparePane, prompt: Prompt) -> ModelRef:
    """Return the model and parameters that ``prompt`` is sent to ``pane`` with."""
    params = pane.model.params if prompt.params is None else overlaid(pane.model.params, prompt.params)
    return msgspec.structs.replace(pane.model, params=params)


def overlaid(params: Params, over: Params) -> Params:
    """Return ``params`` with those of ``over`` that are given."""
    given = {name: value for name in over.__struct_fields__ if (value := getattr(over, name)) is not None}
    return msgspec.structs.replace(params, **given)


def shared(models: Sequence[ModelRef]) -> frozenset[str]:
    """Return what is the same for all of several models, and so tells none from another: parameters' names, and ``model``."""
    if len(models) < 2:
        return frozenset()
    first = models[0].params
    same = {
        name for name in first.__struct_fields__ if all(getattr(model.params, name) == getattr(first, name) for model in models)
    }
    return frozenset(same | {"model"} if all(model.model == models[0].model for model in models) else same)


def request(prompt: Prompt, panes: Sequence[ComparePane], *, use_cache: bool, session: str) -> Chat | Race:
    """Return what the engine is asked for when ``prompt`` goes to ``panes``."""
    lanes = tuple(lane(pane, prompt) for pane in panes)
    use_cache = use_cache and prompt.use_cache
    if prompt.accept is not None:
        return Race(lanes=lanes, accept=prompt.accept, use_cache=use_cache)
    return Chat(lanes=lanes, use_cache=use_cache, session=session)


class Lanes:
    """Knows which step answers in which pane, from the run's start until its end is on disk."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}
        self._starting: dict[str, deque[ComparePane]] = {}
        self._panes: dict[str, ComparePane] = {}
        self._unwanted: set[ComparePane] = set()
        """Panes whose step is to be stopped as soon as it is queued."""

    def follow(self, run: Run, panes: Sequence[ComparePane], prompt: Prompt) -> None:
        """Draw ``prompt`` in ``panes`` and have the run's model steps answer there, in the order they are queued."""
        self._runs[run.id] = run
        self._starting[run.id] = deque(panes)
        for pane in panes:
            pane.ask(prompt, run)
            pane.turns[-1].model = asked(pane, prompt)

    def forget(self) -> None:
        """Stop everything; what it still has to say belongs to conversations that are gone."""
        self.stop_all()
        self._panes.clear()
        self._starting.clear()
        self._unwanted.clear()

    def stop(self, pane: ComparePane) -> bool:
        """Stop what answers in ``pane``; False when nothing does."""
        if pane.run is None:
            return False
        if pane.running is None:
            self._unwanted.add(pane)
        else:
            pane.run.cancel(pane.running)
        return True

    def stop_all(self) -> None:
        """Stop every run."""
        for run in self._runs.values():
            run.cancel()

    def handle(self, event: AnyEvent) -> str | None:
        """Take one event of a run to the pane it is about; return an error that belongs to no pane."""
        match event:
            case StepQueued(run=run, kind="model", parent=None, step=step) if self._starting.get(run):
                pane = self._panes[step] = self._starting[run].popleft()
                pane.handle(event)
                if pane in self._unwanted:
                    self._unwanted.discard(pane)
                    self._runs[run].cancel(step)
            case StepEvent(step=step) if step in self._panes:
                self._panes[step].handle(event)
            case Saved(step=str(step), error=error) if step in self._panes:
                self._panes[step].handle(event)
                if error is None:
                    del self._panes[step]
            case RunEnded(run=run, outcome=outcome, error=error):
                self._runs.pop(run, None)
                waiting = self._starting.pop(run, ())
                self._unwanted.difference_update(waiting)
                for pane in waiting:
                    pane.unanswered(outcome, error)
                return None if waiting else error
            case _:
                pass
        return None

    @staticmethod
    def frees(event: AnyEvent) -> bool:
        """Return whether a pane may be free for its next prompt after ``event``."""
        return isinstance(event, StepEnded | RunEnded)
