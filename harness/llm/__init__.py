"""Talking to a language model: the client, what it costs, and how much may be spent."""
