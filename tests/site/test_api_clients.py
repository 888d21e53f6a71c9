"""Other people's programs against the running site: LangChain on the real vLLM, and tools with a scripted engine."""

from __future__ import annotations

import json
import re

import openai
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openai import OpenAI
from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionMessageParam
from openai.types.responses import FunctionToolParam
from openai.types.responses.response_input_param import FunctionCallOutput
from pydantic import SecretStr

from inference.harmony import visible_prompt
from tests.scripted_server import ScriptedServer, harmony, reply
from tests.site.conftest import ScriptedSite, new_key
from tests.site_process import SiteProcess

QUESTION = "What is the weather in Bonn?"
CALL = harmony(
    "<|channel|>analysis<|message|>I need the weather.<|end|><|start|>assistant"
    '<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{"city": "Bonn"}<|call|>'
)
WEATHER: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
LOOP = (
    "<|start|>assistant<|channel|>analysis<|message|>I need the weather.<|end|>"
    '<|start|>assistant<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{"city": "Bonn"}<|call|>'
)
"""What the model is told of it afterwards, before the result."""


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return "Sunny."


def is_told_of_the_loop(script: ScriptedServer) -> bool:
    """Whether the engine's newest prompt has the thinking, the call and, right after them, the result."""
    prompt = script.requests[-1]["prompt"]
    assert isinstance(prompt, list)
    _before, _loop, after = visible_prompt(prompt).partition(LOOP)
    return bool(re.match(r"<\|start\|>functions\.weather.*<\|message\|>Sunny\.<\|end\|><\|start\|>assistant$", after))


@pytest.fixture(scope="module")
def demo_key(demo_site: SiteProcess) -> str:
    return new_key(demo_site)


@pytest.fixture
def chain(demo_site: SiteProcess, demo_key: str) -> ChatOpenAI:
    return ChatOpenAI(
        base_url=f"{demo_site.url}/v1",
        api_key=SecretStr(demo_key),
        model="demo",
        temperature=0,
        max_retries=0,
        default_query={"wait": "60"},
        stream_usage=True,
    )


def test_langchain_gets_an_answer(chain: ChatOpenAI) -> None:
    answer = chain.invoke("What is 47 + 38?")
    assert "85" in answer.text
    assert answer.response_metadata["finish_reason"] == "stop"
    assert answer.usage_metadata
    assert answer.usage_metadata["output_tokens"] > 5


async def test_langchain_streams_it(chain: ChatOpenAI) -> None:
    pieces = [piece async for piece in chain.astream("What is 47 + 38?")]
    assert len(pieces) > 5
    assert "85" in "".join(piece.text for piece in pieces)
    assert sum(piece.usage_metadata["output_tokens"] for piece in pieces if piece.usage_metadata) > 5


def test_langchain_over_responses(chain: ChatOpenAI) -> None:
    assert "85" in chain.model_copy(update={"use_responses_api": True}).invoke("What is 47 + 38?").text


def test_langchain_raises_what_is_refused(chain: ChatOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="n"):
        chain.invoke("Hi", n=3)


def test_langchain_calls_a_tool(scripted_site: ScriptedSite) -> None:
    script = scripted_site.script
    script.enqueue(CALL)
    script.enqueue(reply("It is sunny.", "Sunny in Bonn."))
    chain = ChatOpenAI(
        base_url=f"{scripted_site.site.url}/v1", api_key=SecretStr(scripted_site.key), model="scripted"
    ).bind_tools([weather])
    asked = HumanMessage(QUESTION)
    called = chain.invoke([asked])
    assert isinstance(called, AIMessage)
    (call,) = called.tool_calls
    assert call["args"] == {"city": "Bonn"}
    answered = chain.invoke([asked, called, ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"])])
    assert answered.text == "Sunny in Bonn."
    assert is_told_of_the_loop(script)  # LangChain drops the thinking; the site has kept it


async def test_langchain_gathers_a_streamed_call(scripted_site: ScriptedSite) -> None:
    scripted_site.script.enqueue(CALL)
    chain = ChatOpenAI(
        base_url=f"{scripted_site.site.url}/v1", api_key=SecretStr(scripted_site.key), model="scripted"
    ).bind_tools([weather])
    whole: AIMessageChunk | None = None
    async for piece in chain.astream(QUESTION):
        assert isinstance(piece, AIMessageChunk)
        whole = piece if whole is None else whole + piece
    assert whole
    assert [call["args"] for call in whole.tool_calls] == [{"city": "Bonn"}]


def test_openais_client_takes_tools_round(scripted_site: ScriptedSite) -> None:
    script = scripted_site.script
    script.enqueue(CALL)
    script.enqueue(reply("It is sunny.", "Sunny in Bonn."))
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": QUESTION}]
    with OpenAI(base_url=f"{scripted_site.site.url}/v1", api_key=scripted_site.key, max_retries=0) as client:
        first = client.chat.completions.create(model="scripted", messages=messages, tools=[WEATHER])
        message = first.choices[0].message
        assert message.tool_calls
        (call,) = message.tool_calls
        assert call.type == "function"
        assert json.loads(call.function.arguments) == {"city": "Bonn"}
        messages += [message, {"role": "tool", "tool_call_id": call.id, "content": "Sunny."}]  # type: ignore[list-item]
        second = client.chat.completions.create(model="scripted", messages=messages, tools=[WEATHER])
    assert second.choices[0].message.content == "Sunny in Bonn."
    assert is_told_of_the_loop(script)


def test_openais_client_takes_tools_round_responses(scripted_site: ScriptedSite) -> None:
    script = scripted_site.script
    script.enqueue(CALL)
    script.enqueue(reply("It is sunny.", "Sunny in Bonn."))
    flat: FunctionToolParam = {"type": "function", "strict": False, **WEATHER["function"]}  # type: ignore[typeddict-item]
    with OpenAI(base_url=f"{scripted_site.site.url}/v1", api_key=scripted_site.key, max_retries=0) as client:
        with client.responses.stream(model="scripted", input=QUESTION, tools=[flat]) as stream:
            first = stream.until_done().get_final_response()
        (call,) = [item for item in first.output if item.type == "function_call"]
        assert json.loads(call.arguments) == {"city": "Bonn"}
        result: FunctionCallOutput = {"type": "function_call_output", "call_id": call.call_id, "output": "Sunny."}
        second = client.responses.create(model="scripted", input=[result], tools=[flat], previous_response_id=first.id)
    assert second.output_text == "Sunny in Bonn."
    assert is_told_of_the_loop(script)
