"""What every room of the dashboard offers to the app around it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.containers import Container
from textual.message import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.widget import Widget

    from agents.events import AnyEvent
    from agents.offers import Likely
    from agents.requests import ModelRef
    from agents.workspace import Workspace
    from tui.feed import Feed
    from tui.prompts import Prompt
    from tui.widgets.stream_pane import StreamPane


class View(Container):
    """A room: it takes the prompt line's text, and the events of the runs it started."""

    BLANK = True
    title: ClassVar[str] = ""
    placeholder: ClassVar[str] = ""
    takes_files: ClassVar[bool] = False
    """Whether files named with @ in a prompt go with it; else an @ means what the view makes of it."""

    def __init__(self, workspace: Workspace, feed: Feed) -> None:
        super().__init__(id=self.title.lower())
        self.workspace = workspace
        self.feed = feed
        self.queue: deque[Prompt] = deque()
        """Prompts that wait behind what runs; the next to go is first."""

    @dataclass
    class Hinted(Message):
        """What the prompt line should say of this view changed."""

        view: View
        back: Prompt | None = None
        """What comes back into the prompt line; ``None`` leaves it as it is."""

    def offers(self, name: str) -> bool:
        """Return whether ``act('name')`` does something here."""
        return hasattr(self, f"act_{name}")

    def hint(self) -> tuple[str, str]:
        """Return the prompt's mark, a sign or a short word, and its placeholder."""
        return "›", self.placeholder

    def hinted(self, back: Prompt | None = None) -> None:
        """Say that the hint changed, and bring a prompt back into the prompt line."""
        self.post_message(self.Hinted(self, back))

    def whom(self, prompt: Prompt) -> str:
        """Return which panes ``prompt`` goes to, in a few words; empty when it goes to all there are."""
        return ""

    def taken_back(self, prompt: Prompt) -> Prompt:
        """Return what of a prompt that waited goes with its text when that is sent again."""
        return prompt

    def entered(self) -> None:
        """Get ready for what is likely to be asked, now that the view is on screen."""

    def likely(self) -> Sequence[Likely]:
        """Return what a person is likely to ask next, as far as anybody guessed it."""
        return ()

    def asked(self) -> Sequence[ModelRef]:
        """Return the models that the next prompt would go to, as far as that is known."""
        return ()

    def typed(self, text: str) -> None:
        """Get ready for what stands in the prompt now, which may never be sent; costs no more than a key may."""
        if text and self.workspace.opened:
            self.workspace.prefetch.ready(self.asked())

    def submit(self, prompt: Prompt) -> None:
        """Do what the prompt asks for; never blocks, and what cannot start yet waits its turn in ``queue``."""
        raise NotImplementedError

    def handle(self, event: AnyEvent) -> None:
        """Take one event of a run of this view."""
        raise NotImplementedError

    def flush(self, now: float) -> None:
        """Draw what changed since the last frame."""
        raise NotImplementedError

    def flush_rest(self, now: float) -> None:
        """Draw, half a frame later, what :meth:`flush` leaves because it would take too long at once."""

    def stop(self) -> bool:
        """Stop what is marked, keeping its text; return whether there was anything to stop."""
        raise NotImplementedError

    def stop_all(self) -> int:
        """Stop everything this view runs; return how many prompts waited and are not sent now."""
        raise NotImplementedError

    def act_mark(self, by: int) -> None:
        """Mark another pane."""
        self.mark_pane(by)

    def act_scroll(self, pages: int) -> None:
        """Scroll the marked pane."""
        pane = self.marked_pane()
        if pane is not None:
            pane.action_page(pages)

    def act_focus(self) -> None:
        """Give the marked pane the focus."""
        pane = self.marked_pane()
        if pane is not None:
            pane.focus()

    def close(self) -> bool:
        """End searching or selecting in the marked pane; return whether there was anything to end."""
        pane = self.marked_pane()
        return pane is not None and pane.close()

    async def act_search(self) -> None:
        """Search in the marked pane."""
        pane = self.marked_pane()
        if pane is not None:
            await pane.action_search()

    def act_copy(self) -> None:
        """Copy what is selected in the marked pane, else its last answer."""
        pane = self.marked_pane()
        if pane is not None:
            pane.action_copy()

    def act_copy_all(self) -> None:
        """Copy the marked pane's whole text."""
        pane = self.marked_pane()
        if pane is not None:
            pane.copy(pane.text, "everything")

    def act_copy_code(self) -> None:
        """Copy a code block of the marked pane, asking which when there are several."""
        pane = self.marked_pane()
        if pane is not None:
            pane.copy_code()

    def act_links(self) -> None:
        """Show the web addresses of the marked pane."""
        pane = self.marked_pane()
        if pane is not None:
            pane.show_links()

    def panes(self) -> list[StreamPane]:
        """Return the panes of text, in the order they are walked; the marked one is found by its class ``-marked``."""
        raise NotImplementedError

    def marked_pane(self) -> StreamPane | None:
        """Return the pane that keys act on."""
        panes = self.panes()
        return next((pane for pane in panes if pane.has_class("-marked")), panes[0] if panes else None)

    def mark_pane(self, by: int) -> None:
        """Mark another pane, ``by`` places further round."""
        panes = self.panes()
        marked = self.marked_pane()
        if marked is not None:
            self._mark(panes[(panes.index(marked) + by) % len(panes)])

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Mark the pane that got the focus, so that keys act on the one a person is in."""
        if event.widget in self.panes():
            self._mark(event.widget)

    def on_stream_pane_pressed(self, event: StreamPane.Pressed) -> None:
        """Mark the pane that was clicked."""
        event.stop()
        if event.pane in self.panes():
            self._mark(event.pane)

    def _mark(self, target: Widget) -> None:
        for pane in self.panes():
            pane.set_class(pane is target, "-marked")
            if pane.parent is not None:
                pane.parent.set_class(pane is target, "-marked")
