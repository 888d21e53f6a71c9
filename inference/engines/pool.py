"""Several vLLM servers as one engine: a request goes to a well one; the dead are left out until they are back."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from inference.engine import EngineFacts, Progress, ProgressListener, Sampling, Tokens, checked_prompt
from inference.engines.exposition import merged
from inference.engines.member import Member, best
from inference.engines.server import ServerEngine
from inference.errors import EngineDiedError, EngineFailedError, EngineNotReadyError

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
ASK_AGAIN_SECONDS = 5.0


class ServerPool:
    """Ready while one server is well. All serve the same model; the shortest `max_model_len` holds for all.

    `ask_again_seconds`: how long one that cannot be used is left alone.
    """

    def __init__(self, servers: Sequence[ServerEngine], *, ask_again_seconds: float = ASK_AGAIN_SECONDS) -> None:
        self._members = [Member(server) for server in servers]
        self._ask_again_seconds = ask_again_seconds
        self._owners: dict[str, Member] = {}
        self._facts = EngineFacts("")
        self._noting = threading.Lock()
        self._is_stopped = True
        self._stopping = threading.Event()

    # start and stop

    def start(self, on_progress: ProgressListener) -> EngineFacts:
        """Ask all at once. Raises EngineFailedError when none can be used, or they serve different models."""
        on_progress(Progress("loading", _("Connecting to the vLLM servers")))
        self._stopping.set()  # ends the keepers of an earlier start
        self._is_stopped = False
        with ThreadPoolExecutor(len(self._members)) as threads:
            answers = dict(zip(self._members, threads.map(Member.ask, self._members), strict=True))
        known = {member: answer for member, answer in answers.items() if isinstance(answer, EngineFacts)}
        failures = [answer for answer in answers.values() if isinstance(answer, EngineFailedError)]
        if not known:
            raise failures[0]
        if len({facts.model for facts in known.values()}) > 1:
            raise _different(known)
        self._facts = EngineFacts(next(iter(known.values())).model)
        for member, answer in answers.items():
            self._take_in(member, answer)
        self._keep_all()
        return self._facts

    def _keep_all(self) -> None:
        self._stopping = threading.Event()
        for member in self._members:
            arguments = (member, self._stopping)
            threading.Thread(target=self._keep, args=arguments, name="vllm-server-keeper", daemon=True).start()

    def _keep(self, member: Member, stopping: threading.Event) -> None:
        """Ask it anew when somebody doubts it and while it cannot be used; ends when `stopping` is set."""
        while not stopping.is_set():
            member.is_doubted.wait(LOOK_SECONDS)
            if stopping.is_set() or member.is_well:
                continue
            answer = member.ask()
            if stopping.is_set():
                if self._is_stopped:
                    member.server.stop()
                return
            self._take_in(member, answer)
            if not member.is_admitted:
                stopping.wait(self._ask_again_seconds)

    def _take_in(self, member: Member, answer: EngineFacts | EngineFailedError) -> None:
        """Admit it, or leave it out and end its requests: they go on elsewhere."""
        if isinstance(answer, EngineFacts) and answer.model == self._facts.model:
            if member.left_out_for:
                logger.info("%s is used again.", member.server.name)
            member.left_out_for = ""
            self._note(member, answer)
            return
        reason = f"it serves {answer.model}." if isinstance(answer, EngineFacts) else str(answer)
        if reason != member.left_out_for:
            logger.warning("%s is left out: %s", member.server.name, reason)
        member.left_out_for = reason
        self._note(member, None)
        member.server.stop()

    def _note(self, member: Member, facts: EngineFacts | None) -> None:
        """Who got the facts at the start sees the change in them."""
        with self._noting:
            member.is_admitted = facts is not None
            member.is_doubted.clear()
            if facts and facts.max_model_len:
                self._facts.max_model_len = min(facts.max_model_len, self._facts.max_model_len or facts.max_model_len)
            for each in self._members:
                each.server.shorten(self._facts.max_model_len)
            for name, is_admitted in (("server", True), ("server left out", False)):
                servers = [each.server.name for each in self._members if each.is_admitted == is_admitted]
                self._facts.details[name] = ", ".join(servers) or "–"

    def is_healthy(self) -> bool:
        return any(member.is_admitted and member.server.is_healthy() for member in self._members)

    def stop(self) -> None:
        self._is_stopped = True
        self._stopping.set()
        for member in self._members:
            member.is_admitted = False
            member.server.stop()

    # requests

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, request_id: str
    ) -> AsyncGenerator[Tokens, None]:
        ids = checked_prompt(prompt_ids)
        untried = [member for member in self._members if member.is_admitted]
        refusal = EngineNotReadyError(_("The engine is not running."))
        while untried:
            member = best(untried, ids)
            untried.remove(member)
            try:
                async with aclosing(self._of(member, ids, sampling, request_id)) as stream:
                    async for tokens in stream:
                        yield tokens
                return
            except EngineNotReadyError as error:  # that server is away or full, and has not begun
                refusal = error
        raise refusal

    async def _of(
        self, member: Member, ids: list[int], sampling: Sampling, request_id: str
    ) -> AsyncGenerator[Tokens, None]:
        begun_at = time.monotonic()
        self._owners[request_id] = member
        member.requests.add(request_id)
        try:
            async with aclosing(member.server.generate(ids, sampling, request_id)) as stream:
                async for tokens in stream:
                    member.heard_at = time.monotonic()
                    yield tokens
        except (EngineDiedError, EngineNotReadyError):
            member.is_doubted.set()
            raise
        except (GeneratorExit, asyncio.CancelledError):
            member.note_left(begun_at)
            raise
        finally:
            member.requests.discard(request_id)
            self._owners.pop(request_id, None)

    async def abort(self, request_id: str) -> None:
        if member := self._owners.get(request_id):
            await member.server.abort(request_id)

    async def metrics(self) -> str:
        servers = [member.server for member in self._members if member.is_well]
        texts = await asyncio.gather(*(server.exposition() for server in servers))
        return merged({server.name: text for server, text in zip(servers, texts, strict=True)})


def _different(known: Mapping[Member, EngineFacts]) -> EngineFailedError:
    models = ", ".join(f"{facts.model} ({member.server.name})" for member, facts in known.items())
    return EngineFailedError(
        format_lazy(_("The vLLM servers serve different models: {models}."), models=models),
        _("Give all of them the same --served-model-name, or take the other one out of VLLM_SERVER_URL."),
    )


def servers_at(urls: str, api_key: str, model: str) -> ServerEngine | ServerPool:
    """The engine behind one address, or behind several separated by commas."""
    addresses = dict.fromkeys(url.strip() for url in urls.split(",") if url.strip())
    servers = [ServerEngine(url, api_key, model) for url in addresses]
    return servers[0] if len(servers) == 1 else ServerPool(servers)
