"""Upsampling block: ConvTranspose3d, LayerNorm over the last dimension, GELU (erf), times a constant."""

import torch
from torch import nn

BATCH = 32
IN_CHANNELS = 32
OUT_CHANNELS = 64
DEPTH = 16
HEIGHT = 32
WIDTH = 32
KERNEL = 4
STRIDE = 2
PADDING = 1
NORMALIZED = (WIDTH - 1) * STRIDE - 2 * PADDING + KERNEL  # width of the convolution's output
EPS = 1e-5
SCALE = 0.75


class Model(nn.Module):
    def __init__(self, in_channels, out_channels, kernel, stride, padding, normalized, eps, scale):
        super().__init__()
        self.conv = nn.ConvTranspose3d(in_channels, out_channels, kernel, stride=stride, padding=padding)
        self.norm = nn.LayerNorm(normalized, eps=eps)
        self.scale = scale

    def forward(self, x):
        """(N, C, D, H, W) to (N, OUT_CHANNELS, 2D, 2H, 2W)."""
        return nn.functional.gelu(self.norm(self.conv(x))) * self.scale


def get_inputs():
    return [torch.randn(BATCH, IN_CHANNELS, DEPTH, HEIGHT, WIDTH)]


def get_init_inputs():
    return [IN_CHANNELS, OUT_CHANNELS, KERNEL, STRIDE, PADDING, NORMALIZED, EPS, SCALE]
