# The commands of a ReviewHub checkout. Each sets up what it needs on a machine with Python >= 3.11.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv/bin
export PATH := $(CURDIR)/$(VENV):$(PATH)

.PHONY: run test check acceptance faults bench install install-dev browser screenshots

run: install
	@python manage.py run --port $(PORT)

install:
	@$(PYTHON) -m reviewhub.bootstrap requirements.txt

install-dev: 
	@$(PYTHON) -m reviewhub.bootstrap requirements-dev.txt

# The browser tests need a Chromium; .ci/browser installs Debian's where there is none.
browser:
	@sh .ci/browser

test: install-dev browser
	@python -m pytest -n 2

check: install-dev
	@ruff check .
	@ruff format --check --exclude '*/migrations/*' .
	@DATABASE_URL=postgres://types REDIS_URL=redis://types mypy reviewhub models_registry review feedback
	@lint-imports
	@python manage.py makemigrations --check --dry-run
	@python manage.py check --fail-level WARNING
	@python manage.py spectacular --validate --fail-on-warn --file /dev/null
	@djlint --lint --quiet templates
	@python -m pytest tests/architecture

# Minutes: the statistics at their bars. REVIEWHUB_ADULT_CSV names the census table for the bars that are about it.
acceptance: install-dev
	@python -m tests.acceptance

# Minutes: the tests that kill a real server under load, at full size; the suite takes them small.
faults: install-dev browser
	@FAULTS=full python -m pytest -m faults

bench: install-dev
	@python -m benchmarks

screenshots: install-dev browser
	@python -m pytest tests/browser/screenshots.py
