"""Linear layer in float16, with bias and ReLU."""

import torch
from torch import nn

ROWS = 4096
IN_FEATURES = 2048
OUT_FEATURES = 4096


class Model(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.linear = nn.Linear(in_features, out_features, dtype=torch.float16)

    def forward(self, x):
        """(ROWS, IN_FEATURES) to (ROWS, OUT_FEATURES)."""
        return torch.relu(self.linear(x))


def get_inputs():
    return [torch.randn(ROWS, IN_FEATURES, dtype=torch.float16)]


def get_init_inputs():
    return [IN_FEATURES, OUT_FEATURES]
