"""One LoRA for each of many data sets, as Ray tasks: as many trainings at once as the cluster has room for.

    python train_adapters.py --model models/nano --out adapters --data sql=sql.jsonl --data math=math.jsonl --cpus 4 -- --steps 200

What stands behind `--` goes to `molora train-adapter`. A task that fails, or whose machine is lost, goes on from its last
checkpoint. Each machine reads the data and writes the adapters under the same paths (a shared file system).
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import ray


@ray.remote(max_retries=2)
def train(name: str, command: list[str]) -> dict:
    """Trains one adapter; the end of its output if that failed."""
    start = time.monotonic()
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        return {"name": name, "code": run.returncode, "error": (run.stderr + run.stdout)[-2000:]}
    result = json.loads(run.stdout)
    return {"name": name, "code": 0, "seconds": round(time.monotonic() - start, 1), "result": result}


def main() -> int:
    options, passed = arguments(sys.argv[1:])
    ray.init(address=options.address, log_to_driver=False, include_dashboard=False if options.address is None else None)
    tasks = {}
    for entry in options.data:
        name, _, path = entry.partition("=")
        out = Path(options.out) / name
        command = [*options.molora.split(), "train-adapter", "--model", options.model, "--data", path]
        command += ["--out", str(out), "--threads", str(max(1, int(options.cpus))), "--json", *passed]
        if (out / "checkpoint").exists():
            command.append("--resume")
        tasks[train.options(num_cpus=options.cpus, name=f"train {name}").remote(name, command)] = name
    failed = 0
    waiting = list(tasks)
    while waiting:
        [done], waiting = ray.wait(waiting, num_returns=1)
        try:
            report = ray.get(done)
        except ray.exceptions.RayError as error:
            report = {"name": tasks[done], "code": 1, "error": str(error)}
        failed += report["code"] != 0
        print(json.dumps(report), flush=True)
    return 1 if failed else 0


def arguments(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    own, passed = (argv[: argv.index("--")], argv[argv.index("--") + 1 :]) if "--" in argv else (argv, [])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="base model")
    parser.add_argument("--data", action="append", required=True, metavar="NAME=FILE.jsonl")
    parser.add_argument("--out", required=True, help="folder of adapters")
    parser.add_argument("--cpus", type=float, default=2, help="of one training")
    parser.add_argument("--molora", default="molora", help="how molora is started")
    parser.add_argument("--address", help="of a Ray cluster (default: one on this machine)")
    return parser.parse_args(own), passed


if __name__ == "__main__":
    sys.exit(main())
