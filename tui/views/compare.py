"""Compare and chat: prompts to one or all of up to 16 panes, each a conversation with its own model and parameters."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

import msgspec

from agents.events import Won
from agents.runs import new_run_id
from tui.compare.grid import MOST_PANES
from tui.compare.lanes import Lanes, request
from tui.compare.limits import MARKS
from tui.compare.queue import drop_pane, take_due
from tui.prompts import Prompt
from tui.safe import safe_line
from tui.views.foresight import ForesightView
from tui.widgets.slider import step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.events import AnyEvent
    from agents.requests import ModelRef
    from agents.runs import Run
    from agents.workspace import Workspace
    from tui.compare.turns import Turn
    from tui.feed import Feed
    from tui.screens.pane_settings import PaneSetup
    from tui.widgets.compare_pane import ComparePane

_AT_ONCE = 4
"""Panes drawn at once at most: a whole grid would hold up the loop for longer than a key press should wait."""


class CompareView(ForesightView):
    """Sends prompts to the panes, each in its own time, and shows what comes."""

    title: ClassVar[str] = "Compare"
    placeholder: ClassVar[str] = "Ask every pane at once; Enter sends"
    takes_files: ClassVar[bool] = True

    def __init__(self, workspace: Workspace, feed: Feed) -> None:
        super().__init__(workspace, feed)
        self._lanes = Lanes()
        self._session = new_run_id()
        self._alone = False
        self._edited: dict[int, Turn] = {}
        self._reason: str | None = None
        self._due = False
        self._filling = False
        """Whether panes are still to come that prompts go to as well."""
        self._part = 0

    @property
    def target(self) -> ComparePane | None:
        """The pane that prompts go to alone; ``None``: they go to all."""
        return self.marked if self._alone else None

    @property
    def targets(self) -> list[ComparePane]:
        """The panes that the next prompt goes to."""
        target = self.target
        return self.answers if target is None else [target]

    def hint(self) -> tuple[str, str]:
        """Return the prompt's mark and its placeholder: who will be asked."""
        if self._edited:
            return "✎", "Change the last prompt; Enter sends it in its place, Esc leaves"
        if self.races:
            return "race ›", "The first acceptable answer wins; Enter sends"
        target = self.target
        if target is None:
            return "›", self.placeholder
        return "→", safe_line(f"Ask {target.model.model} alone; Enter sends", 80)

    async def set_models(self, models: Sequence[ModelRef]) -> None:
        """Make a pane for each model, one a turn of the loop, and then ask what waited for them."""
        self._filling = True
        for model in models[:MOST_PANES]:
            self.add(model)
            await asyncio.sleep(0)
        self._filling = False
        self._next()

    def unusable(self, reason: str) -> None:
        """Say why there are no panes."""
        self._reason = reason
        self.grid.empty.set_text(reason)

    # Prompts

    def asked(self) -> Sequence[ModelRef]:
        """Return the models of the panes that the next prompt goes to."""
        return [pane.model for pane in self.targets]

    def submit(self, prompt: Prompt) -> None:
        """Send the prompt to all panes or the one that is the target; where one is busy it waits for that one alone."""
        if self._reason is not None:
            self.notify(safe_line(f"not sent: {self._reason}", 300), severity="error", markup=False)
            return
        if self._edited:
            self._resend(prompt)
        else:
            prompt = self.raced(prompt)
            kept = tuple(pane.key for pane in self.answers if pane.key in prompt.panes)
            everyone = self._filling and self.target is None
            targets = () if everyone else tuple(pane.key for pane in self.targets)
            self.queue.append(prompt._replace(panes=kept or targets))
        self._next()

    def _next(self) -> None:
        """Start what can start."""
        self._due = False
        if self._filling or not self.answers:
            return
        everyone = tuple(pane.key for pane in self.answers)
        for at, prompt in enumerate(self.queue):
            if not prompt.panes:  # typed before there were panes
                self.queue[at] = prompt._replace(panes=everyone)
        panes = {pane.key: pane for pane in self.answers}
        for prompt in take_due(self.queue, [pane.key for pane in self.answers if pane.run is None]):
            self._start(prompt, [panes[key] for key in prompt.panes])

    def _start(self, prompt: Prompt, panes: list[ComparePane]) -> None:
        cache = self.workspace.settings.defaults.cache
        wanted = request(prompt, panes, use_cache=cache, session=self._session)
        self.foresee(wanted)
        run = self.feed.submit(wanted, self)
        self.follow(run, panes, prompt)

    def follow(self, run: Run, panes: Sequence[ComparePane], prompt: Prompt) -> None:
        """Show a run of this view in ``panes``: its top model steps answer there, in the order they are queued."""
        self._lanes.follow(run, panes, prompt)

    def handle(self, event: AnyEvent) -> None:
        """Route a step's events to its pane; where one became free, start what waits for it."""
        error = self._lanes.handle(event)
        if isinstance(event, Won):
            self.won(event)
        self.foretell(event)
        if error is not None:
            self.notify(safe_line(error, 300), severity="error", timeout=10, markup=False)
        if Lanes.frees(event) and self.queue and not self._due:
            # After the other events of this frame: panes that became free together are asked together.
            self._due = True
            self.call_later(self._next)

    def flush(self, now: float) -> None:
        """Draw some of the panes that changed: half of them, or four where there are more than eight."""
        self.tell_foresight()
        self.grid.empty.flush()
        shown = self.grid.shown
        parts = max(-(-len(shown) // _AT_ONCE), 2)
        self._part = (self._part + 1) % parts
        for pane in shown[self._part :: parts]:
            pane.flush(now)

    flush_rest = flush

    def stop(self) -> bool:
        """Leave changing the last prompt; else stop the marked pane or, when it is idle, the first that runs."""
        if self._edited:
            self.act_edit()
            return True
        marked = self.marked
        return any(self._lanes.stop(pane) for pane in ([marked, *self.answers] if marked else self.answers))

    def stop_all(self) -> int:
        """Stop all that runs and forget the prompts that wait."""
        dropped = len(self.queue)
        self.queue.clear()
        self._lanes.stop_all()
        return dropped

    def removed(self, pane: ComparePane) -> None:
        """Stop what runs in a pane that is being taken away, and forget what waits for it."""
        self._lanes.stop(pane)
        self._edited.pop(pane.key, None)
        drop_pane(self.queue, pane.key)

    # Conversations

    def act_new(self) -> None:
        """Start afresh in every pane."""
        self.new_conversation()

    def new_conversation(self) -> None:
        """Forget the conversation in every pane; what runs is stopped."""
        self.queue.clear()
        self._lanes.forget()
        self._session = new_run_id()
        self._edited.clear()
        self.unforeseen()
        for pane in self.answers:
            pane.clear()
        self.hinted()

    def act_target(self) -> None:
        """Send to the marked pane alone from now on, or to all again."""
        self._alone = not self._alone
        self.marked_another()

    def marked_another(self) -> None:
        """Keep the target's mark on the pane it is."""
        target = self.target
        for pane in self.answers:
            pane.target(pane is target)
        self.hinted()

    def act_edit(self) -> None:
        """Bring the last prompt back into the prompt line, to be sent in place of it; a second time, leave it as it was."""
        if self._edited:
            self._edited.clear()
            self.hinted()
            return
        marked = self.marked
        if marked is None or not marked.turns:
            self.notify("There is no prompt to change yet.", timeout=2, markup=False)
            return
        asked = marked.turns[-1].prompt
        panes = [pane for pane in self.targets if pane.turns and pane.turns[-1].prompt.text == asked.text]
        self._edited = {pane.key: pane.turns[-1] for pane in panes}
        # What was stored of its files goes along: they may be gone.
        self.hinted(Prompt(asked.text, asked.attachments, unread=asked.unread))

    def taken_back(self, prompt: Prompt) -> Prompt:
        """Return what goes with a prompt's text; one that was to take the place of another does so again."""
        if not prompt.replaces:
            return prompt
        self._edited = {pane.key: pane.turns[-1] for pane in self.answers if pane.key in prompt.panes and pane.turns}
        self.hinted()
        return prompt._replace(replaces=False)

    def _resend(self, prompt: Prompt) -> None:
        """Queue a changed prompt in place of the one it was; where the conversation has gone on, as a turn of its own."""
        edited, self._edited = self._edited, {}
        self.hinted()
        before = next(iter(edited.values())).prompt
        prompt = prompt._replace(
            system=before.system if prompt.system is None else prompt.system,
            params=before.params if prompt.params is None else prompt.params,
        )
        last = [pane for pane in self.answers if pane.key in edited and pane.turns and pane.turns[-1] is edited[pane.key]]
        gone_on = tuple(key for key in edited if key not in {pane.key for pane in last})
        if gone_on:
            self.queue.append(prompt._replace(panes=gone_on))
        if last:
            self._again(prompt, last)

    def act_regenerate(self) -> None:
        """Ask the marked pane's last prompt again, past the cache; the new answer takes the place of the old one."""
        marked = self.marked
        if marked is None or not marked.turns:
            self.notify("There is nothing to ask again yet.", timeout=2, markup=False)
            return
        self._again(marked.turns[-1].prompt._replace(use_cache=False, accept=None), [marked])
        self._next()

    def _again(self, prompt: Prompt, panes: list[ComparePane]) -> None:
        for pane in panes:
            self._lanes.stop(pane)
        self.queue.appendleft(prompt._replace(panes=tuple(pane.key for pane in panes), replaces=True))

    # What the next prompt is sent with

    def act_limit(self, by: int) -> None:
        """Raise or lower the output limit of the target: all panes, or the marked one."""
        for pane in self.targets:
            params = pane.model.params
            limit = step(MARKS, params.max_tokens or self.workspace.settings.defaults.max_tokens, by)
            changed = msgspec.structs.replace(params, max_tokens=limit)
            pane.set_up(msgspec.structs.replace(pane.model, params=changed), pane.system)
        self.tell_apart()

    def act_settings(self) -> None:
        """Change the marked pane's model, parameters and system prompt."""
        from tui.screens.pane_settings import PaneSettings

        marked = self.marked
        if marked is None:
            return

        def apply(setup: PaneSetup | None) -> None:
            if setup is not None:
                for pane in self.answers if setup.everywhere else [marked]:
                    self._set_up(pane, setup, itself=pane is marked)
                self.tell_apart()

        self.app.push_screen(PaneSettings(self.workspace, marked.model, marked.system), apply)

    def _set_up(self, pane: ComparePane, setup: PaneSetup, *, itself: bool) -> None:
        """Apply settings; all panes take the parameters and the system prompt, but each keeps the model it compares."""
        model = setup.model if itself else msgspec.structs.replace(pane.model, params=setup.model.params)
        pane.set_up(model, setup.system)
