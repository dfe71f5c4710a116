"""What happens once the first frame is drawn: the store is opened, models are found, their panes made, and the models warmed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agents.errors import StrettoError
from tui.collecting import resume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.requests import ModelRef
    from tui.app import StrettoApp

_NO_MODEL = "No model was found: put an endpoint into the configuration; `stretto models` tells what is there."


async def open_workspace(app: StrettoApp, wanted: Sequence[ModelRef]) -> None:
    """Make ready for ``wanted``, else for the models that are found; whatever is wrong is told on the screen."""
    workspace, dashboard = app.workspace, app.dashboard
    notice = dashboard.status.say
    try:
        notice("opening")
        await workspace.open()
        app.run_worker(app.prompting.recall(), name="history", description="history")
        models = wanted or await workspace.models.defaults()
    except StrettoError as error:
        notice(str(error))
        dashboard.compare.unusable(str(error))
        return
    if not models:
        dashboard.compare.unusable(_NO_MODEL)
        notice("")
        return
    known = dashboard.compare.known = tuple(dict.fromkeys(models))
    if not wanted and (line := workspace.fallback(models[0])) is not None:
        app.warn(line)
    await dashboard.compare.set_models(models)
    dashboard.ask.set_model(models[0])
    dashboard.agents.set_model(models[0])
    await asyncio.to_thread(_warm_markdown)
    resume()  # the models may take minutes
    for model in known:
        try:
            await workspace.models.warm(model, notice)
        except StrettoError as error:
            app.warn(str(error))
    notice("")


def _warm_markdown() -> None:
    from tui.markdown.shape import warm

    warm()
