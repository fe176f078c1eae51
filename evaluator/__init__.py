"""Finds out what is true about one candidate kernel: does it compile, is it right, how fast is it.

Knows no language model, no SQL and no Hydra. The modules that run in the caller's process import neither torch nor
triton; those live in the oracle (`evaluator.oracle`) and in the sandboxed worker (`evaluator.inside`).
"""
