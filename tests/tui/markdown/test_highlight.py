from collections.abc import Iterator

import pytest

from tui.markdown import highlight
from tui.markdown.highlight import language_of, lines_of, spans_of

CODE = 'def f(x):\n    """Doc\n\n    more"""\n    return None  # why\n'


def styled(code: str, language: str) -> list[tuple[str, str]]:
    return [(line[start:end], style) for line, spans in lines_of(code, language) for start, end, style in spans]


def test_tokens_get_the_styles_of_their_kinds_line_by_line() -> None:
    assert styled(CODE, "python") == [
        ("def", "kw"),
        ("f", "name"),
        ('    """Doc'.strip(), "string"),
        ("    more" + '"""', "string"),
        ("return", "kw"),
        ("None", "builtin"),
        ("# why", "comment"),
    ]
    assert styled("-a\n+b\n", "diff") == [("-a", "deleted"), ("+b", "inserted")]
    assert [line for line, _ in lines_of(CODE, "python")] == CODE.split("\n")


@pytest.mark.parametrize(
    ("info", "language"),
    [
        ("python", "python"),
        ("Python title=x", "python"),
        ("{.rust}", "rust"),
        ("c++ a", "c++"),
        ("C#", "c#"),
        ("language-js", "js"),
        ("", ""),
        ("!!", ""),
        ("ts:src/a.ts", "ts"),
    ],
)
def test_the_language_is_the_first_word_of_the_info(info: str, language: str) -> None:
    assert language_of(info) == language


@pytest.mark.parametrize("language", ["", "nonsense", "../../etc", "brainfuck", "__class__"])
def test_an_unknown_language_is_plain(language: str) -> None:
    assert spans_of(CODE, language) == []


def test_every_language_has_a_lexer() -> None:
    missing = [name for name in highlight._LANGUAGES if highlight._ALIASES.get(name, name) not in highlight._modules()]
    assert missing == []


def test_long_lines_are_plain_and_so_is_what_follows_very_many_tokens() -> None:
    assert spans_of("x = 1\n" + "y" * 5000, "python") == []
    spans = spans_of("1 " * 240 * 1 + "\n", "python")
    assert len(spans) == 240
    assert len(spans_of("\n".join(["1 + 1 "] * 2000), "python")) < 3000


def test_a_lexer_that_fails_leaves_the_code_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, object, str]]:
            yield 0, "Token.Keyword", text[:1]
            raise RecursionError

    monkeypatch.setattr(highlight, "_lexer", lambda language: Failing())
    assert spans_of(CODE, "python") == []
    assert [line for line, _ in lines_of("a\tb", "python")] == ["a   b"]
