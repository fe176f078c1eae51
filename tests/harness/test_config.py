"""Configuration: defaults agree with the types, words resolve to things, and a run's key is what was asked for."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from evaluator.catalog import task_names
from evaluator.errors import UsageError
from evaluator.request import EvaluatorSettings
from harness import config, resolution
from harness.resolution import CONF, select_stages
from harness.search.select import STRATEGIES
from harness.settings import BudgetSettings, LlmSettings, PromptSettings, ProposerSettings, SearchSettings, Settings
from prompts.catalog import load_stages

REFERENCE = "class Model:\n    pass\n\n\ndef get_inputs():\n    return []\n\n\ndef get_init_inputs():\n    return []\n"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HARNESS_HOME", "HARNESS_STORE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path / "runs"))
    monkeypatch.setenv("HARNESS_STORE_URL", "")
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")


def load(*words: str) -> Settings:
    return config.load(["evaluator.device=none", "gpu=rtx4090", *words])


def of_file(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((config.APPLICATION / name).read_text())
    return found


def test_the_files_say_what_the_types_say() -> None:
    run = of_file("run.yaml")
    assert LlmSettings.model_validate(run["llm"]) == LlmSettings()
    assert PromptSettings.model_validate(run["prompt"]) == PromptSettings()
    assert BudgetSettings.model_validate(run["budget"]) == BudgetSettings()
    assert SearchSettings.model_validate(of_file("search/default.yaml")) == SearchSettings()
    assert ProposerSettings.model_validate(of_file("proposer/auto.yaml")) == ProposerSettings()
    assert EvaluatorSettings.model_validate(of_file("evaluator/default.yaml")) == EvaluatorSettings()


def test_every_key_of_the_types_can_be_set() -> None:
    keys = resolution.known_keys()
    assert {"task", "search.min_gain", "evaluator.limits.total_s", "store.root", "llm.api_key_env"} <= set(keys)
    assert "proposer.reason" not in keys
    assert not [key for key in keys if key.endswith("api_key")]


def test_the_default_is_the_job_of_the_readme() -> None:
    settings = load()
    assert settings.task.name == "convtranspose_layernorm_gelu"
    assert [stage.name for stage in settings.stages] == ["finetune"]
    assert settings.proposer.kind == "rules"
    assert "OPENAI_API_KEY" in settings.proposer.reason
    assert settings.device == ""


@pytest.mark.parametrize("name", task_names(config.CONF))
def test_every_bundled_task_resolves(name: str) -> None:
    assert load(f"task={name}").task.start


def test_a_task_by_path(tmp_path: Path) -> None:
    file = tmp_path / "odd (name), really.py"
    file.write_text(REFERENCE)
    settings = load(f"task={file}")
    assert settings.task.reference == REFERENCE
    assert settings.task.path == file
    assert settings.draft is not None


def test_stages_as_word_list_and_all() -> None:
    assert [stage.name for stage in load("stage=tiling,finetune").stages] == ["tiling", "finetune"]
    assert [stage.name for stage in load("stage=[memory,grid]").stages] == ["memory", "grid"]
    everything = [stage.name for stage in load("stage=all").stages]
    assert set(everything) >= {"grid", "tiling", "memory", "finetune"}
    assert not {"repair", "draft"} & set(everything)
    assert [stage.name for stage in load("stage=draft,all").stages] == ["draft", *everything]
    assert [stage.name for stage in load("stage=finetune,grid,finetune").stages] == ["finetune", "grid", "finetune"]


def test_other_targets_are_named_and_do_not_make_another_run() -> None:
    settings = load("gpu=h100", "evaluator.also=[rtx4090,h100,rtx4090]")

    assert [gpu.name for gpu in settings.also] == ["rtx4090"]
    assert settings.key == load("gpu=h100").key
    with pytest.raises(UsageError, match="no GPU called 'rtx490'") as caught:
        load("evaluator.also=[rtx490]")
    assert "rtx4090" in caught.value.remedy


def test_a_stage_that_says_nothing_about_the_task() -> None:
    stages = load_stages(CONF)
    fused = stages["grid"].model_copy(update={"single": None, "network": None})

    with pytest.raises(UsageError, match="Stage grid has nothing to say about a single task"):
        select_stages(["tiling", "grid"], stages | {"grid": fused}, "single")
    assert select_stages("grid", stages | {"grid": fused}, "fusion") == (fused,)


def test_groups_and_keys_override() -> None:
    settings = load("search=quick", "search.patience=5", "evaluator=thorough", "budget.usd=null")
    assert settings.search.rounds == 3
    assert settings.search.patience == 5
    assert settings.evaluator.draws == 8
    assert settings.evaluator.timer.block_ms == EvaluatorSettings().timer.block_ms
    assert settings.budget.usd is None


@pytest.mark.parametrize(
    ("word", "said", "near"),
    [
        ("stage=finetun", "finetun", "finetune"),
        ("stage=grid,tilling", "tilling", "tiling"),
        ("task=sofmax", "sofmax", "softmax"),
        ("gpu=rtx490", "rtx490", "rtx4090"),
        ("proposer=rule", "rule", "rules"),
        ("search.ronds=3", "search.ronds", "search.rounds"),
        ("tolerance=strickt", "strickt", "strict"),
        ("category=fuson", "fuson", "fusion"),
        ("prompt.omit=[rules,histroy]", "histroy", "history"),
    ],
)
def test_unknown_names_are_usage_errors_with_the_near_one(word: str, said: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(word)
    assert said in caught.value.problem
    assert near in caught.value.remedy


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("search.rounds=many", "search.rounds"),
        ("fresh=perhaps", "fresh"),
        ("evaluator.limits.total_s=soon", "evaluator.limits.total_s"),
        ("search.rounds=[1", "search.rounds"),
        ("budget={usd:1,eur:2}", "eur"),
    ],
)
def test_values_that_do_not_fit_are_usage_errors(word: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load(word)


@pytest.mark.parametrize("text", ["def Model(:\n", "class Model: pass\n"])
def test_a_file_that_is_no_reference(tmp_path: Path, text: str) -> None:
    file = tmp_path / "reference.py"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"reference\.py"):
        load(f"task={file}")


def test_a_key_or_a_server_makes_the_model_the_proposer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    assert load().proposer.kind == "llm"
    assert load("proposer=rules").proposer.kind == "rules"
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert "OPENAI_BASE_URL" in load().proposer.reason


def test_the_key_of_a_run_is_what_was_asked_for() -> None:
    key = load().key
    same = ("budget.usd=5", "fresh=true", "store.root=elsewhere", "hydra.verbose=true", "llm.api_key_env=OTHER")
    other = ("search.rounds=9", "stage=grid", "task=softmax", "gpu=h100", "llm.temperature=0.5", "tolerance=strict")
    assert [word for word in same if load(word).key != key] == []
    assert [word for word in other if load(word).key == key] == []


def test_parts_of_a_prompt_to_leave_out_are_a_set_and_part_of_the_key() -> None:
    assert load("prompt.omit=rules").prompt.omit == ("rules",)
    both = load("prompt.omit=rules,history")
    assert both.prompt.omit == ("history", "rules")
    assert both.key == load("prompt.omit=[history,rules,history]").key
    assert len({both.key, load().key, load("prompt.analysis=false").key}) == 3


def test_the_key_of_a_run_follows_the_sources_and_not_their_place(tmp_path: Path) -> None:
    first, second = tmp_path / "reference.py", tmp_path / "deeper" / "reference.py"
    second.parent.mkdir()
    first.write_text(REFERENCE)
    second.write_text(REFERENCE)
    key = load(f"task={first}").key
    assert load(f"task={second}").key == key
    second.write_text(REFERENCE + "\nN = 1\n")
    assert load(f"task={second}").key != key


def test_the_place_of_the_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert config.load_store(["store.root=a b"]).root == tmp_path / "a b"
    assert load("store.root=a b").store.root == tmp_path / "a b"
    monkeypatch.setenv("HARNESS_HOME", "there")
    assert config.load_store().root == load().store.root == tmp_path / "there"
    monkeypatch.delenv("HARNESS_HOME")
    assert config.load_store().root == tmp_path / "runs"
    monkeypatch.setenv("HARNESS_STORE_URL", "sqlite:///x.db")
    assert config.load_store().url == load().store.url == "sqlite:///x.db"


@pytest.mark.parametrize("name", ["quick", "thorough", "beam", "best_of_n", "evolution"])
def test_every_search_resolves_and_is_a_run_of_its_own(name: str) -> None:
    settings = load(f"search={name}", "proposer=llm", "llm.model=x")
    assert settings.search.strategy == (name if name in STRATEGIES else "greedy")
    assert settings.key != load("proposer=llm", "llm.model=x").key


def test_every_strategy_is_an_option() -> None:
    assert {"default" if name == "greedy" else name for name in STRATEGIES} <= set(config.groups()["search"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["search=beam", "search.width=0"], r"search\.width=0"),
        (["search=beam", "search.width=99"], r"search\.width=99 with search\.rounds=16"),
        (["search=evolution", "search.islands=99", "proposer=llm"], r"search\.islands=99 with search\.rounds=48"),
        (["search=evolution", "search.crossover=1.5"], r"search\.crossover=1\.5"),
        (["search=evolution", "proposer=rules"], "rules proposer"),
        (["search.strategy=beem"], "beem"),
        (["search.width=4"], r"search\.width=4 has no meaning for search\.strategy=greedy"),
        (["llm.models={a: 1, b: 0}"], "weight must be above 0"),
        (["llm.models={a: 1, b: nan}"], "weight must be above 0"),
        (["llm.models={a: 1}", "llm.model=c"], "has no weight"),
    ],
)
def test_an_impossible_search_is_refused_before_anything_runs(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load(*words)


def test_several_models_by_name_and_weight() -> None:
    settings = load('llm.models={gpt-5.1: 2, qwen/qwen3-coder: 1, "qwen3:8b": 3}')
    assert settings.llm.models == {"gpt-5.1": 2.0, "qwen/qwen3-coder": 1.0, "qwen3:8b": 3.0}
    assert load("llm.models.qwen=1").llm.models == {"qwen": 1.0}
