"""What the language model is told: stage data, the conditions in it, and the templates that render it."""
