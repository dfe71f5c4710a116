"""openai's package, without what it would bring along: it imports aiohttp where that is installed, for a client not used here.

That is 9 MB of memory and a fifth of a second for nothing. Everything here that needs openai takes it from this module.
"""

import sys

_hides = "aiohttp" not in sys.modules
if _hides:
    sys.modules["aiohttp"] = None  # type: ignore[assignment]  # Python's own way to say that a module cannot be imported
try:
    import openai
finally:
    if _hides:
        del sys.modules["aiohttp"]

__all__ = ["openai"]
