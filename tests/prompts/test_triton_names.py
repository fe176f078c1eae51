"""Names that Triton lacks come from the installed version, and from the same table as the static rules."""

from candidates.rules.language import INSTEAD
from candidates.rules.tables import REFUSED_PATHS
from evaluator.triton_api import TritonApi, names
from prompts.render import SHOWN_REFUSALS
from prompts.triton_names import sort_out


def test_sorted_by_what_there_is(api: TritonApi) -> None:
    found = sort_out(api)
    assert {"tanh", "gelu", "silu", "mish", "relu"} <= set(found.absent)
    assert {"sigmoid", "softmax", "erf"} <= set(found.present)
    assert not set(found.absent) & set(found.present)
    assert found.instead["gelu"] == INSTEAD["gelu"]
    assert "tanh" in found.libdevice


def test_another_version_another_answer(api: TritonApi) -> None:
    older = TritonApi(version="3.0.0", language=api.language - {"sigmoid"}, libdevice=frozenset())
    found = sort_out(older)
    assert "sigmoid" in found.absent
    assert found.libdevice == ()


def test_installed_triton() -> None:
    found = sort_out(names())
    assert {"tanh", "gelu", "silu", "mish"} <= set(found.absent)
    assert {"erf", "dot", "rsqrt"} <= set(found.present)


def test_refusals_that_are_shown_are_enforced() -> None:
    assert set(SHOWN_REFUSALS) <= REFUSED_PATHS.keys()
