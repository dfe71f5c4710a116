from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import InputError
from agents.requests import Params
from agents.templates import MAX_BYTES, Template, Variable, find_template, load_template, load_templates

OWN = """
name = "letter"
description = "A letter in a voice"
prompt = "Write to ${who} about $topic. It costs $$5 and $ 3."
system = "You are $voice."
model = "lab/m0"

[params]
temperature = 0.2
max_tokens = 120

[variables]
voice = "a clerk"
who = { description = "Whom it is for" }
"""


def saved(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_of_our_own_says_everything(tmp_path: Path) -> None:
    template = load_template(saved(tmp_path, "x.toml", OWN))
    assert (template.name, template.description, template.model) == ("letter", "A letter in a voice", "lab/m0")
    assert template.params == Params(temperature=0.2, max_tokens=120)
    assert template.variables == (
        Variable("who", None, "Whom it is for"),
        Variable("topic"),
        Variable("voice", "a clerk"),
        Variable("input", ""),
    )
    filled = template.fill({"who": "Ada", "topic": "$voice {looms}"}, "P.S. short")
    assert filled.prompt == "Write to Ada about $voice {looms}. It costs $5 and $ 3.\n\nP.S. short"
    assert filled.system == "You are a clerk."


def test_a_template_of_the_llm_tool_loads_as_it_is(tmp_path: Path) -> None:
    text = """\
model: gpt-4o-mini
options:
  temperature: 0.3
  reasoning_effort: low
prompt: >
    Summarize the following text
    in $length sentences.

    Text: $input
system: Speak like $voice
defaults:
  voice: GlaDOS
  length: 3
extract: true
attachments:
- /etc/passwd
schema_object: {type: object}
functions: |
  import os
"""
    template = load_template(saved(tmp_path, "steampunk.yaml", text))
    assert (template.name, template.model, template.params) == ("steampunk", "gpt-4o-mini", Params(temperature=0.3))
    filled = template.fill({"voice": "Yoda"}, "The text.")
    assert filled.prompt == "Summarize the following text in 3 sentences.\nText: The text."
    assert filled.system == "Speak like Yoda"
    notes = " ".join(template.notes)
    assert all(word in notes for word in ("reasoning_effort", "code blocks", "attachments", "schema", "never run"))


def test_a_template_that_is_a_text_or_a_system_prompt_alone_takes_the_input_as_the_prompt(tmp_path: Path) -> None:
    plain = load_template(saved(tmp_path, "plain.yml", "'Translate: '"))
    assert plain.fill({}, "Hallo").prompt == "Translate:\n\nHallo"
    system = load_template(saved(tmp_path, "system.yaml", "system: Summarize this"))
    assert system.fill({}, "A text").prompt == "A text"
    assert system.fill({}, "A text").system == "Summarize this"


def test_what_is_missing_or_not_known_is_named(tmp_path: Path) -> None:
    template = load_template(saved(tmp_path, "letter.toml", OWN))
    with pytest.raises(InputError, match="letter needs who, topic: give them a value"):
        template.fill({})
    with pytest.raises(InputError, match="letter has no variable 'whom'; it has who, topic, voice, input"):
        template.fill({"whom": "x"})


BOMB = "a0: &a0 {k: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 12))
"""Merges of merges: a hundred thousand million keys."""


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.toml", "prompt = x\nsystem = ''", r"a\.toml: it is not TOML: .*line 1"),
        ("a.yaml", "prompt: [1\nsystem: x", r"a\.yaml, line 2: it is not YAML"),
        ("a.yaml", "!!python/object/apply:os.system ['true']", r"a\.yaml, line 1: it is not YAML: could not determine"),
        ("a.yaml", "# first\npromt: hello", r"a\.yaml, line 2: unknown key 'promt'; did you mean 'prompt'\?"),
        ("a.yaml", "prompt: no", r"a\.yaml, line 1: 'prompt' must be text"),
        ("a.yaml", "description: only this", r"a\.yaml: it has neither a prompt nor a system prompt"),
        ("a.yaml", "[1, 2]", r"a\.yaml: it is no template"),
        ("a.yaml", "", r"a\.yaml: it is no template"),
        ("a.toml", "prompt='x'\n[params]\nheat = 1", r"a\.toml, line 3: params: there is no 'heat'"),
        ("a.toml", "prompt='x'\n[params]\ntemperature = 'hot'", r"a\.toml, line 3: temperature: Expected"),
        ("a.toml", "prompt='x'\n[variables]\nv = [1]", r"a\.toml, line 3: the value of 'v' must be text"),
        ("a.toml", "prompt='x'\n[variables.v]\ndefautl = 1", r"variables\.v: unknown key 'defautl'"),
        ("a.toml", "prompt='x'\nvariables = 3", r"a\.toml, line 2: 'variables' must be a table"),
        ("a.toml", f"prompt='{'x' * MAX_BYTES}'", r"a\.toml is too large"),
        ("a.yaml", "[" * 5000, r"a\.yaml.*: it is not YAML"),
        ("a.yaml", BOMB, r"a\.yaml, line 2: it is not YAML: keys merged with << are not read"),
        ("a.yaml", "prompt: x\n!!merge x: {system: y}", r"a\.yaml, line 1: it is not YAML: keys merged with << are not read"),
        ("a.toml", f"prompt='x'\n[variables]\nv = 0x{'f' * 5000}", r"a\.toml: a number in it is too long"),
        ("a.yaml", f"prompt: x\nvariables:\n  v: 0x{'f' * 5000}", r"a\.yaml: a number in it is too long"),
    ],
)
def test_a_bad_file_is_named_with_its_line_and_the_reason(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        load_template(saved(tmp_path, name, text))
    assert "\n" not in str(caught.value)


def test_a_folder_gives_what_can_be_used_and_says_what_cannot(tmp_path: Path) -> None:
    assert load_templates(tmp_path / "none").loaded == {}
    saved(tmp_path, "b.yaml", "prompt: b $x")
    saved(tmp_path, "a.toml", "prompt = 'a'")
    saved(tmp_path, "c.yaml", "name: a\nprompt: again")
    saved(tmp_path, "bad.yaml", "{")
    saved(tmp_path, "notes.txt", "no template")
    (tmp_path / "bytes.toml").write_bytes(b"prompt = '\xff'")
    found = load_templates(tmp_path)
    assert list(found.loaded) == ["a", "b"]
    assert list(found.failed) == ["bad.yaml", "bytes.toml", "c.yaml"]
    assert "not UTF-8" in found.failed["bytes.toml"]
    assert "named 'a' too" in found.failed["c.yaml"]


def test_a_template_is_found_by_name_and_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    saved(folder, "a.toml", "prompt = 'a'")
    saved(folder, "bad.yaml", "{")
    saved(tmp_path, "other.yaml", "prompt: other")
    monkeypatch.chdir(tmp_path)
    assert find_template("a", folder).prompt == "a"
    assert find_template("other.yaml", folder).prompt == "other"
    assert find_template(str(tmp_path / "other.yaml"), folder).prompt == "other"
    with pytest.raises(InputError, match=r"there is no template 'z' in .*; there are: a"):
        find_template("z", folder)
    with pytest.raises(InputError, match="it is not YAML"):
        find_template("bad", folder)
    with pytest.raises(InputError, match="does not exist"):
        find_template("./none.yaml", folder)
    for wanted in ("a" * 300 + ".toml", "a\0b.yaml", "z" * 5000):
        with pytest.raises(InputError, match="there is no template"):
            find_template(wanted, folder)


NAMES = st.text(string.ascii_letters + "_", min_size=1, max_size=5)


@given(st.lists(st.tuples(st.text(alphabet="a ${}\n", max_size=8), NAMES)), st.text(alphabet="$a{}b input", max_size=12))
def test_what_is_filled_in_is_never_looked_at_again(parts: list[tuple[str, str]], value: str) -> None:
    # A dollar before a place would escape it.
    parts = [(text.replace("$", "").replace("{", ""), name) for text, name in parts]
    source = "".join(f"{text}${{{name}}}" for text, name in parts) + "."
    template = Template(name="t", path=Path("t"), prompt=source)
    values = {name: value for _, name in parts}
    expected = "".join(text + value for text, _ in parts) + "."
    assert template.fill(values).prompt == expected.strip()


@given(st.binary(max_size=200))
def test_no_bytes_make_reading_a_template_fail_in_another_way(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("templates", numbered=True)
    for suffix in (".toml", ".yaml"):
        path = folder / f"x{suffix}"
        path.write_bytes(data)
    load_templates(folder)
