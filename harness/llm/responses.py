"""The responses interface: what is sent to it, and how its answers are read."""

from typing import Any

from harness.llm.answers import LENGTH, Answer, count_of, object_of, text_of
from harness.llm.questions import Question

_TEXT = ("response.output_text.delta", "response.refusal.delta")
_REASONING = ("response.reasoning_text.delta", "response.reasoning_summary_text.delta")
_LAST = ("response.completed", "response.incomplete", "response.failed")


def arguments(question: Question, made: frozenset[str], *, stream: bool) -> dict[str, Any]:
    """The request, without what the server refused before (`deviations.CONCESSIONS`)."""
    sent: dict[str, Any] = {
        "model": question.model,
        "input": [{"role": message.role, "content": message.text} for message in question.messages],
        "max_output_tokens": question.max_tokens,
    }
    if "no store" not in made:
        sent["store"] = False  # code is sent to be answered, not to be kept
    if question.temperature is not None and "no temperature" not in made:
        sent["temperature"] = question.temperature
    if stream and "no stream" not in made:
        sent["stream"] = True
    return sent


class ResponsesAnswer:
    """An answer in the making: pieces of text, and at the end the whole response, which counts where it is there."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._response: dict[str, Any] = {}

    @property
    def begun(self) -> bool:
        """True once something was written."""
        return bool(self._text or self._reasoning)

    @property
    def finished(self) -> bool:
        """True once the whole response was there."""
        return bool(self._response)

    def add(self, data: dict[str, Any]) -> bool:
        """Take in one event, or a whole body.

        Returns:
            False if it is nothing of this interface.
        """
        kind = data.get("type")
        if isinstance(data.get("output"), list):
            self._response = data
        elif kind in _LAST:
            self._response = object_of(data.get("response"))
        elif kind in _TEXT:
            self._text.append(text_of(data.get("delta")))
        elif kind in _REASONING:
            self._reasoning.append(text_of(data.get("delta")))
        return isinstance(data.get("output"), list) or isinstance(kind, str)

    def answer(self) -> Answer | None:
        """What came; None if there was no output at all."""
        if not self._response and not self.begun:
            return None
        usage = object_of(self._response.get("usage"))
        text, reasoning = self._items()
        return Answer(
            text=text or "".join(self._text),
            reasoning=reasoning or "".join(self._reasoning),
            finish_reason=self._finish_reason(),
            prompt_tokens=count_of(usage, "input_tokens", "prompt_tokens"),
            completion_tokens=count_of(usage, "output_tokens", "completion_tokens"),
            model=text_of(self._response.get("model")),
        )

    def _items(self) -> tuple[str, str]:
        """Text and reasoning of the whole response."""
        text: list[str] = []
        reasoning: list[str] = []
        output = self._response.get("output")
        for item in output if isinstance(output, list) else ():
            if not isinstance(item, dict):
                continue
            parts = [*_parts(item, "content"), *_parts(item, "summary")]
            into = reasoning if item.get("type") == "reasoning" else text
            into += [text_of(part.get("text")) or text_of(part.get("refusal")) for part in parts]
        return "".join(text), "".join(reasoning)

    def _finish_reason(self) -> str:
        if self._response.get("status") == "incomplete":
            reason = text_of(object_of(self._response.get("incomplete_details")).get("reason"))
            return LENGTH if reason in ("max_output_tokens", "") else reason
        return "stop" if self._response.get("status") == "completed" else ""


def _parts(item: dict[str, Any], name: str) -> list[dict[str, Any]]:
    parts = item.get(name)
    if isinstance(parts, str):
        return [{"text": parts}]
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
