import pytest

from harness.llm.faults import Fault, is_too_long

TOO_LONG = [
    # As servers say it: OpenAI (twice), vLLM (three), SGLang (two), llama.cpp's two servers, TGI, LM Studio, others.
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (904 in the messages)",
    "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
    "'max_tokens' is too large: 4000. This model's maximum context length is 4096 tokens",
    "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
    "Requested token count exceeds the model's maximum context length of 4096 tokens.",
    "the request exceeds the available context size. try increasing the context size or enable context shift",
    "Requested tokens (600) exceed context window of 512",
    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000",
    "Trying to keep the first 5000 tokens when context overflows. The model is loaded with context length of only 4096",
    "litellm.ContextWindowExceededError: this is a mock",
    "prompt is too long: 210000 tokens > 200000 maximum",
    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "Please reduce the length of the messages or completion.",
]
OTHERS = [
    "max_tokens is too large: 16384. This model supports at most 4096 completion tokens",
    "Invalid 'temperature': decimal above maximum value.",
    "The model `gpt-9` does not exist",
    "Rate limit reached for requests",
]


@pytest.mark.parametrize("message", TOO_LONG)
def test_a_prompt_that_is_too_long_is_recognised(message: str) -> None:
    assert is_too_long(Fault(message, 400))


@pytest.mark.parametrize("message", OTHERS)
def test_other_refusals_are_not_taken_for_it(message: str) -> None:
    assert not is_too_long(Fault(message, 400))


def test_codes_and_statuses_say_it_too() -> None:
    assert is_too_long(Fault("no", 400, "exceed_context_size_error"))
    assert is_too_long(Fault("Payload Too Large", 413))
    assert not is_too_long(Fault("Request too large: context length per minute", 429))
