"""All cases, by class."""

from tests.adversarial import honest
from tests.adversarial.case import Case
from tests.adversarial.cheats import escape, memory, no_work, persistence, protocol, shortcuts, static, timing

_MODULES = (static, no_work, shortcuts, memory, timing, protocol, escape, persistence)

CHEATS: tuple[Case, ...] = tuple(case for module in _MODULES for case in module.CASES)
HONEST: tuple[Case, ...] = honest.CASES
ALL = CHEATS + HONEST
