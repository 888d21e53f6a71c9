"""The figures of an evaluation: per category and per effort."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from inference.demo.training.exchange import EFFORTS, Effort


@dataclass(frozen=True)
class Result:
    category: str
    effort: Effort
    prompt: str
    is_well_formed: bool
    is_right: bool
    analysis: str
    final: str


def _share(values: Sequence[bool]) -> float:
    return round(100 * mean(values), 1)


def table(results: Sequence[Result]) -> dict[str, Any]:
    """Percentages by category, and the mean length of the thinking in characters by effort."""
    categories = {
        name: {
            "prompts": len(chosen := [each for each in results if each.category == name]),
            "right": sum(each.is_right for each in chosen),
            "right_percent": _share([each.is_right for each in chosen]),
            "well_formed_percent": _share([each.is_well_formed for each in chosen]),
        }
        for name in sorted({each.category for each in results})
    }
    thinking = {
        effort: round(mean(len(each.analysis) for each in chosen))
        for effort in EFFORTS
        if (chosen := [each for each in results if each.effort == effort])
    }
    return {
        "categories": categories,
        "counted": len(results),
        "right_percent": _share([each.is_right for each in results]),
        "well_formed_percent": _share([each.is_well_formed for each in results]),
        "thinking_characters": thinking,
    }


def markdown(summary: dict[str, Any]) -> str:
    lines = [
        (
            f"{summary['counted']} of {summary['prompts']} prompts counted ({summary['excluded']} occur in the "
            f"training wordings), temperature {summary['temperature']}."
        ),
        "",
        "| category | prompts | right | right % | well-formed % |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {name} | {each['prompts']} | {each['right']} | {each['right_percent']} | {each['well_formed_percent']} |"
        for name, each in summary["categories"].items()
    ]
    total = sum(each["right"] for each in summary["categories"].values())
    lines += [
        f"| all | {summary['counted']} | {total} | {summary['right_percent']} | {summary['well_formed_percent']} |",
        "",
    ]
    thinking = ", ".join(f"{effort} {length}" for effort, length in summary["thinking_characters"].items())
    lines += [
        f"Mean length of the thinking in characters: {thinking}.",
        f"Speed: {summary['tokens_per_second']} tokens/s (one stream).",
    ]
    return "\n".join(lines) + "\n"
