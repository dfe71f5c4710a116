from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.addresses import is_loopback
from agents.config import FOUND, load
from agents.config_shapes import check_table, url_fault
from agents.errors import ConfigError
from agents.locations import find_locations
from agents.models.discovery import targets
from agents.models.presets import PRESETS
from agents.settings import Price, Settings, Timeouts

if TYPE_CHECKING:
    from collections.abc import Mapping


class Places:
    def __init__(self, root: Path) -> None:
        self.own = root / "home" / "config.toml"
        self.folder = root / "project"
        self.project = self.folder / "stretto.toml"
        self.own.parent.mkdir()
        self.folder.mkdir()

    def load(self, flags: Mapping[str, object] | None = None, /, **variables: str) -> Settings:
        environ = {"STRETTO_CONFIG": str(self.own), "STRETTO_DATA_DIR": str(self.own.parent), "HOME": "/", **variables}
        return load(flags, environ=environ, folder=self.folder)[0]

    def fault(self, **variables: str) -> str:
        with pytest.raises(ConfigError) as caught:
            self.load(None, **variables)
        message = str(caught.value)
        assert "\n" not in message
        return message


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def test_without_any_file_the_settings_are_the_defaults(places: Places) -> None:
    assert places.load() == Settings()


def test_flags_win_over_environment_over_project_over_the_persons_file(places: Places) -> None:
    places.own.write_text("[defaults]\nmax_tokens = 1\ntemperature = 0.1\nsystem = 'own'\n[screen]\nfps = 11\n")
    assert places.load().defaults.max_tokens == 1
    places.project.write_text("[defaults]\nmax_tokens = 2\ntemperature = 0.2\nsystem = 'project'\n")
    assert places.load().defaults.max_tokens == 2
    environ = {"STRETTO_DEFAULTS__MAX_TOKENS": "3", "STRETTO_DEFAULTS__TEMPERATURE": "0.3"}
    assert places.load(None, **environ).defaults.max_tokens == 3
    settings = places.load({"defaults.max_tokens": 4, "defaults.cache": None}, **environ)
    assert (settings.defaults.max_tokens, settings.defaults.temperature) == (4, 0.3)
    assert (settings.defaults.system, settings.screen.fps, settings.defaults.cache) == ("project", 11, True)


def test_tables_are_merged_key_by_key(places: Places) -> None:
    places.own.write_text(
        '[endpoints.lab]\nbase_url = "http://127.0.0.1:1/v1"\nconcurrency = 4\ntimeout = { connect = 1, total = 9 }\n'
    )
    places.project.write_text("[endpoints.lab]\nconcurrency = 3\ntimeout = { total = 8 }\n")
    lab = places.load(STRETTO_ENDPOINTS__LAB__TIMEOUT__IDLE="7", STRETTO_ENDPOINTS__LAB__PRICE__INPUT="0.5").endpoints["lab"]
    assert (lab.base_url, lab.concurrency) == ("http://127.0.0.1:1/v1", 3)
    assert lab.timeout == Timeouts(connect=1, total=8, idle=7)
    assert lab.price == Price(input=0.5)


def test_environment_variables_are_read_as_the_type_they_set(places: Places) -> None:
    settings = places.load(
        STRETTO_DEFAULTS__MODELS="lab/m0,temperature=0.2 lab/m1",
        STRETTO_DEFAULTS__CACHE="off",
        STRETTO_DEFAULTS__CACHE_TTL="60",
        STRETTO_SCREEN__THEME="stretto-light",
        STRETTO_DEFAULTS__SYSTEM="",
    )
    assert settings.defaults.models == ("lab/m0,temperature=0.2", "lab/m1")
    assert (settings.defaults.cache, settings.defaults.cache_ttl, settings.defaults.system) == (False, 60.0, None)
    assert settings.screen.theme == "stretto-light"


def test_a_variable_finds_an_endpoint_whatever_its_case_and_punctuation(places: Places) -> None:
    places.own.write_text('[endpoints."My-Lab.1"]\nbase_url = "http://127.0.0.1:1/v1"\n')
    settings = places.load(STRETTO_ENDPOINTS__MY_LAB_1__CONCURRENCY="5")
    assert settings.endpoints["My-Lab.1"].concurrency == 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[defaults]\nmax_tokns = 3", "unknown key defaults.max_tokns; did you mean defaults.max_tokens?"),
        ("max_tokens = 3", "unknown key max_tokens; did you mean defaults.max_tokens?"),
        ("[endpoint.lab]\nbase_url = ''", "unknown key endpoint; did you mean endpoints?"),
        ("[endpoints.lab]\napi_key = 'sk-CANARY-1'", "unknown key endpoints.lab.api_key; did you mean endpoints.lab.api_key_env?"),
        ("[endpoints.lab.timeout]\nfirst = 1", "unknown key endpoints.lab.timeout.first; "),
        ("[screen]\nzzz = 1", "unknown key screen.zzz; known here: theme, fps, reduced_motion"),
        ("[defaults]\nmax_tokens = 'many'", "defaults.max_tokens must be a whole number, not text"),
        ("[defaults]\nmax_tokens = 1.5", "defaults.max_tokens must be a whole number, not a number"),
        ("[defaults]\nmax_tokens = true", "defaults.max_tokens must be a whole number, not true or false"),
        ("[defaults]\nmax_tokens = 0", "defaults.max_tokens must be at least 1"),
        ("[defaults]\nmodels = 'lab/m0'", "defaults.models must be a list of texts, not text"),
        ("[defaults]\nmodels = [1]", "defaults.models must be a list of texts, not a list"),
        ("defaults = 3", "defaults must be a table, not a whole number"),
        ("endpoints = [1]", "endpoints must be a table, not a list"),
        ("[endpoints]\nlab = 'http://x'", "endpoints.lab must be a table, not text"),
        ("[endpoints.'a/b']\nbase_url = ''", "endpoints.'a/b': a name may hold letters, digits, '.', '_' and '-'"),
        ("[endpoints.lab]\nkind = 'grpc'", "endpoints.lab.kind must be one of openai, ollama, "),
        ("[endpoints.lab]\nconcurrency = 0", "endpoints.lab.concurrency must be at least 1"),
        ("[endpoints.lab]\ntimeout = { total = nan }", "endpoints.lab.timeout.total must be at least 0.001"),
        ("[endpoints.lab]\nprice = { output = inf }", "endpoints.lab.price.output must be at most 1e+09"),
        ("[endpoints.lab]\napi_key_env = 'sk-CANARY-1'", "api_key_env must be the name of the environment variable"),
        ("[endpoints.lab]\nbase_url = '127.0.0.1:1'", "endpoints.lab.base_url must be an address like http"),
        ("[endpoints.lab]\nconcurrency = 2", "endpoints.lab has no base_url; add one like"),
        ("[library]\noverlap_chars = 900", "library.overlap_chars must be smaller than library.chunk_chars"),
        ("[screen]\nfps = 1979-05-27", "screen.fps must be a whole number, not a date or time"),
    ],
)
def test_what_cannot_be_is_named_by_file_and_key_and_never_by_its_value(places: Places, text: str, expected: str) -> None:
    places.own.write_text(text)
    message = places.fault()
    assert message.startswith(f"{places.own}: ")
    assert expected in message
    assert "CANARY" not in message


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"[defaults]\nmax_tokens =\n", ": line 2: invalid value"),
        (b"a = 1\nb = 'x", ": line 2: "),
        (b"a = 1\na = 2", ": line 2: cannot overwrite a value"),
        (b"# first\nx = '\xff\xfe'", ": line 2: is not UTF-8 text"),
        (b"#" * (1 << 21), ": is larger than 1 MiB"),
        (b"a = " + b"[" * 20_000, ": is nested too deep"),
    ],
)
def test_a_broken_file_is_named_with_its_line(places: Places, raw: bytes, expected: str) -> None:
    places.project.write_bytes(raw)
    assert f"{places.project}{expected}" in places.fault()


def test_a_folder_or_an_unreadable_place_for_a_file_is_one_line(places: Places) -> None:
    places.project.mkdir()
    assert "is not a file" in places.fault()
    places.project.rmdir()
    places.own.symlink_to(places.own)
    assert "cannot be read" in places.fault()


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("STRETTO_DEFAULTS__MAX_TOKNS", "3", "unknown key defaults.max_tokns; did you mean STRETTO_DEFAULTS__MAX_TOKENS?"),
        ("STRETTO_DEFAULTS_MAX_TOKENS", "3", "is not known; did you mean STRETTO_DEFAULTS__MAX_TOKENS?"),
        ("STRETTO_DEFAULTS__MAX_TOKENS", "many", "defaults.max_tokens must be a whole number, not text"),
        ("STRETTO_DEFAULTS__MAX_TOKENS", "0", "defaults.max_tokens must be at least 1"),
        ("STRETTO_DEFAULTS__CACHE", "perhaps", "defaults.cache must be true or false, not text"),
        ("STRETTO_DEFAULTS__MAX_TOKENS__X", "1", "defaults.max_tokens has no keys below it"),
        ("STRETTO_ENDPOINTS__LAB__TIMEOUT", "1", "endpoints.lab.timeout is a table"),
        ("STRETTO_ENDPOINTS__LAB", "1", "endpoints.lab is a table"),
        ("STRETTO_ENDPOINTS__LAB__BASE_URL", "ftp://x", "endpoints.lab.base_url must be an address"),
    ],
)
def test_a_variable_that_cannot_be_is_named(places: Places, variable: str, value: str, expected: str) -> None:
    message = places.fault(**{variable: value})
    assert message.startswith(f"environment: {variable}")
    assert expected in message


def test_variables_of_other_things_are_left_alone(places: Places) -> None:
    assert places.load(STRETTO_TRACE="1", STRETTOX__A="1", DEFAULTS__MAX_TOKENS="x") == Settings()


def test_an_endpoint_that_is_called_like_a_kind_is_of_it_and_needs_no_more(places: Places) -> None:
    places.own.write_text(
        '[endpoints.openrouter]\n[endpoints.vllm]\nbase_url = "http://10.0.0.1:8000/v1"\n[endpoints.embedded]\n'
        '[endpoints.gpu1]\nkind = "vllm"\nbase_url = "http://10.0.0.7:8000/v1"\nconcurrency = 5\n'
        '[endpoints.ollama]\nkind = "openai"\nbase_url = "http://10.0.0.2/v1"\n'
    )
    found = places.load(STRETTO_ENDPOINTS__NANOGPT__MAX_RETRIES="0").endpoints
    assert {name: (endpoint.kind, endpoint.concurrency) for name, endpoint in found.items()} == {
        "openrouter": ("openrouter", 8),
        "vllm": ("vllm", 32),
        "embedded": ("embedded", 4),
        "gpu1": ("vllm", 5),
        "ollama": ("openai", 8),
        "nanogpt": ("nanogpt", 8),
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[endpoints.mine]\nkind = 'openai'", "endpoints.mine has no base_url; add one like"),
        ("[endpoints.lab]\nconcurrency = 'fast'", "endpoints.lab.concurrency must be a whole number or 'adaptive'"),
        ("[defaults]\nsimilar = 1.5", "defaults.similar must be at most 1"),
        ("[routes.r]\nmembers = ['ollama']\nhedge_budget = 2", "routes.r.hedge_budget must be at most 1"),
        ("[routes.r]\nmembers = []", "routes.r.members is empty; name endpoints, like members = "),
        ("[routes.ollama]\nmembers = ['vllm']", "routes.ollama is called like an endpoint; give the route another name"),
        ("[routes.r]\nmembers = ['nowhere']", "routes.r.members: there is no endpoint 'nowhere'; there are anthropic, "),
        ("[routes.r]\nmembers = ['ollama', 'ollama']", "routes.r.members names the same place twice"),
        ("[routes.r]\nmembers = ['ollama/']", "routes.r.members: 'ollama/' names no model; write endpoint/model"),
        ("[routes.r]\nmembers = ['ollama']\nfallbacks = ['vllm']", "routes.r.fallbacks: 'vllm' names no model"),
        ("[routes.r]\nmembers = ['s']\n[routes.s]\nmembers = ['vllm']", "routes.r.members: 's' is a route; a route leads to"),
    ],
)
def test_routes_and_kinds_that_cannot_be_are_named(places: Places, text: str, expected: str) -> None:
    places.own.write_text(text)
    message = places.fault()
    assert message.startswith(f"{places.own}: ")
    assert expected in message


def test_a_route_may_lead_to_what_is_configured_and_to_what_is_found(places: Places) -> None:
    places.own.write_text(
        '[endpoints.gpu1]\nkind = "vllm"\nbase_url = "http://10.0.0.7:8000/v1"\n'
        '[routes.gpu]\nmembers = ["gpu1", "ollama/qwen3:8b"]\nfallbacks = ["openrouter/openai/gpt-5-mini"]\nhedge = true\n'
    )
    assert places.load().routes["gpu"].fallbacks == ("openrouter/openai/gpt-5-mini",)


@pytest.mark.parametrize("kind", [kind for kind, preset in PRESETS.items() if preset.key and kind != "openai"])
def test_a_project_may_not_use_a_service_by_its_kind(places: Places, kind: str) -> None:
    places.project.write_text(f'[endpoints.mine]\nkind = "{kind}"\n')
    assert "endpoints.mine.api_key_env: a project's file may not send a key to another machine" in places.fault()
    places.project.write_text(f'[endpoints.mine]\nkind = "{kind}"\nbase_url = "http://127.0.0.1:9/v1"\n')
    assert places.load().endpoints["mine"].api_key_env is None
    places.project.write_text(f'[endpoints.mine]\nkind = "{kind}"\nbase_url = "{PRESETS[kind].base_url}"\n')  # type: ignore[index]
    assert "endpoints.mine.api_key_env" in places.fault()


def test_a_project_may_not_move_the_persons_endpoint_by_its_kind(places: Places) -> None:
    places.own.write_text('[endpoints.mine]\nkind = "ollama"\n')
    places.project.write_text('[endpoints.mine]\nkind = "openrouter"\n')
    assert "endpoints.mine" in places.fault()
    places.own.write_text("[endpoints.openrouter]\n")
    places.project.write_text('[endpoints.openrouter]\nbase_url = "http://127.0.0.1:9/v1"\n')
    assert "endpoints.openrouter.base_url: a project's file may not move" in places.fault()


def test_a_project_may_add_a_route_and_not_lead_the_persons_own_elsewhere(places: Places) -> None:
    places.own.write_text('[routes.mine]\nmembers = ["ollama"]\n')
    places.project.write_text('[routes.new]\nmembers = ["ollama", "vllm"]\n')
    assert set(places.load().routes) == {"mine", "new"}
    places.project.write_text('[routes.mine]\nfallbacks = ["openai/gpt-5"]\n')
    assert "routes.mine: a project's file may not lead calls elsewhere" in places.fault()
    places.project.write_text('[routes.mine]\nmembers = ["ollama"]\n')
    assert places.load().routes["mine"].members == ("ollama",)


_HOSTED = '[endpoints.hosted]\nbase_url = "https://api.example.org/v1"\napi_key_env = "HOSTED_KEY"\n'


_PAID = "[endpoints.paid]\nbase_url = 'https://models.example/v1'\n"


def test_a_project_may_not_send_a_key_to_another_machine(places: Places) -> None:
    places.project.write_text('[endpoints.evil]\nbase_url = "https://evil.example/v1"\napi_key_env = "OPENAI_API_KEY"\n')
    message = places.fault()
    assert message.startswith(f"{places.project}: endpoints.evil.api_key_env: ")
    assert str(places.own) in message


def test_a_project_may_not_send_another_key_to_the_persons_endpoint(places: Places) -> None:
    places.own.write_text(_HOSTED)
    places.project.write_text('[endpoints.hosted]\napi_key_env = "AWS_SECRET_ACCESS_KEY"\n')
    assert "endpoints.hosted.api_key_env" in places.fault()


def test_a_project_may_not_move_an_endpoint_that_has_a_key(places: Places) -> None:
    places.own.write_text(_HOSTED)
    places.project.write_text('[endpoints.hosted]\nbase_url = "http://127.0.0.1:9/v1"\n')
    assert "endpoints.hosted.base_url: a project's file may not move" in places.fault()


def test_a_key_from_the_environment_does_not_go_where_a_project_says(places: Places) -> None:
    places.project.write_text('[endpoints.lab]\nbase_url = "https://evil.example/v1"\n')
    assert "endpoints.lab.base_url" in places.fault(STRETTO_ENDPOINTS__LAB__API_KEY_ENV="KEY")


def test_a_project_may_use_a_key_on_this_machine_and_tune_the_persons_endpoints(places: Places) -> None:
    places.own.write_text(_HOSTED)
    places.project.write_text(
        '[endpoints.hosted]\nconcurrency = 2\napi_key_env = "HOSTED_KEY"\nbase_url = "https://api.example.org/v1"\n'
        '[endpoints.local]\nbase_url = "http://localhost:8000/v1"\napi_key_env = "LAB_KEY"\n'
        '[endpoints.keyless]\nbase_url = "http://[::1]:8000/v1"\n[library]\nembeddings = "keyless/m"\n'
    )
    settings = places.load()
    assert settings.endpoints["hosted"].concurrency == 2
    assert settings.endpoints["local"].api_key_env == "LAB_KEY"
    assert settings.endpoints["keyless"].api_key_env is None
    assert settings.library.embeddings == "keyless/m"


@pytest.mark.parametrize(
    ("own", "project", "key"),
    [
        ("[defaults]\nspeculate = 'free'\n", "[defaults]\nspeculate = 'always'\n", "defaults.speculate"),
        ("[defaults]\nbudget = 1.0\n", "[defaults]\nbudget = 2.0\n", "defaults.budget"),
        (
            "[endpoints.paid]\nbase_url = 'https://models.example/v1'\nprice = { output = 9.0 }\n",
            "[endpoints.paid]\nprice = { output = 0.0 }\n",
            "endpoints.paid.price",
        ),
        (
            "[endpoints.router]\nkind = 'openrouter'\nbase_url = 'https://openrouter.ai/api/v1'\n",
            "[endpoints.router]\nkind = 'openai'\napi_key_env = 'OPENROUTER_API_KEY'\n",
            "endpoints.router.kind",
        ),
        (
            "[endpoints.paid]\nbase_url = 'https://models.example/v1'\nrequests_per_minute = 10\n",
            "[endpoints.paid]\nrequests_per_minute = 11\n",
            "endpoints.paid.requests_per_minute",
        ),
        (
            "[endpoints.paid]\nbase_url = 'https://models.example/v1'\ntokens_per_minute = 10\n",
            "[endpoints.paid]\ntokens_per_minute = 1000000\n",
            "endpoints.paid.tokens_per_minute",
        ),
        *(
            (f"{_PAID}{own}\n", f"[endpoints.paid]\n{project}\n", f"endpoints.paid.{project.split()[0]}")
            for own, project in [
                ("", "concurrency = 9"),
                ("", "concurrency = 'adaptive'"),
                ("concurrency = 2", "concurrency = 3"),
                ("concurrency = 'adaptive'", "concurrency = 100"),
                ("", "max_retries = 3"),
                ("max_retries = 0", "max_retries = 2"),
                ("", "on_cut = 'resume'"),
                ("on_cut = 'resume'", "on_cut = 'restart'"),
            ]
        ),
        (_PAID, "[routes.new]\nmembers = ['paid']\nhedge = true\nhedge_budget = 1.0\n", "routes.new.hedge"),
        ("", "[routes.new]\nmembers = ['ollama', 'openai/m']\nhedge = true\n", "routes.new.hedge"),
        (f"{_PAID}[routes.mine]\nmembers = ['paid']\nhedge = true\n", "[routes.mine]\nhedge_budget = 1.0\n", "routes.mine"),
    ],
)
def test_a_project_may_not_spend_a_persons_money(places: Places, own: str, project: str, key: str) -> None:
    places.own.write_text(own)
    places.project.write_text(project)
    assert places.fault().startswith(f"{places.project}: {key}: a project's file may not ")


def test_a_project_may_spend_less(places: Places) -> None:
    places.own.write_text("[defaults]\nbudget = 1.0\nspeculate = 'always'\n")
    places.project.write_text("[defaults]\nbudget = 0.5\nspeculate = 'free'\n")
    settings = places.load()
    assert (settings.defaults.budget, settings.defaults.speculate) == (0.5, "free")


def test_a_project_may_have_less_asked_and_its_own_endpoints_asked_as_it_likes(places: Places) -> None:
    places.own.write_text(f"{_PAID}concurrency = 'adaptive'\non_cut = 'restart'\n")
    places.project.write_text(
        "[endpoints.paid]\nconcurrency = 4\nmax_retries = 0\non_cut = 'keep'\n"
        "[endpoints.one]\nbase_url = 'http://127.0.0.1:1/v1'\nconcurrency = 100\nmax_retries = 9\non_cut = 'restart'\n"
        "[endpoints.two]\nbase_url = 'http://127.0.0.1:2/v1'\nconcurrency = 'adaptive'\n"
        "[routes.new]\nmembers = ['one', 'two']\nhedge = true\n"
    )
    settings = places.load()
    assert (settings.endpoints["paid"].concurrency, settings.endpoints["one"].concurrency) == (4, 100)
    assert settings.routes["new"].hedge


def test_a_variable_is_the_persons_word_also_on_a_route_of_the_projects(places: Places) -> None:
    places.project.write_text("[routes.new]\nmembers = ['ollama', 'vllm']\n")
    assert places.load(STRETTO_ROUTES__NEW__HEDGE="true").routes["new"].hedge
    assert "environment: routes.other.members is empty; name endpoints" in places.fault(STRETTO_ROUTES__OTHER__HEDGE="true")


def test_a_route_without_members_says_so(places: Places) -> None:
    places.own.write_text("[routes.mine]\nhedge = true\n")
    assert f"{places.own}: routes.mine.members is empty; name endpoints" in places.fault()


def test_a_project_may_not_name_another_machine_even_without_a_key(places: Places) -> None:
    places.project.write_text('[endpoints.open]\nbase_url = "https://models.example/v1"\n')
    assert "endpoints.open.base_url: a project's file may not send what you write to another machine" in places.fault()
    places.own.write_text('[endpoints.open]\nbase_url = "http://127.0.0.1:1/v1"\n')
    assert "endpoints.open.base_url" in places.fault()
    places.own.write_text('[endpoints.open]\nbase_url = "https://models.example/v1"\n')
    assert places.load().endpoints["open"].base_url == "https://models.example/v1"


@pytest.mark.parametrize("name", sorted(FOUND))
def test_a_project_may_not_take_the_place_of_what_is_found(places: Places, name: str) -> None:
    places.project.write_text(f'[endpoints.{name}]\nbase_url = "http://127.0.0.1:9/v1"\n')
    assert f"endpoints.{name}: a project's file may not take the place" in places.fault()
    places.project.write_text(f"[endpoints.{name}]\nconcurrency = 2\n")
    assert f"endpoints.{name}: a project's file may not take the place" in places.fault()
    places.own.write_text(f'[endpoints.{name}]\nbase_url = "http://10.0.0.1/v1"\n')
    assert places.load().endpoints[name].concurrency == 2


def test_what_is_guarded_is_all_that_is_found() -> None:
    keys = {preset.key: "sk-1" for preset in PRESETS.values() if preset.key}
    assert set(targets(Settings(), keys)) == FOUND


@pytest.mark.parametrize("model", ["openai/text-embedding-3-small", "ollama/nomic", "nowhere/m"])
def test_a_project_may_not_send_documents_to_another_machine(places: Places, model: str) -> None:
    places.project.write_text(f'[library]\nembeddings = "{model}"\n')
    assert "library.embeddings: a project's file may not send your documents" in places.fault()
    assert places.load(STRETTO_LIBRARY__EMBEDDINGS=model).library.embeddings == model
    places.project.write_text('[library]\nembeddings = "static"\n')
    assert places.load().library.embeddings == "static"


def test_a_project_may_use_the_persons_own_endpoint_for_vectors(places: Places) -> None:
    places.own.write_text(_HOSTED)
    places.project.write_text('[library]\nembeddings = "hosted/m"\n')
    assert places.load().library.embeddings == "hosted/m"


def test_the_person_may_do_all_of_it_by_environment(places: Places) -> None:
    places.project.write_text('[endpoints.lab]\nbase_url = "https://a.example/v1"\n')
    environ = {"STRETTO_ENDPOINTS__LAB__API_KEY_ENV": "KEY", "STRETTO_ENDPOINTS__LAB__BASE_URL": "https://b.example/v1"}
    assert places.load(None, **environ).endpoints["lab"].base_url == "https://b.example/v1"


def test_the_persons_own_file_named_in_the_working_folder_is_the_persons(places: Places) -> None:
    places.project.write_text(_HOSTED)
    assert places.load(STRETTO_CONFIG=str(places.project)).endpoints["hosted"].api_key_env == "HOSTED_KEY"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8000/v1", True),
        ("http://localhost/v1", True),
        ("http://LOCALHOST/v1", True),
        ("http://localhost.:8000/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://127.8.8.8", True),
        ("http://127.0.0.1.evil.example/v1", False),
        ("http://localhost.evil.example/", False),
        ("http://127.0.0.1@evil.example/v1", False),
        ("http://0.0.0.0:8000", False),
        ("", False),
    ],
)
def test_loopback_is_known_by_the_hosts_name(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example\\@127.0.0.1/v1",
        "http://127.0.0.1@evil.example/v1",
        "http://user:pass@127.0.0.1/v1",
        "http://127.0.0.1:99999/v1",
        "http://127.0.0.1:x/v1",
        "http://[::1/v1",
        "http:///v1",
        "file:///etc/passwd",
        "http://127.0.0.1/\nv1",
        "http://xn\u200bample.org",
    ],
)
def test_addresses_that_two_readers_could_read_differently_are_refused(url: str) -> None:
    assert url_fault(url) is not None


def test_locations_follow_the_environment_and_then_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    found = find_locations({})
    assert (found.config, found.data) == (tmp_path / ".config/stretto/config.toml", tmp_path / ".local/share/stretto")
    moved = find_locations({"STRETTO_CONFIG": "own.toml", "STRETTO_DATA_DIR": "~/data"})
    assert (moved.config, moved.data) == (tmp_path / "own.toml", tmp_path / "data")
    assert moved.themes == tmp_path / "themes"
    assert moved.database.parent == moved.data


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
_keys = st.sampled_from(["defaults", "endpoints", "models", "timeout", "base_url", "x", "a.b", ""]) | st.text(max_size=4)
_tables: st.SearchStrategy[Any] = st.dictionaries(
    _keys, st.recursive(_scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_keys, inner, max_size=3))
)


@given(_tables)
def test_any_table_is_either_accepted_or_refused_in_one_line(table: dict[str, Any]) -> None:
    try:
        check_table(table, "file")
    except ConfigError as error:
        told = str(error)
    else:
        told = "file: "
    assert told.startswith("file: ")
