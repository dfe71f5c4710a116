"""The terminal of a dashboard whose screen is a browser: packets on a pipe instead of bytes on a terminal.

What Textual has for that writes from the event loop and outlives its server; this one writes from a thread and ends with the pipe.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from queue import Queue
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual import messages
from textual.drivers.web_driver import WebDriver

if TYPE_CHECKING:
    from textual.app import App

_WAITING: Final = 64
"""Packets that may wait to be written; then the program waits, as it would for a slow terminal."""
_GRACE: Final = 15.0
"""Seconds the program has to end once its server is gone."""
_LOOK: Final = 1.0
"""Seconds between two looks whether the server is still there."""


def end_with(parent: int) -> None:
    """End the program when ``parent`` has ended and it does not do so itself, however much input waits before the input's end."""
    while os.getppid() == parent:
        time.sleep(_LOOK)
    time.sleep(_GRACE)
    os._exit(1)


class BrowserDriver(WebDriver):
    """Speaks to the server over standard input and ``channel``."""

    channel: ClassVar[int] = 1
    """Where packets are written."""

    def __init__(self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._packets: Queue[bytes | None] = Queue(_WAITING)
        self._write = self._put  # type: ignore[assignment]  # Textual's own writes to standard output at once
        self._writer = threading.Thread(target=self._run, name="browser output", daemon=True)

    def _put(self, data: bytes) -> int:
        self._packets.put(data)
        return len(data)

    def _run(self) -> None:
        gone = False
        while (data := self._packets.get()) is not None:
            try:
                rest = memoryview(b"" if gone else data)
                while rest:
                    rest = rest[os.write(self.channel, rest) :]
            except OSError:  # the server is gone, and the input's end says so, too
                gone = True

    def start_application_mode(self) -> None:
        """Begin to draw."""
        self._writer.start()
        threading.Thread(target=end_with, args=(os.getppid(),), name="end with the server", daemon=True).start()
        super().start_application_mode()

    def run_input_thread(self) -> None:
        """Hand over what comes from the browser; when nothing more can come, end the program."""
        super().run_input_thread()
        if not self.exit_event.is_set():
            end = threading.Timer(_GRACE, os._exit, (1,))
            end.daemon = True
            end.start()
            with suppress(RuntimeError):  # the loop has ended already
                self._app.post_message(messages.ExitApp())

    def close(self) -> None:
        """Write what waits."""
        super().close()
        if self._writer.is_alive():
            self._packets.put(None)
            self._writer.join(_GRACE)
