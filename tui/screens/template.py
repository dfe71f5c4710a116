"""A template: chosen from a list that typing narrows, filled in with its outcome in view, and sent or put into the prompt."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual import on
from textual.content import Content
from textual.widgets import Input, OptionList, Static, TextArea

from agents.errors import InputError
from agents.templates import INPUT, Template, Templates, load_templates
from tui.key_table import bindings
from tui.prompts import Prompt
from tui.rounds.sheet import Field, Sheet, line_input
from tui.safe import safe_content, safe_line, safe_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from textual.binding import BindingType
    from textual.widget import Widget

_PREVIEW = 2000
"""Characters of a filled-in template that are shown."""
_MOST_FAULTS = 5


class Filling(NamedTuple):
    """A filled-in template."""

    prompt: Prompt
    send: bool
    """Whether to send it now; else it goes into the prompt."""
    given: str
    """What the person typed into it: only there can files be named."""


class TemplateList(Sheet[Template]):
    """Lists the templates of the person's folder, and says which files cannot be used."""

    heading: ClassVar[str] = "Templates"
    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("sheet.templates"))
    DEFAULT_CSS = """
    TemplateList OptionList { height: auto; max-height: 16; border: none; padding: 0; background: $surface; }
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._templates = Templates({}, {})
        self._offered: list[Template] = []
        self._filter = line_input(hint="type to find one", name="template-filter")
        self._list = OptionList(markup=False, compact=True)
        self._list.can_focus = False
        self._note = Static(id="template-note", classes="sheet--text", markup=False)

    def body(self) -> Iterator[Widget]:
        """Yield the filter, the list and what is to be said of the folder."""
        yield self._filter
        yield self._list
        yield self._note

    def on_mount(self) -> None:
        """Read the folder beside what the screen does."""
        super().on_mount()
        self.run_worker(self._load(), name="templates", description="templates")

    async def _load(self) -> None:
        self._templates = await asyncio.to_thread(load_templates, self._folder)
        if not self._templates.loaded:
            self._note.update(safe_content(f"No template yet: put a .toml or .yaml file with a prompt into {self._folder}"))
        faults = [f"✗ {reason}" for reason in self._templates.failed.values()]
        if faults:
            more = [f"… and {len(faults) - _MOST_FAULTS} more"] if len(faults) > _MOST_FAULTS else []
            self._note.update(safe_content("\n".join([safe_line(line, 300) for line in faults[:_MOST_FAULTS]] + more)))
        self._offer()

    @on(Input.Changed)
    def _offer(self) -> None:
        typed = self._filter.value.casefold().split()
        self._offered = [
            template
            for template in self._templates.loaded.values()
            if all(word in f"{template.name} {template.description}".casefold() for word in typed)
        ]
        self._list.clear_options()
        self._list.add_options(
            [
                Content.assemble((safe_line(each.name, 60), "bold"), (f"  {safe_line(_about(each), 200)}", "$text-muted"))
                for each in self._offered
            ]
        )
        self._list.highlighted = 0 if self._offered else None

    def action_move(self, by: int) -> None:
        """Mark another template."""
        if by > 0:
            self._list.action_cursor_down()
        else:
            self._list.action_cursor_up()

    def action_choose(self) -> None:
        """Take the marked template."""
        at = self._list.highlighted
        if at is not None:
            self.dismiss(self._offered[at])

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._offered[event.option_index])


def _about(template: Template) -> str:
    return template.description or template.prompt or f"system: {template.system}"


class TemplateForm(Sheet[Filling]):
    """Takes a value for every variable; defaults stand there already."""

    heading: ClassVar[str] = "Template"
    AUTO_FOCUS = "Input, TextArea"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("sheet.template"))
    DEFAULT_CSS = """
    TemplateForm {
        & TextArea { height: 3; width: 1fr; border: none; padding: 0; background: $panel; }
        & #template-preview { height: auto; margin-top: 1; padding: 0 1; border-left: thick $primary; }
        & #template-notes { height: auto; color: $text-muted; }
        &.-narrow TextArea { width: 100%; }
    }
    """

    def __init__(self, template: Template, given: str) -> None:
        super().__init__()
        self._template = template
        self._inputs: dict[str, Input] = {}
        self._defaults: dict[str, str] = {}
        for variable in template.variables:
            if variable.name != INPUT:
                self._defaults[variable.name] = variable.default or ""
                self._inputs[variable.name] = line_input(variable.default or "", safe_line(variable.description, 200))
        self._given = TextArea(given, compact=True, highlight_cursor_line=False, id="template-given")
        self._preview = Static(id="template-preview", markup=False)
        notes = [*template.notes]
        if template.model:
            notes.append(f"it was made for {template.model}; the panes keep their own models")
        self._notes = Static(
            safe_content("\n".join(f"– {safe_line(note, 200)}" for note in notes)), id="template-notes", markup=False
        )
        self._notes.display = bool(notes)

    def body(self) -> Iterator[Widget]:
        """Yield a field for each variable, then what comes of it."""
        if self._template.description:
            yield Static(safe_content(safe_line(self._template.description, 300)), classes="sheet--text", markup=False)
        for name, field in self._inputs.items():
            yield Field(safe_line(name, 40), field)
        yield Field("Input" if self._template.takes_input else "Input, after it", self._given)
        yield self._preview
        yield self._notes

    def on_mount(self) -> None:
        """Show what it is so far."""
        super().on_mount()
        self.query_one("#sheet").border_title = safe_content(f"Template {safe_line(self._template.name, 60)}")
        self._show()

    def _values(self) -> dict[str, str]:
        return {name: field.value for name, field in self._inputs.items() if field.value}

    @on(Input.Changed)
    @on(TextArea.Changed)
    def _show(self) -> None:
        """Show what comes of it, with the names of what is still missing in their places."""
        values = {name: f"⟨{name}⟩" for name in self._inputs} | self._values()
        filled = self._template.fill(values, self._given.text.strip())
        parts: list[Content] = []
        if filled.system:
            parts.append(Content.assemble(("system  ", "$text-muted"), safe_text(filled.system[:_PREVIEW]), "\n"))
        parts.append(safe_content(filled.prompt[:_PREVIEW] or "(nothing yet)"))
        self._preview.update(Content("\n").join(parts))

    @on(Input.Submitted)
    def _entered(self) -> None:
        """Send with Enter in any line; what is missing gets the cursor."""
        self.action_give(send=True)

    def action_give(self, send: bool) -> None:
        """Give the filled-in template back, unless something is missing."""
        try:
            filled = self._template.fill(self._values(), self._given.text.strip())
        except InputError as error:
            self.fail(str(error))
            next((field for field in self._inputs.values() if not field.value), self._given).focus()
            return
        if not filled.prompt:
            self.fail("there is nothing to send: fill in the input")
            return
        typed = [field.value for name, field in self._inputs.items() if field.value != self._defaults[name]]
        prompt = Prompt(filled.prompt, system=filled.system, params=filled.params)
        self.dismiss(Filling(prompt, send, " ".join([*typed, self._given.text])))
