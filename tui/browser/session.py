"""The process behind one browser window: the dashboard, with a pipe for a terminal.

Started by :mod:`tui.browser.sessions`. Standard output is the pipe; what libraries print must not get into it.
"""

from __future__ import annotations

import os
import sys


def main(argv: list[str]) -> int:
    """Open the dashboard and return its exit code; errors are one line on standard error."""
    from tui.browser.driver import BrowserDriver
    from tui.commands import arguments, dashboard

    BrowserDriver.channel = os.dup(1)
    os.dup2(2, 1)
    try:
        from agents.config import load
        from agents.models.names import parse_model
        from tui.collecting import hold_off

        hold_off()
        from tui.running import run_dashboard

        parser = arguments.CommandParser(prog="stretto serve")
        dashboard.configure(parser)
        args = parser.parse_args(argv)
        settings, locations = load(arguments.flags(args))
        return run_dashboard(settings, locations, tuple(map(parse_model, args.models)))
    except Exception as error:  # noqa: BLE001  # the outermost place: every fault becomes one line and a code
        from tui.faults import tell

        return tell(error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
