"""What a pane is asked with: its model, parameters, output limit and system prompt. The conversation stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import msgspec
from textual.widgets import Input, OptionList, Static, TextArea

from agents.errors import StrettoError
from agents.models.names import parse_model, parse_params
from agents.requests import ModelRef, Params
from tui.compare.limits import MARKS
from tui.key_table import bindings
from tui.rounds.sheet import Field, Sheet, line_input
from tui.safe import safe_content, safe_line
from tui.widgets.slider import Slider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.binding import BindingType
    from textual.widget import Widget

    from agents.models.listing import EndpointModels
    from agents.workspace import Workspace

_NAME = 120
"""Characters of a model's name that are shown."""


class PaneSetup(NamedTuple):
    """What a person chose."""

    model: ModelRef
    system: str | None
    everywhere: bool
    """Whether every pane takes the parameters and the system prompt; each keeps its model."""


class PaneSettings(Sheet[PaneSetup]):
    """A form; Enter in a line or Ctrl+S applies it to the pane, Ctrl+T to all panes."""

    heading: ClassVar[str] = "Pane settings"
    AUTO_FOCUS = "#setup-model"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("sheet.setup"))
    DEFAULT_CSS = """
    PaneSettings {
        & #setup-models { height: auto; max-height: 6; border: none; padding: 0; background: $panel; }
        & #setup-note { height: auto; color: $text-muted; }
        & #setup-system { height: 4; border: none; padding: 0; background: $panel; }
        & Slider, & TextArea, & OptionList { width: 1fr; }
        &.-narrow Field {
            layout: vertical;
            & > .field--label, & > Input, & > Slider, & > TextArea, & > OptionList { width: 100%; }
        }
    }
    """

    def __init__(self, workspace: Workspace, model: ModelRef, system: str | None) -> None:
        super().__init__()
        self._workspace = workspace
        self._before = model
        self._limit = model.params.max_tokens or workspace.settings.defaults.max_tokens
        self._named: dict[str, tuple[str, str]] = {}
        """Name as shown to endpoint and model: a shown name is made safe and may be cut."""
        self._offers: tuple[EndpointModels, ...] | None = None
        """What the endpoints have, once they said."""
        self._endpoints: set[str] = set(workspace.settings.endpoints)
        params = model.params
        self._model = line_input(self._show(model.endpoint, model.model), "endpoint/model", "setup-model")
        self._models = OptionList(id="setup-models", markup=False, compact=True)
        self._note = Static("Asking every endpoint for its models…", id="setup-note", markup=False)
        self._temperature = line_input(_shown(params.temperature), self._default("temperature"), "setup-temperature")
        self._top_p = line_input(_shown(params.top_p), "the server's own", "setup-top-p")
        self._seed = line_input(_shown(params.seed), "none: each answer differs", "setup-seed")
        self._slider = Slider(self._limit, MARKS, "tokens", id="setup-limit")
        self._before_system = system
        self._system = TextArea(system or "", id="setup-system", compact=True, highlight_cursor_line=False)

    def body(self) -> Iterator[Widget]:
        """Yield the fields."""
        yield Field("Model", self._model)
        yield Field("Known models", self._models)
        yield self._note
        yield Field("Temperature", self._temperature)
        yield Field("top_p", self._top_p)
        yield Field("Seed", self._seed)
        yield Field("Output limit", self._slider)
        yield Field("System prompt", self._system)

    def on_mount(self) -> None:
        """Ask what there is while the form can be filled in already."""
        super().on_mount()
        self.run_worker(self._load(), name="models", description="the models of all endpoints")

    def hints(self) -> Iterator[tuple[str, str]]:
        """Yield the keys of the field that has the focus."""
        if self.focused is self._slider:
            yield from self._slider.hints
        yield from super().hints()

    def _default(self, name: str) -> str:
        value = getattr(self._workspace.settings.defaults, name)
        return "the server's own" if value is None else f"{value}, from the configuration"

    def _show(self, endpoint: str, model: str) -> str:
        name = safe_line(f"{endpoint}/{model}", _NAME)
        self._named[name] = (endpoint, model)
        return name

    async def _load(self) -> None:
        try:
            await self._workspace.open()
            self._learn(await self._workspace.models.listing.known())
            offers = await self._workspace.models.available()
        except StrettoError as error:
            self._note.update(safe_content(safe_line(str(error), 300)))
            return
        self._offers = offers
        self._learn(offers)

    def _learn(self, offers: tuple[EndpointModels, ...]) -> None:
        """Take these models in place of those that were known before, in their order."""
        self._endpoints |= {offer.name for offer in offers}
        at = self._models.highlighted
        marked = "" if at is None else str(self._models.get_option_at_index(at).prompt)
        self._named.clear()
        self._show(self._before.endpoint, self._before.model)
        for offer in offers:
            for model in offer.models:
                self._show(offer.name, model)
        self._offer()
        names = [str(option.prompt) for option in self._models.options]
        if marked in names:
            self._models.highlighted = names.index(marked)

    def _offer(self) -> None:
        """List the models whose name holds what is typed; all while it is still the pane's own."""
        typed = self._model.value.strip().casefold()
        own = typed == self._show(self._before.endpoint, self._before.model).casefold()
        fitting = [name for name in self._named if own or typed in name.casefold()]
        self._models.clear_options()
        self._models.add_options([safe_content(name) for name in fitting])
        self._models.highlighted = 0 if fitting else None
        self._models.display = bool(fitting)
        if self._offers is not None:
            self._note.update(safe_content(_told(self._offers, len(self._named), len(fitting))))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Narrow the list down to what is typed."""
        if event.input is self._model:
            self._offer()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take the chosen model's name."""
        self._model.value = str(event.option.prompt)
        self._temperature.focus()

    def on_input_submitted(self) -> None:
        """Apply to this pane: Enter in any line."""
        self.action_apply(everywhere=False)

    def action_apply(self, everywhere: bool) -> None:
        """Close with what is filled in, or say what is wrong with it."""
        try:
            model = self._chosen()
        except StrettoError as error:
            self.fail(str(error))
            return
        text = self._system.text.strip()
        system = self._before_system if text == (self._before_system or "").strip() else text
        self.dismiss(PaneSetup(model, system, everywhere))

    def _chosen(self) -> ModelRef:
        typed = self._model.value.strip()
        if typed in self._named:
            endpoint, model = self._named[typed]
            given = Params()
        else:
            endpoint, model, given = msgspec.structs.astuple(parse_model(typed))
        if endpoint not in self._endpoints:
            raise StrettoError(f"there is no endpoint {endpoint!r}; there are {', '.join(sorted(self._endpoints))}")
        fields = {"temperature": self._temperature, "top_p": self._top_p, "seed": self._seed}
        values = {name: text for name, line in fields.items() if (text := line.value.strip())}
        kept = self._before.params.max_tokens is None and self._slider.value == self._limit
        params = msgspec.structs.replace(parse_params("", values), max_tokens=None if kept else self._slider.value)
        over = {name: value for name in given.__struct_fields__ if (value := getattr(given, name)) is not None}
        return ModelRef(endpoint, model, msgspec.structs.replace(params, **over))


def _shown(value: float | None) -> str:
    return "" if value is None else str(value)


def _told(offers: tuple[EndpointModels, ...], count: int, fitting: int) -> str:
    """Return what came of asking, and of what is typed: the endpoints that did not say, each with its reason."""
    failed = [f"{offer.name}: {offer.error}" for offer in offers if offer.error]
    models = "model" if count == 1 else "models"
    if not fitting:
        known = f"none of the {count} {models} known is called so: the name will be taken as typed"
    elif fitting < count:
        known = f"{fitting} of {count} {models} known; Down and Enter take one"
    else:
        known = f"{count} {models} known; type to find one, Down and Enter take it"
    return "\n".join([known, *(safe_line(line, 200) for line in failed)])
