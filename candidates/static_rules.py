"""Static rules: what is refused before a candidate is compiled, and why, in words that a model can act on.

A rule is a small function over the syntax tree; most of what there is to say about names is rows in
`candidates.rules.tables`. Nothing here searches source text, so comments and docstrings can say what they like.
"""

from collections.abc import Callable, Iterator

from candidates import syntax
from candidates.rules import access, language, output
from candidates.rules.finding import Finding, Language, Program

__all__ = ["RULES", "Finding", "check"]

RULES: tuple[Callable[[Program], Iterator[Finding]], ...] = (
    output.model,
    output.kernels,
    output.test_code,
    output.undefined_names,
    output.order,
    access.imports,
    access.references,
    access.changes,
    access.module_values,
    access.builtins,
    access.wrappers,
    access.attributes,
    access.dunder_names,
    access.bases,
    language.names,
    language.options,
)


def check(source: str, api: Language) -> tuple[Finding, ...]:
    """Everything the rules find in a candidate, in order of line; empty for a clean one.

    Args:
        source: the candidate's module.
        api: the names that the installed Triton offers; empty sets mean unknown, and nothing is said about them.
    """
    try:
        tree = syntax.parse(source)
    except syntax.Unparsed as problem:
        return (
            Finding(
                rule="syntax",
                line=problem.line,
                message=f"The module does not parse: {problem.problem}",
                remedy="Send the whole module as valid Python.",
            ),
        )
    program = Program(tree, api)
    found = {(finding.rule, finding.line, finding.message): finding for rule in RULES for finding in rule(program)}
    return tuple(sorted(found.values(), key=lambda finding: (finding.severity == "advice", finding.line)))
