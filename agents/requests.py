"""What a person can ask of the engine, as immutable data that can be stored and run again."""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

import msgspec


class Priority(IntEnum):
    """Who goes first at an endpoint's admission; a lower number goes earlier."""

    INTERACTIVE = 0
    AGENT = 1
    BATCH = 2
    SPECULATIVE = 3


class Params(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Sampling parameters; ``None`` leaves the server's default."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None


class ModelRef(msgspec.Struct, frozen=True):
    """A model on an endpoint, with the parameters it is asked with.

    Written ``endpoint/model`` or, with parameters, ``endpoint/model,temperature=0.2,max_tokens=80``.
    """

    endpoint: str
    model: str
    params: Params = Params()

    @property
    def name(self) -> str:
        """``endpoint/model``, without parameters."""
        return f"{self.endpoint}/{self.model}"

    def __str__(self) -> str:
        extra = "".join(f",{key}={value}" for key, value in msgspec.to_builtins(self.params).items())
        return f"{self.name}{extra}"


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file that goes with a message. Its bytes are in the store under ``digest``; requests carry only this."""

    name: str
    """The file's name as the person gave it; shown, never opened again."""
    media: str
    """Its media type. ``image/…`` is sent as an image content part, everything else as text."""
    digest: str
    """SHA-256 of its bytes, as hexadecimal digits."""
    size: int
    """Bytes."""


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str
    attachments: tuple[Attachment, ...] = ()


class ModelCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call to one model: everything that shapes the answer, and how it is to be run."""

    model: ModelRef
    messages: tuple[Message, ...]
    schema: msgspec.Raw | None = None
    """A JSON schema the answer must follow (``response_format: json_schema``)."""
    use_cache: bool = True
    refresh: bool = False
    """Ask anew although an answer is kept, and keep the new one in its place."""
    similar: bool = False
    """An answer made for a similar question will do, where the settings allow it: for a person's own question and nothing else."""
    priority: Priority = Priority.INTERACTIVE


class Lane(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model's side of a chat or comparison.

    The conversation sent is what led to ``after``, that step's answer, and then ``messages``, which end with the person's. So a
    turn stores what is new in it, and a conversation of n turns is stored once, not n times.
    """

    model: ModelRef
    messages: tuple[Message, ...]
    system: str | None = None
    """The system prompt of this turn; it is not part of what ``after`` leads to."""
    after: str | None = None
    """The step whose answer came before; ``None`` starts a conversation."""
    label: str = ""
    """What tells this lane from others of the same model, as in a sweep."""


class Chat(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One turn, sent to one model or to several at once; each lane is a step of its own and fails alone."""

    lanes: tuple[Lane, ...]
    use_cache: bool = True
    refresh: bool = False
    """Ask anew although answers are kept, and keep the new ones in their place."""
    priority: Priority = Priority.INTERACTIVE
    budget: float | None = None
    """What the turn may cost, in the currency of the prices."""
    session: str | None = None
    """Groups the turns of one conversation."""


class Accept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What makes an answer acceptable: all that is given must hold. Nothing given accepts any whole answer that is not blank."""

    min_chars: int | None = None
    max_chars: int | None = None
    pattern: str | None = None
    """A regular expression that must be found in the answer."""
    schema: msgspec.Raw | None = None
    """A JSON schema the answer must follow."""
    judge: ModelRef | None = None
    """A model that is asked whether the answer meets ``criterion``."""
    criterion: str = ""


class Race(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One turn to several models at once: the first acceptable answer wins and the others are cancelled."""

    lanes: tuple[Lane, ...]
    accept: Accept = Accept()
    use_cache: bool = False


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to be judged or merged."""

    label: str
    """What it is called on screen; a judge never sees it."""
    prompt: str
    text: str


class Judge(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A model scores answers it cannot tell the authors of."""

    candidates: tuple[Candidate, ...]
    model: ModelRef
    criteria: str = ""
    use_cache: bool = True


class Merge(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A model makes one cohesive answer of several, to one prompt or to different ones."""

    candidates: tuple[Candidate, ...]
    model: ModelRef
    instruction: str = ""
    use_cache: bool = True


class Ask(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A question answered from sources, searched all at once."""

    question: str
    model: ModelRef
    library: str = "default"
    sources: tuple[str, ...] = ("vector", "keyword", "files")
    paths: tuple[str, ...] = ()
    """Files or folders the ``files`` source searches on disk, besides those the library was made from."""
    source_timeout: float = 5.0
    """Seconds each source has."""
    passages: int = 6
    """How many fused passages the answer may cite."""
    use_cache: bool = True
    refresh: bool = False


class Research(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The research agent: fetch every place at once, summarise each as soon as it is there, combine into a report."""

    task: str
    model: ModelRef
    places: tuple[str, ...]
    """URLs, file paths, or ``library:NAME`` for a question to a library."""
    fetch_timeout: float = 30.0
    use_cache: bool = True
    refresh: bool = False


class Index(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Add files, folders or URLs to a library, or refresh those it has."""

    places: tuple[str, ...]
    library: str = "default"


class Batch(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Every row of a file of prompts to every model; one line of a file for each answer.

    Rows are read when they are due, so the request names files and holds no rows.
    """

    source: str
    """A file with one JSON object a line, or ``-`` for standard input."""
    out: str
    """The file the answers go to, or ``-`` for standard output."""
    models: tuple[ModelRef, ...]
    names: tuple[str, ...]
    """What the answers call each of ``models``."""
    system: str | None = None
    """For rows that have none of their own."""
    jobs: int | None = None
    """Calls in flight at once; ``None``: as many as the endpoints take."""
    use_cache: bool = True
    refresh: bool = False
    budget: float | None = None
    """Nothing more is asked once the answers have cost so much, in the currency of the prices."""
    resume: bool = False
    """Go on with what is in ``out``."""
    retry_errors: bool = False
    """Ask rows again that failed before."""


Request = Chat | Race | Judge | Merge | Ask | Research | Index | Batch
