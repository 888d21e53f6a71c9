"""The API beside vLLM's own OpenAI server: the same prompt in turns, one server at a time."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from inference.demo.sampling import TEMPERATURE
from tests.bench.api_added import measure_added
from tests.bench.figures import Figure, Target, at_least, at_most, difference, ratio
from tests.bench.measured_site import cpu_seconds
from tests.bench.received import Received, receive_all
from tests.bench.report import Section
from tests.bench.vllm_server import VllmServer
from tests.site_process import SiteProcess

AT_ONCE = 8
MAX_TOKENS = 600
"""More than it takes."""
PROMPT = "Write a long text"
RATE_TARGET = at_least(0.97)
PER_TOKEN_TARGET = at_most(1.03)

COMMON = {"reasoning_effort": "high", "max_tokens": MAX_TOKENS}
CHAT = {**COMMON, "model": "demo", "messages": [{"role": "user", "content": PROMPT}], "temperature": TEMPERATURE}
STREAM = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
GENERATE = {**COMMON, "prompt": PROMPT}


def measure(folder: Path, rounds: int, say: Callable[[str], None]) -> list[Section]:
    say("The API beside a paced engine ")
    added = measure_added(folder / "paced", rounds, say)
    say("\nThe API beside vLLM's server ")
    with servers(folder / "vllm") as both:
        found = list(both.rounds(rounds * 2, say))
    return [added, Section("The API beside vLLM's own OpenAI server, demo model", api_figures(found), found)]


@dataclass(frozen=True, slots=True)
class Run:
    """What one server did: one answer, or several at once. `cpu_seconds` are its web process's."""

    answers: list[Received]
    wall_seconds: float
    cpu_seconds: float

    @property
    def tokens(self) -> int:
        return sum(answer.tokens for answer in self.answers)

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.wall_seconds

    @property
    def cpu_per_thousand(self) -> float:
        return self.cpu_seconds / self.tokens * 1000


@dataclass(frozen=True, slots=True)
class Server:
    url: str
    key: str
    pid: int

    def run(self, path: str, body: dict[str, object], count: int = 1) -> Run:
        before, started = cpu_seconds(self.pid), time.perf_counter()
        received = asyncio.run(receive_all(f"{self.url}{path}", self.key, body, count))
        wall, spent = time.perf_counter() - started, cpu_seconds(self.pid) - before
        return Run([Received.of(*each) for each in received], wall, spent)

    def stream(self) -> Run:
        return self.run("/v1/chat/completions", STREAM)

    def whole(self) -> Run:
        return self.run("/v1/chat/completions", CHAT)

    def generate(self) -> Run:
        return self.run("/api/generate", GENERATE)

    def streams_at_once(self) -> Run:
        return self.run("/v1/chat/completions", STREAM, AT_ONCE)


@dataclass(frozen=True, slots=True)
class Pair:
    vllm: Run
    ours: Run


@dataclass(frozen=True, slots=True)
class Round:
    stream: Pair
    whole: Pair
    generate: Pair
    at_once: Pair
    is_ours_first: bool
    load: float


@dataclass(frozen=True, slots=True)
class Servers:
    """Both are up; only one computes at a time."""

    vllm: Server
    ours: Server

    def rounds(self, count: int, say: Callable[[str], None]) -> Iterator[Round]:
        """The first one is thrown away; the servers take turns to go first."""
        for number in range(count + 1):
            this = self._round(is_ours_first=bool(number % 2))
            if number:
                yield this
            say(".")

    def _round(self, *, is_ours_first: bool) -> Round:
        def pair(theirs: Callable[[], Run], mine: Callable[[], Run]) -> Pair:
            if is_ours_first:
                ours = mine()
                return Pair(theirs(), ours)
            return Pair(theirs(), mine())

        return Round(
            stream=pair(self.vllm.stream, self.ours.stream),
            whole=pair(self.vllm.whole, self.ours.whole),
            generate=pair(self.vllm.stream, self.ours.generate),
            at_once=pair(self.vllm.streams_at_once, self.ours.streams_at_once),
            is_ours_first=is_ours_first,
            load=os.getloadavg()[0],
        )


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    folder.mkdir()
    settings = {"MODEL_NAME": "demo", "MAX_CONCURRENT_GENERATIONS": str(AT_ONCE)}
    site = SiteProcess(folder, **settings).prepare()
    key = site.manage("create_api_key", "ann").stdout.split()[-1]
    vllm = VllmServer(site.environment, folder / "vllm.log")
    try:
        vllm.wait_ready()
        site.start().wait_ready()
        assert site.process is not None
        yield Servers(Server(vllm.url, "none", vllm.pid), Server(site.url, key, site.process.pid))
    finally:
        site.stop()
        vllm.stop()


def api_figures(rounds: list[Round]) -> list[Figure]:
    def beside(what: str, pairs: list[Pair], value: attrgetter[float], target: Target | None = None) -> Figure:
        """Of single answers, in milliseconds."""
        vllm, ours = ([value(run.answers[0]) * 1000 for run in side] for side in _sides(pairs))
        return ratio(what, vllm, ours, "ms", target)

    stream, whole, generate = ([getattr(each, kind) for each in rounds] for kind in ("stream", "whole", "generate"))
    at_once = [each.at_once for each in rounds]
    pace, request = attrgetter("stream_seconds_per_token"), attrgetter("seconds_per_token")
    vllm, ours = _sides(at_once)
    their_merging, our_merging = ([run.answers[0].tokens_per_text for run in side] for side in _sides(stream))
    return [
        beside("Stream: time per token", stream, pace, PER_TOKEN_TARGET),
        beside("Stream: whole request per token", stream, request, PER_TOKEN_TARGET),
        beside("Not streamed: whole request per token", whole, request, PER_TOKEN_TARGET),
        beside("/api/generate beside vLLM's stream: time per token", generate, pace, PER_TOKEN_TARGET),
        _rate("Stream: tokens/s", stream),
        ratio("Stream: tokens in one event", their_merging, our_merging, "", PER_TOKEN_TARGET),
        beside("Stream: time to the first text", stream, attrgetter("first_text_seconds")),
        ratio(
            f"{AT_ONCE} streams at once: tokens/s of all",
            [run.tokens_per_second for run in vllm],
            [run.tokens_per_second for run in ours],
            "tok/s",
            RATE_TARGET,
        ),
        _cpu("Stream: CPU of the web process per 1,000 tokens", stream),
        _cpu("Not streamed: the same", whole),
        _cpu(f"{AT_ONCE} streams at once: the same", at_once),
    ]


def _rate(what: str, pairs: list[Pair]) -> Figure:
    """From the first text to the last."""
    vllm, ours = ([1 / run.answers[0].stream_seconds_per_token for run in side] for side in _sides(pairs))
    return ratio(what, vllm, ours, "tok/s", RATE_TARGET)


def _sides(pairs: list[Pair]) -> tuple[list[Run], list[Run]]:
    return [pair.vllm for pair in pairs], [pair.ours for pair in pairs]


def _cpu(what: str, pairs: list[Pair]) -> Figure:
    vllm, ours = ([run.cpu_per_thousand * 1000 for run in side] for side in _sides(pairs))
    return difference(what, vllm, ours, "ms")
