"""Web addresses from a pane's text: shown whole, and opened only when a person says so."""

from __future__ import annotations

import webbrowser
from typing import TYPE_CHECKING, ClassVar, Final

from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tui.key_table import bindings, key_of
from tui.safe import safe_content, safe_link
from tui.slices import at_once
from tui.urls import address_steps

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

_MOST: Final = 200


def addresses(text: str) -> list[str]:
    """Return the plain http and https addresses in ``text``, in order, each once."""
    return at_once(address_list(text))


def address_list(text: str) -> Generator[None, None, list[str]]:
    """Return the same. Yields often."""
    found: dict[str, None] = {}
    for span in address_steps(text):
        if span is not None:
            found[text[span[0] : span[1]]] = None
        yield
    return list(found)


class LinksScreen(ModalScreen[None]):
    """Asks what to do with an address: open it, copy it, or nothing."""

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("links"))
    DEFAULT_CSS = """
    LinksScreen {
        align: center middle;
        background: $background 60%;
        & > #links {
            width: 90%;
            max-width: 100;
            height: auto;
            max-height: 90%;
            padding: 1 2;
            background: $surface;
            border: round $primary;
            color: $foreground;
        }
        & #links-list { height: auto; max-height: 12; border: none; padding: 0; margin: 0 0 1 0; background: $surface; }
        & #links-whole { text-style: bold; margin: 0 0 1 0; max-height: 10; overflow-y: auto; }
        & #links-keys { color: $text-muted; }
    }
    """

    def __init__(self, urls: Sequence[str]) -> None:
        super().__init__()
        self._urls = [url for url in urls if safe_link(url) is not None][:_MOST]
        self._whole = Static(markup=False, id="links-whole")

    def compose(self) -> ComposeResult:
        """Lay out the addresses, the chosen one whole, and the keys."""
        with Vertical(id="links") as box:
            box.border_title = "Open this address?" if len(self._urls) == 1 else "Web addresses"
            if len(self._urls) > 1:
                yield OptionList(*(Option(safe_content(url)) for url in self._urls), id="links-list", markup=False, compact=True)
            yield self._whole
            told = (("links.open", "opens it in the browser"), ("links.copy", "copies it"), ("links.close", "leaves"))
            yield Static("   ".join(f"{key_of(name)} {does}" for name, does in told), markup=False, id="links-keys")

    def on_mount(self) -> None:
        """Show the first address."""
        self._show(0)

    @property
    def url(self) -> str | None:
        """The chosen address."""
        lists = self.query(OptionList)
        index = (lists.first().highlighted or 0) if lists else 0
        return self._urls[index] if self._urls else None

    def _show(self, index: int) -> None:
        self._whole.update(safe_content(self._urls[index] if self._urls else "There is no web address in this pane."))

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show the address whole."""
        self._show(event.option_index)

    def action_copy(self) -> None:
        """Copy the address."""
        if self.url is not None:
            self.app.copy_to_clipboard(self.url)
            self.notify("Sent the address to the terminal's clipboard.", timeout=2, markup=False)
            self.dismiss()

    def action_open(self) -> None:
        """Open the address and leave."""
        if self.url is not None:
            open_address(self, self.url)
            self.dismiss()


def open_address(screen: LinksScreen, url: str) -> None:
    """Open ``url`` in the browser, in a thread: starting one may take seconds."""
    app = screen.app
    if app.is_web:
        app.open_url(url)
        return

    def start() -> None:
        if not _start(url):
            app.call_from_thread(app.notify, "There is no browser to open it with; y copies it.", severity="warning", markup=False)

    app.run_worker(start, name="open address", description="open address", thread=True, exit_on_error=False)


def _start(url: str) -> bool:
    """Open ``url`` unless only a browser in this very terminal is there; return whether it was."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    if isinstance(browser, webbrowser.GenericBrowser) and not isinstance(browser, webbrowser.BackgroundBrowser):
        return False
    return browser.open(url)
