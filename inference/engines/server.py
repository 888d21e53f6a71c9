"""The engine elsewhere: any vLLM server over HTTP, token ids both ways."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

import httpx

from inference.engine import (
    STOP_TOKEN_IDS,
    EngineFacts,
    Progress,
    ProgressListener,
    Sampling,
    Tokens,
    checked_prompt,
)
from inference.engines.completions import error_of, lines, tokens_of
from inference.errors import (
    EngineDiedError,
    EngineError,
    EngineFailedError,
    EngineNotReadyError,
    InferenceError,
    PromptError,
)

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
FIRST_TOKEN_SECONDS = 120.0
NEXT_TOKEN_SECONDS = 60.0
PROBE_SECONDS = 10.0
"""How often a server is asked whether it is still there; at once when a request failed."""

Result = TypeVar("Result")


@dataclass(slots=True)
class Request:
    """A running request. Its time limit doubles as the way to end it at once."""

    loop: asyncio.AbstractEventLoop
    limit: asyncio.Timeout | None = None
    is_ended: bool = False
    is_aborted: bool = False

    async def within(self, seconds: float, awaitable: Awaitable[Result]) -> Result:
        """Await for so long; raises TimeoutError then, or as soon as `end` is called."""
        async with asyncio.timeout(0 if self.is_ended else seconds) as self.limit:
            try:
                return await awaitable
            finally:
                self.limit = None

    def end(self) -> None:
        self.is_ended = True
        if self.limit:
            self.limit.reschedule(self.loop.time())


class ServerEngine:
    """One vLLM server. Every request has its own connection: dropping it is how a request is aborted."""

    def __init__(self, url: str, api_key: str, model: str) -> None:
        self._url = url.strip().rstrip("/").removesuffix("/v1")
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._configured_model = model
        self._facts = EngineFacts(model)
        self._client: httpx.AsyncClient | None = None
        self._is_healthy = False
        self._doubt = threading.Event()
        self._running: dict[str, Request] = {}

    # start and stop

    def start(self, on_progress: ProgressListener) -> EngineFacts:
        name = re.sub(r"//[^/@]*@", "//", self._url)
        on_progress(Progress("loading", f"Connecting to {name}"))
        self._facts = self._served()
        self._facts.details["server"] = name
        self._client = httpx.AsyncClient(
            headers=self._headers,
            timeout=httpx.Timeout(FIRST_TOKEN_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            trust_env=False,
        )
        self._is_healthy = True
        self._doubt = threading.Event()
        threading.Thread(target=self._probe, args=(self._client,), name="vllm-server-probe", daemon=True).start()
        return self._facts

    def _served(self) -> EngineFacts:
        """Ask the server for its models and return the one to use. Raises EngineFailedError."""
        where = f"The vLLM server at {re.sub(r'//[^/@]*@', '//', self._url)}"
        try:
            response = httpx.get(
                f"{self._url}/v1/models",
                headers=self._headers,
                timeout=httpx.Timeout(NEXT_TOKEN_SECONDS, connect=CONNECT_SECONDS),
                trust_env=False,
            )
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:  # the settings
            raise EngineFailedError(
                f"{where} cannot be asked: {error}", "Check VLLM_SERVER_URL and VLLM_SERVER_API_KEY."
            ) from error
        except httpx.HTTPError as error:  # the server or the network
            raise EngineFailedError(
                f"{where} cannot be reached: {str(error) or type(error).__name__}.",
                "Start it, or check VLLM_SERVER_URL.",
            ) from error
        if response.status_code in (401, 403):
            raise EngineFailedError(f"{where} refuses the key.", "Check VLLM_SERVER_API_KEY.")
        if response.status_code != httpx.codes.OK:
            raise EngineFailedError(
                f"{where} answers {response.status_code} to /v1/models.",
                "Check VLLM_SERVER_URL: is it a vLLM server?",
            )
        return _chosen(_models(response, where), self._configured_model, where)

    def _probe(self, client: httpx.AsyncClient) -> None:
        """Notice a server that went away while nobody asked it anything."""
        while self._client is client and self._is_healthy:
            self._doubt.wait(PROBE_SECONDS)
            self._doubt.clear()
            try:
                self._served()
            except EngineFailedError as error:
                if self._client is client:
                    logger.warning("%s", error)
                    self._is_healthy = False

    def is_healthy(self) -> bool:
        return self._is_healthy

    def stop(self) -> None:
        self._client = None
        self._is_healthy = False
        self._doubt.set()
        for request in list(self._running.values()):
            if request.loop.is_running():
                request.loop.call_soon_threadsafe(request.end)

    # requests

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, request_id: str
    ) -> AsyncGenerator[Tokens, None]:
        client = self._client
        if client is None:
            raise EngineNotReadyError("The engine is not running.")
        body = self._body(checked_prompt(prompt_ids), sampling)
        request = self._running[request_id] = Request(asyncio.get_running_loop())
        try:
            async with aclosing(self._stream(client, body, request)) as stream:
                async for tokens in stream:
                    yield tokens
        except PromptError:
            raise
        except EngineError:
            self._doubt.set()
            raise
        finally:
            self._running.pop(request_id, None)

    def _body(self, ids: list[int], sampling: Sampling) -> dict[str, object]:
        room = sampling.max_tokens
        if limit := self._facts.max_model_len:
            room = limit - len(ids)
        if room < 1:
            raise PromptError(f"The prompt has {len(ids):,} tokens; the engine takes less than {limit:,}.")
        body: dict[str, object] = {
            "model": self._facts.model,
            "prompt": ids,
            "max_tokens": min(sampling.max_tokens, room),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "stop_token_ids": list(STOP_TOKEN_IDS),
            "return_token_ids": True,
            "stream": True,
        }
        return body if sampling.seed is None else {**body, "seed": sampling.seed}

    async def _stream(
        self, client: httpx.AsyncClient, body: dict[str, object], request: Request
    ) -> AsyncGenerator[Tokens, None]:
        response: httpx.Response | None = None
        try:
            post = client.build_request("POST", f"{self._url}/v1/completions", json=body)
            response = await request.within(FIRST_TOKEN_SECONDS, client.send(post, stream=True))
            if response.status_code != httpx.codes.OK:
                raise _refusal(response.status_code, await request.within(CONNECT_SECONDS, response.aread()))
            async with aclosing(_tokens(response, request)) as stream:
                async for tokens in stream:
                    yield tokens
        except InferenceError:
            raise
        except TimeoutError as error:  # a person pressed Stop, the supervisor did, or the server is silent
            if not request.is_aborted:
                raise EngineDiedError("The vLLM server gave no answer in time.") from error
            yield Tokens((), "abort")
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:  # the server is gone
            raise EngineNotReadyError("The vLLM server cannot be reached. Try again in a moment.") from error
        except (httpx.HTTPError, httpx.StreamError) as error:  # the server or the network broke off
            raise EngineDiedError("The connection to the vLLM server broke.") from error
        finally:
            if response:
                await response.aclose()

    async def abort(self, request_id: str) -> None:
        request = self._running.get(request_id)
        if request:
            request.is_aborted = True
            request.end()


async def _tokens(response: httpx.Response, request: Request) -> AsyncGenerator[Tokens, None]:
    """Read the stream up to its finish reason; only tokens extend the time limit, keep-alives do not."""
    deadline = request.loop.time() + FIRST_TOKEN_SECONDS
    async with aclosing(lines(response.aiter_bytes())) as stream:
        while True:
            if request.is_ended:  # what is buffered already would be read without ever waiting
                raise TimeoutError
            line = await request.within(deadline - request.loop.time(), anext(stream, None))
            if line is None:
                raise EngineDiedError("The vLLM server broke off in the middle of the answer.")
            tokens = tokens_of(line)
            if tokens:
                yield tokens
                if tokens.finish_reason:
                    return
                deadline = request.loop.time() + NEXT_TOKEN_SECONDS


def _models(response: httpx.Response, where: str) -> dict[str, int | None]:
    """Return the names of the served models and their lengths."""
    try:
        models = {str(each["id"]): each.get("max_model_len") for each in response.json()["data"]}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise EngineFailedError(f"{where} does not answer like a vLLM server.", "Check VLLM_SERVER_URL.") from error
    return {name: length if isinstance(length, int) else None for name, length in models.items()}


def _chosen(models: dict[str, int | None], configured: str, where: str) -> EngineFacts:
    if configured in models:
        return EngineFacts(configured, models[configured])
    if len(models) == 1:
        ((name, length),) = models.items()
        return EngineFacts(name, length)
    served = ", ".join(models) or "none"
    raise EngineFailedError(f"{where} does not serve {configured}.", f"Set MODEL_NAME to a model it serves: {served}.")


def _refusal(status: int, content: bytes) -> InferenceError:
    """Map an answer that is no stream: who is at fault decides who can do something about it."""
    try:
        error = error_of(json.loads(content), status)
    except (ValueError, RecursionError):
        error = error_of({}, status)
    if status in (401, 403):
        return EngineNotReadyError("The vLLM server refuses the key. Check VLLM_SERVER_API_KEY.")
    if status in (404, 408, 429, 503):
        return EngineNotReadyError(f"{error} Try again in a moment.")
    return error
