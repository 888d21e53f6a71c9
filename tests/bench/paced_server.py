"""The scripted server as an engine of known speed: it notes when it sent each token."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from tests.bench.timeline import Timeline
from tests.scripted_server import ScriptedServer, harmony

WORDS = """Here is an answer that goes on, with *emphasis*, **strong** words, `code` and a line now and then.
Another paragraph has a [link](https://example.org/path) and a formula: $E = mc^2$.

## A heading

1. First, a list
2. with **several** entries
   - and one within
3. of different length, the last of which is somewhat longer than those before it

| name | value | note |
|:-----|------:|------|
| one  |  1.00 | `a`  |
| two  | 20.50 | **b** |
| three | 300.25 | c |

```python
def greet(name: str) -> str:
    # Says hello to somebody.
    return f"Hello, {name}!"  # in code nothing is **strong**
```

> A quotation, which ends the round.

\\[ \\int_0^1 x^2 \\, dx = \\frac{1}{3} \\]

"""


def answer_of(tokens: int) -> list[int]:
    """A well-formed reply whose answer has so many tokens of Markdown."""
    head, end = harmony("<|channel|>final<|message|>"), harmony("<|return|>")
    words = harmony(WORDS)
    text = words * (tokens // len(words) + 1)
    return [*head, *text[:tokens], *end]


@dataclass
class PacedServer(ScriptedServer):
    """Times are epoch seconds, as the page's clock can be read too."""

    timeline: Timeline = field(default_factory=Timeline)

    def script(self, token_ids: list[int], tokens_per_second: float) -> None:
        """What the next request gets."""
        self.timeline = Timeline()
        self.enqueue(token_ids, seconds_per_token=1 / tokens_per_second)

    @property
    def request_time(self) -> float:
        """When the last request had come in."""
        return self.request_times[-1] - time.perf_counter() + time.time()

    def _event(self, writer: asyncio.StreamWriter, token_ids: list[int], reason: str | None) -> None:
        self.timeline.add(time.time(), token_ids)
        super()._event(writer, token_ids, reason)
