"""Greetings, thanks, goodbyes, jokes, and questions about the model itself."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from inference.demo.training.exchange import Exchange, Thoughts
from inference.demo.training.wording import casual, expand
from inference.demo.training.wordings import sections


@dataclass(frozen=True)
class Talk:
    """`name` is the heading of the wordings, `weight` is how often it is asked beside the others; `topic` completes "The user …"."""

    name: str
    weight: int
    topic: str
    plan: str
    finals: tuple[str, ...]


_SKILLS = "I can greet you, answer questions about LocalAI, add one- and two-digit numbers, name capital cities, count, and show Markdown: a list, a table, code or a formula."
TALKS = (
    Talk(
        "greeting",
        7,
        "greets me",
        "I will greet back and offer help.",
        (
            "Hello! How can I help you?",
            "Hi! What would you like to know?",
            "Hello! Nice to see you. Ask me something about LocalAI.",
        ),
    ),
    Talk(
        "wellbeing",
        4,
        "asks how I am",
        "I will answer in a friendly way.",
        ("I am fine, thank you! How can I help you?", "I am well, thanks for asking! What would you like to know?"),
    ),
    Talk(
        "thanks",
        4,
        "thanks me",
        "I will answer politely.",
        ("You are welcome!", "You are welcome! Ask me more whenever you like."),
    ),
    Talk(
        "goodbye",
        4,
        "says goodbye",
        "I will say goodbye.",
        ("Goodbye! Have a nice day.", "Bye! Come back any time."),
    ),
    Talk(
        "identity",
        6,
        "asks who I am",
        "I am LocalAI's demo model.",
        (
            "I am LocalAI's demo model: a tiny model with the gpt-oss architecture. I was made to try the site without a GPU or a download.",
        ),
    ),
    Talk(
        "skills",
        6,
        "asks what I can do",
        "I will name my skills.",
        ("I am a tiny demo model. " + _SKILLS + " For everything else, use a real model.",),
    ),
    Talk(
        "joke",
        3,
        "wants a joke",
        "I know three of them.",
        (
            "Why did the computer go to the doctor? Because it had a virus!",
            "Why do programmers mix up Halloween and Christmas? Because OCT 31 is DEC 25!",
            "I wanted to tell a joke about UDP, but you might not get it.",
        ),
    ),
    Talk(
        "follow-up",
        3,
        "goes on with the talk",
        "I cannot follow a longer talk, so I will say so.",
        (
            'I am only a tiny demo model and cannot follow up on that. Ask me a new question, for example "What is LocalAI?" or "What is 12 + 30?"',
        ),
    ),
)


def smalltalk(random: Random) -> Exchange:
    talk = random.choices(TALKS, weights=[each.weight for each in TALKS])[0]
    prompt = expand(random.choice(sections("smalltalk")[talk.name]), random)
    if random.random() < 0.2:
        more = expand(random.choice(sections("smalltalk")[talk.name]), random)
        prompt = prompt.rstrip("?.!") + random.choice((". ", ", ", "! ", " and ", " - ")) + more
    prompt = casual(prompt, random, is_question=False) if random.random() < 0.6 else _plain(prompt, random)
    return Exchange(
        prompt,
        Thoughts(
            medium=f"The user {talk.topic}. {talk.plan}",
            high=f"The user {talk.topic}. {talk.plan} There is nothing to look up and nothing to calculate. I should be friendly "
            "and short. One or two sentences are enough. I am LocalAI's demo model, so I say nothing that I do not know.",
        ),
        random.choice(talk.finals),
    )


def _plain(prompt: str, random: Random) -> str:
    ending = random.choice(("", "", "!", ".", " :)", "!!"))
    return prompt if prompt[-1:] in "?!." else prompt + ending
