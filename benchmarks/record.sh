#!/usr/bin/env bash
# What docs/results/ holds, measured anew on the GPU of this machine:
#
#   benchmarks/record.sh OUT [PART ...]
#
# OUT gets the JSON, the tables, a log of each part, and parts.txt: what each part was, how it ended and how long it took.
# A part that fails stops none of the others; `adversarial`, `timing` and `live` go on with what OUT holds. With a second GPU,
# half of the tasks run on each in the part `stages`; with CUDA_VISIBLE_DEVICES, two invocations can share a machine.
# PYTHON names the interpreter; STAGES holds more words for the runs of that part; MINUTES bounds each part.
set -uo pipefail
cd "$(dirname "$0")/.."
out=$(mkdir -p "${1:?usage: benchmarks/record.sh OUT [PART ...]}" && cd "$1" && pwd)
shift
python=${PYTHON:-.venv/bin/python}
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"

doctor() {
    $python -m harness doctor
    $python -m harness calibrate --json task=softmax store.root="$out/calibration" > "$out/calibrate.json"
}

tests() {
    $python -m pytest -m gpu -v -rfE -p no:cacheprovider --durations=15 \
        tests/evaluator tests/harness
}

stages() {
    local first=(convtranspose_layernorm_gelu softmax swiglu) second=(layernorm_gelu_scale rmsnorm matmul_bias_relu)
    local run="$python -m benchmarks.stages run" status=0
    if [ -z "${CUDA_VISIBLE_DEVICES:-}" ] && [ "$(nvidia-smi -L | wc -l)" -gt 1 ]; then
        CUDA_VISIBLE_DEVICES=0 $run --tasks "${first[@]}" --json "$out/stages-0.json" --folder "$out/runs-0" ${STAGES:-} &
        CUDA_VISIBLE_DEVICES=1 $run --tasks "${second[@]}" --json "$out/stages-1.json" --folder "$out/runs-1" ${STAGES:-} || status=$?
        wait $! || status=$?
    else
        $run --tasks "${first[@]}" "${second[@]}" --json "$out/stages-0.json" --folder "$out/runs-0" ${STAGES:-} || status=$?
    fi
    $python -m benchmarks.stages table "$out"/stages-?.json > "$out/stages.md" && return $status
}

replay() {
    # A whole run whose candidates all verified: the tuned start of the default task by rules.
    $python -m harness run stage=finetune proposer=rules store.root="$out/replayed" | tee "$out/replay-run.txt"
    local run
    run=$(sed -n 's/^run \([0-9a-f]\{8\}\)$/\1/p' "$out/replay-run.txt" | head -1)
    $python -m harness replay --run "$run" --json store.root="$out/replayed" > "$out/replay.json"
    $python - "$out/replay.json" <<'PY'
import json, sys
for each in json.load(open(sys.argv[1])):
    times = [each[side]["evidence"]["time_interval_ms"] for side in ("before", "after")]
    print(each["id"][:12], each["after"]["status"], each["within_interval"], *times)
PY
}

ncu() {
    $python -m tests.evaluator.oracle.record_ncu "$out/ncu"
}

bench() {
    $python -m benchmarks.bench --json "$out/bench.json"
}

timing() {
    $python -m benchmarks.record_timing "$out/timing.json" --pairs 16 --planted 8 --rounds 24 --sittings 12 &&
        $python -m benchmarks.resample_timing "$out/timing.json" --trials 2000 --markdown "$out/timing-tables.md"
}

live() {
    $python -m benchmarks.live_decisions "$out/live.json" --null 10 --planted 5 --markdown "$out/live-table.md"
}

adversarial() {
    $python -m tests.adversarial.table --gpu --json --rows "$out/adversarial.jsonl" > "$out/adversarial.json"
}

overlap() {
    $python -m benchmarks.overlap --latency 10 --in-flight 8 --rounds 48 --json "$out/overlap.json"
}

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(doctor tests stages ncu replay bench overlap adversarial timing live)
export out python
for part in "${parts[@]}"; do
    began=$(date +%s)
    export -f "$part"
    timeout "${MINUTES:-30}m" bash -uo pipefail -c "$part" > "$out/$part.log" 2>&1
    echo "$part: exit $?, $(($(date +%s) - began)) s" | tee -a "$out/parts.txt"
done
