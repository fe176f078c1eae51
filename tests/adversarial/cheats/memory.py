"""Candidates that hope for what lies in memory, or write where they may only read."""

from tests.adversarial.case import CAUGHT, VIOLATION, WRONG, Case, candidate, forwarding, replaced


def _case(name: str, source: str, by: str, **more: object) -> Case:
    given: dict[str, object] = {"expected": WRONG | VIOLATION}
    return Case(name, "memory", source, caught_by=by, **(given | more))  # type: ignore[arg-type]


CASES = (
    _case(
        "uninitialised output",
        candidate(kernel=replaced("result, mask=mask)", "result, mask=mask & (columns < 0))")),
        "comparison with float64 truth",
    ),
    _case(
        "an output that is never touched",
        candidate(after="return torch.empty_like(out)"),
        "memory of the worker's allocator filled with patterns",
    ),
    _case(
        "the input is overwritten",
        candidate(after="x.zero_()\nreturn out"),
        "inputs compared with regenerated ones",
        expected=VIOLATION,
        said="input 0 was changed",
    ),
    _case(
        "the output is the input's memory",
        forwarding(
            "scaled_relu[(x.shape[0],)](x, self.gain, self.shift, x, x.shape[1], self.factor, BLOCK=1024)\nreturn x"
        ),
        "inputs compared with regenerated ones",
        expected=VIOLATION,
    ),
    _case(
        "one element of the input is nudged",
        candidate(after="x[0, 0] += 1e-7 + x[0, 0].abs() * 1e-6\nreturn out"),
        "inputs compared with regenerated ones",
        expected=VIOLATION,
    ),
    _case(
        "the input is cleared wherever it lies elsewhere than at first",
        candidate(
            "elsewhere = self.calls and x.data_ptr() != self.place\n"
            "self.calls, self.place = 1, self.place if self.calls else x.data_ptr()",
            "if elsewhere:\n    x.zero_()\nreturn out",
            init="self.place = 0",
        ),
        "inputs of timed forwards compared with regenerated ones",
        expected=VIOLATION,
        shows="gpu",
    ),
    _case(
        "a view of an earlier output",
        candidate(
            "if self.calls == 0:\n    self.kept = torch.empty_like(x)",
            "self.calls = 1\nself.kept.copy_(out)\nreturn self.kept",
        ),
        "outputs alias earlier outputs",
        expected=VIOLATION,
    ),
    _case(
        "an output that changes after it was handed over",
        candidate(
            after="if x.data_ptr():\n    threading.Thread(target=self.spoil, args=(out,), daemon=True).start()\n"
            "    time.sleep(0.05)\nreturn out",
            head="import threading, time",
            more="\n    def spoil(self, out):\n        while True:\n            out.zero_()\n",
        ),
        "comparison of the oracle's copy",
        refused=True,
    ),
    _case(
        "the output as an expanded scalar",
        candidate(after="return out.mean().expand(x.shape)"),
        "comparison with float64 truth",
    ),
    _case(
        "reads beyond the input",
        candidate(kernel=replaced("x_ptr + row * width + columns, mask=mask)", "x_ptr + (row + 1) * width + columns)")),
        "comparison with float64 truth",
        expected=CAUGHT,
    ),
    _case(
        "writes beyond the output",
        candidate(
            kernel=replaced(
                "tl.store(out_ptr + row * width + columns, result, mask=mask)",
                "tl.store(out_ptr + row * width + columns, result)",
            )
        ),
        "bounds of every access (interpreter), comparison of later rows (device)",
        expected=CAUGHT,
    ),
)
