"""What the API adds to an engine of known pace: the same client asks it directly, and through the site."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from inference.parser import Parser
from tests.bench.bare_daphne import BareDaphne
from tests.bench.figures import Figure, Target, at_least, at_most, difference, ratio
from tests.bench.measured_site import cpu_seconds
from tests.bench.received import Pieces, Received, digest_of, receive_all
from tests.bench.report import Section
from tests.bench.stub import PER_SECOND, TOKEN_IDS, TOKENS, Stub
from tests.bench.timeline import Positions
from tests.site_process import SiteProcess

TARGETS = {1: at_most(10), 8: at_most(40), 32: at_most(150)}
"""Milliseconds added to the first text, by how many streams run at once."""
PEERS = {1: "+32 ms", 8: "+165 ms", 32: "+869 ms"}
RATE_TARGET = at_least(0.97)
MAX_TOKENS = 2 * TOKENS

DIRECT = {"model": "scripted", "prompt": "Go on", "stream": True, "max_tokens": MAX_TOKENS}
MESSAGES = [{"role": "user", "content": "Go on"}]
OURS = {"model": "scripted", "messages": MESSAGES, "stream": True, "max_tokens": MAX_TOKENS}
OURS |= {"stream_options": {"include_usage": True}}


@dataclass(frozen=True, slots=True)
class Run:
    """Several streams at once. `cpu_seconds` are the web process's."""

    first_text_seconds: list[float]
    wall_seconds: float
    cpu_seconds: float = 0.0

    @property
    def tokens(self) -> int:
        return len(self.first_text_seconds) * len(TOKEN_IDS)


@dataclass(frozen=True, slots=True)
class Pair:
    streams: int
    direct: Run
    relay: Run
    ours: Run
    load: float


@dataclass(frozen=True, slots=True)
class Asked:
    stub: Stub
    relay: BareDaphne
    site: SiteProcess
    key: str

    def direct(self, streams: int) -> Run:
        return self._raw(f"{self.stub.url}/v1/completions", DIRECT, streams)

    def relayed(self, streams: int) -> Run:
        """The same through the bare relay."""
        body = {"url": f"{self.stub.url}/v1/completions", "request": DIRECT, "gather_seconds": 0.0}
        before = cpu_seconds(self.relay.pid)
        run = self._raw(self.relay.url, body, streams)
        return replace(run, cpu_seconds=cpu_seconds(self.relay.pid) - before)

    def _raw(self, url: str, body: dict[str, object], streams: int) -> Run:
        began = time.perf_counter()
        received = asyncio.run(receive_all(url, "none", body, streams))
        return Run([_first_text_seconds(pieces) for pieces, _ in received], time.perf_counter() - began)

    def ours(self, streams: int) -> Run:
        assert self.site.process is not None
        before, began = cpu_seconds(self.site.process.pid), time.perf_counter()
        received = asyncio.run(receive_all(f"{self.site.url}/v1/chat/completions", self.key, OURS, streams))
        wall, spent = time.perf_counter() - began, cpu_seconds(self.site.process.pid) - before
        answers = [Received.of(*each) for each in received]
        if {answer.digest for answer in answers} != {DIGEST}:
            raise RuntimeError("What a program received is not what the engine sent.")
        return Run([answer.first_text_seconds for answer in answers], wall, spent)

    def rounds(self, count: int, say: Callable[[str], None]) -> Iterator[Pair]:
        """The sides take turns to go first; the first round is thrown away."""
        for number in range(count + 1):
            for streams in TARGETS:
                first = self.direct(streams) if number % 2 else None
                relay = self.relayed(streams)
                ours = self.ours(streams)
                pair = Pair(streams, first or self.direct(streams), relay, ours, os.getloadavg()[0])
                if number:
                    yield pair
            say(".")


DIGEST = digest_of("".join(delta.text for delta in Parser().feed(TOKEN_IDS)))
FIRST_TEXT = Positions.of(TOKEN_IDS).first


def _first_text_seconds(pieces: Pieces) -> float:
    """When the token came that brings the first text; of the raw stream, which has all tokens."""
    token_ids: list[int] = []
    times: list[float] = []
    rest = b""
    for seconds, piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if (text := line.removeprefix(b"data: ")).startswith(b"{"):
                new = json.loads(text)["choices"][0]["token_ids"]
                token_ids += new
                times += [seconds] * len(new)
    if token_ids != TOKEN_IDS:
        raise RuntimeError("The stub did not send what it should.")
    return times[FIRST_TEXT]


def measure_added(folder: Path, rounds: int, say: Callable[[str], None]) -> Section:
    folder.mkdir()
    with Stub() as stub, BareDaphne("bare_relay") as relay:
        settings = {"ENGINE": "vllm-server", "VLLM_SERVER_URL": stub.url, "MODEL_NAME": "scripted"}
        site = SiteProcess(folder, MAX_CONCURRENT_GENERATIONS=str(max(TARGETS)), **settings).prepare()
        key = site.manage("create_api_key", "ann").stdout.split()[-1]
        try:
            site.start().wait_ready()
            pairs = list(Asked(stub, relay, site, key).rounds(rounds, say))
        finally:
            site.stop()
    title = f"The API beside its engine, {PER_SECOND} tok/s for each stream"
    return Section(title, added_figures(pairs), pairs)


def added_figures(pairs: Sequence[Pair]) -> list[Figure]:
    return [figure for streams in TARGETS for figure in _figures(pairs, streams)]


def _figures(pairs: Sequence[Pair], streams: int) -> list[Figure]:
    of_size = [pair for pair in pairs if pair.streams == streams]
    sides = [pair.direct for pair in of_size], [pair.relay for pair in of_size], [pair.ours for pair in of_size]
    direct, relay, ours = ([median(run.first_text_seconds) * 1000 for run in side] for side in sides)
    direct_rate, relay_rate, our_rate = ([run.tokens / run.wall_seconds for run in side] for side in sides)
    _, relay_cost, our_cost = ([run.cpu_seconds / run.tokens * 1e6 for run in side] for side in sides)
    name = f"{streams} stream{'s' if streams > 1 else ''}"
    target: Target = TARGETS[streams]
    return [
        difference(f"{name}: time to the first text", direct, ours, "ms", target, PEERS[streams]),
        difference(f"{name}: the same through a bare relay", direct, relay, "ms"),
        ratio(f"{name}: tokens/s of all, from request to end", direct_rate, our_rate, "tok/s", RATE_TARGET),
        ratio(f"{name}: the same through a bare relay", direct_rate, relay_rate, "tok/s"),
        ratio(f"{name}: CPU for 1,000 tokens, beside a bare relay's", relay_cost, our_cost, "ms"),
    ]
