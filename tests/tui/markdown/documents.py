"""Documents and pieces of documents for the tests of Markdown."""

from collections.abc import Iterator
from typing import Final

from hypothesis import strategies as st

from tui.markdown.blocks import BlockSplitter, State

LINES: Final = (
    *("", "", "", "para text", "more text", "# head", "## h2 #", "===", "---", "- item", "- ", "-", "  inner", "+ other", "* star"),
    *(
        "* * *",
        "1. one",
        "2. two",
        "3) par",
        "10. ten",
        "1986. year",
        "> quote",
        ">",
        "> - q",
        "> ```",
        "```",
        "```py",
        "~~~",
        "````",
    ),
    *("  ```", "   ```", "| a | b |", "|---|---|", "| 1 | 2 |", "a | b", "-|-", "  - nest", "   - nest3", "**bold** x", "__u__"),
    *("-not", "1.not", "123456789012. x", "   # h3", "<div>", "</div>", "[a]: http://x", "  > q", "> > q", " - a", "  1. a"),
    *("--", "==", "~~strike~~", "`code`", "|", "|-|", "See [1] and [1, 2].", "日本語 text", "👩\u200d👩\u200d👧 e\u0301 שלום"),
)
INDENTED: Final = ("    deep", "\tcode", "  \t x", "    # code", "        - far")

MARKS: Final = (
    *(
        "[",
        "]",
        "(",
        ")",
        "*",
        "**",
        "_",
        "`",
        "```",
        "\n",
        "\n\n",
        "|",
        "|-|-|\n",
        "- ",
        "1. ",
        "> ",
        "#",
        " ",
        "    ",
        "\t",
        "<br>",
    ),
    *(
        "&#27;",
        "&#x9b;",
        "&#10;",
        "&#x202e;",
        "http://a.b/c",
        "https://é.fr/x",
        "word",
        "日本",
        "👩\u200d👩\u200d👧",
        "e\u0301",
        "\u0301",
    ),
    *(
        "\u200d",
        "\ufe0f",
        "☎\ufe0f",
        "🇩🇪",
        "שלום",
        "![",
        "](http://x.y)",
        "](javascript:x)",
        "~~",
        "~~~\n",
        "\\",
        "\x1b",
        "\x9b",
        "\x00",
    ),
    *(
        "\u202e",
        "\u2028",
        "\ud800",
        "[1]",
        "---\n",
        "===\n",
        "<http://a.b>",
        "[ ] ",
        "[x] ",
        "py\n",
        "def f(): pass",
        "\x7f",
        "\r\n",
    ),
    *("\u00ad", "[@click=app.quit]x[/]", "[/]", "[link=http://x]"),
)

documents = st.builds(
    lambda lines, end: "\n".join(lines) + end, st.lists(st.sampled_from(LINES), max_size=14), st.sampled_from(("", "\n", "\n\n"))
)
"""Markdown whose blocks the parser and we find alike."""
odd_documents = st.builds("\n".join, st.lists(st.sampled_from(LINES + INDENTED) | st.text(max_size=8), max_size=14))
hostile = st.builds("".join, st.lists(st.sampled_from(MARKS) | st.text(max_size=4), max_size=60))


def pieces(text: str, sizes: Iterator[int] | None = None) -> list[tuple[str, State]]:
    """Return the pieces of ``text`` and their states, fed in pieces of ``sizes`` characters."""
    splitter, found, waiting, at = BlockSplitter(), [], "", 0
    while at < len(text):
        size = len(text) if sizes is None else next(sizes)
        waiting += text[at : at + size]
        at += size
        taken = 0
        for end in splitter.feed(waiting):
            found.append((waiting[taken:end], splitter.state))
            splitter.cut(end - taken)
            taken = end
        waiting = waiting[taken:]
    taken = 0
    for end in splitter.finish(waiting):
        found.append((waiting[taken:end], splitter.state))
        splitter.cut(end - taken)
        taken = end
    if waiting[taken:]:
        found.append((waiting[taken:], splitter.state))
    return found
