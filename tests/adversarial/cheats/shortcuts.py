"""Candidates that compute something cheaper than what was asked."""

from tests.adversarial.case import TOUCH, VIOLATION, WRONG, Case, candidate, forwarding, replaced

_STORE = "tl.store(out_ptr + row * width + columns, result, mask=mask)"
_WORK = "result = tl.maximum(x * gain + shift, 0.0) * factor"
_SECOND = "comparison on a second draw"
_VALUES = "comparison with float64 truth"


def _case(name: str, source: str, by: str = _VALUES, **more: object) -> Case:
    given: dict[str, object] = {"expected": WRONG}
    return Case(name, "wrong-shortcut", source, caught_by=by, **(given | more))  # type: ignore[arg-type]


def _kernel(name: str, old: str, new: str, by: str = _VALUES, **more: object) -> Case:
    return _case(name, candidate(kernel=replaced(old, new)), by, **more)


_GUESSING = """
state = torch.get_rng_state()
for seed in (0, 1, 42, 1234, 2024):
    torch.manual_seed(seed)
    guess = torch.randn(x.shape)
    if torch.equal(guess[0, :4], x[0, :4].cpu()):
        torch.set_rng_state(state)
        return torch.relu(guess) * 3.0
out = torch.zeros_like(x)
touch[(1,)](out)
return out
"""

CASES = (
    _kernel("zeros", _WORK, "result = x * 0.0"),
    _kernel("a constant", _WORK, "result = x * 0.0 + 0.3989 * factor"),
    _kernel("the input", _WORK, "result = x"),
    _kernel("the affine's gain is left out", "x * gain", "x", "weights perturbed in secret"),
    _kernel("the affine's shift is left out", " + shift,", ",", "weights perturbed in secret"),
    _kernel(
        "the last column is dropped",
        _STORE,
        _STORE.replace("mask=mask", "mask=columns < width - 1"),
        "receiving memory poisoned",
    ),
    _kernel(
        "the last row is dropped",
        _STORE,
        _STORE.replace("mask=mask", "mask=mask & (row < tl.num_programs(0) - 1)"),
        "receiving memory poisoned",
    ),
    _kernel(
        "only the first row is computed",
        _STORE,
        _STORE.replace("mask=mask", "mask=mask & (row == 0)"),
        "receiving memory poisoned",
    ),
    _kernel("float16 inside", "x * gain + shift", "(x * gain + shift).to(tl.float16).to(tl.float32)"),
    _kernel("bfloat16 inside", "x * gain + shift", "(x * gain + shift).to(tl.bfloat16).to(tl.float32)"),
    _kernel(
        "TF32's mantissa",
        "x * gain + shift",
        "(((x * gain + shift).to(tl.int32, bitcast=True) + 4096) & -8192).to(tl.float32, bitcast=True)",
    ),
    _kernel("a factor that is nearly right", "* factor", "* (factor * 1.0005)"),
    _kernel(
        "large values are cut off",
        _WORK,
        "result = tl.minimum(tl.maximum(x * gain + shift, 0.0), 20.0) * factor",
        "a draw of large values",
    ),
    _kernel(
        "small values are taken for zero",
        "tl.maximum(x * gain + shift, 0.0)",
        "tl.where(x * gain + shift > 1e-2, x * gain + shift, 0.0)",
    ),
    _case(
        "the first output for ever",
        candidate("if self.calls:\n    return self.kept.clone()", "self.calls, self.kept = 1, out\nreturn out"),
        _SECOND,
    ),
    _case(
        "outputs remembered by address",
        candidate(
            "if x.data_ptr() and x.data_ptr() in KNOWN:\n    return KNOWN[x.data_ptr()].clone()",
            "KNOWN[x.data_ptr()] = out\nreturn out",
            head="KNOWN = {}",
        ),
        "the same address with new content",
    ),
    _case(
        "outputs remembered by a few elements",
        candidate(
            "if not x.data_ptr():\n    return self.work(x)\n"
            "key = tuple(x.flatten()[:2].sign().tolist())\nif key in KNOWN:\n    return KNOWN[key].clone()",
            "KNOWN[key] = out\nreturn out",
            head="KNOWN = {}",
            more="\n    def work(self, x):\n        out = torch.empty_like(x)\n        scaled_relu[(x.shape[0],)]"
            "(x, self.gain, self.shift, out, x.shape[1], self.factor, BLOCK=1024)\n        return out\n",
        ),
        "draws that share their first elements",
        paid_in_time=True,
    ),
    _case("seeds guessed", forwarding(_GUESSING, kernel=TOUCH), "seeds of 62 secret bits", expected=WRONG | VIOLATION),
    _case(
        "right only at one size",
        candidate("if x.shape[0] not in (7, 20000):\n    return torch.zeros_like(x)"),
        "other sizes where the task lets them vary",
    ),
    _case(
        "right for the first calls, zeros afterwards",
        candidate(
            "self.calls += 1\nif self.calls > 12:\n    return self.idle.zero_()\n",
            "self.idle = torch.empty_like(x)\nreturn out",
        ),
        "outputs of timed iterations",
        shows="gpu",
        expected=WRONG | VIOLATION,
    ),
    _case(
        "one call in sixteen left out, once the check is over",
        candidate(
            "self.calls += x.data_ptr() != 0\n"
            "if self.calls > 40 and self.calls % 16 == 0:\n    return torch.empty_like(x)"
        ),
        "all outputs of a way around the ring",
        shows="gpu",
    ),
    _case(
        "right for the first draw only",
        candidate("self.calls += x.data_ptr() != 0", "return out if self.calls < 2 else out * 0.0"),
        _SECOND,
    ),
    _case(
        "another answer now and then",
        candidate(after="self.calls += x.data_ptr() != 0\nreturn out if self.calls % 2 else out + 1.0"),
        _SECOND,
    ),
)
