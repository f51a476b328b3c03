"""What test/deploy/ray.slow.test.ts runs in a Python with Ray: the application on a Ray of its own, two replicas of nano.

Prints one JSON object with what it saw; the test judges.
"""

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["MOLORA_MOST_ADAPTERS"] = "3"
# Affinity is what is checked: on a busy machine Ray waits a tenth of a second for replicas, and takes any that answers.
os.environ["RAY_SERVE_QUEUE_LENGTH_RESPONSE_DEADLINE_S"] = "5"
os.environ["RAY_SERVE_MAX_QUEUE_LENGTH_RESPONSE_DEADLINE_S"] = "10"
os.environ["RAY_SERVE_MULTIPLEXED_MODEL_ID_MATCHING_TIMEOUT_S"] = "10"

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy" / "ray"))
os.environ["PYTHONPATH"] = str(ROOT / "deploy" / "ray")

import aiohttp  # noqa: E402
import ray  # noqa: E402
from molora_serve import app  # noqa: E402
from ray import serve  # noqa: E402

PORT = int(sys.argv[1])
ADAPTERS = ["sql", "math", "medical", "code"]
ARGS = {
    "model": str(ROOT / "models/nano"),
    "adapters": str(ROOT / "models/nano/adapters"),
    "command": f"node {ROOT / 'bin/molora.mjs'}",
    "flags": "--device cpu --threads 1",
    "cpus": "0.5",
}


def body(adapter: str, tokens: int, stream: bool = False) -> dict:
    model = f"nano:{adapter}" if adapter else "nano"
    return {"model": model, "prompt": "Go on.", "max_tokens": tokens, "temperature": 0, "ignore_eos": True, "stream": stream}


async def ask(session: aiohttp.ClientSession, request: dict) -> dict:
    start = time.time()
    async with session.post(f"http://127.0.0.1:{PORT}/v1/completions", json=request) as answer:
        got = await answer.json()
    text = got["choices"][0]["text"] if answer.status == 200 else json.dumps(got)
    return {
        "status": answer.status,
        "text": text,
        "replica": answer.headers.get("x-molora-replica"),
        "attempts": int(answer.headers.get("x-molora-attempts", "0")),
        "seconds": round(time.time() - start, 2),
    }


def processes(title: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cmdline").read_bytes().decode(errors="replace").startswith(title):
                found.append(int(folder.name))
        except OSError:
            pass
    return found


def running() -> int:
    return serve.status().applications["default"].deployments["Molora"].replica_states.get("RUNNING", 0)


async def until_running(fits, seconds: float) -> int:
    end = time.time() + seconds
    while not fits(running()) and time.time() < end:
        await asyncio.sleep(0.5)
    return running()


async def loaded(session: aiohttp.ClientSession) -> list[str]:
    async with session.get(f"http://127.0.0.1:{PORT}/v1/models") as answer:
        return [card["id"] for card in (await answer.json())["data"]]


async def check() -> dict:
    saw: dict = {}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600)) as session:
        serve.run(app({**ARGS, "replicas": "2"}))
        # Four adapters in turn, of which each replica may hold three: with affinity each is loaded once.
        asked = [(name, await ask(session, body(name, 8))) for _ in range(8) for name in ADAPTERS]
        saw["affinity"] = [[name, one["status"], one["replica"]] for name, one in asked]
        saw["texts"] = {name: sorted({one["text"] for other, one in asked if other == name}) for name in ADAPTERS}
        saw["base"] = (await ask(session, body("", 8)))["text"]
        saw["unknown"] = await ask(session, body("nothing", 8))
        saw["outside"] = await ask(session, body("../adapters/sql", 8))
        saw["models"] = await loaded(session)
        async with session.post(f"http://127.0.0.1:{PORT}/v1/completions", json=body("sql", 8, True)) as answer:
            saw["streamed"] = (await answer.text()).strip().split("\n")[-1]

        # One of two replicas is killed while both answer.
        whole = {name: (await ask(session, body(name, 250)))["text"] for name in ADAPTERS}
        asking = [asyncio.create_task(ask(session, body(name, 250))) for _ in range(4) for name in ADAPTERS]
        await asyncio.sleep(1.0)
        victims = processes("ray::ServeReplica:default:Molora")
        os.kill(victims[0], signal.SIGKILL)
        answers = await asyncio.gather(*asking)
        saw["killed"] = {
            "replicas": len(victims),
            "statuses": [one["status"] for one in answers],
            "right": all(one["text"] == whole[ADAPTERS[i % 4]] for i, one in enumerate(answers)),
            "retried": sum(one["attempts"] > 1 for one in answers),
            "replicas_after": await until_running(lambda count: count == 2, 180),
        }

        # Between one and three, by what is asked.
        serve.run(app({**ARGS, "replicas": "1-3", "target": "2", "up": "1", "down": "3"}))
        fewest = await until_running(lambda count: count == 1, 180)
        end = time.time() + 60
        most = fewest
        while time.time() < end and most < 2:
            load = [asyncio.create_task(ask(session, body(ADAPTERS[i % 4], 150))) for i in range(12)]
            while not all(task.done() for task in load):
                most = max(most, running())
                await asyncio.sleep(0.3)
        saw["scaled"] = {"from": fewest, "to": most, "back": await until_running(lambda count: count == 1, 180)}
        for name in ADAPTERS:
            await ask(session, body(name, 1))
        saw["kept"] = await loaded(session)
    return saw


def main():
    ray.init(num_cpus=4, _node_ip_address="127.0.0.1", include_dashboard=False, log_to_driver=False, configure_logging=False)
    serve.start(http_options={"host": "127.0.0.1", "port": PORT})
    try:
        print(json.dumps(asyncio.run(check())), flush=True)
    finally:
        serve.shutdown()
        ray.shutdown()


main()
