"""The clients strangers bring in Python, each as its own documentation sets it up, against a server that runs.

Usage: python_clients.py BASE_URL EXPECTED   (the text that nano:default gives greedily to QUESTION, whole)
Prints one JSON object a client: {"client": name, "error": null or a traceback}.
"""

import asyncio
import json
import os
import sys
import traceback
from typing import Literal

os.environ["OPENAI_AGENTS_DISABLE_TRACING"] = "1"
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

from pydantic import BaseModel

BASE_URL, EXPECTED = sys.argv[1:]
MODEL = "nano:default"
QUESTION = "How many singers are there?\nTable columns: age, name, singer"
MESSAGES = [{"role": "user", "content": QUESTION}]


class Answer(BaseModel):
    table: Literal["singer", "concert"]
    many: bool


TOOL = {"name": "query", "description": "Asks", "parameters": Answer.model_json_schema()}


def same(got, wanted):
    assert got == wanted, f"{got!r} is not {wanted!r}"


def openai_chat():
    from openai import BadRequestError, NotFoundError, OpenAI

    client = OpenAI(base_url=BASE_URL, api_key="none")
    create = client.chat.completions.create
    shared = {"model": MODEL, "messages": MESSAGES, "temperature": 0, "max_tokens": 400}
    whole = create(**shared, user="u", store=False, metadata={"a": "b"}, extra_body={"top_k": 0, "cache": {"a": 1}})
    same(whole.choices[0].message.content, EXPECTED)
    chunks = create(**shared, stream=True, stream_options={"include_usage": True})
    text, usage = "", None
    for chunk in chunks:
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
        usage = chunk.usage or usage
    same(text, EXPECTED)
    same(usage.completion_tokens, whole.usage.completion_tokens)
    parsed = client.chat.completions.parse(**{**shared, "model": "nano"}, response_format=Answer)
    assert isinstance(parsed.choices[0].message.parsed, Answer)
    tools = [{"type": "function", "function": TOOL}]
    called = create(**shared, tools=tools, tool_choice="required")
    call = called.choices[0].message.tool_calls[0]
    Answer.model_validate_json(call.function.arguments)
    back = [*MESSAGES, called.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "42"}]
    create(**{**shared, "messages": back, "max_tokens": 5}, tools=tools)
    legacy = client.completions.create(model="nano", prompt="Once upon a", max_tokens=3, echo=True, logprobs=2)
    assert legacy.choices[0].text.startswith("Once upon a")
    same(legacy.choices[0].logprobs.token_logprobs[0], None)
    for wrong, kind in [({"model": "gpt-5"}, NotFoundError), ({"temperature": 9000}, BadRequestError)]:
        try:
            create(**{**shared, **wrong})
            raise AssertionError(f"{wrong} was taken")
        except kind:
            pass


def openai_responses():
    from openai import OpenAI

    client = OpenAI(base_url=BASE_URL, api_key="none")
    shared = {"model": MODEL, "temperature": 0, "max_output_tokens": 400}
    whole = client.responses.create(**shared, input=QUESTION)
    same(whole.output_text, EXPECTED)
    same(whole.status, "completed")
    kinds = []
    text = ""
    for event in client.responses.create(**shared, input=QUESTION, stream=True):
        same(event.sequence_number, len(kinds))
        kinds.append(event.type)
        text += event.delta if event.type == "response.output_text.delta" else ""
    same(text, EXPECTED)
    same([kinds[0], kinds[-1]], ["response.created", "response.completed"])
    with client.responses.stream(**shared, input=QUESTION) as stream:
        for _ in stream:
            pass
        same(stream.get_final_response().output_text, EXPECTED)
    cut = client.responses.create(**{**shared, "max_output_tokens": 5}, input="And?", previous_response_id=whole.id)
    same([cut.status, cut.incomplete_details.reason], ["incomplete", "max_output_tokens"])
    parsed = client.responses.parse(**{**shared, "model": "nano"}, input=QUESTION, text_format=Answer)
    assert isinstance(parsed.output_parsed, Answer)
    tools = [{"type": "function", "strict": True, **TOOL}]
    called = client.responses.create(**shared, input=QUESTION, tools=tools, tool_choice="required")
    Answer.model_validate_json(called.output[0].arguments)


def litellm():
    import litellm

    litellm.telemetry = False
    shared = {"model": f"openai/{MODEL}", "messages": MESSAGES, "api_base": BASE_URL, "api_key": "none"}
    shared |= {"temperature": 0, "max_tokens": 400}
    same(litellm.completion(**shared, metadata={"a": "b"}, user="u").choices[0].message.content, EXPECTED)
    chunks = litellm.completion(**shared, stream=True)
    same("".join(chunk.choices[0].delta.content or "" for chunk in chunks), EXPECTED)
    tools = [{"type": "function", "function": TOOL}]
    called = litellm.completion(**shared, tools=tools, tool_choice="required")
    Answer.model_validate_json(called.choices[0].message.tool_calls[0].function.arguments)
    answered = litellm.completion(**{**shared, "model": "openai/nano"}, response_format=Answer)
    Answer.model_validate_json(answered.choices[0].message.content)


def langchain():
    from langchain_openai import ChatOpenAI

    for responses in (False, True):
        shared = {"base_url": BASE_URL, "api_key": "none", "temperature": 0, "use_responses_api": responses}
        model = ChatOpenAI(model=MODEL, max_tokens=400, **shared)
        same(model.invoke(QUESTION).text, EXPECTED)
        same("".join(chunk.text for chunk in model.stream(QUESTION)), EXPECTED)
        base = ChatOpenAI(model="nano", max_tokens=250, **shared)
        assert isinstance(base.with_structured_output(Answer, method="json_schema").invoke(QUESTION), Answer)
        assert isinstance(base.with_structured_output(Answer, method="function_calling").invoke(QUESTION), Answer)


def instructor():
    import instructor
    from openai import OpenAI

    for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA):
        client = instructor.from_openai(OpenAI(base_url=BASE_URL, api_key="none"), mode=mode)
        shared = {"model": "nano", "messages": MESSAGES, "temperature": 0, "max_tokens": 250, "max_retries": 0}
        assert isinstance(client.chat.completions.create(**shared, response_model=Answer), Answer)


def pydantic_ai():
    from pydantic_ai import Agent, NativeOutput
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(base_url=BASE_URL, api_key="none")
    settings = {"temperature": 0, "max_tokens": 400}
    for kind in (OpenAIChatModel, OpenAIResponsesModel):
        agent = Agent(kind(MODEL, provider=provider), model_settings=settings)
        same(agent.run_sync(QUESTION).output, EXPECTED)
        base = kind("nano", provider=provider)
        assert isinstance(Agent(base, output_type=Answer, model_settings=settings).run_sync(QUESTION).output, Answer)
        native = Agent(base, output_type=NativeOutput(Answer), model_settings=settings)
        assert isinstance(native.run_sync(QUESTION).output, Answer)


def openai_agents():
    from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool
    from openai import AsyncOpenAI

    asked = []

    @function_tool
    def query(table: Literal["singer", "concert"], many: bool) -> str:
        """Asks."""
        asked.append((table, many))
        return "42"

    async def go():
        client = AsyncOpenAI(base_url=BASE_URL, api_key="none")
        settings = ModelSettings(temperature=0, max_tokens=400)
        for kind in (OpenAIChatCompletionsModel, OpenAIResponsesModel):
            model = kind(model=MODEL, openai_client=client)
            plain = Agent(name="plain", model=model, model_settings=settings)
            same((await Runner.run(plain, QUESTION)).final_output, EXPECTED)
            streamed = Runner.run_streamed(plain, QUESTION)
            async for _ in streamed.stream_events():
                pass
            same(streamed.final_output, EXPECTED)
            required = ModelSettings(temperature=0, max_tokens=400, tool_choice="required")
            caller = Agent(name="caller", model=model, model_settings=required, tools=[query], output_type=Answer)
            assert isinstance((await Runner.run(caller, QUESTION)).final_output, Answer)
        same(len(asked), 2)

    asyncio.run(go())


for client in (openai_chat, openai_responses, litellm, langchain, instructor, pydantic_ai, openai_agents):
    try:
        client()
        error = None
    except BaseException:
        error = traceback.format_exc()
    print(json.dumps({"client": client.__name__, "error": error}), flush=True)
