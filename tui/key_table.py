"""The one registry of keys: bindings, leader menu, footer, palette and help are all made from it.

Function keys and leader keys come first, because the prompt keeps letters for typing, and because tmux and terminals pass them
through. An action ``act('name')`` is the method ``act_name`` of the view on screen; a view without it leaves the key alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.binding import Binding, BindingsMap
from textual.dom import DOMNode

from tui.keys import Key

if TYPE_CHECKING:
    from tui.keys import Scope

KEYS: tuple[Key, ...] = (
    Key("app.help", "f1", "show_help", "Help", "All keys and what the figures mean", leader="question_mark", shown=True),
    Key("view.compare", "f2", "view('compare')", "Compare", "One prompt to several models side by side", leader="1"),
    Key("view.ask", "f3", "view('ask')", "Ask", "A question to your documents, answered with citations", leader="2"),
    Key("view.agents", "f4", "view('agents')", "Agents", "The research agent and its live step log", leader="3"),
    Key("view.waterfall", "f5", "view('waterfall')", "Waterfall", "Every step as a bar over time", leader="4"),
    Key("app.palette", "ctrl+p,f10", "command_palette", "Commands", "Everything stretto can do, by name", leader="p", shown=True),
    Key("app.leader", "ctrl+x", "leader", "More keys", "Then one more key; what it may be is shown", shown=True),
    Key("run.stop", "escape", "stop", "Stop", "Stop the marked pane's answer and keep its text", leader="s", shown=True),
    Key("run.stop_all", "f9", "stop_all", "Stop all", "Stop all that this view runs, and send no prompt that waits", leader="S"),
    Key("app.theme", "", "next_theme", "Next theme", "Change the colours", leader="t"),
    Key(
        "app.leave",
        "ctrl+c",
        "leave",
        "Leave",
        "Quit; a second time where something runs or is typed, which is then kept in the prompt's history",
    ),
    Key("app.quit", "ctrl+q", "quit", "Quit", "Stop what runs, save it, restore the terminal", leader="q", shown=True),
    Key("prompt.focus", "", "focus_prompt", "To the prompt", "Put the cursor into the prompt", leader="i"),
    Key("prompt.editor", "ctrl+g", "editor", "Editor", "Write the prompt in $VISUAL or $EDITOR", "Prompt", leader="E"),
    Key("prompt.template", "", "template", "Template", "Fill in a template and send it", "Prompt", leader="T"),
    Key("prompt.attach", "", "attach", "Attach", "Attach a file to the prompt; @ in the prompt does, too", "Prompt", leader="A"),
    Key("prompt.queue", "", "queue", "Waiting", "See, change and drop the prompts that wait", "Prompt", leader="Q"),
    Key("pane.next", "ctrl+right,f6", "act('mark', 1)", "Next pane", "Mark the next pane", "Panes", leader="l"),
    Key("pane.previous", "ctrl+left,shift+f6", "act('mark', -1)", "Previous pane", "Mark the previous pane", "Panes", leader="h"),
    Key(
        "pane.focus",
        "",
        "act('focus')",
        "Into the pane",
        "Move in the marked pane by single keys; i comes back",
        "Panes",
        leader="v",
    ),
    Key("pane.up", "pageup", "act('scroll', -1)", "Page up", "Scroll the marked pane up; it stops following", "Panes"),
    Key("pane.down", "pagedown", "act('scroll', 1)", "Page down", "Scroll the marked pane down; at its end it follows", "Panes"),
    Key(
        "pane.search",
        "ctrl+f",
        "act('search')",
        "Search",
        "Search in the marked pane",
        "Panes",
        leader="slash",
        shown=True,
    ),
    Key(
        "pane.copy",
        "ctrl+y",
        "act('copy')",
        "Copy",
        "Copy what is selected in the marked pane, else its last answer",
        "Panes",
        leader="y",
        shown=True,
    ),
    Key("pane.copy_all", "", "act('copy_all')", "Copy all", "Copy the marked pane's whole text", "Panes", leader="Y"),
    Key(
        "pane.copy_code",
        "",
        "act('copy_code')",
        "Copy code",
        "Copy a code block of the marked pane by its number",
        "Panes",
        leader="c",
    ),
    Key("pane.links", "", "act('links')", "Links", "The marked pane's web addresses; open or copy one", "Panes", leader="o"),
    Key("pane.add", "f7", "act('add')", "Add pane", "Add a pane with the known model that has fewest", "Compare", leader="a"),
    Key("pane.remove", "f8", "act('remove')", "Remove pane", "Take the marked pane away", "Compare", leader="x"),
    Key("pane.zoom", "f12", "act('zoom')", "Zoom", "Show the marked pane alone, or all again", "Compare", leader="z"),
    Key(
        "pane.back",
        "ctrl+shift+left",
        "act('move', -1)",
        "Move pane back",
        "Change places with the pane before",
        "Compare",
        leader="less_than_sign",
    ),
    Key(
        "pane.forth",
        "ctrl+shift+right",
        "act('move', 1)",
        "Move pane on",
        "Change places with the pane after",
        "Compare",
        leader="greater_than_sign",
    ),
    Key("pane.wider", "", "act('widen', 1)", "Wider", "Make the marked pane's column wider", "Compare", leader="plus"),
    Key("pane.narrower", "", "act('widen', -1)", "Narrower", "Make the marked pane's column narrower", "Compare", leader="minus"),
    Key(
        "pane.taller",
        "",
        "act('heighten', 1)",
        "Taller",
        "Make the marked pane's row taller",
        "Compare",
        leader="circumflex_accent",
    ),
    Key("pane.lower", "", "act('heighten', -1)", "Lower", "Make the marked pane's row lower", "Compare", leader="underscore"),
    Key(
        "pane.limit_up",
        "",
        "act('limit', 1)",
        "Longer answers",
        "Raise the output limit of the panes that prompts go to",
        "Compare",
        leader="full_stop",
    ),
    Key(
        "pane.limit_down",
        "",
        "act('limit', -1)",
        "Shorter answers",
        "Lower the output limit of the panes that prompts go to",
        "Compare",
        leader="comma",
    ),
    Key(
        "pane.page_next",
        "alt+pagedown",
        "act('turn', 1)",
        "Next panes",
        "Show the panes that have no room now",
        "Compare",
        leader="right_square_bracket",
    ),
    Key(
        "pane.page_previous",
        "alt+pageup",
        "act('turn', -1)",
        "Panes before",
        "Show the panes before these",
        "Compare",
        leader="left_square_bracket",
    ),
    Key(
        "pane.settings",
        "",
        "act('settings')",
        "Pane settings",
        "Change the marked pane's model, parameters and system prompt",
        "Compare",
        leader="m",
    ),
    Key(
        "chat.target",
        "ctrl+t",
        "act('target')",
        "To one / to all",
        "Send to the marked pane alone, or to all",
        "Compare",
        leader="g",
    ),
    Key("chat.new", "ctrl+n", "act('new')", "New", "Start a new conversation in every pane", "Compare", leader="n"),
    Key(
        "chat.edit",
        "",
        "act('edit')",
        "Edit and resend",
        "Take the last prompt back into the prompt line and send it anew",
        "Compare",
        leader="e",
    ),
    Key(
        "chat.regenerate",
        "",
        "act('regenerate')",
        "Regenerate",
        "Ask the marked pane's last prompt again, past the cache",
        "Compare",
        leader="r",
    ),
    Key(
        "compare.diff",
        "",
        "act('diff')",
        "Differences",
        "What differs between the marked pane's answer and another's",
        "Compare",
        leader="d",
    ),
    Key(
        "compare.vote", "", "act('vote')", "Blind vote", "Read the answers without names and choose the best", "Compare", leader="b"
    ),
    Key("compare.ratings", "", "act('ratings')", "Ratings", "How the models stand after all votes", "Compare", leader="B"),
    Key("compare.judge", "", "act('judge')", "Judge", "Have a model score the answers", "Compare", leader="j"),
    Key("compare.merge", "", "act('merge')", "Merge", "Have a model make one answer of all", "Compare", leader="M"),
    Key(
        "compare.race", "", "act('race')", "Race", "The first acceptable answer wins, the others are stopped", "Compare", leader="R"
    ),
    Key(
        "compare.sweep",
        "",
        "act('sweep')",
        "Sweep",
        "One prompt over parameters, system prompts and repeats",
        "Compare",
        leader="w",
    ),
    Key("log.up", "ctrl+up", "act('select', -1)", "Step up", "Show the step above in the log", "Agents"),
    Key("log.down", "ctrl+down", "act('select', 1)", "Step down", "Show the step below in the log", "Agents"),
    Key("text.up", "up,k", "move(-1)", "Up", "One row up", "A pane with the focus", scope="pane"),
    Key("text.down", "down,j", "move(1)", "Down", "One row down", "A pane with the focus", scope="pane"),
    Key("text.page_up", "pageup,b,ctrl+b", "page(-1)", "Page up", "One page up", "A pane with the focus", scope="pane"),
    Key("text.page_down", "pagedown,space", "page(1)", "Page down", "One page down", "A pane with the focus", scope="pane"),
    Key("text.start", "home,g", "start", "Start", "To the first row", "A pane with the focus", scope="pane"),
    Key("text.end", "end,G", "end", "End", "To the end, and follow it", "A pane with the focus", scope="pane"),
    Key("text.search", "slash", "search", "Search", "Search in this pane", "A pane with the focus", scope="pane", shown=True),
    Key("text.next", "n", "find(1)", "Next match", "To the next match", "A pane with the focus", scope="pane", shown=True),
    Key("text.previous", "N", "find(-1)", "Previous match", "To the match before", "A pane with the focus", scope="pane"),
    Key(
        "text.select",
        "V",
        "select",
        "Select",
        "Begin or end selecting rows; moving widens the selection",
        "A pane with the focus",
        scope="pane",
        shown=True,
    ),
    Key(
        "text.copy",
        "y",
        "copy",
        "Copy",
        "Copy what is selected, else the last answer",
        "A pane with the focus",
        scope="pane",
        shown=True,
    ),
    Key(
        "text.next_citation",
        "right_square_bracket",
        "mark_citation(1)",
        "Next citation",
        "Mark the next citation or link in view",
        "A pane with the focus",
        scope="pane",
    ),
    Key(
        "text.previous_citation",
        "left_square_bracket",
        "mark_citation(-1)",
        "Previous citation",
        "Mark the citation or link before",
        "A pane with the focus",
        scope="pane",
    ),
    Key("text.open", "enter", "open_citation", "Open", "Open the marked citation or link", "A pane with the focus", scope="pane"),
    Key(
        "text.close",
        "escape",
        "close",
        "Close",
        "End searching or selecting; else as everywhere",
        "A pane with the focus",
        scope="pane",
    ),
    Key("text.leave", "i", "leave", "To the prompt", "Back to the prompt", "A pane with the focus", scope="pane", shown=True),
    Key("fall.up", "up,k", "move(-1)", "Row up", "Mark the row above", "Waterfall", scope="waterfall"),
    Key("fall.down", "down,j", "move(1)", "Row down", "Mark the row below", "Waterfall", scope="waterfall"),
    Key("fall.page_up", "pageup,b", "page(-1)", "Rows up", "Mark the row a page above", "Waterfall", scope="waterfall"),
    Key("fall.page_down", "pagedown,space", "page(1)", "Rows down", "Mark the row a page below", "Waterfall", scope="waterfall"),
    Key("fall.first", "home,g", "first", "First row", "Mark the first row", "Waterfall", scope="waterfall"),
    Key("fall.last", "end,G", "last", "Last row", "Mark the last row", "Waterfall", scope="waterfall"),
    Key("fall.earlier", "left,h", "pan(-1)", "Earlier", "Show what was earlier", "Waterfall", scope="waterfall"),
    Key("fall.later", "right,l", "pan(1)", "Later", "Show what was later", "Waterfall", scope="waterfall"),
    Key("fall.zoom_in", "plus,equals_sign", "zoom(1)", "Zoom in", "Show less time, larger", "Waterfall", scope="waterfall"),
    Key("fall.zoom_out", "minus", "zoom(-1)", "Zoom out", "Show more time, smaller", "Waterfall", scope="waterfall"),
    Key("fall.fit", "0", "fit", "Fit the run", "Show the whole of the marked run", "Waterfall", scope="waterfall"),
    Key(
        "fall.follow",
        "f",
        "follow",
        "Follow now",
        "Mark the newest run and keep the present in view",
        "Waterfall",
        scope="waterfall",
    ),
    Key(
        "fall.open", "enter", "open", "Step's detail", "The marked row's text, attempts and timings", "Waterfall", scope="waterfall"
    ),
    Key("fall.leave", "i,escape", "leave", "Leave the rows", "Back to the prompt", "Waterfall", scope="waterfall"),
    Key("search.next", "enter,down", "go(1)", "Next match", "To the next match", "Searching in a pane", scope="search", shown=True),
    Key(
        "search.previous",
        "up,shift+enter",
        "go(-1)",
        "Previous match",
        "To the match before",
        "Searching in a pane",
        scope="search",
    ),
    Key(
        "search.close",
        "escape",
        "close",
        "Close",
        "End searching, back to where you were",
        "Searching in a pane",
        scope="search",
        shown=True,
    ),
    Key(
        "prompt.newline",
        "shift+enter,alt+enter,ctrl+j",
        "newline",
        "New line",
        "Begin a new line in the prompt",
        "Prompt",
        scope="prompt",
    ),
    Key(
        "prompt.earlier",
        "up",
        "history(-1)",
        "Earlier prompt",
        "The prompt sent before, also in earlier sessions",
        "Prompt",
        scope="prompt",
    ),
    Key("prompt.later", "down", "history(1)", "Later prompt", "The prompt sent after", "Prompt", scope="prompt"),
    Key("prompt.clear", "ctrl+u", "clear", "Clear", "Empty the prompt", "Prompt", scope="prompt"),
    Key("prompt.word_left", "alt+left,alt+b", "cursor_word_left", "Word left", "To the word before", "Prompt", scope="prompt"),
    Key("prompt.word_right", "alt+right,alt+f", "cursor_word_right", "Word right", "To the next word", "Prompt", scope="prompt"),
    Key(
        "prompt.drop_word",
        "alt+d",
        "delete_word_right",
        "Delete word",
        "Delete to the end of the word; Ctrl+W to its beginning",
        "Prompt",
        scope="prompt",
    ),
)


def bindings(scope: Scope = "app") -> list[Binding]:
    """Return the bindings of one scope, with the keys in force."""
    return [key.binding() for key in _in_force if key.scope == scope and key.keys]


def place_of(action: str) -> str | None:
    """Return where the registry says that an action of the app belongs; ``None`` when it is none of the registry's."""
    return next((key.where for key in KEYS if key.scope == "app" and key.action.partition("(")[0] == action), None)


_in_force: tuple[Key, ...] = KEYS


def install(rows: tuple[Key, ...]) -> None:
    """Put these rows in force for every class whose bindings came from :func:`bindings`, and for those that are yet to come.

    A process shows one dashboard, and Textual makes an object's bindings from its class: so this comes before any is made.
    """
    global _in_force  # noqa: PLW0603  # the keys of the one dashboard
    _in_force = rows
    known = {(key.id, key.action): key.scope for key in KEYS}
    waiting: list[type[DOMNode]] = [DOMNode]
    while waiting:
        node = waiting.pop()
        waiting += node.__subclasses__()
        usual = node._merge_bindings().key_to_bindings  # noqa: SLF001  # Textual offers no way that tells what it drops
        scopes = {known.get((binding.id or "", binding.action)) for found in usual.values() for binding in found} - {None}
        if scopes:
            node._merged_bindings = _rekeyed(usual, [key for key in rows if key.scope in scopes])  # noqa: SLF001


def _rekeyed(usual: dict[str, list[Binding]], rows: list[Key]) -> BindingsMap:
    names = {key.id for key in KEYS}
    keys = {name: kept for name, found in usual.items() if (kept := [binding for binding in found if binding.id not in names])}
    own: dict[str, list[Binding]] = {}
    for binding in Binding.make_bindings([key.binding() for key in rows if key.keys]):
        own.setdefault(binding.key, []).append(binding)
    return BindingsMap.from_keys(keys | own)
