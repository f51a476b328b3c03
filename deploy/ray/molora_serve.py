"""molora on Ray Serve: replicas of `molora serve` behind one OpenAI endpoint, adapters spread over them.

A request for `base:NAME` goes to a replica that holds the adapter NAME already, if one is free (Ray Serve's model
multiplexing); another loads it from the folder of adapters on first use and gives up the one it used longest ago.
Requests of a replica that dies are asked again of another, as long as nothing of an answer has been sent.

    serve run deploy.ray.molora_serve:app model=models/nano adapters=models/nano/adapters
"""

import asyncio
import ctypes
import json
import os
import secrets
import signal
import sys
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from ray import serve
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

MOST_ADAPTERS = int(os.environ.get("MOLORA_MOST_ADAPTERS", "32"))
"""Adapters that one replica keeps loaded; Ray Serve fixes it when the class is defined."""


PR_SET_PDEATHSIG = 1


def end_with_parent():
    """Has Linux end this process when the one that started it dies, however that comes about."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Unreachable(Exception):
    """A replica's molora cannot be reached, so that another may be asked."""


class Adapter:
    """An adapter that a replica has loaded; Ray Serve calls `__del__` when it gives way to another."""

    def __init__(self, url: str, token: str, name: str):
        self._call = (f"{url}/v1/unload_lora_adapter", token, name)
        self._loaded = True

    def __del__(self):
        if not self._loaded:
            return
        self._loaded = False
        url, token, name = self._call
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        body = json.dumps({"lora_name": name}).encode()
        try:
            urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10).close()
        except OSError:
            pass  # the server has ended, and its adapters with it


@serve.deployment(
    max_ongoing_requests=64,
    health_check_period_s=2,
    health_check_timeout_s=10,
    graceful_shutdown_timeout_s=30,
)
class Molora:
    """One `molora serve` of its own, on a port of this machine only."""

    def __init__(self, command: list[str], adapters: str):
        self._adapters = Path(adapters).resolve()
        self._token = secrets.token_hex(16)
        self._command = [*command, "--port", "0", "--json", "--adapter-root", str(self._adapters)]
        self._started = asyncio.ensure_future(self._start())
        self._process: asyncio.subprocess.Process | None = None

    async def _start(self) -> tuple[str, aiohttp.ClientSession]:
        environment = {**os.environ, "MOLORA_TOKEN": self._token}
        self._process = await asyncio.create_subprocess_exec(
            *self._command, env=environment, stdout=asyncio.subprocess.PIPE, preexec_fn=end_with_parent
        )
        line = await self._process.stdout.readline()
        if line == b"":
            raise RuntimeError(f"{' '.join(self._command)} ended with code {await self._process.wait()}")
        url = f"http://127.0.0.1:{json.loads(line)['port']}"
        return url, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=5))

    async def check_health(self):
        url, session = await self._started
        async with session.get(f"{url}/ready") as answer:
            if answer.status != 200:
                raise RuntimeError(f"/ready says {answer.status}: {await answer.text()}")

    @serve.multiplexed(max_num_models_per_replica=MOST_ADAPTERS)
    async def adapter(self, name: str) -> Adapter | None:
        """Loads an adapter of the folder. None: it is not one of the folder, and the server may know it or refuse it."""
        folder = (self._adapters / name).resolve()
        if not folder.is_relative_to(self._adapters) or not (folder / "adapter_config.json").is_file():
            return None
        url, session = await self._started
        body = {"lora_name": name, "lora_path": name, "load_inplace": True}
        headers = {"authorization": f"Bearer {self._token}"}
        async with session.post(f"{url}/v1/load_lora_adapter", json=body, headers=headers) as answer:
            if answer.status != 200:
                return None  # the request itself is answered with the reason
        return Adapter(url, self._token, name)

    async def forward(self, method: str, path: str, headers: dict, body: bytes) -> AsyncIterator[dict | bytes]:
        """First the status and the headers of the answer, then its body piece by piece."""
        url, session = await self._started
        try:
            name = serve.get_multiplexed_model_id()
            if name != "":
                await self.adapter(name)
            async with session.request(method, f"{url}{path}", data=body, headers=headers) as answer:
                replica = serve.get_replica_context().replica_id.unique_id
                kept = {"content-type": answer.content_type, "x-molora-replica": replica}
                for header in ("x-request-id", "retry-after", "x-molora-ignored"):
                    if header in answer.headers:
                        kept[header] = answer.headers[header]
                yield {"status": answer.status, "headers": kept}
                async for piece in answer.content.iter_any():
                    yield piece
        except aiohttp.ClientError as error:
            raise Unreachable(str(error)) from error

    def __del__(self):
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()


@serve.deployment(max_ongoing_requests=1024)
class Gateway:
    """Reads which adapter a request names, and asks a replica for it, another one when that fails."""

    FAILURES = (RayActorError, RayTaskError, DeploymentUnavailableError)

    def __init__(self, replicas: DeploymentHandle, attempts: int = 5):
        self._replicas = replicas
        self._attempts = attempts

    async def __call__(self, request: Request) -> Response:
        body = await request.body()
        wanted, streams = about(body)
        handle = self._replicas.options(multiplexed_model_id=wanted, stream=True)
        passed = ("content-type", "authorization", "x-request-id", "traceparent")
        headers = {name: request.headers[name] for name in passed if name in request.headers}
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        failure: Exception | None = None
        for attempt in range(self._attempts):
            try:
                pieces = aiter(handle.forward.remote(request.method, path, headers, body))
                head = await anext(pieces)
                # A whole answer is read before it is sent on, so that a replica may die in the middle of it.
                content = pieces if streams and head["status"] == 200 else b"".join([piece async for piece in pieces])
            except self.FAILURES as error:
                if isinstance(error, RayTaskError) and not isinstance(error.cause, Unreachable):
                    raise
                failure = error
                await asyncio.sleep(0.1 * 2**attempt)
                continue
            tell = StreamingResponse if streams and head["status"] == 200 else Response
            return tell(content, status_code=head["status"], headers=head["headers"] | {"x-molora-attempts": str(attempt + 1)})
        error = {"code": "connection_lost", "type": "server_error", "message": f"no replica answered: {failure}"}
        return JSONResponse({"error": error}, status_code=503)


def about(body: bytes) -> tuple[str, bool]:
    """Which adapter a body names ("" for none), and whether it asks for a stream."""
    try:
        request = json.loads(body)
        _, _, name = str(request.get("model", "")).partition(":")
        return name, request.get("stream") is True
    except (ValueError, AttributeError):
        return "", False  # the server says what is wrong with it


def app(args: dict[str, str]):
    """The application, for `serve run` and for serve's configuration files.

    `model`, `adapters`: folders. `replicas`: their number, or `fewest-most` to follow the load. `cpus`: of a replica.
    `command`: how molora is started. `flags`: more of them.
    """
    command = args.get("command", "molora").split() + ["serve", "--model", args["model"], *args.get("flags", "").split()]
    fewest, _, most = args.get("replicas", "2").partition("-")
    cpus = float(args.get("cpus", "1"))
    sized: dict = {"num_replicas": int(fewest)}
    if most:
        sized = {
            "autoscaling_config": {
                "min_replicas": int(fewest),
                "max_replicas": int(most),
                "target_ongoing_requests": float(args.get("target", "8")),
                "upscale_delay_s": float(args.get("up", "10")),
                "downscale_delay_s": float(args.get("down", "120")),
                "metrics_interval_s": 1,
                "look_back_period_s": 2,
            }
        }
    replicas = Molora.options(ray_actor_options={"num_cpus": cpus}, **sized).bind(command, args["adapters"])
    return Gateway.options(ray_actor_options={"num_cpus": 0.1}).bind(replicas)
