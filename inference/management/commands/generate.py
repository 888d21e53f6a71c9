"""`manage.py generate "Hi"`: the way of every answer, without a browser.

The answer goes to standard output; thinking, progress and figures go to standard error.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from inference.errors import BusyError, EngineError, InferenceError, PromptError
from inference.generation import Generation, admit
from inference.messages import Effort
from inference.models import Source
from inference.parser import Channel, Delta
from inference.request import Facts, Outcome, Request
from inference.status import Status
from inference.supervisor import get_supervisor
from inference.usage import Caller

EXIT_FAILED, EXIT_USAGE, EXIT_NO_ENGINE, EXIT_BUSY, EXIT_STOPPED = 1, 2, 3, 4, 130

DIM, PLAIN = "\033[2m", "\033[0m"


class Command(BaseCommand):
    help = (
        "Answer a prompt in the terminal. Exit status: 0 answered (also when cut at the limit), 1 failed, "
        "2 a bad prompt or option, 3 no engine, 4 busy, 130 stopped with Ctrl-C."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("prompt", help="the prompt; - reads it from standard input")
        parser.add_argument(
            "--effort", choices=[effort.value for effort in Effort], default=settings.DEFAULT_REASONING_EFFORT
        )
        parser.add_argument("--max-tokens", type=int, default=settings.DEFAULT_MAX_TOKENS, metavar="N")
        parser.add_argument("--instructions", default="", metavar="TEXT", help="how the model should answer")
        parser.add_argument("--seed", type=int, metavar="N", help="the same seed gives the same answer")
        parser.add_argument("--json", action="store_true", help="one JSON event a line instead of text")

    def handle(self, *args: object, **options: object) -> None:
        if int(str(options["verbosity"])) < 2:
            _silence_the_engine()
        prompt = sys.stdin.read() if options["prompt"] == "-" else str(options["prompt"])
        show = JsonLines() if options["json"] else Terminal()
        try:
            status = asyncio.run(_generate(_request(prompt, options), show))
        except KeyboardInterrupt:
            status = EXIT_STOPPED
        except InferenceError as error:
            show.error(error)
            status = _exit_status(error)
        finally:
            get_supervisor().stop()
        sys.exit(status)


class Terminal:
    """Text for people."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._channel: Channel | None = None

    def progress(self, status: Status) -> None:
        if self._is_terminal:
            percent = f" {100 * status.done // status.total} %" if status.total else ""
            sys.stderr.write(f"\r\033[K{DIM}{status.state} {status.text}{percent}{PLAIN}")
            sys.stderr.flush()

    def start(self, generation: Generation) -> None:
        if self._is_terminal:
            sys.stderr.write("\r\033[K")

    def delta(self, delta: Delta) -> None:
        if delta.channel is Channel.ANALYSIS:
            sys.stderr.write(f"{DIM}{delta.text}{PLAIN}" if self._is_terminal else delta.text)
            sys.stderr.flush()
        else:
            if self._channel is Channel.ANALYSIS:
                sys.stderr.write("\n\n")
                sys.stderr.flush()
            sys.stdout.write(delta.text)
            sys.stdout.flush()
        self._channel = delta.channel

    def done(self, facts: Facts) -> None:
        if self._channel is Channel.FINAL:
            sys.stdout.write("\n")
            sys.stdout.flush()
        speed = f", {facts.tokens_per_second:.1f} tokens/s" if facts.tokens_per_second else ""
        first = f", first after {facts.first_token_seconds:.2f} s" if facts.first_token_seconds is not None else ""
        tokens = f"{facts.thinking_tokens} thinking + {facts.answer_tokens} answer tokens"
        sys.stderr.write(f"\n[{facts.outcome}: {tokens}{first}{speed}]\n")
        if facts.error:
            sys.stderr.write(f"{facts.error}\n")

    def error(self, error: InferenceError) -> None:
        sys.stderr.write(f"{error}\n")


class JsonLines:
    """One event a line, for programs: start, analysis, final, done, error."""

    def progress(self, status: Status) -> None:
        """Programs wait."""

    def start(self, generation: Generation) -> None:
        prompt = generation.prompt
        self._write("start", prompt_tokens=len(prompt.token_ids), dropped_turns=prompt.dropped_turns)

    def delta(self, delta: Delta) -> None:
        self._write(delta.channel.value, text=delta.text)

    def done(self, facts: Facts) -> None:
        self._write("done", **asdict(facts))

    def error(self, error: InferenceError) -> None:
        self._write("error", message=str(error))

    def _write(self, event: str, **values: object) -> None:
        sys.stdout.write(json.dumps({"event": event, **values}, ensure_ascii=False) + "\n")
        sys.stdout.flush()


def _silence_the_engine() -> None:
    """Leave standard error to the answer's figures: neither logs nor the engine's processes write there."""
    logging.getLogger("inference").setLevel(logging.CRITICAL)
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)


async def _generate(request: Request, show: Terminal | JsonLines) -> int:
    """Start the engine, stream the answer; returns the exit status."""
    request.sampling()
    if not request.prompt.strip():
        raise PromptError("The prompt is empty. Write something first.")
    supervisor = get_supervisor()
    unsubscribe = supervisor.subscribe(show.progress)
    supervisor.start_in_background()
    try:
        await asyncio.to_thread(supervisor.wait_ready)
    except asyncio.CancelledError:  # Ctrl-C: the waiting thread ends only when the engine does
        supervisor.stop()
        raise
    unsubscribe()
    async with admit(request, Caller(Source.COMMAND)) as generation:
        show.start(generation)
        async for deltas in generation.deltas():
            for delta in deltas:
                show.delta(delta)
        show.done(generation.facts)
    return 0 if generation.facts.outcome in (Outcome.COMPLETE, Outcome.LENGTH) else EXIT_FAILED


def _request(prompt: str, options: dict[str, object]) -> Request:
    seed = options["seed"]
    return Request(
        prompt,
        timezone.localdate(),
        effort=Effort(str(options["effort"])),
        instructions=str(options["instructions"]),
        max_tokens=int(str(options["max_tokens"])),
        seed=None if seed is None else int(str(seed)),
    )


def _exit_status(error: InferenceError) -> int:
    if isinstance(error, PromptError):
        return EXIT_USAGE
    if isinstance(error, BusyError):
        return EXIT_BUSY
    return EXIT_NO_ENGINE if isinstance(error, EngineError) else EXIT_FAILED
