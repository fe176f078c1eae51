"""Where candidates run: seeing, using and reaching only what they were given.

    Spec -> spawn -> Process
    probe -> Layers

Candidate code never runs outside of this. Nothing here knows what runs inside.
"""

from evaluator.sandbox.layers import probe, spawn
from evaluator.sandbox.paths import python_paths
from evaluator.sandbox.process import Process
from evaluator.sandbox.spec import REDUCED, Form, Layers, Spec

__all__ = ["REDUCED", "Form", "Layers", "Process", "Spec", "probe", "python_paths", "spawn"]
