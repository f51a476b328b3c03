"""A client of `molora serve` in Python, with no more than `pip install websockets`.

python examples/websocket.py [ws://127.0.0.1:8080/v1/stream]
"""

import asyncio
import json
import sys

import websockets


async def main(url: str) -> None:
    async with websockets.connect(url, subprotocols=["molora.v1.json"]) as socket:
        request = {"type": "generate", "id": "1", "prompt": "How many singers are there?", "mixture": "default"}
        await socket.send(json.dumps({**request, "maxTokens": 24}))
        async for frame in socket:
            message = json.loads(frame)
            if message["type"] == "error":
                sys.exit(f"{message['code']}: {message['message']}")
            print(message.get("text", ""), end="", flush=True)
            if message["type"] == "done":
                print(f"\n{message['finishReason']}")
                return


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8080/v1/stream"))
