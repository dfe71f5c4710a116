from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.events import Usage
from agents.models.decode import MAX_TEXT_CHARS, ChatReader, StreamError
from agents.models.sse import MAX_EVENT_BYTES, TooLargeError


def _said(text: str) -> bytes:
    return json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _recorded(texts: list[str], newline: bytes, *, escaped: bool = False) -> bytes:
    events = [b": a comment" + newline, b"event: ping" + newline + b"data: {}" + newline + newline]
    for text in texts:
        body = json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode() if escaped else _said(text)
        events.append(b"data: " + body + newline + newline)
    events.append(b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}' + newline + newline)
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":2}}}'
    events += [usage + newline + newline, b"data: [DONE]" + newline + newline]
    return b"".join(events)


def _split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


_TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=8)
_CUTS = st.lists(st.integers(0, 100_000), max_size=40)


@given(_TEXTS, _CUTS, st.sampled_from([b"\n", b"\r\n", b"\r"]), st.booleans(), st.booleans())
def test_a_stream_cut_anywhere_gives_the_same_text(
    texts: list[str], cuts: list[int], newline: bytes, escaped: bool, bom: bool
) -> None:
    data = (b"\xef\xbb\xbf" if bom else b"") + _recorded(texts, newline, escaped=escaped)
    reader = ChatReader()
    pieces = [piece for part in _split(data, cuts) for piece in reader.feed(part)] + reader.end()
    assert pieces == texts
    assert (reader.finish, reader.complete, reader.failure) == ("stop", True, None)
    assert reader.usage == Usage(input=7, output=3, cached=2)


@given(st.text(min_size=1), _CUTS)
def test_halves_of_characters_in_two_events_are_joined_or_replaced(text: str, cuts: list[int]) -> None:
    units = text.encode("utf-16-le", "surrogatepass")
    halves = [units[at : at + 2].decode("utf-16-le", "surrogatepass") for at in range(0, len(units), 2)]
    reader = ChatReader()
    data = _recorded(halves, b"\n", escaped=True)
    got = "".join(piece for part in _split(data, cuts) for piece in reader.feed(part)) + "".join(reader.end())
    assert got == units.decode("utf-16-le", "replace")
    assert got.encode()


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_garbage_never_raises_and_never_counts_as_a_finish(parts: list[bytes]) -> None:
    reader = ChatReader()
    for part in parts:
        reader.feed(part)
    reader.end()
    assert reader.finish is None


@given(_TEXTS, st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 255)), min_size=1, max_size=5), _CUTS)
def test_a_damaged_stream_ends_with_text_or_a_named_failure(
    texts: list[str], damage: list[tuple[int, int]], cuts: list[int]
) -> None:
    data = bytearray(_recorded(texts, b"\n"))
    for place, byte in damage:
        data[place % len(data)] = byte
    reader = ChatReader()
    pieces = [piece for part in _split(bytes(data), cuts) for piece in reader.feed(part)] + reader.end()
    assert "".join(pieces).encode().decode() == "".join(pieces)
    assert isinstance(reader.failure, StreamError | TooLargeError | None)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
        lambda v: (
            st.lists(v, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "choices",
                        "delta",
                        "content",
                        "index",
                        "finish_reason",
                        "usage",
                        "prompt_tokens",
                        "completion_tokens",
                        "message",
                        "text",
                        "error",
                        "code",
                    ]
                ),
                v,
                max_size=4,
            )
        ),
    )
)
def test_json_of_any_shape_is_read_or_named(value: object) -> None:
    reader = ChatReader()
    pieces = reader.feed(b"data: " + msgspec.json.encode(value) + b"\n\n") + reader.end()
    assert all(isinstance(piece, str) for piece in pieces)


@pytest.mark.parametrize("line", [b"x" * 65536, b"data: xxxxxxxxxxxxxxxxxxxxxxxxx\n"])
def test_an_event_without_end_is_refused_at_eight_mebibytes(line: bytes) -> None:
    reader = ChatReader()
    taken = 0
    while reader.failure is None:
        assert taken <= MAX_EVENT_BYTES
        assert reader.feed(line) == []
        taken += len(line)
    assert isinstance(reader.failure, TooLargeError)


def test_an_answer_of_more_text_than_any_answer_is_refused() -> None:
    reader = ChatReader()
    event = b"data: " + _said("x" * 1_000_000) + b"\n\n"
    given = 0
    while reader.failure is None:
        given += sum(map(len, reader.feed(event)))
        assert given <= MAX_TEXT_CHARS
    assert isinstance(reader.failure, TooLargeError)


def test_a_whole_object_larger_than_any_answer_is_refused() -> None:
    reader = ChatReader()
    reader.feed(b'{"choices":"')
    for _ in range(9):
        reader.feed(b"x" * 1024 * 1024)
    assert isinstance(reader.failure, TooLargeError)


def test_what_follows_done_is_ignored() -> None:
    reader = ChatReader()
    assert reader.feed(b"data: [DONE]\n\ndata: " + _said("late") + b"\n\n") == []
    assert reader.complete


def test_text_before_an_error_in_the_same_bytes_is_kept() -> None:
    reader = ChatReader()
    assert reader.feed(b"data: " + _said("kept") + b'\n\ndata: {"error":{"message":"broke","code":503}}\n\n') == ["kept"]
    assert isinstance(reader.failure, StreamError)
    assert (str(reader.failure), reader.failure.code) == ("broke", "503")


def test_reasoning_counts_as_life_but_not_as_text() -> None:
    reader = ChatReader()
    assert reader.feed(b'data: {"choices":[{"delta":{"reasoning_content":"hm"}}]}\n\n') == []
    assert (reader.thought, reader.pieces) == (1, 0)


@pytest.mark.parametrize("count", [-1, 2**53 + 1, 10**30])
def test_a_count_that_no_tokens_can_have_is_no_usage(count: int) -> None:
    reader = ChatReader()
    reader.feed(b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n')
    reader.feed(b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":%d}}\n\n' % count)
    assert (reader.finish, reader.usage, reader.failure) == ("stop", None, None)


def test_a_finish_reason_in_a_server_s_own_words_is_other() -> None:
    reader = ChatReader()
    reader.feed(b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop Bearer sk-1 \\u001b]52;c;x"}]}\n\n')
    assert reader.finish == "other"


@pytest.mark.parametrize(
    ("fields", "given", "cached"),
    [
        ({"prompt_tokens_details": {"cached_tokens": 30}}, 40, 30),
        ({"prompt_tokens_details": None, "prompt_cache_hit_tokens": 30, "prompt_cache_miss_tokens": 10}, 40, 30),
        ({"prompt_tokens_details": {"cached_tokens": None}, "cache_read_input_tokens": 30}, 40, 30),
        ({"cache_read_input_tokens": 300}, 340, 300),
        ({}, 40, 0),
    ],
)
def test_tokens_a_provider_read_from_its_cache_are_known_by_any_of_their_names(
    fields: dict[str, object], given: int, cached: int
) -> None:
    usage = {"prompt_tokens": 40, "completion_tokens": 3, **fields}
    reader = ChatReader()
    reader.feed(b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n")
    assert reader.usage == Usage(input=given, output=3, cached=cached)
