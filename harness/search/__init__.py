"""Search strategies: from what, and how, the next candidate is made. None of them knows a GPU or a model."""
