"""The worked examples in prompts compute what their references compute.

They are this project's own code, not candidates, so they run in a plain child process: Triton's interpreter has to be
chosen before Triton is imported.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from prompts.render import environment

COMPARE = """
import torch
from module import ModelNew
from reference import Model
torch.manual_seed(0)
for arguments, shape in {cases}:
    model, new = Model(*arguments), ModelNew(*arguments)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    print(new.load_state_dict(model.state_dict()))
    x = torch.randn(shape)
    expected, got = model(x), new(x)
    assert got.shape == expected.shape and got.dtype == expected.dtype
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
"""
CASES: dict[str, list[tuple[list[int], tuple[int, ...]]]] = {
    "single": [([], (5, 300)), ([], (2, 3, 1500)), ([], (1, 1))],
    "fusion": [([16, 24], (10, 16)), ([3, 1], (7, 3)), ([8, 200], (11, 8))],
}


@pytest.mark.parametrize("category", ["single", "fusion"])
def test_example_matches_its_reference(category: str, tmp_path: Path) -> None:
    for name, template in (("module", category), ("reference", f"{category}_reference")):
        text = environment().get_template(f"examples/{template}.j2").render()
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    (tmp_path / "compare.py").write_text(COMPARE.format(cases=CASES[category]), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "compare.py"],
        cwd=tmp_path,
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("All keys matched") == len(CASES[category])
