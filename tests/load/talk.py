"""People who ask, beside those who read: what they see, and what is saved, must be what the engine wrote."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from tests.document import shown
from tests.scripted_server import ScriptedServer, reply
from tests.viewer import WITHOUT_TLS, Person, Site, Viewer

TOKENS_PER_SECOND = 50.0
SECTION = """Part {part} of number {number}, with *emphasis*, `code` and **strong** words.

- one of {number}
- two

| name | value |
|:-----|------:|
| {number} | {part} |

"""
SECTIONS = 4
THINKING = "The person wants number {number}. I will write {sections} sections about it, and end."
PATIENCE_SECONDS = 120.0


@dataclass
class Talk:
    """`wrong` says what was not as it was written; `first_text_seconds` are from sending the prompt."""

    people: Sequence[Person]
    site: Site
    engine: ScriptedServer
    answers: int = 0
    first_text_seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self, per_minute: float, seconds: float) -> None:
        pause = 60 / per_minute
        async with asyncio.TaskGroup() as group:
            for number in range(max(1, round(seconds / pause))):
                group.create_task(self._ask(number))
                await asyncio.sleep(pause if (number + 1) * pause < seconds else 0)

    async def _ask(self, number: int) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._converse(self.people[number % len(self.people)], number)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and the others talk on
            self.wrong.append(f"Answer {number}: {type(error).__name__}: {error}"[:300])

    async def _converse(self, person: Person, number: int) -> None:
        thinking = THINKING.format(number=number, sections=SECTIONS)
        answer = "".join(SECTION.format(part=part, number=number) for part in range(SECTIONS)).strip()
        path = await asyncio.to_thread(person.new_conversation, self.site)
        async with Viewer(person, self.site, path) as page:
            async with self._turn:  # or the engine's next script might be another prompt's
                self.engine.enqueue(reply(thinking, answer), seconds_per_token=1 / TOKENS_PER_SECOND)
                asked = time.perf_counter()
                await page.ask(f"Number {number}, please")
                await page.until(lambda it: bool(it.answers) and bool(it.thinking), PATIENCE_SECONDS)
                self.first_text_seconds.append(time.perf_counter() - asked)
            status = await page.until_ended(seconds=PATIENCE_SECONDS)
            seen = (status, page.thinking.strip(), page.answer)
        saved = await self._saved(person, path)
        if seen != ("complete", thinking, shown(answer)):
            self.wrong.append(f"Answer {number} at the socket is {seen}")
        if saved != ("complete", thinking, answer):
            self.wrong.append(f"Answer {number} as saved is {saved}")
        self.answers += 1

    async def _saved(self, person: Person, path: str) -> tuple[str, str, str]:
        """As its export has it."""
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS, verify=WITHOUT_TLS) as client:
            exported = await client.get(f"{self.site.url}{path}export/json/", headers=person.headers)
        message = exported.json()["messages"][-1]
        return message["status"], message["thinking"], message["text"]
