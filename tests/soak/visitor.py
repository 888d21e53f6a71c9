"""Somebody who asks, stops, continues, regenerates, reloads and vanishes, at random."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from tests.document import shown
from tests.scripted_server import ScriptedServer, reply
from tests.site_process import SiteProcess
from tests.viewer import Person, Viewer

REPLIES_PER_CONVERSATION = 20
SECONDS_PER_TOKEN = 1 / 400
FATES = {"watched to the end": 55, "stopped": 20, "reloaded": 15, "cut off": 10}
CAN_GO_ON = ("stopped", "interrupted", "length")


@dataclass
class Visitor:
    """`counts` tells what was done; a reply counts when its end was seen and is what was saved."""

    person: Person
    site: SiteProcess
    script: ScriptedServer
    random: Random
    counts: Counter[str] = field(default_factory=Counter)
    path: str = ""

    async def run(self, replies: int) -> None:
        """A new conversation now and then keeps the pages small."""
        while replies > 0:
            count = min(replies, REPLIES_PER_CONVERSATION)
            self.path = await asyncio.to_thread(self.person.new_conversation, self.site)
            await self._converse(count)
            replies -= count

    async def _converse(self, replies: int) -> None:
        while replies > 0:
            async with Viewer(self.person, self.site, self.path) as viewer:
                stays = True
                if viewer.status == "streaming":
                    await self._see_end(viewer)
                    replies -= 1
                while stays and replies > 0:
                    await self._order(viewer)
                    stays = await self._meet_fate(viewer)
                    if stays:
                        await self._see_end(viewer)
                        replies -= 1

    async def _order(self, viewer: Viewer) -> None:
        """Returns when the answer has begun."""
        words = "word <b>and</b> 👩‍🚀 " * self.random.randint(2, 20)
        self.script.enqueue(reply("Hm. " * self.random.randint(0, 10), words), seconds_per_token=SECONDS_PER_TOKEN)
        before = (viewer.message, viewer.status) if viewer.answers else None
        if viewer.status in CAN_GO_ON and viewer.answer and self.random.random() < 0.6:
            self.counts["continued"] += 1
            await viewer.act("continue")
        elif viewer.answers and self.random.random() < 0.25:
            self.counts["regenerated"] += 1
            await viewer.act("regenerate")
        else:
            self.counts["asked"] += 1
            await viewer.ask(f"Number {self.random.random()}")
        await viewer.until(lambda it: bool(it.answers) and (it.message, it.status) != before)

    async def _meet_fate(self, viewer: Viewer) -> bool:
        """Whether the page is still there."""
        (fate,) = self.random.choices(list(FATES), list(FATES.values()))
        self.counts[fate] += 1
        if fate != "watched to the end":
            await asyncio.sleep(self.random.uniform(0, 0.2))
        if fate == "stopped":
            await viewer.act("stop")
        if fate == "cut off":
            viewer.cut()
        return fate not in ("reloaded", "cut off")

    async def _see_end(self, viewer: Viewer) -> None:
        await viewer.until(lambda it: it.status != "streaming")
        saved = self.site.saved(viewer.message)
        assert (viewer.status, viewer.answer) == (saved.status, shown(saved.text))
        self.counts["replies"] += 1

    async def pass_by(self) -> None:
        """For ever: somebody else's tab of the same conversation, open for a moment."""
        while True:
            await asyncio.sleep(self.random.uniform(0, 0.5))
            if self.path:
                async with Viewer(self.person, self.site, self.path) as viewer:
                    await asyncio.sleep(self.random.uniform(0, 0.5))
                    if self.random.random() < 0.5:
                        viewer.cut()
                self.counts["other tabs"] += 1
