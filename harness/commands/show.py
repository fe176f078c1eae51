"""`harness show ID`: everything that is known about one candidate."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from candidates.store import Step, Store, StoredVerdict
from candidates.text import neutralise
from evaluator.verdict import Profile
from harness import archive, arguments, terminal
from harness.config import load_store
from harness.reports import verdict as reports

PARTS = ("source", "prompt", "reply", "analysis")


def main(words: Sequence[str], debug: bool) -> int:
    """Print verdicts, profile, origin and source; prompt and reply when asked for."""
    parser = arguments.parser("show")
    parser.add_argument("id", metavar="ID", help="the beginning of a candidate's ID")
    for part in PARTS:
        parser.add_argument(f"--{part}", action="store_true", help=f"only the {part}, as it is but harmless to print")
    given, overrides = arguments.parse(parser, words)
    with archive.open_existing(load_store(overrides)) as store:
        digest = store.resolve(given.id)
        if given.json:
            terminal.print_json(as_json(store, digest))
            return 0
        parts = [part for part in PARTS if getattr(given, part)]
        for part in parts:
            print(neutralise(text_of(store, digest, part)))
        if not parts:
            show(store, digest, terminal.stdout())
    return 0


def origins(store: Store, digest: str) -> list[Step]:
    """The steps in which this very candidate was proposed, in order."""
    return [step for step in store.lineage(digest) if step.candidate == digest]


def text_of(store: Store, digest: str, part: str) -> str:
    """Its source, or the prompt or the reply that it came from; empty if it came from neither.

    An analysis, which a repair may come from, is shown whole: the question and the answer.
    """
    if part == "source":
        return store.source(digest)
    if part == "analysis":
        exchange = analysis_of(store, digest)
        return f"{exchange['prompt']}\n[REPLY]\n\n{exchange['reply']}" if exchange else ""
    hashes = [getattr(step, part) for step in origins(store, digest) if getattr(step, part)]
    return store.text(hashes[0]) if hashes else ""


def analysis_of(store: Store, digest: str) -> dict[str, str] | None:
    """What was asked and answered about the failure that this candidate repairs; None if nothing was."""
    step = next((step for step in origins(store, digest) if step.analysis_prompt), None)
    if step is None:
        return None
    reply = store.text(step.analysis_reply) if step.analysis_reply else ""
    return {"prompt": store.text(step.analysis_prompt), "reply": reply}


def profile_of(store: Store, found: StoredVerdict) -> Profile | None:
    """The profile that was taken along with a verdict."""
    return store.profile(found.digest, found.task_digest, found.fingerprint)


def as_json(store: Store, digest: str) -> dict[str, Any]:
    """The same for programs, prompt and reply included."""
    verdicts = []
    for found in store.verdicts(digest):
        profile = profile_of(store, found)
        verdicts.append(
            reports.as_json(found.verdict, digest)
            | {
                "fingerprint": found.fingerprint,
                "created": str(found.created),
                "profile": profile.model_dump(mode="json") if profile else None,
            }
        )
    steps = origins(store, digest)
    return {
        "id": digest,
        "source": store.source(digest),
        "parents": list(dict.fromkeys(parent for step in steps for parent in step.parents)),
        "verdicts": verdicts,
        "proposals": [step.model_dump(mode="json", exclude={"verdict"}) for step in steps],
        "prompt": text_of(store, digest, "prompt") or None,
        "reply": text_of(store, digest, "reply") or None,
        "analysis": analysis_of(store, digest),
    }


def show(store: Store, digest: str, console: Console) -> None:
    """Print it for people."""
    console.print(Text(f"candidate {digest}", style="bold"), soft_wrap=True)
    verdicts = store.verdicts(digest)
    if not verdicts:
        console.print("It was never evaluated.")
    for found in verdicts:
        console.print()
        reports.print_verdict(found.verdict, console)
        console.print(Text(f"found     {found.created} under {found.fingerprint}", style="dim"), soft_wrap=True)
        if profile := profile_of(store, found):
            print_profile(profile, console)
    for step in origins(store, digest):
        print_origin(step, console)
    console.print()
    source = neutralise(store.source(digest))
    if console.is_terminal:
        console.print(Syntax(source, "python", background_color="default", word_wrap=True))
    else:
        print(source)


def print_profile(profile: Profile, console: Console) -> None:
    """Metrics by kernel, what is missing, and why."""
    console.print(Text(neutralise(f"profile   by {profile.source}. {profile.reason}".rstrip())), soft_wrap=True)
    for note in profile.notes:
        console.print(Text(neutralise(f"  {note}")), soft_wrap=True)
    for kernel, absent in profile.missing_of.items():
        console.print(Text(neutralise(f"  not there for {kernel}: {', '.join(absent)}")), soft_wrap=True)
    for kernel, metrics in profile.kernels.items():
        console.print(Text(neutralise(f"  {kernel}")), soft_wrap=True)
        for name, value in metrics.items():
            console.print(Text(neutralise(f"    {name:<70} {value:.6g}")), soft_wrap=True)


def print_origin(step: Step, console: Console) -> None:
    """Who proposed it, from what, and what was decided."""
    parent = f" from {step.parent[:12]}" if step.parent else ""
    model = f" ({step.model})" if step.model else ""
    said = f"origin    {step.stage} {step.round}, {step.kind} by {step.proposer}{model}{parent}: {step.change or '—'}"
    console.print()
    console.print(Text(neutralise(said)), soft_wrap=True)
    console.print(Text(neutralise(f"          {step.decision}. {step.note}".rstrip())), soft_wrap=True)
    if step.prompt or step.reply:
        also = "--analysis, " if step.analysis_prompt else ""
        console.print(Text(f"          {also}--prompt and --reply print what it came from", style="dim"))
