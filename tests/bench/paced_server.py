"""The scripted server as an engine of known speed: it notes when it sent each token."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from tests.bench.timeline import Timeline
from tests.scripted_server import ScriptedServer, harmony

MARKDOWN = """Here is an answer that goes on, with *emphasis*, **strong** words, `code` and a line now and then.
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
PLAIN = """Here is an answer that goes on in plain words, sentence after sentence, as letters and stories do.
It has commas, a full stop now and then, and lines of no great length. Nothing in it is a heading or a list.

Another paragraph begins after an empty line, for even plain text is divided into paragraphs where a thought ends.

"""


def answer_of(tokens: int, words: str = MARKDOWN, thinking: int = 0) -> list[int]:
    """A well-formed reply whose answer has so many tokens of those words, over and over, after plain thinking."""
    thought = [*harmony("<|channel|>analysis<|message|>"), *_repeated(PLAIN, thinking)]
    thought += harmony("<|end|><|start|>assistant")
    answer = [*harmony("<|channel|>final<|message|>"), *_repeated(words, tokens), *harmony("<|return|>")]
    return thought + answer if thinking else answer


def _repeated(words: str, tokens: int) -> list[int]:
    token_ids = harmony(words)
    return (token_ids * (tokens // len(token_ids) + 1))[:tokens]


@dataclass
class PacedServer(ScriptedServer):
    """Times are epoch seconds, as the page's clock can be read too."""

    timeline: Timeline = field(default_factory=Timeline)

    def script(self, token_ids: list[int], tokens_per_second: float | None) -> None:
        """What the next request gets; with no pace as fast as it is taken."""
        self.timeline = Timeline()
        self.enqueue(token_ids, seconds_per_token=1 / tokens_per_second if tokens_per_second else 0.0)

    @property
    def request_time(self) -> float:
        """When the last request had come in."""
        return self.request_times[-1] - time.perf_counter() + time.time()

    def _event(self, writer: asyncio.StreamWriter, token_ids: list[int], reason: str | None) -> None:
        self.timeline.add(time.time(), token_ids)
        super()._event(writer, token_ids, reason)
