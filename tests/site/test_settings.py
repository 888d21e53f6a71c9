"""A wrong setting stops the start with one line; a right one is what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from localai_site.environment import SECRETS
from tests.site_process import ROOT, SiteProcess


@pytest.fixture
def site(tmp_path: Path) -> SiteProcess:
    return SiteProcess(tmp_path, MODEL_NAME="demo")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("DEFAULT_MAX_TOKENS", "many", "DEFAULT_MAX_TOKENS is 'many'; it must be a whole number of at least 1."),
        ("MAX_CONTEXT_TOKENS", "0", "MAX_CONTEXT_TOKENS is '0'; it must be a whole number of at least 1."),
        ("DEFAULT_REASONING_EFFORT", "huge", "is 'huge'; it must be one of low, medium, high."),
        ("MAX_CONCURRENT_GENERATIONS", "-1", "it must be a whole number of at least 1."),
        ("ENGINE", "llama", "ENGINE is 'llama'; it must be one of vllm, vllm-server."),
        ("ENGINE", "vllm-server", "VLLM_SERVER_URL is not set; ENGINE=vllm-server needs it"),
        ("VLLM_SERVER_URL", "http://a:1,b:1", "it must be addresses that begin with http:// or https://, separated by"),
        ("VLLM_ENGINE_ARGS", "[1]", "VLLM_ENGINE_ARGS is '[1]'; it must be a JSON object"),
        ("DEBUG", "maybe", "DEBUG is 'maybe'; it must be True or False."),
        ("HTTPS", "2", "HTTPS is '2'; it must be True or False."),
        ("MODEL_NAME", "gpt", "MODEL_NAME is 'gpt'; it must be a Hugging Face id"),
        ("SECRET_KEY", "", "SECRET_KEY is not set"),
        ("DATABASE_URL", "oracle-thing://x", "it must be an address that begins with sqlite:// or postgres://"),
        ("EMAIL_URL", "mail.example.org", "it must be an address that begins with smtp:// or smtp+tls://"),
        ("EMAIL_URL", "smtp://mail.example.org", "EMAIL_FROM is not set; EMAIL_URL needs it"),
        ("REDIS_URL", "localhost:6379", "it must be an address that begins with redis://"),
        ("METRICS_NETWORKS", "10.0.0.1/8", "METRICS_NETWORKS is '10.0.0.1/8'; it must be networks such as"),
    ],
)
def test_a_bad_value_is_one_line(site: SiteProcess, name: str, value: str, told: str) -> None:
    done = site.manage("check", **{name: value})
    assert done.returncode == 1
    assert told in done.stderr
    assert done.stderr.startswith("LocalAI cannot start: ")
    assert done.stderr.count("\n") == 1


SECRET = "Rumpelstilzchen-7"


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_be_in_a_file(site: SiteProcess, name: str) -> None:
    shown = {
        "DATABASE_URL": (f"postgres://ann:{SECRET}@db/x", "s.DATABASES['default']['PASSWORD']"),
        "REDIS_URL": (f"redis://:{SECRET}@redis", "s.CHANNEL_LAYERS['default']['CONFIG']['hosts'][0][9:-6]"),
        "EMAIL_URL": (f"smtp://ann:{SECRET}@mail", "s.EMAIL_HOST_PASSWORD"),
        "VLLM_SERVER_URL": (f"http://ann:{SECRET}@vllm", "s.VLLM_SERVER_URL[11:-5]"),
    }
    value, expression = shown.get(name, (SECRET, f"s.{name}"))
    (site.folder / "secret").write_text(f"{value}\n")
    del site.environment["SECRET_KEY"], site.environment["DATABASE_URL"]
    given = {"SECRET_KEY": "x" * 50} | {f"{name}_FILE": str(site.folder / "secret"), "EMAIL_FROM": "a@example.org"}
    given.pop(name, None)
    code = f"from django.conf import settings as s; print({expression}, {SECRET!r} in s.SECRETS)"
    done = site.manage("shell", "-v0", "-c", code, **given)
    assert done.stdout.split() == [SECRET, "True"], done.stderr


def test_letters_lead_to_names_that_the_site_has(site: SiteProcess) -> None:
    letters = {"EMAIL_URL": "smtp://mail.example.org", "EMAIL_FROM": "a@example.org"}
    done = site.manage("check", **letters, ALLOWED_HOSTS="chat.example.org,*")
    assert done.returncode == 1
    assert "with EMAIL_URL it must list the names of the site" in done.stderr
    assert "Traceback" not in done.stderr
    assert site.manage("check", **letters, ALLOWED_HOSTS="chat.example.org").returncode == 0


def test_a_secrets_file_that_cannot_be_used_is_one_line(site: SiteProcess, tmp_path: Path) -> None:
    def told(name: str, content: bytes | None, **environment: str) -> str:
        path = tmp_path / "secret"
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        done = site.manage("check", **{f"{name}_FILE": str(path)} | environment)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        return done.stderr.removeprefix("LocalAI cannot start: ").replace(str(path), "FILE")

    assert told("HF_TOKEN", None) == "HF_TOKEN_FILE is 'FILE', which cannot be read: No such file or directory.\n"
    assert told("HF_TOKEN", b"\xff") == "HF_TOKEN_FILE is 'FILE', which cannot be read: it is no text.\n"
    assert told("HF_TOKEN", b" \n") == "HF_TOKEN_FILE is 'FILE'; it must be a file that is not empty.\n"
    both = "SECRET_KEY and SECRET_KEY_FILE are both set; set one of them.\n"
    assert told("SECRET_KEY", b"a" * 50) == both
    wrong = "REDIS_URL is not shown, for it may hold a password; it must be an address that begins with redis:// "
    assert told("REDIS_URL", f"reddis://:{SECRET}@redis".encode()).startswith(wrong)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", f"postgrs://ann:{SECRET}@db/x"),
        ("DATABASE_URL", f"postgres://ann:{SECRET}@db:port/x"),
        ("REDIS_URL", f"redis://:{SECRET}@redis:port"),
        ("EMAIL_URL", f"smtp://ann:{SECRET}@mail:port"),
        ("VLLM_SERVER_URL", f"ftp://ann:{SECRET}@vllm"),
    ],
)
def test_a_wrong_address_is_told_without_its_password(site: SiteProcess, name: str, value: str) -> None:
    done = site.manage("check", **{name: value})
    assert done.returncode == 1
    assert done.stderr.startswith(f"LocalAI cannot start: {name} is not shown")
    assert done.stderr.count("\n") == 1
    assert SECRET not in done.stdout + done.stderr


def test_the_documents_name_what_may_be_in_a_file() -> None:
    for name in ("README.md", ".env.template"):
        assert ", ".join(f"`{each}`" if name == "README.md" else each for each in SECRETS) in (ROOT / name).read_text()


def test_the_server_says_the_same_line(site: SiteProcess) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "daphne", "-p", str(site.port), "localai_site.asgi:application"],
        env=site.environment | {"ENGINE": "llama"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "LocalAI cannot start: ENGINE is 'llama'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_policies_are_the_defaults(site: SiteProcess) -> None:
    code = (
        "from django.conf import settings as s; print(s.DEFAULT_MAX_TOKENS, s.MAX_CONTEXT_TOKENS, "
        "s.DEFAULT_REASONING_EFFORT, s.MAX_CONCURRENT_GENERATIONS, s.ENGINE, s.DEBUG, s.ALLOW_SIGNUP)"
    )
    assert site.manage("shell", "-v0", "-c", code).stdout.split() == "1000 2000 low 1 vllm False False".split()


def test_dotenv_is_read_and_the_environment_wins(site: SiteProcess) -> None:
    (site.folder / "none.env").write_text("DEFAULT_MAX_TOKENS=11\nMAX_CONTEXT_TOKENS=22\n")
    code = "from django.conf import settings as s; print(s.DEFAULT_MAX_TOKENS, s.MAX_CONTEXT_TOKENS)"
    assert site.manage("shell", "-v0", "-c", code, MAX_CONTEXT_TOKENS="33").stdout.split() == ["11", "33"]


def test_the_template_names_every_setting_of_the_readme_in_its_order() -> None:
    root = Path(__file__).resolve().parent.parent.parent
    template = [
        line.partition("=")[0] for line in (root / ".env.template").read_text().splitlines() if line[:1].isupper()
    ]
    rows = [line for line in (root / "README.md").read_text().splitlines() if line.startswith("| `")]
    readme = [name.strip("`, ") for row in rows for name in row.split("|")[1].split(",")]
    assert template == readme


def test_django_finds_nothing_to_complain_of_behind_tls(site: SiteProcess) -> None:
    done = site.manage("check", "--deploy", "--fail-level", "WARNING", HTTPS="True")
    assert done.returncode == 0, done.stderr


def test_migrations_match_the_models(site: SiteProcess) -> None:
    done = site.manage("makemigrations", "--check", "--dry-run")
    assert done.returncode == 0, done.stdout
