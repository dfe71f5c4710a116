"""The app: wires workspace, feed, themes, keys and screens, and nothing else."""

from __future__ import annotations

import sys
from inspect import isawaitable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.await_complete import AwaitComplete
from textual.filter import Monochrome, NoColor
from textual.widgets import Input, TextArea

from agents.locations import LOG_NAME
from tui.actions import Actions
from tui.collecting import resume
from tui.feed import Feed
from tui.guards import would_fail
from tui.key_order import typed_before
from tui.key_table import bindings, install, place_of
from tui.keymap import load_keymap
from tui.opening import open_workspace
from tui.prompting import Prompting
from tui.prompts import Prompt
from tui.safe import SafeFilter, safe_line
from tui.screens.dashboard import Dashboard
from tui.themed import ThemedApp
from tui.widgets.pane_clock import FrameClock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.binding import BindingType
    from textual.command import Provider
    from textual.filter import LineFilter
    from textual.screen import Screen
    from textual.worker import Worker

    from agents.requests import ModelRef
    from agents.workspace import Workspace
    from tui.widgets.key_line import KeyLine
    from tui.widgets.leader_menu import LeaderMenu
    from tui.widgets.next_line import NextLine
    from tui.widgets.prompt_area import PromptArea
    from tui.widgets.view_tabs import ViewTabs

_STYLES = Path(__file__).parent.parent / "themes" / "stretto.tcss"
_TWICE = 3.0
"""Seconds within which a second press leaves."""
_SLOWEST_FPS = 4
_STILL_FPS = 4
"""Frames a second with reduced motion."""
_SCREEN = "screen"
"""Workers that need the screen."""


def _commands() -> type[Provider]:
    from tui.palette import Commands

    return Commands


class StrettoApp(ThemedApp, inherit_bindings=False):
    """The dashboard's app."""

    TITLE = "stretto"
    CSS_PATH = _STYLES
    BINDINGS: ClassVar[list[BindingType]] = list(bindings())
    COMMANDS: ClassVar[set[Callable[[], type[Provider]]]] = {_commands}  # type: ignore[assignment]  # a factory loads it late

    def __init__(self, workspace: Workspace, models: Sequence[ModelRef] = ()) -> None:
        self._safe, self._bare = SafeFilter(), NoColor()
        keymap = load_keymap(workspace.locations.keymap)
        install(keymap.rows)
        super().__init__(workspace)
        screen = workspace.settings.screen
        if screen.reduced_motion:
            self.animation_level = "none"
        self.still = self.animation_level == "none"
        """Whether nothing is to glide, blink or turn."""
        fps = min(screen.fps, _STILL_FPS) if self.still else screen.fps
        self._clock = FrameClock(self._half_frame, fps=fps if self.still else 2 * fps, slowest=_SLOWEST_FPS)
        self._second_half = False
        self.feed = Feed(workspace.engine, self._clock.wake)
        self.dashboard = Dashboard(workspace, self.feed, keymap)
        self.actions = Actions(self, keymap)
        self.prompting = Prompting(self)
        self._wanted = tuple(models)
        self._leaving = float("-inf")
        """When a person last asked to leave."""

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Put the last wall against control codes before Textual's own filters."""
        filters = [self._safe, *super().get_line_filters()]
        if self.no_color and self.native_ansi_color:
            # Textual chooses by the theme it starts with: greys, which a terminal's own ground may make unreadable.
            return [self._bare if isinstance(each, Monochrome) else each for each in filters]
        return filters

    def get_default_screen(self) -> Screen[None]:
        """Start on the dashboard."""
        return self.dashboard

    def on_mount(self) -> None:
        """Let the first frame come before anything is opened."""
        self.tell_of_themes()
        self.warn_all(self.actions.keymap.problems, "stretto keys")
        self.run_worker(self._clock.run(), name="frames", group=_SCREEN, exit_on_error=True)
        self.run_worker(self.shelf.watch(self.themes_changed), name="themes", group=_SCREEN, description="themes")
        # No coroutine yet: it would be left unawaited where the app is left before the worker begins.
        self.call_after_refresh(self._open)

    def _open(self) -> Worker[None]:
        return self.run_worker(self._complete, name="open", group=_SCREEN)

    async def _complete(self) -> None:
        try:
            await self.dashboard.complete()
            await open_workspace(self, self._wanted)
        finally:
            resume()

    @property
    def markdown(self) -> bool:
        """Whether complete blocks of answers are shown as Markdown."""
        return self.workspace.settings.screen.markdown

    def _half_frame(self) -> bool:
        """Hand over events and draw what changed; the one clock of all panes. Returns whether anything goes on.

        A frame is drawn in two halves, because a grid full of panes drawn at once would hold up the loop for longer than a key
        press should wait.
        """
        happened = self.feed.pump()
        now = self.workspace.engine.clock()
        view = self.dashboard.view
        self._second_half = not self._second_half
        if self._second_half:
            view.flush_rest(now)
        else:
            self._flush_first(now)
        return happened or bool(self.workspace.engine.runs) or not all(pane.settled for pane in view.panes())

    def _flush_first(self, now: float) -> None:
        if self.dashboard.is_complete:
            self.dashboard.queue.sample(now)
        self.dashboard.view.flush(now)
        self.dashboard.status.flush(now)
        for screen in self.screen_stack[-1:]:  # none is left once the app closes, and the clock may tick once more
            if (flush := getattr(screen, "flush", None)) is not None:  # one of those over the dashboard that show what goes on
                flush(now)

    async def on_event(self, event: events.Event) -> None:
        """Wake the clock for a person; give the key after the leader key to its menu, before anything else can take it."""
        if isinstance(event, events.InputEvent | events.Resize):
            self._clock.wake()
        if would_fail(self, event):
            return
        if isinstance(event, events.Key) and not event.is_forwarded:
            await typed_before(self)
            if self.dashboard.leader.is_open and await self.actions.take_leader_key(event.key):
                return
        elif isinstance(event, events.Paste):
            self.dashboard.leader.close()
        await super().on_event(event)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Keep the cursor from blinking where motion is reduced."""
        if self.still and isinstance(event.widget, Input | TextArea):
            event.widget.cursor_blink = False

    async def on_leader_menu_chosen(self, event: LeaderMenu.Chosen) -> None:
        """Do what was clicked on in the leader's menu."""
        self.dashboard.leader.close()
        await self.actions.perform(event.key)

    async def on_key_line_clicked(self, event: KeyLine.Clicked) -> None:
        """Do what was clicked on in the last line."""
        if event.key.scope == "app":
            await self.actions.perform(event.key)
        elif self.focused is not None:
            await self.run_action(event.key.action, self.focused)

    def on_prompt_area_sent(self, event: PromptArea.Sent) -> None:
        """Send what was typed to the view on screen."""
        back = event.back or Prompt("")
        self.prompting.send(self.dashboard.view, back._replace(text=event.text))

    def on_next_line_picked(self, event: NextLine.Picked) -> None:
        """Send the likely question that was clicked on."""
        self.dashboard.compare.act_pick(event.number)

    def on_view_tabs_clicked(self, event: ViewTabs.Clicked) -> None:
        """Go to the view whose tab was clicked on."""
        self.dashboard.show(event.view)

    def action_view(self, name: str) -> None:
        """Show another view."""
        self.dashboard.show(name)

    def action_leader(self) -> None:
        """Show what one more key does."""
        self.actions.open_leader()

    def action_focus_prompt(self) -> None:
        """Put the cursor into the prompt."""
        self.dashboard.prompt.focus()

    def action_editor(self) -> None:
        """Write the prompt in $VISUAL or $EDITOR."""
        self.prompting.edit()

    def action_template(self) -> None:
        """Fill in a template."""
        self.prompting.choose_template()

    def action_attach(self) -> None:
        """Offer files for the prompt."""
        self.prompting.attach()

    def action_queue(self) -> None:
        """Show the prompts that wait."""
        self.prompting.show_queue()

    def action_show_help(self, wanted: str = "") -> None:
        """Show all keys, or those that fit ``wanted``."""
        from tui.screens.help import HelpScreen

        self.push_screen(HelpScreen(self.actions.keymap, wanted))

    def action_stop(self) -> None:
        """Close the files that are offered, or the search in the marked pane, else stop its answer."""
        dashboard = self.dashboard
        if not (dashboard.bar.files.refuse() or dashboard.view.close() or dashboard.view.stop()):
            self.dashboard.prompt.focus()

    def action_stop_all(self) -> None:
        """Stop everything the view runs."""
        view = self.dashboard.view
        if dropped := self.prompting.drop(view) + view.stop_all():
            prompts = "prompt that waited is" if dropped == 1 else f"{dropped} prompts that waited are"
            self.notify(f"The {prompts} not sent; Up brings back what was typed.", timeout=6, markup=False)

    async def action_act(self, name: str, *arguments: int) -> None:
        """Have the view on screen do what the registry names."""
        done = getattr(self.dashboard.view, f"act_{name}")(*arguments)
        if isawaitable(done):
            await done

    def pop_screen(self) -> AwaitComplete:
        """Go back to the screen below, if there is one: a screen that is told twice to leave, as by two keys, leaves once."""
        return super().pop_screen() if len(self.screen_stack) > 1 else AwaitComplete()

    def action_command_palette(self) -> None:
        """Open the palette, which finds everything by name."""
        from tui.palette import Palette

        if not isinstance(self.screen, Palette):
            self.push_screen(Palette(id="--command-palette"))

    async def action_leave(self) -> None:
        """Quit, on the second press where something runs or a draft is in the prompt."""
        now = self.workspace.engine.clock()
        first = now - self._leaving > _TWICE
        self._leaving = now
        if first and (self.workspace.engine.runs or self.dashboard.prompt.value.strip()):
            key = " or ".join(self.actions.keymap["app.leave"].shown_keys)
            told = f"{key} again leaves: what runs is stopped, and its text and the draft are kept."
            self.notify(told, timeout=_TWICE, markup=False)
        else:
            await self.action_quit()

    async def _shutdown(self) -> None:
        """Stop what needs the screen before Textual takes it apart, which lets other tasks go on meanwhile."""
        self.workers.cancel_group(self, _SCREEN)
        await super()._shutdown()

    async def action_quit(self) -> None:
        """Leave; what runs is stopped and saved once the screen is restored."""
        await self.prompting.keep_draft()
        self.exit()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave a modal screen its own keys, all but quitting, and a view the keys of that view alone."""
        if place_of(action) is None or action in {"quit", "leave"}:
            return True
        if self.screen is not self.dashboard:
            return False
        if action == "view":
            return self.dashboard.has(str(parameters[0]))
        return action != "act" or self.dashboard.view.offers(str(parameters[0]))

    def _fatal_error(self) -> None:
        """Say in one line what broke and where its traceback is; nothing of the message reaches the terminal unchecked."""
        from rich.text import Text

        from tui.faults import keep

        error = sys.exc_info()[1] or RuntimeError("unknown")
        kept = keep(error, self.workspace.locations.data / LOG_NAME)
        line = safe_line(f"stretto: an unexpected {type(error).__name__} stopped this; {kept}", 500)
        self._exit_renderables.append(Text(line))
        self._close_messages_no_wait()
