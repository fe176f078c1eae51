"""`harness doctor`: what works on this machine, what does not, and what to do about it."""

from collections.abc import Sequence

from rich.text import Text

from candidates.text import neutralise
from harness import arguments, terminal
from harness.boundary import DONE, FAILED
from harness.checkup import Finding, examine
from harness.config import load_store

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def main(words: Sequence[str], debug: bool) -> int:
    """Look at everything; 3 if something fails that the work can't do without."""
    given, overrides = arguments.parse(arguments.parser("doctor"), words)
    findings = list(examine(load_store(overrides)))
    if given.json:
        terminal.print_json([finding.model_dump() for finding in findings])
    else:
        print_findings(findings)
    return FAILED if any(finding.state == "fail" for finding in findings) else DONE


def print_findings(findings: Sequence[Finding]) -> None:
    """One line each, with the remedy below where there is one."""
    console = terminal.stdout()
    for finding in findings:
        line = Text(f"{finding.state:<5}", style=STYLES[finding.state])
        line.append(neutralise(f"{finding.name:<16}{finding.found}"), style="default")
        console.print(line, soft_wrap=True)
        if finding.remedy:
            console.print(Text(neutralise(f"{'':<21}{finding.remedy}"), style="dim"), soft_wrap=True)
