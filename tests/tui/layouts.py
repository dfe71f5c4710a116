"""Counts how often a screen is laid out anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual._compositor import Compositor, ReflowResult

if TYPE_CHECKING:
    import pytest
    from textual.geometry import Size
    from textual.widget import Widget


def count_layouts(monkeypatch: pytest.MonkeyPatch) -> list[Compositor]:
    """Return a list to which every layout from now on adds the compositor that did it."""
    laid: list[Compositor] = []
    reflow = Compositor.reflow

    def counted(self: Compositor, parent: Widget, size: Size) -> ReflowResult:
        laid.append(self)
        return reflow(self, parent, size)

    monkeypatch.setattr(Compositor, "reflow", counted)
    return laid
