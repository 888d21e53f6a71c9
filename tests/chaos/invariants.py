"""What must hold after everything: read from the database and from the machine, without the site's own code."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import httpx

from inference.parser import Channel, Parser
from tests.chaos.engine import answer_to, thinking_to, tokens_of
from tests.chaos.house import House
from tests.chaos.talker import HALF_CHARACTER, Talker
from tests.site_process import SiteProcess
from tests.soak.level import Level
from tests.viewer import WITHOUT_TLS

SAVED = """SELECT id, parent_id, role, status, text, thinking, error, token_ids
FROM chat_message ORDER BY id"""
OUTCOMES = {"complete", "length", "stopped", "interrupted", "failed"}
AT_REST = ("localai_gate_held 0.0", "localai_sockets_open 0.0", "localai_replies_running 0.0")
MAY_GROW = {"resident_mib": 64, "threads": 6, "descriptors": 12, "sockets": 8}
"""Memory once, by what the first errors take to be told; seventy faults take no more than twenty-five."""


@dataclass(frozen=True, slots=True)
class Saved:
    key: int
    parent: int | None
    role: str
    status: str
    text: str
    thinking: str
    error: str
    token_ids: list[int]


@dataclass
class Memory:
    """What the database had of each answer at some time: it must never have less."""

    token_ids: dict[int, list[int]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def look(self, house: House) -> dict[int, Saved]:
        messages = saved(house)
        for key, before in self.token_ids.items():
            if key not in messages:
                self.broken.append(f"message {key} is gone")
            elif messages[key].token_ids[: len(before)] != before:
                self.broken.append(f"message {key} had {len(before)} tokens that it has no more")
        self.token_ids = {key: message.token_ids for key, message in messages.items()}
        return messages


def saved(house: House) -> dict[int, Saved]:
    found = {}
    for key, parent, role, status, text, thinking, error, packed in house.query(SAVED):
        ids = array("I", bytes(packed)).tolist()  # type: ignore[call-overload]  # what the databases give
        found[int(str(key))] = Saved(key, parent, role, status, text, thinking, error, ids)  # type: ignore[arg-type]
    return found


def broken(house: House, messages: dict[int, Saved], talkers: Sequence[Talker]) -> list[str]:
    """Each promise that was not kept, as a sentence."""
    prompts = Counter(message.text for message in messages.values() if message.role == "user")
    said = [f"prompt {prompt} is there {count} times" for prompt, count in prompts.items() if count > 1]
    said += [f"prompt {prompt} is lost" for talker in talkers for prompt in talker.asked if not prompts[prompt]]
    for message in messages.values():
        if message.role == "assistant":
            parent = messages[message.parent or 0]
            said += [f"answer {message.key} ({message.status}) {what}" for what in wrongs(message, parent, house)]
    return said


def wrongs(message: Saved, asked: Saved, house: House) -> Iterator[str]:
    if message.status not in OUTCOMES:
        yield "has no outcome"
    if message.status == "failed" and not message.error:
        yield "does not say why it failed"
    if message.status == "complete" and not (message.text or message.thinking):
        yield "is empty"
    says = texts_of(message.token_ids)
    if (message.thinking.rstrip(HALF_CHARACTER), message.text.rstrip(HALF_CHARACTER)) != says:
        has = (message.thinking, message.text)
        yield f"ends with {[text[-40:] for text in has]}, its tokens with {[text[-40:] for text in says]}"
    if house.engine is None:
        return
    whole = tokens_of(asked.text)
    if whole[: len(message.token_ids)] != message.token_ids:
        yield "has tokens that were never written"
    written = (thinking_to(asked.text), answer_to(asked.text))
    if message.status == "complete" and (message.thinking, message.text) != written:
        yield "is not what was written"


def texts_of(token_ids: list[int]) -> tuple[str, str]:
    parser = Parser()
    deltas = parser.feed(token_ids)
    thinking, answer = (
        "".join(delta.text for delta in deltas if delta.channel is channel)
        for channel in (Channel.ANALYSIS, Channel.FINAL)
    )
    return thinking, answer


def grown(before: Level, after: Level) -> list[str]:
    return [
        f"{name} grew from {getattr(before, name):.0f} to {getattr(after, name):.0f}"
        for name, most in MAY_GROW.items()
        if getattr(after, name) - getattr(before, name) > most
    ]


def left(house: House) -> list[str]:
    """What came from the house, and belongs neither to a running server nor to the engine."""
    known = {process.pid for site in house.sites if site.process for process in site.family()}
    known |= {house.engine.pid} if house.engine else set()
    return [f"process {each.pid} ({each.name()}) is left" for each in house.processes() if each.pid not in known]


def unended(house: House) -> list[tuple[object, ...]]:
    """Answers that still run, or seem to: key and last sign of life."""
    return house.query("SELECT id, saved_at FROM chat_message WHERE status = 'streaming'")


def restless(house: House) -> bool:
    """Whether a server holds or does anything, or an answer has no outcome."""
    return any(_is_restless(site) for site in house.sites) or bool(unended(house))


def _is_restless(site: SiteProcess) -> bool:
    metrics = httpx.get(f"{site.url}/metrics", trust_env=False, timeout=30, verify=WITHOUT_TLS).text
    return any(f"\n{what}\n" not in metrics for what in AT_REST)
