"""The rival way to show several answers at once, as its documentation says: an app of ``Markdown.get_stream`` panes, an ``Input``
under them, and the openai SDK's own streams. ``bench.stream`` runs it as a program of its own and types into it.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from openai import AsyncOpenAI
from textual.app import App
from textual.containers import Grid, Vertical, VerticalScroll
from textual.widgets import Input, Label, Markdown

if TYPE_CHECKING:
    from textual.app import ComposeResult


class Pane(Vertical):
    """A line of state over an answer."""

    def __init__(self) -> None:
        super().__init__()
        self.state = Label("idle")
        self.answer = Markdown()

    def compose(self) -> ComposeResult:
        """Lay out the pane."""
        yield self.state
        with VerticalScroll() as scroll:
            scroll.anchor()
            yield self.answer


class Rival(App[None]):
    """The same prompt to every pane."""

    CSS = "Grid { grid-size: 4; grid-gutter: 0 1; height: 1fr; }"

    def __init__(self, address: str, model: str, panes: int) -> None:
        super().__init__()
        self.client = AsyncOpenAI(base_url=address, api_key="none", max_retries=0)
        self.model = model
        self.panes = [Pane() for _ in range(panes)]

    def compose(self) -> ComposeResult:
        """Lay out panes over the input."""
        with Grid():
            yield from self.panes
        yield Input(placeholder="ready")

    def on_mount(self) -> None:
        """Take what is typed."""
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Ask every pane."""
        event.input.value = ""
        self.run_worker(self.ask(event.value))

    async def ask(self, prompt: str) -> None:
        """Stream all answers at once."""
        async with asyncio.TaskGroup() as group:
            for pane in self.panes:
                group.create_task(self.answer(pane, prompt))

    async def answer(self, pane: Pane, prompt: str) -> None:
        """Stream one answer."""
        stream = Markdown.get_stream(pane.answer)
        pane.state.update("streaming")
        try:
            chunks = await self.client.chat.completions.create(
                model=self.model, messages=[{"role": "user", "content": prompt}], stream=True
            )
            async for chunk in chunks:
                if chunk.choices and chunk.choices[0].delta.content:
                    await stream.write(chunk.choices[0].delta.content)
        finally:
            await stream.stop()
        pane.state.update("done")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("model")
    parser.add_argument("--panes", type=int, default=8)
    options = parser.parse_args()
    Rival(options.address, options.model, options.panes).run()


if __name__ == "__main__":
    main()
