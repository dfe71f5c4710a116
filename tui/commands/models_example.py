"""The configuration that ``stretto models --example`` prints: every kind of endpoint, all of it commented out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agents.models.presets import Preset

_HEAD = """\
# Endpoints of stretto. Take the parts you need, remove "# " before them, and put them into the file that
# `stretto paths` names as config. A table that is called like a kind is of that kind, and needs no key beyond its name:
# address, name of the key's variable and concurrency are known. What is given here is what would be used without it."""

_TAIL = """\
# Any other server that speaks OpenAI's API.
# [endpoints.lab]
# base_url = "http://192.168.1.20:1234/v1"
# api_key_env = "LAB_KEY"
# concurrency = "adaptive"
# requests_per_minute = 600
# tokens_per_minute = 200000
# price = { input = 0.15, output = 0.6 }
# embedding_model = "nomic-embed-text"
# image_model = "flux"
# max_retries = 2
# on_cut = "restart"
# timeout = { connect = 5, first_token = 120, idle = 60, total = 900 }

# Several hosts of one kind, and one name for both: gpu/MODEL goes to whichever is well and less busy.
# [endpoints.gpu1]
# kind = "vllm"
# base_url = "http://10.0.0.7:8000/v1"
# [endpoints.gpu2]
# kind = "vllm"
# base_url = "http://10.0.0.8:8000/v1"
# [routes.gpu]
# members = ["gpu1", "gpu2"]
# fallbacks = ["embedded/smollm2-135m"]
# hedge = true"""


def example() -> str:
    """Return the whole of it."""
    from agents.models.presets import PRESETS

    parts = [_HEAD, *("\n".join(_part(kind, preset)) for kind, preset in PRESETS.items()), _TAIL]
    return "\n\n".join(parts)


def _part(kind: str, preset: Preset) -> Iterator[str]:
    if preset.key is not None:
        yield f"# {preset.title}. Found without configuration when {preset.key} is set."
    elif preset.base_url:
        yield f"# {preset.title}. Found without configuration when it answers there."
    else:
        yield f"# {preset.title}. Always there."
    if preset.ignored:
        yield f"# It takes these and does nothing with them: {', '.join(preset.ignored)}."
    if preset.most_temperature is not None:
        yield f"# A temperature over {preset.most_temperature:g} counts as {preset.most_temperature:g}."
    yield f"# [endpoints.{kind}]"
    yield f'# kind = "{kind}"'
    if preset.base_url:
        yield f'# base_url = "{preset.base_url}"'
    if preset.key is not None:
        yield f'# api_key_env = "{preset.key}"'
    yield f"# concurrency = {preset.concurrency}"
