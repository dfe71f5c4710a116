"""The answers a round is about: each pane's last one, with the model that gave it and the prompt it was given to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agents.errors import StrettoError
from agents.requests import Candidate, ModelRef
from tui.figures import short_model
from tui.safe import safe_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agents.workspace import Workspace
    from tui.widgets.compare_pane import ComparePane


class Answer(NamedTuple):
    """One pane's last answer."""

    key: int
    """The pane it stands in."""
    title: str
    """Number and model of the pane, safe to show."""
    model: ModelRef
    prompt: str
    text: str
    step: str

    @property
    def candidate(self) -> Candidate:
        """The answer as a judge or a merge takes it."""
        return Candidate(label=self.title, prompt=self.prompt, text=self.text)


def last_answers(panes: Iterable[ComparePane]) -> list[Answer]:
    """Return the last answer of each pane that has one."""
    found = []
    for number, pane in enumerate(panes, 1):
        turn = pane.last
        if turn is not None and turn.step is not None:
            model = turn.model or pane.model
            title = f"{number} {safe_line(short_model(model), 100)}"
            found.append(Answer(pane.key, title, model, turn.prompt.text, turn.answer, turn.step))
    return found


def bare(model: ModelRef) -> ModelRef:
    """Return ``model`` without parameters."""
    return ModelRef(model.endpoint, model.model)


def model_options(models: Iterable[ModelRef]) -> list[tuple[str, ModelRef]]:
    """Return models to choose from, each once, by their names."""
    return [(str(model), model) for model in dict.fromkeys(models)]


async def offered(workspace: Workspace, first: Sequence[ModelRef]) -> list[tuple[str, ModelRef]]:
    """Return ``first`` and then every model that the endpoints offer; an endpoint that does not answer offers none."""
    try:
        endpoints = await workspace.models.available()
    except StrettoError:
        return model_options(first)
    more = [ModelRef(endpoint.name, model) for endpoint in endpoints for model in endpoint.models]
    return model_options([*first, *more])
