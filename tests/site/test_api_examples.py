"""The examples in docs/api.md, each as it stands there, against the real vLLM with the demo model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from openai import OpenAI

from tests.scripted_server import harmony, reply
from tests.site.conftest import ScriptedSite, new_key
from tests.site_process import ROOT, SiteProcess

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TEXT = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
EXAMPLES: list[tuple[str, str]] = BLOCK.findall(TEXT)

SAID = {
    "create_api_key": "sk-",
    "/v1/models": '"id": "demo"',
    '-d \'{"prompt"': '{"event":"done","outcome":"complete"',
    "text/event-stream": "event: done\n",
    "?wait=60": "data: [DONE]\n",
    "client = OpenAI": "Paris",
    "stream = ": "85",
    "schema = ": '{"sum"',
    "previous_response_id": "Madrid",
    "temperature=5": "Invalid value for 'temperature'",
    "llm -m": "Paris",
}
"""What examples print, by what they contain."""

CALL = harmony(
    "<|channel|>analysis<|message|>I need the weather.<|end|><|start|>assistant"
    '<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{"city": "Bonn"}<|call|>'
)


@dataclass
class Reader:
    """Somebody who tries the examples in order, in `folder`, with this address, model and key."""

    site: SiteProcess
    key: str
    folder: Path
    model: str
    names: dict[str, object]

    def written(self, text: str) -> str:
        text = text.replace("http://localhost:8000", self.site.url).replace("gpt-oss-20b", self.model)
        return text.replace(".venv/bin/python", sys.executable)

    def run_sh(self, text: str) -> str:
        """Also curl fails where the answer is an error."""
        (self.folder / ".curlrc").write_text("fail\nsilent\n")
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        own = {"HOME": str(self.folder), "LLM_USER_PATH": str(self.folder), "LOCALAI_API_KEY": self.key, "PATH": path}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.written(text)],
            cwd=ROOT,
            env=self.site.environment | own,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run_python(self, text: str, capsys: pytest.CaptureFixture[str]) -> str:
        exec(compile(self.written(text), "docs/api.md", "exec"), self.names)
        return capsys.readouterr().out

    def save_yaml(self, text: str) -> str:
        (self.folder / "extra-openai-models.yaml").write_text(self.written(text))
        return text

    def follow(self, language: str, text: str, capsys: pytest.CaptureFixture[str]) -> str:
        """Returns what it prints."""
        match language:
            case "sh":
                return self.run_sh(text)
            case "python":
                return self.run_python(text, capsys)
        return self.save_yaml(text)

    def leave(self) -> None:
        client = self.names.get("client")
        if isinstance(client, OpenAI):
            client.close()


@pytest.fixture(scope="module")
def reader(demo_site: SiteProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    reader = Reader(demo_site, new_key(demo_site), tmp_path_factory.mktemp("reader"), "demo", {})
    headers = {"Authorization": f"Bearer {reader.key}"}
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    url = f"{demo_site.url}/v1/chat/completions?wait=60"  # for what an earlier test left running
    assert httpx.post(url, json=body, headers=headers, timeout=90, trust_env=False).status_code == 200
    yield reader
    reader.leave()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize(("language", "text"), EXAMPLES, ids=[text.split("\n")[0] for _language, text in EXAMPLES])
def test_the_example_works(
    language: str, text: str, reader: Reader, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOCALAI_API_KEY", reader.key)
    printed = reader.follow(language, text, capsys)
    assert printed.strip()
    for part, said in SAID.items():
        assert part not in text or said in printed


def test_every_expectation_meets_an_example() -> None:
    assert [part for part in SAID if not any(part in text for _language, text in EXAMPLES)] == []
    assert {language for language, _text in EXAMPLES} == {"sh", "python", "yaml"}


def test_the_example_with_a_function_calls_it(
    scripted_site: ScriptedSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the demo model cannot do."""
    monkeypatch.setenv("LOCALAI_API_KEY", scripted_site.key)
    reader = Reader(scripted_site.site, scripted_site.key, tmp_path, "scripted", {})
    first, tools = (next(text for _language, text in EXAMPLES if part in text) for part in ("= OpenAI(", "tools="))
    reader.run_python(first, capsys)
    scripted_site.script.enqueue(CALL)
    scripted_site.script.enqueue(reply("", "It is sunny."))
    assert reader.run_python(tools, capsys) == "It is sunny.\n"
    told = harmony("Sunny in Bonn, 21 °C.")
    prompt = scripted_site.script.requests[-1]["prompt"]
    assert isinstance(prompt, list)
    assert any(prompt[start : start + len(told)] == told for start in range(len(prompt)))
    reader.leave()
