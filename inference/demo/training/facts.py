"""What the demo model knows about LocalAI: one answer a fact, and the words every right answer contains."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fact:
    """`topic` completes "The user asks about …"; `keys` occur in `answer` word for word."""

    topic: str
    keys: tuple[str, ...]
    answer: str


FACTS: dict[str, Fact] = {
    "localai": Fact(
        "LocalAI",
        ("private", "gpt-oss"),
        "LocalAI is a private, self-hosted chat for OpenAI's open-weight gpt-oss models. Nothing leaves the machine it "
        "runs on. It is built with Django and vLLM and has the MIT licence.",
    ),
    "model": Fact(
        "using the real model",
        ("MODEL_NAME", "gpt-oss-20b"),
        "Set the model in the file `.env` and restart:\n\n```bash\nMODEL_NAME=openai/gpt-oss-20b\n```\n\n"
        "It needs an NVIDIA GPU with 16 GB. Until then this tiny demo model answers.",
    ),
    "length": Fact(
        "the length of answers",
        ("DEFAULT_MAX_TOKENS", "1000"),
        "A reply has at most 1000 output tokens by default. Change `DEFAULT_MAX_TOKENS` in `.env` for longer or shorter "
        "answers. When a reply was cut off, **Continue** goes on.",
    ),
    "context": Fact(
        "the context",
        ("MAX_CONTEXT_TOKENS", "2000"),
        "The model sees at most 2000 input tokens for each reply. Change `MAX_CONTEXT_TOKENS` in `.env` for more. When a "
        "conversation is longer, the oldest whole turns are left out first, and the page says so.",
    ),
    "effort": Fact(
        "the reasoning effort",
        ("low", "medium", "high"),
        "The reasoning effort is how long I think before I answer: `low`, `medium` or `high`. Choose it beside the Send "
        "button. The default is `low`; set another one with `DEFAULT_REASONING_EFFORT`.",
    ),
    "busy": Fact(
        "several answers at once",
        ("MAX_CONCURRENT_GENERATIONS", "1"),
        "By default 1 answer is written at a time. When the model is busy, your prompt stays in the composer and you can "
        "send it later. Raise `MAX_CONCURRENT_GENERATIONS` to allow more at once.",
    ),
    "engine_setting": Fact(
        "the setting ENGINE",
        ("ENGINE", "vllm-server"),
        "`ENGINE` says where the model runs: `vllm` in this process (the default), or `vllm-server` for a vLLM server "
        "over HTTP.",
    ),
    "server": Fact(
        "the address of a vLLM server",
        ("VLLM_SERVER_URL", "VLLM_SERVER_API_KEY"),
        "`VLLM_SERVER_URL` is the address of the vLLM server and `VLLM_SERVER_API_KEY` is its key. Both are used with "
        "`ENGINE=vllm-server`.",
    ),
    "engine_args": Fact(
        "vLLM's engine arguments",
        ("VLLM_ENGINE_ARGS", "JSON"),
        "`VLLM_ENGINE_ARGS` is JSON that is passed to vLLM's engine arguments, for example:\n\n```bash\n"
        'VLLM_ENGINE_ARGS={"gpu_memory_utilization": 0.9}\n```\n\nThe default is `{}`.',
    ),
    "hf_token": Fact(
        "the Hugging Face token",
        ("HF_TOKEN",),
        "`HF_TOKEN` is your Hugging Face token. Only gated models need it, so it is empty by default.",
    ),
    "database": Fact(
        "the database setting",
        ("DATABASE_URL", "PostgreSQL"),
        "`DATABASE_URL` is the address of the database. The default is `sqlite:///db.sqlite3`; PostgreSQL works too.",
    ),
    "redis": Fact(
        "the setting REDIS_URL",
        ("REDIS_URL",),
        "`REDIS_URL` is empty by default, then everything stays in memory. Set it when several server processes share "
        "the work.",
    ),
    "https": Fact(
        "HTTPS",
        ("HTTPS=True",),
        "Set `HTTPS=True` in `.env` when LocalAI runs behind a TLS proxy. The default is `False`.",
    ),
    "signup": Fact(
        "making accounts",
        ("ALLOW_SIGNUP",),
        "Set `ALLOW_SIGNUP=True` to let people make their own account. The default is `False`; then an administrator "
        "adds users at `/admin/`.",
    ),
    "django": Fact(
        "Django's own settings",
        ("SECRET_KEY", "DEBUG", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS"),
        "`SECRET_KEY`, `DEBUG`, `ALLOWED_HOSTS` and `CSRF_TRUSTED_ORIGINS` are Django's own settings. `SECRET_KEY` is "
        "required; `make run` writes one into `.env`.",
    ),
    "privacy": Fact(
        "privacy",
        ("nothing leaves",),
        "Yes, it is private: nothing leaves this machine. There is no telemetry, and LocalAI works offline.",
    ),
    "thinking": Fact(
        "the thinking block",
        ("thinking", "fold"),
        "The thinking block shows the model's reasoning before the answer. It comes from the analysis channel, and you "
        "can fold it.",
    ),
    "stop": Fact(
        "stopping an answer",
        ("Stop",),
        "Press the **Stop** button or the Esc key. What was written so far is kept.",
    ),
    "gpu": Fact(
        "the GPU",
        ("16 GB",),
        "gpt-oss-20b needs an NVIDIA GPU with 16 GB of memory; 24 GB is comfortable. This demo model runs without a GPU.",
    ),
    "saved": Fact(
        "where conversations are saved",
        ("database", "sidebar"),
        "Your conversations are saved in the database on this machine. You find them again in the sidebar.",
    ),
    "install": Fact(
        "starting LocalAI",
        ("make run",),
        "Run this in the project's folder:\n\n```bash\nmake run\n```\n\nThen open http://localhost:8000 in your browser.",
    ),
    "tests": Fact(
        "the tests",
        ("make test",),
        "Run the tests with:\n\n```bash\nmake test\n```",
    ),
    "gpt_oss": Fact(
        "gpt-oss",
        ("OpenAI", "open-weight"),
        "gpt-oss are OpenAI's open-weight reasoning models. There are two sizes: gpt-oss-20b and gpt-oss-120b.",
    ),
    "vllm": Fact(
        "vLLM",
        ("engine",),
        "vLLM is the inference engine that runs the model in LocalAI. It computes the answers token by token.",
    ),
    "harmony": Fact(
        "Harmony",
        ("format", "channels"),
        "Harmony is the message format of gpt-oss. It has channels: `analysis` for the thinking and `final` for the "
        "answer.",
    ),
    "who_sees": Fact(
        "who can see conversations",
        ("you", "administrators"),
        "Only you can see your conversations, and administrators in the admin. Other users cannot open them.",
    ),
    "terminal": Fact(
        "using the terminal",
        ("manage.py generate",),
        'Use the command `manage.py generate` in a terminal:\n\n```bash\npython manage.py generate "Hi"\n```',
    ),
    "settings": Fact(
        "the settings",
        (".env",),
        "The settings are in the file `.env`. The README has a table of all of them. Restart LocalAI after a change.",
    ),
    "licence": Fact(
        "the licence and the price",
        ("MIT", "free"),
        "LocalAI is free. It has the MIT licence, so you may use, change and share it.",
    ),
    "rename": Fact(
        "renaming or deleting a conversation",
        ("sidebar",),
        "Open the conversation's menu in the sidebar. There you can rename or delete it.",
    ),
    "password": Fact(
        "users and passwords",
        ("/admin/",),
        "An administrator does this at `/admin/`: there you can add a user or set a new password.",
    ),
}
