"""KEY=VALUE words: keys are refused without being repeated, unknown names get the nearest known one."""

import pytest

from evaluator.errors import UsageError
from harness import overrides

KNOWN = ["task", "gpu", "stage", "fresh", "search.rounds", "evaluator.timer.rounds", "budget.usd", "llm.model"]
GROUPS = {"proposer": ["auto", "llm", "rules"], "search": ["default", "quick"]}


@pytest.mark.parametrize(
    "word",
    [
        "api_key=abc",
        "llm.api_key=abc",
        "+llm.api_key=abc",
        "++llm.apikey=abc",
        "llm.model=sk-proj-0123456789",
        "llm.api_key_env=sk-0123456789",
        "hydra.job.env_set.OPENAI_API_KEY=abc",
        "llm={api_key:abc,model:m}",
        "password=abc",
        "llm.access_token=abc",
        "llm.base_url=https://me:hunter2@host/v1",
        "llm.base_url=https://host/v1?version=3&api_key=hunter2",
        "llm.base_url=https://host/v1?token=hunter2",
        "store.url=postgresql://me:hunter2@host/db",
        "store.url=postgresql://me@host/db?connect_timeout=3&password=hunter2",
        "llm.model=ghp_0123456789abcdefghij",
        "sk-0123456789abcdef",
    ],
)
def test_what_holds_a_key_is_refused_and_not_repeated(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        overrides.refuse_secrets([word], environ={})
    for secret in ("abc", "hunter2", "0123456789"):
        assert secret not in str(caught.value)
    assert "environment" in caught.value.remedy


def test_the_value_of_a_key_variable_is_refused_wherever_it_stands() -> None:
    environ = {"OPENAI_API_KEY": "no-known-shape"}
    with pytest.raises(UsageError, match=r"llm\.model was given a key"):
        overrides.refuse_secrets(["llm.model=no-known-shape"], environ)
    overrides.refuse_secrets(["llm.model=another"], environ)


@pytest.mark.parametrize(
    "word",
    [
        "llm.api_key_env=MY_API_KEY",
        "llm.api_key_file=/home/me/api_key",
        "llm.max_tokens=16384",
        "budget.tokens=100000",
        "llm.base_url=http://127.0.0.1:8000/v1?api-version=2026-10",
        "task=/home/me/sk-learn-models/api_key_model.py",
        "store.url=postgresql://me@host/db",
        "--cfg",
    ],
)
def test_places_of_keys_and_ordinary_words_pass(word: str) -> None:
    overrides.refuse_secrets([word], environ={"OPENAI_API_KEY_FILE": "/home/me/api_key"})


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("serach.rounds=3", "search.rounds"),
        ("search.round=3", "search.rounds"),
        ("rounds=3", "search.rounds"),
        ("taks=softmax", "task"),
        ("budget.usdd=1", "budget.usd"),
        ("+llm.modle=x", "llm.model"),
        ("proposer=ruls", "rules"),
        ("serch=quick", "search"),
    ],
)
def test_a_misspelt_word_gets_the_near_one(word: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        overrides.refuse_unknown([word], KNOWN, GROUPS)
    assert near in caught.value.remedy


def test_a_section_alone_lists_its_keys() -> None:
    with pytest.raises(UsageError, match="section") as caught:
        overrides.refuse_unknown(["llm=x"], KNOWN, GROUPS)
    assert "llm.model" in caught.value.remedy


@pytest.mark.parametrize(
    "word", ["search.rounds=3", "proposer=llm,rules", "hydra.verbose=true", "search=glob(*)", "~fresh=x"]
)
def test_what_exists_passes(word: str) -> None:
    overrides.refuse_unknown([word], KNOWN, GROUPS)


def test_a_run_is_named_by_a_plain_word_even_if_its_id_looks_like_a_number() -> None:
    assert overrides.write_plainly(["run=1a2b3c4d"]) == ["proposer.run='1a2b3c4d'"]
    assert overrides.write_plainly(["proposer.run=12345678"]) == ["proposer.run='12345678'"]
    overrides.refuse_unknown(["run=1a2b3c4d"], ["proposer.run"], {})


def test_what_is_a_list_may_be_written_with_commas_unless_it_is_swept_over() -> None:
    assert overrides.write_plainly(["stage=a,b"]) == ["stage=[a,b]"]
    assert overrides.write_plainly(["stage=[a,b]"]) == ["stage=[a,b]"]
    assert overrides.write_plainly(["stage=a,b"], sweep=True) == ["stage=a,b"]
    assert overrides.write_plainly(["prompt.omit=a,b"]) == ["prompt.omit=[a,b]"]


def test_paths_are_quoted_where_the_grammar_would_read_them() -> None:
    assert overrides.write_plainly(["task=my (new) model.py"]) == ["task='my (new) model.py'"]
    assert overrides.write_plainly(["task=it's.py"]) == ["task='it\\'s.py'"]
    assert overrides.write_plainly(["task=dir/model.py", "--cfg"]) == ["task=dir/model.py", "--cfg"]
    assert overrides.write_plainly(["task=softmax,rmsnorm"], sweep=True) == ["task=softmax,rmsnorm"]


def test_words_are_split_into_settings_and_the_rest() -> None:
    given = ["a/file.py", "--task", "softmax", "store.root=x", "-m", "+x=1"]
    assert overrides.split(given) == (["store.root=x", "+x=1"], ["a/file.py", "--task", "softmax", "-m"])


def test_setting_a_mapping_of_models_adds_to_it_and_names_may_hold_anything() -> None:
    assert overrides.write_plainly(["llm.models={a: 1}"]) == ["++llm.models={a: 1}"]
    assert overrides.write_plainly(["+llm.models={a: 1}"]) == ["+llm.models={a: 1}"]
    assert overrides.write_plainly(["llm.models.a=1"]) == ["++llm.models.a=1"]
    assert overrides.write_plainly(["llm.models={\"q:8b\": 1, 'c/d': 2}"]) == [r"++llm.models={q\:8b: 1, c/d: 2}"]
