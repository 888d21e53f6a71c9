"""The engine elsewhere: any vLLM server over HTTP, token ids both ways."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

import httpx
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from inference.engine import (
    NEVER,
    NEVER_IN_JSON,
    STOP_TOKEN_IDS,
    EngineFacts,
    Progress,
    ProgressListener,
    Sampling,
    Tokens,
    checked_prompt,
)
from inference.engines.completions import lines, refusal_of, steps_of
from inference.engines.exposition import merged
from inference.engines.pending import PendingRequest
from inference.engines.served import CONNECT_SECONDS, served_model, without_password
from inference.errors import (
    EngineDiedError,
    EngineError,
    EngineFailedError,
    EngineNotReadyError,
    InferenceError,
    PromptError,
    grouped,
)

logger = logging.getLogger(__name__)

START_ANSWER_SECONDS = 5.0
"""How soon a server that is to be used, or is not trusted any more, must say what it serves."""

PROBE_SECONDS = 10.0
"""How often a server is asked whether it is still there; at once when a request failed."""

PROBE_ANSWER_SECONDS = 20.0
"""A longer patience: requests run meanwhile, and a busy server is no dead one."""

METRICS_SECONDS = 2.0
"""Who looks at figures does not wait for them."""


class ServerEngine:
    """One vLLM server. Every request has its own connection: dropping it is how a request is aborted.

    No request has a time limit: who waits for its tokens knows how long to wait.
    """

    def __init__(self, url: str, api_key: str, model: str) -> None:
        self._url = url.strip().rstrip("/").removesuffix("/v1")
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._configured_model = model
        self._facts = EngineFacts(model)
        self._client: httpx.AsyncClient | None = None
        self._is_healthy = False
        self._doubt = threading.Event()
        self._running: dict[str, PendingRequest] = {}

    @property
    def name(self) -> str:
        """Its address as it may be shown."""
        return without_password(self._url)

    # start and stop

    def start(self, on_progress: ProgressListener) -> EngineFacts:
        """Also asks a running server anew whether it is well; its requests go on meanwhile."""
        on_progress(Progress("loading", format_lazy(_("Connecting to {name}"), name=self.name)))
        self._facts = self._served(START_ANSWER_SECONDS)
        self._facts.details["server"] = self.name
        self._client = httpx.AsyncClient(
            headers=self._headers,
            timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            trust_env=False,
        )
        self._is_healthy = True
        self._doubt.set()  # ends the probe of an earlier start
        self._doubt = threading.Event()
        probed = (self._client, self._doubt)
        threading.Thread(target=self._probe, args=probed, name="vllm-server-probe", daemon=True).start()
        return self._facts

    def _served(self, timeout_seconds: float) -> EngineFacts:
        return served_model(self._url, self._headers, self._configured_model, timeout_seconds)

    def _probe(self, client: httpx.AsyncClient, doubt: threading.Event) -> None:
        """Notice a server that went away while nobody asked it anything."""
        while self._is_healthy:
            doubt.wait(PROBE_SECONDS)
            doubt.clear()
            if self._client is not client:
                return
            try:
                self._served(PROBE_ANSWER_SECONDS)
            except EngineFailedError as error:
                if self._client is client:
                    logger.warning("%s", error)
                    self._is_healthy = False

    def shorten(self, max_model_len: int | None) -> None:
        """Take no longer requests than the servers beside it."""
        if max_model_len is not None:
            self._facts = replace(self._facts, max_model_len=max_model_len)

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
            raise EngineNotReadyError(_("The engine is not running."))
        body = self._body(checked_prompt(prompt_ids), sampling)
        request = self._running[request_id] = PendingRequest(asyncio.get_running_loop())
        try:
            async with aclosing(self._stream(client, body, request, request_id)) as stream:
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
            raise PromptError(
                format_lazy(
                    _("The prompt has {tokens} tokens; the engine takes less than {limit}."),
                    tokens=grouped(len(ids)),
                    limit=grouped(limit or 0),
                )
            )
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
        if sampling.seed is not None:
            body["seed"] = sampling.seed
        if sampling.json_schema is not None:
            body["structured_outputs"] = {"json": sampling.json_schema}
            body["logit_bias"] = dict.fromkeys(map(str, NEVER_IN_JSON), NEVER)
        return body

    async def _stream(
        self, client: httpx.AsyncClient, body: dict[str, object], request: PendingRequest, request_id: str
    ) -> AsyncGenerator[Tokens, None]:
        response: httpx.Response | None = None
        try:
            headers = {"X-Request-Id": request_id}  # vLLM makes its own ids, and log lines, of it
            post = client.build_request("POST", f"{self._url}/v1/completions", json=body, headers=headers)
            response = await request.unless_ended(client.send(post, stream=True))
            if response.status_code != httpx.codes.OK:
                raise refusal_of(response.status_code, await request.unless_ended(response.aread()))
            async with aclosing(_tokens(response, request)) as stream:
                async for tokens in stream:
                    yield tokens
        except InferenceError:
            raise
        except TimeoutError as error:  # a person pressed Stop, or the supervisor gave the server up
            if not request.is_aborted:
                raise EngineDiedError(_("The vLLM server stopped answering.")) from error
            yield Tokens((), "abort")
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:  # the server is gone
            raise EngineNotReadyError(_("The vLLM server cannot be reached. Try again in a moment.")) from error
        except (httpx.HTTPError, httpx.StreamError) as error:  # the server or the network broke off
            raise EngineDiedError(_("The connection to the vLLM server broke.")) from error
        finally:
            if response:
                await response.aclose()

    async def metrics(self) -> str:
        return merged({self.name: await self.exposition()})

    async def exposition(self) -> str:
        """Its metrics as it tells them; empty where it does not."""
        try:
            async with httpx.AsyncClient(timeout=METRICS_SECONDS, trust_env=False) as client:
                response = await client.get(f"{self._url}/metrics", headers=self._headers)
        except (httpx.HTTPError, httpx.InvalidURL):  # it is away, or has too much to do
            return ""
        return response.text if response.status_code == httpx.codes.OK else ""

    async def abort(self, request_id: str) -> None:
        request = self._running.get(request_id)
        if request:
            request.is_aborted = True
            request.end()


async def _tokens(response: httpx.Response, request: PendingRequest) -> AsyncGenerator[Tokens, None]:
    """Read the stream up to its finish reason."""
    async with aclosing(lines(response.aiter_bytes())) as stream:
        while True:
            if request.is_ended:  # what is buffered already would be read without ever waiting
                raise TimeoutError
            complete = await request.unless_ended(anext(stream, None))
            if complete is None:
                raise EngineDiedError(_("The vLLM server broke off in the middle of the answer."))
            for tokens in steps_of(complete):
                yield tokens
                if tokens.finish_reason:
                    return
