"""What an answer's tokens say under the rules of its request: text by channel, up to where a rule cuts it off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from inference.engine import STOP_TOKEN_IDS
from inference.parser import Channel, Delta, Parser, final_channel_ids
from inference.request import Rules
from inference.stop_strings import StopStrings
from inference.vocabulary import END


class Reader:
    """Reads one answer, through all its legs.

    `schema`: what the text that is being written must obey; `is_schema_due`: it was not told of that yet, for
    the text has just opened. `is_stopped`: a stop string was found.
    """

    def __init__(self, rules: Rules) -> None:
        self.token_ids: list[int] = []
        self.parser = Parser(tools=rules.tool_names)
        self.schema: str | None = None
        self.is_schema_due = False
        self._rules = rules
        self._schemas = rules.schemas
        self._stops = StopStrings(rules.stop)

    @property
    def is_stopped(self) -> bool:
        return self._stops.is_found

    def read(self, token_ids: Iterable[int]) -> list[Delta]:
        """Go on with these; those behind the opening of a text that must obey a schema are not taken."""
        if not self._schemas or self.schema is not None:
            taken = list(token_ids)
            self.token_ids += taken
            return self._shown(self.parser.feed(taken))
        deltas: list[Delta] = []
        for token_id in token_ids:
            self.token_ids.append(token_id)
            deltas += map(self._before_schema, self.parser.feed([token_id]))
            self.schema = self._rules.schema_of(self.parser)
            if self.schema is not None:
                self.is_schema_due = True
                break
        return self._shown(deltas)

    def finish(self) -> list[Delta]:
        """Return what was held back; the answer is over."""
        rest_of = self.parser.finish()
        if self._rules.json_schema is not None and self.schema is None:
            rest_of = list(map(self._before_schema, rest_of))
        shown = self._shown(rest_of)
        rest = self._stops.rest()
        return [*shown, Delta(Channel.FINAL, rest, 0)] if rest else shown

    def demand_answer(self) -> list[Delta]:
        """Close the thinking and open the answer, as if the model had."""
        if self.token_ids and self.token_ids[-1] in STOP_TOKEN_IDS:  # the model thought that this was all
            self.token_ids[-1] = END
            if self.token_ids[-2:] == [END, END]:
                self.token_ids.pop()
        self.parser = Parser(self.token_ids, self._rules.tool_names)
        return self.read(final_channel_ids(self.token_ids))

    def _shown(self, deltas: list[Delta]) -> list[Delta]:
        """Leave out what a stop string ends, and hold back what may be the beginning of one."""
        if not self._rules.stop:
            return deltas
        shown: list[Delta] = []
        for delta in deltas:
            if delta.channel is Channel.FINAL:
                delta = replace(delta, text=self._stops.feed(delta.text))
            elif self.is_stopped:
                break
            elif rest := self._stops.rest():
                shown.append(Delta(Channel.FINAL, rest, 0))
            shown.append(delta)
        return [delta for delta in shown if delta.text or delta.channel is Channel.CALL]

    def _before_schema(self, delta: Delta) -> Delta:
        """Nothing may stand beside the text that obeys the schema: what was said before is thinking."""
        if self._rules.json_schema is None or delta.channel is not Channel.FINAL:
            return delta
        return replace(delta, channel=Channel.ANALYSIS)
