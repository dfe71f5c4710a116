"""When cycles of garbage are looked for: not while the program starts, and never again among what the start made.

A collection stops the loop for as long as it takes to look at everything that is alive: some 60 ms for the modules and widgets of
the dashboard, most of which stay until it is left.
"""

from __future__ import annotations

import gc


def hold_off() -> None:
    """Look for none until :func:`resume`."""
    gc.disable()


def resume() -> None:
    """Look for them from now on, among what is made from now on; what is garbage by now is kept, about a megabyte of it.

    Does nothing when it was not held off.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
