"""Record what Nsight Compute prints about real candidates: `python -m tests.evaluator.oracle.record_ncu FOLDER`.

On a machine with a GPU and counters that may be read. Each file holds all that profiler and worker printed in one
sandboxed run, as `read_profile` gets it: the default task; a kernel that is launched twice beside one that never is,
with a candidate that prints; and a metric that nobody has. What it recorded is kept in `ncu_recorded`, beside this
file, and read by `test_ncu_recorded`, whose docstring names the versions and whose values go with these very files.
"""

import hashlib
import sys
from pathlib import Path

from evaluator.catalog import load_gpus, load_task, load_tolerance
from evaluator.devices import choose, detect
from evaluator.oracle import ncu
from evaluator.oracle.ncu_table import DURATION
from evaluator.oracle.profiling import Profiler, own_kernels
from evaluator.request import EvaluatorSettings, Request
from evaluator.tasks import Task
from prompts.metrics import load_metrics
from tests.evaluator.candidates import KERNEL, MODEL, REFERENCE, candidate

CONF = Path(__file__).parents[3] / "conf"
ABSENT = "smsp__no_such_metric.sum"


def cases() -> dict[str, tuple[Task, str, tuple[str, ...]]]:
    """By name: task, source, and the metrics to ask for."""
    default = load_task("convtranspose_layernorm_gelu", CONF)
    tolerance = load_tolerance("standard", CONF)
    small = Task(name="scaled_relu", reference=REFERENCE, path=Path("scaled_relu.py"), tolerance=tolerance)
    launch = next(line for line in MODEL.splitlines() if "scaled_relu_kernel[" in line)
    twice = f'        print("\\"ID\\",\\"of the program\\"")\n{launch.replace("(rows,)", "(8,)")}\n{launch}'
    idle = KERNEL.replace("scaled_relu_kernel", "idle_kernel")
    metrics = (*load_metrics(), DURATION)
    return {
        "default": (default, default.start, metrics),
        "noisy": (small, candidate(MODEL.replace(launch, twice), kernel=KERNEL + idle), metrics),
        "absent": (small, candidate(), (DURATION, ABSENT)),
    }


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    target, program = choose("auto", load_gpus(CONF), detect(), "auto"), ncu.find("auto")
    if target.device is None or program is None:
        sys.exit("there is no GPU here, or no Nsight Compute")
    profiler = Profiler(EvaluatorSettings(), target.gpu, target.device)
    for name, (task, source, metrics) in cases().items():
        digest = hashlib.sha256(source.encode()).hexdigest()
        request = Request(source=source, digest=digest, task=task, target=target.gpu)
        output, code = profiler.run(request, ncu.command(program, metrics, own_kernels(source)))
        (folder / f"{name}.txt").write_text(output)
        print(f"{name}: exit code {code}, {len(output)} characters")


if __name__ == "__main__":
    main()
