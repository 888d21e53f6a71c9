"""Measures the demo model on the real vLLM: python -m inference.demo.training.evaluate [PROMPTS.json] [--report DOCS/NAME]

Prompts whose wording occurs in the training data are reported and not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from random import Random

from inference import harmony, messages
from inference.demo import TEMPERATURE, TOP_P, materialise
from inference.demo.training.dialogues import exchange
from inference.demo.training.exchange import Effort
from inference.demo.training.rendering import encoding
from inference.demo.training.report import Result, markdown, table
from inference.demo.training.scoring import Prompt, Turn, is_right, normalised, parse

_FRESH = Path(__file__).parent / "fresh_prompts.json"
_MAX_TOKENS, _STOP_TOKENS = 1000, [200002, 200012]
_WORDINGS = 500_000  # as many prompts as the training saw
_DATE = date(2026, 11, 22)
_CONTEXT_TOKENS = 2000  # the default of MAX_CONTEXT_TOKENS


def render(
    prompt: str, effort: Effort, history: Sequence[Turn] = (), context_tokens: int = _CONTEXT_TOKENS
) -> list[int]:
    """The ids the product sends; it leaves out the oldest turns when they are too many."""
    turns = [harmony.Turn(each["user"], each["assistant"]) for each in history]
    rendered = harmony.render(
        prompt, history=turns, effort=messages.Effort(effort), today=_DATE, max_tokens=context_tokens
    )
    return list(rendered.token_ids)


class Engine:
    """vLLM in this process, on the CPU."""

    def __init__(self) -> None:
        os.environ |= {
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            "VLLM_NO_USAGE_STATS": "1",
            "HF_HUB_OFFLINE": "1",
            "VLLM_CPU_KVCACHE_SPACE": "1",
        }
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        from vllm import LLM

        folder = materialise(Path(tempfile.gettempdir()))
        self._llm = LLM(str(folder), skip_tokenizer_init=True, enforce_eager=True, max_model_len=4096, max_num_seqs=32)

    def complete(self, prompts: Sequence[list[int]], temperature: float, seed: int = 0) -> list[list[int]]:
        from vllm import SamplingParams
        from vllm.inputs.engine import tokens_input

        sampling = [
            SamplingParams(
                max_tokens=_MAX_TOKENS,
                temperature=temperature,
                top_p=TOP_P,
                detokenize=False,
                stop_token_ids=_STOP_TOKENS,
                seed=seed + index,
            )
            for index in range(len(prompts))
        ]
        outputs = self._llm.generate([tokens_input(ids) for ids in prompts], sampling, use_tqdm=False)
        return [list(output.outputs[0].token_ids) for output in outputs]


def trained_wordings(number: int) -> set[str]:
    random = Random("wordings")
    return {normalised(exchange(random).prompt) for _ in range(number)}


def _results(engine: Engine, prompts: Sequence[Prompt], temperature: float, seed: int) -> list[Result]:
    completions = engine.complete(
        [render(each["prompt"], each["effort"], each.get("history", ())) for each in prompts], temperature, seed
    )
    replies = [parse(encoding().decode(ids)) for ids in completions]
    return [
        Result(
            prompt["category"],
            prompt["effort"],
            prompt["prompt"],
            reply.is_well_formed,
            is_right(prompt, reply),
            reply.analysis,
            reply.final,
        )
        for prompt, reply in zip(prompts, replies, strict=True)
    ]


def _tokens_per_second(engine: Engine, temperature: float) -> float:
    began = time.monotonic()
    ids = engine.complete([render("count to 100", "low")], temperature)[0]
    return len(ids) / (time.monotonic() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prompts", type=Path, nargs="?", default=_FRESH)
    parser.add_argument("--temperature", type=float, default=TEMPERATURE)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wordings", type=int, default=_WORDINGS)
    parser.add_argument("--report", type=Path, help="writes REPORT.md and REPORT.json")
    parser.add_argument("--show-wrong", action="store_true")
    arguments = parser.parse_args()
    prompts: list[Prompt] = json.loads(arguments.prompts.read_text())
    seen = trained_wordings(arguments.wordings)
    fresh = [each for each in prompts if normalised(each["prompt"]) not in seen]
    engine = Engine()
    results = _results(engine, fresh, arguments.temperature, arguments.seed)
    summary = table(results)
    summary |= {"temperature": arguments.temperature, "prompts": len(prompts), "excluded": len(prompts) - len(fresh)}
    summary["tokens_per_second"] = round(_tokens_per_second(engine, arguments.temperature))
    sys.stdout.write(markdown(summary))
    for each in results if arguments.show_wrong else ():
        if not each.is_right:
            sys.stdout.write(
                f"{each.category:9}{each.effort:7}{each.prompt[:90]!r}\n    -> {each.analysis[:150]!r} | {each.final[:150]!r}\n"
            )
    if arguments.report:
        arguments.report.with_suffix(".md").write_text(markdown(summary))
        arguments.report.with_suffix(".json").write_text(
            json.dumps(summary | {"results": [each.__dict__ for each in results]}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
