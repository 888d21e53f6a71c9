# `make run` serves the site, `make test` checks it; each installs what it needs, once.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
VENV ?= .venv

python := $(VENV)/bin/python
install := $(python) -m localai_site.requirements
# What the tests need beside Python: a browser, Redis, PostgreSQL, nginx, and small programs (command:Debian package).
programs := chromium:chromium redis-server:redis-server pg_ctlcluster:postgresql msgfmt:gettext curl:curl nginx:nginx-light openssl:openssl systemd-analyze:systemd

export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_NO_INPUT = 1

.NOTPARALLEL:
.PHONY: help prepare run test lint fix bench soak load chaos screenshots translations ci venv programs

help:
	@echo "make run    serve http://localhost:8000 (HOST=, PORT=)"
	@echo "make prepare   what make run does before it serves: install, write .env, prepare the database"
	@echo "make test   run the tests (ARGS= goes to pytest)"
	@echo "make lint   ruff and mypy"
	@echo "make fix    let ruff format and repair"
	@echo "make bench  what the site costs beside the bare engine (ARGS= goes to it: --quick, --only, --rounds)"
	@echo "make soak   500 replies in a row: what do they leave in the server? (ARGS= goes to it: --replies, --redis)"
	@echo "make chaos  everything breaks while ten people talk: is anything lost? (ARGS= goes to it: --seed, --faults, --house)"
	@echo "make load   200 people at a complete site: which rate does it bear? (ARGS= goes to it: --rate, --users, --seconds, --processes)"
	@echo "make screenshots   photograph the site's states into docs/screenshots/ (ARGS= goes to it: --only, --to)"
	@echo "make translations   gather the texts of the site into locale/, and compile what is translated"
	@echo "make ci     lint and test"

prepare: venv
	@$(install) base
	@$(python) -m localai_site.first_run "$(HOST)" "$(PORT)"
	@$(install) engine
	@echo "Preparing the database and the static files …"
	@$(python) manage.py migrate --no-input --verbosity 0
	@$(python) manage.py collectstatic --no-input --verbosity 0
	@$(python) manage.py create_first_admin

run: prepare
	@echo "LocalAI is at http://$(if $(filter 127.0.0.1 0.0.0.0,$(HOST)),localhost,$(HOST)):$(PORT) (Ctrl-C stops it)"
	@exec $(python) -m daphne -b "$(HOST)" -p "$(PORT)" localai_site.asgi:application

test: venv programs
	@ENGINE=vllm $(install) base engine dev
	$(python) -m pytest $(ARGS)

lint: export LOCALAI_ENV_FILE = tests/test.env
lint: venv
	@ENGINE=vllm $(install) base engine dev
	$(python) -m ruff check
	$(python) -m ruff format --check
	$(python) -m mypy

fix: venv
	@$(install) base dev
	$(python) -m ruff check --fix
	$(python) -m ruff format

bench: venv programs
	@ENGINE=vllm $(install) base engine dev
	@$(python) -m tests.bench $(ARGS)

soak: venv programs
	@ENGINE=vllm $(install) base engine dev
	@$(python) -m tests.soak $(ARGS)

load: venv programs
	@ENGINE=vllm $(install) base engine dev
	@$(python) -m tests.load $(ARGS)

chaos: venv programs
	@ENGINE=vllm $(install) base engine dev
	@$(python) -m tests.chaos $(ARGS)

screenshots: venv programs
	@ENGINE=vllm $(install) base engine dev
	@$(python) -m tests.screenshots $(ARGS)

# The compiled texts are part of the repository: a site runs without GNU gettext.
translations: export LOCALAI_ENV_FILE = tests/test.env
translations: venv programs
	@$(install) base
	$(python) manage.py makemessages --locale de --no-obsolete --add-location file --ignore .venv --ignore tests --ignore staticfiles
	msgfmt --check --statistics --output-file locale/de/LC_MESSAGES/django.mo locale/de/LC_MESSAGES/django.po

ci: lint test

venv:
	@$(python) -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	command -v $(PYTHON) >/dev/null || { \
		echo "$(PYTHON) is not found: install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3"; exit 1; }; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "LocalAI needs Python 3.11 or newer; this is `$(PYTHON) --version 2>&1`. Name another: make PYTHON=python3.12"; exit 1; }; \
	$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "This Python cannot make virtual environments: on Debian or Ubuntu, apt-get install python3-venv"; exit 1; }; \
	echo "Making the virtual environment $(VENV) …"; \
	$(PYTHON) -m venv --clear $(VENV); }

programs:
	@missing=$$(for program in $(programs); do command -v $${program%:*} >/dev/null || echo $${program#*:}; done | xargs); \
	[ -z "$$missing" ] || { \
	if ! command -v apt-get >/dev/null; then sudo=none; \
	elif [ "$$(id -u)" = 0 ]; then sudo=; \
	elif sudo -n true 2>/dev/null; then sudo=sudo; \
	else sudo=none; fi; \
	if [ "$$sudo" = none ]; then echo "The tests need these programs, please install them: $$missing"; exit 1; fi; \
	echo "Installing $$missing …"; \
	$$sudo apt-get update -qq && \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $$missing >/dev/null; }
