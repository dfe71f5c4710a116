from __future__ import annotations

import pytest

from tui.screens.links import addresses


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://a.org/x, then (http://b.org/y(z)).", ["https://a.org/x", "http://b.org/y(z)"]),
        ("[text](https://a.org/b_(c)) and **https://a.org**", ["https://a.org/b_(c)", "https://a.org"]),
        ("\u8bf7\u770bhttps://a.org/x\u3002\u8c22\u8c22", ["https://a.org/x"]),
        ("HTTPS://A.org twice HTTPS://A.org", ["HTTPS://A.org"]),
        ("https://user@a.org ftp://a.org https:// http://[", []),
        ("https://a.org/" + ")" * 1_000_000, ["https://a.org/"]),
        ("https://a.org/{id}", ["https://a.org/{id}"]),
    ],
)
def test_addresses_are_found_without_what_stands_around_them(text: str, found: list[str]) -> None:
    assert addresses(text) == found
