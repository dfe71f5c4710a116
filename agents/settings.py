"""The shapes of configuration. How files, environment and flags become one of these is :mod:`agents.config`'s business."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Timeouts(_Table, frozen=True, kw_only=True):
    """Seconds a model call may spend in each of its phases."""

    connect: float = 5.0
    first_token: float = 120.0
    idle: float = 60.0
    """Longest silence between two pieces of text; keep-alive comments do not count as text."""
    total: float = 900.0


class Price(_Table, frozen=True, kw_only=True):
    """Price per million tokens."""

    input: float = 0.0
    output: float = 0.0


EndpointKind = Literal["openai", "ollama", "vllm", "llamacpp", "nanogpt", "openrouter", "anthropic", "embedded"]
"""What runs there. ``openai`` is any server that speaks its API; the others differ in what is known of them beforehand."""
OnCut = Literal["keep", "restart", "resume"]


class Endpoint(_Table, frozen=True, kw_only=True):
    """One server that speaks the OpenAI API."""

    base_url: str = ""
    """Ends in ``/v1`` for most servers. Empty only for the embedded one, which is started when first needed."""
    kind: EndpointKind = "openai"
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; never the key itself."""
    concurrency: int | Literal["adaptive"] = 8
    """Calls in flight at once: a number, or as many as the server bears without refusing any."""
    requests_per_minute: int | None = None
    """Attempts begun in any 60 seconds, at most. Besides this, limits the server names in its headers are kept."""
    tokens_per_minute: int | None = None
    """Tokens, input and output, in any 60 seconds, at most."""
    timeout: Timeouts = Timeouts()
    price: Price | None = None
    models: tuple[str, ...] = ()
    """Model names offered without asking the server; empty asks it."""
    embedding_model: str | None = None
    """A model for ``/embeddings``, offered to libraries as ``endpoint/model``."""
    image_model: str | None = None
    """A model for ``/images/generations``."""
    max_retries: int = 2
    """Further attempts after a retryable failure; 0 turns retries off."""
    on_cut: OnCut = "keep"
    """What follows when an answer is cut off after text had come: nothing, the whole answer again, or only what is missing,
    which is asked for by giving the model its own beginning. The text that came is kept and marked in each case."""


class Route(_Table, frozen=True, kw_only=True):
    """Several endpoints behind one name: ``name/model`` goes to whichever member is well and least busy."""

    members: tuple[str, ...] = ()
    """Endpoints, each as ``endpoint`` or, where it calls the model otherwise, ``endpoint/model``."""
    fallbacks: tuple[str, ...] = ()
    """Models, as ``endpoint/model``, tried in this order when no member can answer."""
    hedge: bool = False
    """Ask a second member when the first text takes longer than the P95 of that model so far; the first to speak is kept."""
    hedge_budget: float = 0.05
    """The share of calls that may be asked twice."""


class Defaults(_Table, frozen=True, kw_only=True):
    """What is used where a command line or a screen names nothing."""

    models: tuple[str, ...] = ()
    """As written: ``endpoint/model[,param=value]``. Empty: what discovery finds."""
    max_tokens: int = 400
    temperature: float | None = None
    system: str | None = None
    cache: bool = True
    cache_ttl: float = 7 * 86400.0
    """Seconds a cached answer stays valid."""
    cache_mb: int = 512
    """Megabytes of answers kept; beyond it those that were not used for longest go."""
    similar: float = 0.0
    """Give an answer that was made for a question at least this similar (cosine, 0 to 1), and say so; 0 never does."""
    speculate: Literal["off", "free", "always"] = "off"
    """Ask likely next questions beforehand: never, at endpoints without a price, or also where it costs."""
    compress: Literal["off", "extract", "terse", "llmlingua"] = "off"
    """Shorten long material before it is sent: by leaving out sentences that say little about the question, and then words that
    say little, or by LLMLingua's model."""
    budget: float | None = None
    """What one session may cost, in the currency of the prices; what would go beyond is stopped."""


class Screen(_Table, frozen=True, kw_only=True):
    """How the dashboard looks."""

    theme: str = ""
    """Empty: the one chosen last, else stretto-dark."""
    fps: int = 20
    """How often streaming panes are redrawn each second."""
    reduced_motion: bool = False
    """Nothing glides or blinks, and panes are redrawn four times a second at most."""
    markdown: bool = True
    """Show complete blocks of answers as Markdown."""


class LibrarySettings(_Table, frozen=True, kw_only=True):
    """How documents are cut and embedded."""

    embeddings: str = "static"
    """``static`` for the built-in vectors, or ``endpoint/model``."""
    chunk_chars: int = 900
    overlap_chars: int = 120
    source_timeout: float = 5.0


class Settings(_Table, frozen=True, kw_only=True):
    """The whole configuration, merged."""

    defaults: Defaults = Defaults()
    endpoints: dict[str, Endpoint] = {}
    routes: dict[str, Route] = {}
    screen: Screen = Screen()
    library: LibrarySettings = LibrarySettings()


class Locations(msgspec.Struct, frozen=True, kw_only=True):
    """Where stretto keeps things. ``STRETTO_CONFIG`` and ``STRETTO_DATA_DIR`` move the first two."""

    config: Path
    data: Path
    """Folder, mode 0700: the database, logs and lock files."""
    themes: Path
    """The person's own theme files."""

    @property
    def templates(self) -> Path:
        """The person's own prompt templates."""
        return self.config.parent / "templates"

    @property
    def keymap(self) -> Path:
        """The person's own keys."""
        return self.config.parent / "keymap.toml"

    @property
    def database(self) -> Path:
        """The one SQLite file."""
        return self.data / "stretto.db"
