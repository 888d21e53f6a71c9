"""How the product samples from the demo model."""

from __future__ import annotations

# Low, since most questions have one right answer; above 0, so that Regenerate can give another one.
TEMPERATURE = 0.3
# Less than 1 is slow on a CPU: vLLM would sort all 201,088 logits for each token.
TOP_P = 1.0
# <|return|>, <|endoftext|> and <|call|>, as in the generation_config.json of openai/gpt-oss-20b.
END_TOKENS = (200002, 199999, 200012)
