"""From a model's reply to one module that parses and defines `ModelNew`.

What is looked at, in this order; the first that gives a module wins:

1. the reply without its reasoning (`<think>` ... `</think>` and the like);
2. search/replace blocks or a unified diff, applied to the current code;
3. the last fenced block that is a complete module: it parses, defines ModelNew, and uses no name that it neither
   defines nor imports. The last, because models correct themselves; complete, because the last block is often a
   quotation of the part that changed;
4. all Python blocks joined in their order, if that is a complete module (kernel and class in two blocks);
5. the last block that at least parses and defines ModelNew;
6. the reply as bare code, without any fence.

An unclosed fence reaches to the end of the reply. Reasoning that never ends is looked into only because nothing else
is there. Code that stands only inside closed reasoning was not given as the answer, and is not used.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from candidates import fences, patches, reasoning, syntax
from candidates.scopes import undefined

_CODE_STARTS = ("import ", "from ", "@", "class ", "def ", '"""', "'''")
_CUTS = 12  # lines of prose at most that are taken off the end of bare code, one at a time
_ASK = "Send the whole module, with its imports, kernels and class ModelNew, in one fenced python block."


@dataclass(frozen=True)
class Extraction:
    """`source` is the module, or None; then `problem` says in a sentence or two what was missing and what to send.

    `how` says where the module was found: "fenced block 2 of 3", "patch of 1 edit", "2 fenced blocks joined".
    """

    source: str | None
    problem: str = ""
    how: str = ""


def extract(reply: str, current: str = "") -> Extraction:
    """The module that a reply holds.

    Args:
        reply: what the model wrote.
        current: the code that a patch in the reply is meant for; empty if there is none.
    """
    text = reply.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    parts = reasoning.split(text)
    found = _from_answer(parts.answer, current)
    if found.source is not None or not parts.reasoning.strip():
        return found
    if not parts.ended:
        draft = _from_answer(parts.reasoning, current)
        if draft.source is not None:
            return Extraction(draft.source, how=f"{draft.how}, in reasoning that never ends")
        return Extraction(None, f"The reply breaks off inside its reasoning, before any code. {_ASK}")
    if not parts.answer.strip():
        return Extraction(None, f"The reply holds nothing after its reasoning. {_ASK}")
    return found


def _from_answer(answer: str, current: str) -> Extraction:
    blocks = fences.blocks(answer)
    edits = patches.edits(answer)
    patched = _patched(edits, current) if edits else None
    if patched and patched.source is not None:
        return patched
    modules = _modules(blocks) if blocks else _bare(answer)
    return next(modules, None) or patched or Extraction(None, _missing(answer, blocks))


def _patched(edits: tuple[patches.Edit, ...], current: str) -> Extraction:
    if not current.strip():
        return Extraction(None, f"The reply is a patch, but there is no current code to apply it to. {_ASK}")
    result = patches.apply(edits, syntax.tidy(current))
    if result.text is None:
        return Extraction(None, f"The patch failed: {result.problem} {_ASK}")
    problem = _shortcoming(result.text)
    if problem:
        return Extraction(None, f"The patch applies, but what comes out is not usable: {problem} {_ASK}")
    return Extraction(syntax.tidy(result.text), how=f"patch of {_count(len(edits), 'edit')}")


def _modules(blocks: tuple[fences.Block, ...]) -> Iterator[Extraction]:
    """The modules that the blocks give, best first."""
    usable = [(number, block) for number, block in enumerate(blocks, 1) if not _shortcoming(block.text)]
    for number, block in reversed(usable):
        if _complete(block.text):
            yield Extraction(syntax.tidy(block.text), how=_where(number, block, len(blocks)))
    parts = [block.text for block in blocks if block.is_python and _parsing_problem(block.text) is None]
    joined = "\n\n".join(_unique(part.strip("\n") for part in parts))
    if len(parts) > 1 and not _shortcoming(joined) and _complete(joined):
        yield Extraction(syntax.tidy(joined), how=f"{len(parts)} fenced blocks joined")
    for number, block in reversed(usable):
        yield Extraction(syntax.tidy(block.text), how=f"{_where(number, block, len(blocks))}, which is not complete")


def _bare(answer: str) -> Iterator[Extraction]:
    """The answer as code: from the first line that starts like code, less lines of prose at its end."""
    lines = answer.split("\n")
    starts = [number for number, line in enumerate(lines) if line.startswith(_CODE_STARTS)]
    for start in starts[:_CUTS]:
        code = lines[start:]
        for _ in range(_CUTS):
            text = "\n".join(code)
            if not _shortcoming(text):
                yield Extraction(syntax.tidy(text), how="the reply as bare code")
            problem = _parsing_problem(text)
            if problem is None or not 1 < problem.line <= len(code):
                break
            code = code[: problem.line - 1]


def _shortcoming(text: str) -> str:
    """Why a text is no candidate, one sentence; empty if it parses and defines ModelNew."""
    problem = _parsing_problem(text)
    if problem is not None:
        return f"it does not parse ({problem.problem})."
    if not syntax.defines_class(syntax.parse(text), "ModelNew"):
        return "it does not define class ModelNew."
    return ""


def _parsing_problem(text: str) -> syntax.Unparsed | None:
    try:
        syntax.parse(text)
    except syntax.Unparsed as problem:
        return problem
    return None


def _complete(text: str) -> bool:
    return not undefined(syntax.parse(text))


def _missing(answer: str, blocks: tuple[fences.Block, ...]) -> str:
    """What was wrong with an answer that gave no module."""
    if not answer.strip():
        return f"The reply is empty. {_ASK}"
    if not blocks:
        return f"The reply holds no code block, and it is not a Python module itself. {_ASK}"
    python = [block for block in blocks if block.is_python]
    if not python:
        languages = ", ".join(sorted({block.language for block in blocks}))
        return f"The reply holds no Python code, only: {languages}. {_ASK}"
    last = next((block for block in reversed(python) if "ModelNew" in block.text), python[-1])
    problem = _shortcoming(last.text)
    if not last.closed:
        return f"The code block is never closed, so the reply was probably cut off: {problem} {_ASK}"
    return f"No code block is a module that defines ModelNew; of the likeliest one: {problem} {_ASK}"


def _where(number: int, block: fences.Block, total: int) -> str:
    return f"fenced block {number} of {total}" + ("" if block.closed else ", never closed")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _unique(parts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(parts))
