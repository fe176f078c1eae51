"""Renders the prompt that a model is sent: templates in prompts/templates, data from the context."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateNotFound

from candidates.rules.tables import ALLOWED_MODULES, REFUSED_PATHS
from evaluator.errors import UsageError
from prompts import parts, quoting, standing, view
from prompts.context import PromptContext
from prompts.facts import collect
from prompts.stages import Facts
from prompts.triton_names import sort_out

TEMPLATES = Path(__file__).parent / "templates"
_KINDS = {"single": "single operator", "fusion": "fused operators", "network": "network of several layers"}
_MENDING = ("repair", "analysis")  # templates about code that failed

SHOWN_REFUSALS = (
    "torch.compile",
    "torch.jit",
    "torch.ops",
    "torch.utils",
    "torch.load",
    "torch.cuda.Stream",
    "torch.cuda.graph",
    "torch.set_float32_matmul_precision",
)
"""Of everything that the static rules refuse, what models reach for most; the rules name the rest when it occurs."""

__all__ = ["PromptContext", "environment", "render"]


def render(context: PromptContext, omit: Iterable[str] = ()) -> str:
    """The whole prompt, ending in an empty Python fence that the reply fills; only an analysis asks for no code.

    Args:
        context: what there is to show.
        omit: parts to leave out (`prompts.parts.OPTIONAL`).

    Raises:
        UsageError: an unknown part; the stage names a template that does not exist, or lacks what its template needs
            (a repair without a failure, an optimisation without current code).
    """
    left_out = parts.known(omit) - ({"reference"} if context.stage.template == "draft" else set())
    _require(context)
    try:
        template = environment().get_template(f"{context.stage.template}.j2")
    except TemplateNotFound as error:
        remedy = "Templates are optimize, draft, repair and analysis."
        raise UsageError(f"stage {context.stage.name} names the template {context.stage.template!r}", remedy) from error
    return template.render(parts.without(_variables(context), left_out), omit=left_out).strip("\n") + "\n"


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The template environment: undefined names are errors, nothing is escaped (prompts are not HTML)."""
    jinja = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for filter_ in (quoting.fenced, quoting.inline, quoting.clipped, quoting.trimmed, quoting.grouped):
        jinja.filters[filter_.__name__] = filter_
    return jinja


def _require(context: PromptContext) -> None:
    if context.stage.template in _MENDING and context.failure is None:
        raise UsageError("there is nothing to repair: no failed attempt was given", "Choose another stage.")
    if context.stage.template == "optimize" and not context.source.strip():
        raise UsageError(
            f"stage {context.stage.name} starts from code, and task {context.task.name} has none yet",
            "Run stage=draft first, or name a starting candidate.",
        )


def _variables(context: PromptContext) -> Mapping[str, Any]:
    section = context.stage.section(context.task.category)
    facts = _facts(context)
    lines, earlier = view.history_lines(context.history)
    return {
        "gpu": context.gpu,
        "stage": context.stage,
        "task": context.task,
        "kind": _KINDS[context.task.category],
        "example": "single" if context.task.category == "single" else "fusion",
        "section": section,
        "rules": [view.rule_view(rule, facts) for rule in section.rules],
        "facts": view.facts_used(section.rules, facts),
        "subject": view.subject(facts),
        "reference": context.task.reference,
        "source": context.source,
        "failure": context.failure,
        "failure_error": view.error_line(context.failure.verdict) if context.failure else "",
        "case": view.case(context.failure.verdict) if context.failure else "",
        "repeats": view.repeat_lines(context.failure, context.history),
        "analysis": context.analysis.strip(),
        "profile": context.profile,
        "counters": view.counters(context),
        "legend": view.legend(context),
        "missing": view.missing(context),
        "elsewhere": view.elsewhere(context.verdict),
        "static": view.static_facts(context.verdict.kernels if context.verdict else ()),
        "deltas": standing.delta_lines(facts, context.before, context.verdict, context.gpu),
        "board": standing.board_lines(context.board, context.verdict),
        "headroom": standing.headroom_lines(context.verdict, context.gpu),
        "time_line": view.time_line(context.verdict),
        "history": lines,
        "earlier": earlier,
        "operator": context.operator,
        "inspirations": view.versions(context.inspirations),
        "names": sort_out(context.api),
        "allowed_imports": sorted(ALLOWED_MODULES),
        "refused": {path: REFUSED_PATHS[path] for path in SHOWN_REFUSALS},
        "prefer_patch": context.prefer_patch and bool(context.source.strip()),
    }


def _facts(context: PromptContext) -> Facts:
    """For a repair, the facts of what failed; else those given, over what the verdict and the profile say."""
    if context.stage.template in _MENDING and context.failure is not None:
        return collect(context.failure.verdict, None, context.gpu)
    given = {name: value for name, value in context.facts.items() if value is not None}
    return collect(context.verdict, context.profile, context.gpu) | given
