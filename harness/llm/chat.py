"""The chat completions interface: what is sent to it, and how its answers are read."""

from typing import Any

from harness.llm.answers import Answer, count_of, object_of, text_of
from harness.llm.questions import Question


def arguments(question: Question, made: frozenset[str], *, stream: bool) -> dict[str, Any]:
    """The request, without what the server refused before (`deviations.CONCESSIONS`)."""
    newer = "newer length limit" in made and "older length limit" not in made
    sent: dict[str, Any] = {
        "model": question.model,
        "messages": [{"role": message.role, "content": message.text} for message in question.messages],
        "max_completion_tokens" if newer else "max_tokens": question.max_tokens,
    }
    if question.temperature is not None and "no temperature" not in made:
        sent["temperature"] = question.temperature
    if stream and "no stream" not in made:
        sent["stream"] = True
        if "no usage" not in made:
            sent["stream_options"] = {"include_usage": True}
    return sent


class ChatAnswer:
    """An answer in the making. Only the first of several choices is read: asked for or not, one is what is needed."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._finish_reason = ""
        self._usage: dict[str, Any] = {}
        self._model = ""
        self._seen = False

    @property
    def begun(self) -> bool:
        """True once something was written."""
        return bool(self._text or self._reasoning)

    @property
    def finished(self) -> bool:
        """True once the server said why it stopped."""
        return bool(self._finish_reason)

    def add(self, data: dict[str, Any]) -> bool:
        """Take in one event, or a whole body, which differs only in what it calls the text.

        Returns:
            False if it is nothing of this interface.
        """
        self._usage = object_of(data.get("usage")) or self._usage  # at the end, with every event, or never
        self._model = text_of(data.get("model")) or self._model
        choices = data.get("choices")
        if not isinstance(choices, list):
            return "usage" in data or self._seen
        for choice in choices:
            if isinstance(choice, dict) and choice.get("index", 0) in (0, None):
                self._choice(choice)
        return True

    def _choice(self, choice: dict[str, Any]) -> None:
        message = choice.get("delta") if isinstance(choice.get("delta"), dict) else choice.get("message")
        if isinstance(message, dict):
            self._seen = True
            reasoning = text_of(message.get("reasoning_content")) or text_of(message.get("reasoning"))
            self._append(text_of(message.get("content")) or text_of(message.get("refusal")), reasoning)
        self._finish_reason = text_of(choice.get("finish_reason")) or self._finish_reason

    def _append(self, text: str, reasoning: str) -> None:
        if text:
            self._text.append(text)
        if reasoning:
            self._reasoning.append(reasoning)

    def answer(self) -> Answer | None:
        """What came; None if there was no message at all."""
        if not self._seen:
            return None
        return Answer(
            text="".join(self._text),
            reasoning="".join(self._reasoning),
            finish_reason=self._finish_reason,
            prompt_tokens=count_of(self._usage, "prompt_tokens", "input_tokens"),
            completion_tokens=count_of(self._usage, "completion_tokens", "output_tokens"),
            model=self._model,
        )
