"""Text that is told again and again: only other lengths move anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import App
from textual.content import Content

from tests.tui.layouts import count_layouts
from tui.widgets.told import PassingLine, Told

if TYPE_CHECKING:
    import pytest
    from textual.app import ComposeResult


class Stage(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.told, self.line = Told(), PassingLine()

    def compose(self) -> ComposeResult:
        yield self.told
        yield self.line

    def shown(self) -> list[str]:
        return [text for strip in self.screen._compositor.render_strips() if (text := strip.text.rstrip())]


async def test_only_other_lengths_lay_the_screen_out_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    laid = count_layouts(monkeypatch)
    app = Stage()
    async with app.run_test(size=(20, 6)) as pilot:

        async def after(text: str, line: str) -> bool:
            laid.clear()
            app.told.tell(Content(text))
            app.line.say(line)
            await pilot.pause()
            await pilot.pause()
            assert app.shown() == [each for each in (*text.split("\n"), line) if each]
            return bool(laid)

        assert await after("1.0 s\nand more", "")
        assert not await after("1.1 s\nand much", "")
        assert await after("1.1 s\nand much more", "")
        assert await after("1.1 s\nand much more", "it waits")
        assert not await after("1.2 s\nand much more", "it goes!")
        assert await after("1.2 s\nand much more", "")


async def test_another_style_of_the_same_words_is_drawn() -> None:
    app = Stage()
    async with app.run_test(size=(20, 6)) as pilot:
        for style in ("red", "blue"):
            app.told.tell(Content.styled("word", style))
            await pilot.pause()
            segment = next(segment for segment in app.screen._compositor.render_strips()[0] if segment.text == "word")
            assert segment.style is not None
            assert segment.style.color is not None
            assert segment.style.color.name == {"red": "#ff0000", "blue": "#0000ff"}[style]
