"""The one registry of keys: bindings, footer, palette and help are all made from it.

Function keys come first because the prompt line keeps letters for typing, and because tmux and terminals pass them through.
"""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding


@dataclass(frozen=True)
class Key:
    """One thing a key does."""

    id: str
    keys: str
    """Textual key names, separated by commas; the first is the one shown."""
    action: str
    label: str
    tooltip: str
    where: str = "Everywhere"
    shown: bool = False
    """True for the few that the footer has room for."""

    def binding(self) -> Binding:
        """Return the binding as Textual wants it."""
        return Binding(self.keys, self.action, self.label, show=self.shown, tooltip=self.tooltip, id=self.id, priority=True)


KEYS: tuple[Key, ...] = (
    Key("app.help", "f1", "show_help", "Help", "All keys and what the figures mean", shown=True),
    Key("view.compare", "f2", "view('compare')", "Compare", "One prompt to several models side by side", shown=True),
    Key("view.ask", "f3", "view('ask')", "Ask", "A question to your documents, answered with citations", shown=True),
    Key("view.agents", "f4", "view('agents')", "Agents", "The research agent and its live step log", shown=True),
    Key("app.palette", "ctrl+p,f10", "command_palette", "Commands", "Everything stretto can do, by name", shown=True),
    Key("run.stop", "escape", "stop", "Stop", "Stop the marked pane's answer and keep its text", shown=True),
    Key("run.stop_all", "f9", "stop_all", "Stop all", "Stop all that this view runs, and send no prompt that waits"),
    Key("app.quit", "ctrl+q,ctrl+c", "quit", "Quit", "Stop what runs, save it, restore the terminal", shown=True),
    Key("pane.next", "ctrl+right,f6", "pane(1)", "Next pane", "Mark the next pane", "Panes"),
    Key("pane.previous", "ctrl+left,shift+f6", "pane(-1)", "Previous pane", "Mark the previous pane", "Panes"),
    Key("pane.add", "f7", "add_pane", "Add pane", "Add a pane with the known model that has fewest", "Compare"),
    Key("pane.remove", "f8", "remove_pane", "Remove pane", "Take the marked pane away", "Compare"),
    Key("chat.new", "ctrl+n", "new_conversation", "New", "Start a new conversation in every pane", "Compare"),
    Key("pane.up", "pageup", "scroll_pane(-1)", "Page up", "Scroll the marked pane up; it stops following", "Panes"),
    Key("pane.down", "pagedown", "scroll_pane(1)", "Page down", "Scroll the marked pane down; at its end it follows", "Panes"),
    Key("pane.copy", "ctrl+y", "copy", "Copy", "Copy the marked pane's whole text to the clipboard", "Panes"),
    Key("log.up", "ctrl+up", "select_step(-1)", "Step up", "Show the step above in the log", "Agents"),
    Key("log.down", "ctrl+down", "select_step(1)", "Step down", "Show the step below in the log", "Agents"),
)


def bindings() -> list[Binding]:
    """Return every binding of the registry."""
    return [key.binding() for key in KEYS]


_SHOWN = {"pageup": "PageUp", "pagedown": "PageDown", "escape": "Esc"}


def place_of(action: str) -> str | None:
    """Return where the registry says that an action belongs; ``None`` when it is none of the registry's."""
    return next((key.where for key in KEYS if key.action.partition("(")[0] == action), None)


def shown_key(name: str) -> str:
    """Return a key as people write it: ``ctrl+right`` becomes ``Ctrl+Right``."""
    return "+".join(_SHOWN.get(part) or (part.capitalize() if len(part) > 1 else part.upper()) for part in name.split("+"))
