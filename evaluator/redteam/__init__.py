"""Cheats that apply to any task, and what becomes of them: does the evaluation of this task see them?

Sources are built as text from the task's reference and starting candidate, and run in the sandbox only.
"""

from evaluator.redteam.attack import Outcome, attack
from evaluator.redteam.cheats import Cheat, cheats
from evaluator.redteam.weakness import Weakness

__all__ = ["Cheat", "Outcome", "Weakness", "attack", "cheats"]
