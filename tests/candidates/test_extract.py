"""Replies of many shapes, as models write them, and the one module that each holds."""

import textwrap

import pytest

from candidates import identity
from candidates.extract import extract

MODULE = """\
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def double(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + at, tl.load(x_ptr + at, mask=at < n) * 2, mask=at < n)


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        double[(triton.cdiv(x.numel(), 128),)](x, y, x.numel(), BLOCK=128)
        return y
"""
OTHER = MODULE.replace("* 2", "* 3")
KERNEL, _, CLASS = MODULE.partition("\n\nclass ")
CLASS = "class " + CLASS

DOCUMENTED = MODULE.replace(
    "class ModelNew(nn.Module):\n",
    'class ModelNew(nn.Module):\n    """Doubles.\n\n```python\nModelNew()\n```\nand\n\n```\nx\n```\n"""\n\n',
)


def fence(code: str, tag: str = "python", mark: str = "```") -> str:
    return f"{mark}{tag}\n{code}{mark}\n"


FENCED = fence(MODULE)
EXCERPT = "class ModelNew(nn.Module):\n    pass\n"

SHAPES = {
    "one fence": f"Here it is:\n\n{FENCED}\nIt is fast.",
    "no tag": fence(MODULE, ""),
    "py tag": fence(MODULE, "py"),
    "capital tag with attributes": fence(MODULE, 'Python title="new.py"'),
    "attributes in braces": fence(MODULE, "{.python}"),
    "tildes": fence(MODULE, mark="~~~"),
    "four backticks": fence(MODULE, mark="````"),
    "no fence": MODULE,
    "no fence, prose around": f"Sure! The new module:\n\n{MODULE}\nThis should be faster, I think.\nGood luck!\n",
    "carriage returns": FENCED.replace("\n", "\r\n"),
    "byte-order mark": "\ufeff" + MODULE,
    "byte-order mark before a fence": "\ufeff" + FENCED,
    "indented fence": "1. The code:\n\n" + textwrap.indent(FENCED, "   ") + "\n2. Done.",
    "deeply indented fence": textwrap.indent(FENCED, "        "),
    "fence after a list marker": "- " + textwrap.indent(FENCED, "  ").lstrip(),
    "unclosed fence": f"Here:\n```python\n{MODULE}",
    "closing fence on a line of blanks": f"```python\n{MODULE}   ```  \nDone.",
    "reasoning, then a fence": f"<think>\nMaybe {fence(OTHER)} or not.\n</think>\n{FENCED}",
    "thinking on one line": f"<thinking>double it</thinking>{chr(10)}{FENCED}",
    "reasoning with attributes": f'<reasoning effort="high">\n{fence(OTHER)}\n</reasoning>\n{FENCED}',
    "reasoning opened by the chat template": f"Let me see.\n{fence(OTHER)}\n</think>\n\n{FENCED}",
    "reasoning twice": f"<think>a</think>\nNow.\n<think>\n{fence(OTHER)}</think>\n{FENCED}",
    "reasoning never closed": f"<think>\nI would write\n{FENCED}",
    "prose that mentions the tag": f"I don't use a <think> tag here.\n{FENCED}",
    "a first attempt, then a better one": f"{fence(OTHER)}\nThat is wrong; rather:\n{FENCED}",
    "the module, then how to use it": f"{FENCED}\nUse it so:\n{fence('model = ModelNew().cuda()' + chr(10))}",
    "the module, then an excerpt": f"{FENCED}\nThe important part:\n{fence(EXCERPT)}",
    "shell, then the module": f"{fence('pip install triton' + chr(10), 'bash')}\n{FENCED}",
    "kernel and class in two fences": f"The kernel:\n{fence(KERNEL)}\nThe class:\n{fence(CLASS)}",
    "output after the module": f"{FENCED}\n{fence('1.23 ms' + chr(10), 'text')}",
    "inline code with backticks": f"Use ```tl.dot``` here.\n{FENCED}",
    "a broken block after the module": f"{FENCED}\n{fence('class ModelNew(' + chr(10))}",
}


@pytest.mark.parametrize("reply", SHAPES.values(), ids=SHAPES.keys())
def test_the_module_is_found(reply: str) -> None:
    found = extract(reply)
    assert found.source is not None, found.problem
    assert identity.digest(found.source) == identity.digest(MODULE)
    assert found.how
    assert not found.problem


def test_fences_inside_a_docstring_do_not_end_the_block() -> None:
    found = extract(f"Here:\n{fence(DOCUMENTED)}\nand a note:\n{fence('model = ModelNew()' + chr(10))}")
    assert found.source == DOCUMENTED


def test_source_is_tidy() -> None:
    found = extract("```python\r\n" + MODULE.replace("\n", "\r\n") + "\r\n\r\n```")
    assert found.source == MODULE


def edit(old: str, new: str) -> str:
    return f"<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE\n"


LOAD = "    tl.store(y_ptr + at, tl.load(x_ptr + at, mask=at < n) * 2, mask=at < n)"
PATCHES = {
    "bare": edit(LOAD, LOAD.replace("* 2", "* 3")),
    "in a fence": fence("kernel.py\n" + edit(LOAD, LOAD.replace("* 2", "* 3")), "diff"),
    "after reasoning": "<think>" + edit("x", "y") + "</think>\n" + edit(LOAD, LOAD.replace("* 2", "* 3")),
    "two edits": edit("class ModelNew(nn.Module):", "class New(nn.Module):")
    + edit("class New(nn.Module):", "class ModelNew(nn.Module):")
    + edit(LOAD, LOAD.replace("* 2", "* 3")),
    "trailing blanks": edit(LOAD + "  ", LOAD.replace("* 2", "* 3")),
    "other indentation": edit(LOAD.strip(), LOAD.strip().replace("* 2", "* 3")),
    "indented markers": textwrap.indent(edit(LOAD, LOAD.replace("* 2", "* 3")), "  "),
    "more marks": edit(LOAD, LOAD.replace("* 2", "* 3")).replace("=======", "=========").replace("<<<<<<<", "<<<<<<<<"),
    "carriage returns": edit(LOAD, LOAD.replace("* 2", "* 3")).replace("\n", "\r\n"),
    "unified diff": fence(
        "--- a/k.py\n+++ b/k.py\n@@ -9,3 +9,3 @@ def double\n"
        "     at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)\n"
        f"-{LOAD}\n+{LOAD.replace('* 2', '* 3')}\n \n",
        "diff",
    ),
}


@pytest.mark.parametrize("reply", PATCHES.values(), ids=PATCHES.keys())
def test_a_patch_is_applied_to_the_current_code(reply: str) -> None:
    found = extract(reply, current=MODULE)
    assert found.source is not None, found.problem
    assert identity.digest(found.source) == identity.digest(OTHER)
    assert found.how.startswith("patch of")


def test_a_patch_can_delete_and_insert() -> None:
    head = "import torch.nn as nn"
    reply = edit(head, f"{head}\nimport math") + edit("import math\n", "")
    assert extract(reply, current=MODULE).source == MODULE


def test_replacement_is_shifted_with_the_indentation_that_was_off() -> None:
    reply = edit("y = torch.empty_like(x)", "y = torch.empty_like(x)\nif x.numel() == 0:\n    return y")
    found = extract(reply, current=MODULE)
    assert found.source is not None
    assert "        if x.numel() == 0:\n            return y\n" in found.source


def test_a_failing_patch_falls_back_on_a_whole_module() -> None:
    assert extract(edit("not there", "x") + FENCED, current=OTHER).source == MODULE


PROBLEMS = {
    "empty": ("", "", "reply is empty"),
    "blank": (" \n ", "", "reply is empty"),
    "prose": ("I can't do that.", "", "no code block"),
    "only reasoning": (f"<think>\n{FENCED}</think>\n", "", "nothing after its reasoning"),
    "cut off in reasoning": ("<think>\nLet me think about", "", "breaks off inside its reasoning"),
    "code only in closed reasoning": (f"<think>\n{FENCED}</think>\nDone.", "", "no code block"),
    "no ModelNew": (fence(KERNEL), "", "does not define class ModelNew"),
    "ModelNew only in a comment": (fence("# class ModelNew\nx = 1\n"), "", "does not define class ModelNew"),
    "cut off": ("```python\n" + MODULE[:-40] + "(\n", "", "cut off"),
    "syntax error": (fence(MODULE.replace("return y", "return (y")), "", "line 17: '(' was never closed"),
    "another language": (fence("__global__ void k() {}\n", "cuda"), "", "no Python code, only: cuda"),
    "patch without code": (edit("a", "b"), "", "no current code"),
    "patch that does not fit": (edit("nothing like it", "b"), MODULE, "search/replace block 1 can't be applied"),
    "second edit does not fit": (
        edit(LOAD, LOAD) + edit("nothing like it", "b"),
        MODULE,
        "search/replace block 2 can't be applied",
    ),
    "patch fits twice": (edit("import triton", "x"), MODULE + "import triton\n", "fits in 2 places"),
    "patch cut off": (f"<<<<<<< SEARCH\n{LOAD}\n=======\n    x", MODULE, "not complete"),
    "patch that breaks the code": (edit(LOAD, "    tl.store("), MODULE, "does not parse"),
    "patch that removes the class": (edit("class ModelNew(nn.Module):", "class M(nn.Module):"), MODULE, "ModelNew"),
    "empty search": (edit("", "x"), MODULE, "does not say which lines"),
    "diff that does not fit": (fence("@@ -1 +1 @@\n-nothing\n+x\n", "diff"), MODULE, "diff hunk 1 can't be applied"),
    "terminal escapes": (fence("class ModelNew\x1b[31m:\n"), "", "\\x1b[31m"),
}


@pytest.mark.parametrize(("reply", "current", "told"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_what_was_missing_is_said(reply: str, current: str, told: str) -> None:
    found = extract(reply, current)
    assert found.source is None
    assert told in found.problem
    assert found.problem.endswith((".", "!"))
    assert "\n" not in found.problem
    assert "\x1b" not in found.problem


def test_a_module_that_uses_unknown_names_is_still_handed_on() -> None:
    """The rules then say which names, with their lines."""
    found = extract(fence(MODULE.replace("import triton\n", "")))
    assert found.source is not None
    assert "not complete" in found.how


def test_many_fences_before_the_module() -> None:
    assert extract("```\n" * 3000 + FENCED).source == MODULE
