"""Answers that show what the page can display: lists, tables, code, formulas, and long texts for streaming."""

from __future__ import annotations

from random import Random

from inference.demo.training.exchange import Exchange, Thoughts
from inference.demo.training.wording import casual, expand
from inference.demo.training.wordings import sections

_LIST = """- **Bread** from the baker
- **Milk** and eggs
- Fruit:
  - apples
  - pears
- Coffee"""
_NUMBERED = """1. Open LocalAI.
2. Type a question.
3. Press **Send**.
4. Read the answer."""
_TABLE = """| Fruit | Color | Price |
| :--- | :---: | ---: |
| Apple | red | 2 |
| Banana | yellow | 1 |
| Plum | blue | 3 |"""
_CODE = '''```python
def greet(name: str) -> str:
    """Say hello."""
    return f"Hello, {name}!"


print(greet("LocalAI"))
```'''
_FORMULA = r"""The area of a circle is \( A = \pi r^2 \). The solutions of a quadratic equation are

$$
x = \frac{-b \pm \sqrt{b^2 - 4ac}}{2a}
$$"""
_QUOTE = """> A quote stands out from the text.
> It may have two lines."""
_STYLES = "This is **bold**, this is *italic*, this is ~~crossed out~~ and this is `code`."
_EVERYTHING = f"""# Markdown demo

{_STYLES}

## List

{_LIST}

## Table

{_TABLE}

## Code

{_CODE}

## Formula

{_FORMULA}

## Quote

{_QUOTE}

That is everything I can show."""
_LONG = """# A walk through LocalAI

LocalAI is a private chat for OpenAI's open-weight gpt-oss models. It runs on your own machine, so nothing leaves it.

## The page

On the left is the sidebar with your conversations. In the middle you read the answers. At the bottom is the composer: you type a question there and press **Send**. While an answer is written, you can press **Stop**. What was written so far is kept.

## The thinking

The model may think before it answers. You choose the effort beside the Send button: `low`, `medium` or `high`. The thinking is shown above the answer, and you can fold it.

## The model

You are talking to a tiny demo model. It has the same architecture as gpt-oss, but it is several thousand times smaller. It was made to try the site without a GPU or a download. It knows only a few things: greetings, questions about LocalAI, small sums, capital cities, counting and Markdown.

## The next step

When you have an NVIDIA GPU with 16 GB, set `MODEL_NAME=openai/gpt-oss-20b` in the file `.env` and restart. Then the real model answers, and it can do all the things that I cannot do.

That was a long answer. Thank you for reading it to the end."""

# name → the answer, and what it is called in the thinking.
DEMOS: dict[str, tuple[str, str]] = {
    "list": ("Here is a list:\n\n" + _LIST, "a list"),
    "numbered": ("Here is a numbered list:\n\n" + _NUMBERED, "a numbered list"),
    "table": ("Here is a table:\n\n" + _TABLE, "a table"),
    "code": ("Here is a small Python function:\n\n" + _CODE, "code"),
    "formula": ("Here are two formulas:\n\n" + _FORMULA, "a formula"),
    "quote": ("Here is a quote:\n\n" + _QUOTE, "a quote"),
    "styles": ("Here are the text styles: " + _STYLES, "text styles"),
    "everything": (_EVERYTHING, "everything the page can display"),
    "long": (_LONG, "a long text"),
}

_OCCASIONS = ("talk", "course", "report", "manual", "colleague", "review", "trial", "screen", "phone", "website")


def demo(random: Random) -> Exchange:
    name = random.choices(list(DEMOS), weights=(5, 2, 5, 5, 5, 2, 2, 4, 3))[0]
    final, called = DEMOS[name]
    corpus = sections("demos")
    frame = random.choice(corpus["long frames" if name == "long" else "frames"])
    prompt = casual(
        expand(frame.replace("{}", random.choice(corpus[name])).replace("{noun}", random.choice(_OCCASIONS)), random),
        random,
        is_question=False,
    )
    first = f"The user wants to see {called}. I will show a small example in Markdown."
    if name == "long":
        first = "The user wants a long text. I will write about LocalAI."
    return Exchange(
        prompt,
        Thoughts(
            medium=first,
            high=f"{first} The page can display lists, tables, code, formulas and quotes. I keep the example simple, so that it "
            "is easy to read. I take care that the Markdown is right. Now I write it.",
        ),
        final,
    )
