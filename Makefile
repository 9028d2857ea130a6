# The first Python that is new enough is used; `make setup PYTHON=/path/to/python3` names another.
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
PEERS := .benchmarks/peers
# How many processes run the tests.
WORKERS ?= auto
# More for pytest: `make test ARGS='-k wp11'`.
ARGS ?=

# A lock is complete, so nothing is left to resolve: --no-deps keeps pip from looking past the lock at newer
# releases. Wheels only: building one would fetch build tools that no lock names.
LOCKED := --quiet --require-hashes --no-deps --only-binary :all:
# uv installs in a tenth of the time, but reads none of pip's settings: where pip has one of these, pip installs.
# Like pip, uv trusts whom the system trusts.
PIP_SETTINGS := (index-url|extra-index-url|no-index|proxy|trusted-host|client-cert|keyring-provider)
# One lock serves every supported Python and platform. It holds no address of an index.
COMPILE := $(BIN)/uv pip compile --quiet --no-config --system-certs --upgrade --universal --python-version 3.11 \
	--generate-hashes --only-binary :all: --custom-compile-command 'make lock'

.DEFAULT_GOAL := help
.PHONY: help setup demo run test long faults fuzz fuzz-parsers soak broker broker-stop check audit sbom format bench bench-kafka bench-api bench-embedded bench-logs bench-peers bench-turns docs mutants screenshots simulate lock wheel release clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## make .venv with what the lock names, and the project in it

# uv and pip come first, to install the rest. The pip beside Python installs them, if there is one: venv takes
# longer to unpack its own.
$(VENV)/.created: requirements-build.lock
	@found=; older=; \
	for python in $(if $(PYTHON),'$(PYTHON)',python3 python3.14 python3.13 python3.12 python3.11); do \
		version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then found=$$python; break; fi; \
		older=$${older:-$$version}; \
	done; \
	if [ -z "$$found" ]; then \
		echo "Python 3.11 or newer is needed, and $${older:-none} was found: install it, or name it with 'make setup PYTHON=/path/to/python3'." >&2; \
		exit 1; \
	fi; \
	if "$$found" -m pip --python "$$found" --version >/dev/null 2>&1; then \
		without=--without-pip; set -- "$$found" -m pip --python $(BIN)/python; \
	else \
		without=; set -- $(BIN)/python -m pip; \
	fi; \
	"$$found" -m venv --clear $$without $(VENV) || { \
		echo "$$found could not make $(VENV): install its venv module (on Debian, the package python3-venv) and run make setup again." >&2; \
		exit 1; \
	}; \
	"$$@" install --disable-pip-version-check $(LOCKED) -r requirements-build.lock
	@touch $@

$(VENV)/.locked: requirements-dev.lock $(VENV)/.created
	@if $(BIN)/python -m pip config list | grep -Eq '[.]$(PIP_SETTINGS)='; then \
		echo 'pip is set to an index of its own, so pip installs the packages, which takes longer.'; \
	else \
		UV_HTTP_RETRIES=1 $(BIN)/uv pip install --no-config --system-certs --exact --compile-bytecode $(LOCKED) -r requirements-dev.lock && exit; \
		echo 'uv could not install the packages: pip tries, which takes longer.'; \
	fi; \
	$(BIN)/python -m pip install $(LOCKED) -r requirements-dev.lock
	@touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.locked
	$(BIN)/uv pip install --no-config --quiet --offline --no-deps --no-build-isolation -e .
	$(BIN)/uv pip check --quiet
	@touch $@

demo: setup ## show the gateway at work, with nothing to start beforehand
	$(BIN)/python -m gateway.demo

run: setup ## run the gateway on the embedded log
	$(BIN)/gateway run

test: setup ## run the tests; with CI=true all of them
ifeq ($(CI),true)
	@echo 'Nothing is left out: CI=true.'
	$(BIN)/pytest -n $(WORKERS) $(ARGS)
else
	@echo 'Left out: tests marked slow, because they take minutes. CI=true make test runs them too.'
	@$(BIN)/python -m tests.broker missing
	@$(BIN)/python -m tests.deploy.tools
	@$(BIN)/python -m tests.console.tools
	$(BIN)/pytest -n $(WORKERS) -m 'not slow' $(ARGS)
endif

long: setup ## run the long form of the tests that have one, which takes a quarter of an hour
	GATEWAY_TEST_LONG=1 $(BIN)/pytest -n $(WORKERS) $$(grep --files-with-matches --recursive --include='*.py' 'tests.forms import' tests) $(ARGS)

faults: setup ## put the gateway through every fault, with a real broker, which takes minutes
	GATEWAY_TEST_LONG=1 $(BIN)/pytest -n $(WORKERS) tests/faults $(ARGS)

fuzz: setup ## ask a sandbox tens of thousands of things made from the OpenAPI document, for some 15 minutes
	$(BIN)/python -m tests.contracts.openapi.fuzz $(ARGS)

fuzz-parsers: setup ## damage what parsers read that strangers can reach, for 10 minutes; ARGS='--minutes 60 --only avro'
	$(BIN)/python -m tests.fuzzing.fuzz $(ARGS)

soak: setup ## random faults for 15 minutes; ARGS='--minutes 5 --seed 1' for others
	$(BIN)/python -m tests.faults.soak $(ARGS)

broker: setup ## start Apache Kafka for the tests, in the background, and print its address
	@$(BIN)/python -m tests.broker start

broker-stop: setup ## stop the broker that make broker started
	@$(BIN)/python -m tests.broker stop

check: setup ## lint, formatting, types, and the arrows between rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: setup ## ask PyPI for known vulnerabilities of what the locks name; ARGS='-s osv' asks another service
	$(BIN)/python -m tests.install.audit $(ARGS)

sbom: setup ## write what the gateway is made of, as CycloneDX, into dist/sbom.json
	@mkdir -p dist
	$(BIN)/python -W ignore -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible --output-file dist/sbom.json requirements.lock

format: setup ## put the code in ruff's form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## measure speed and memory and write benchmarks/figures.md, which takes ten minutes
	@mkdir -p .benchmarks
	$(BIN)/pytest benchmarks/ --benchmark-only --benchmark-quiet --benchmark-json=.benchmarks/last.json $(ARGS)
	$(BIN)/python -m benchmarks.figures .benchmarks/last.json

bench-kafka: setup ## measure on a broker what benchmarks/kafka.md reports, which takes ten minutes
	@address=$$($(BIN)/python -m tests.broker start) && \
	$(BIN)/python -m benchmarks.kafka_run $$address && \
	$(BIN)/python -m benchmarks.kafka_restore $$address && \
	$(BIN)/python -m benchmarks.kafka_restore $$address --partitions 1 && \
	$(BIN)/python -m benchmarks.kafka_handover $$address && \
	$(BIN)/python -m benchmarks.kafka_latency $$address

bench-api: setup ## measure on a gateway what benchmarks/api.md reports, which takes ten minutes; ARGS='--minutes 10' for longer attacks
	$(BIN)/python -m benchmarks.api_load --seconds 8
	$(BIN)/python -m benchmarks.api_attacks $(ARGS)

bench-logs: setup ## measure what it costs to log decisions, by turns, in a minute or two
	$(BIN)/python -m benchmarks.log_events $(ARGS)

bench-peers: setup $(PEERS)/.installed ## compare with other ways to do the same on a broker, in a quarter of an hour at most, and write it in docs/performance.md
	$(BIN)/python -m benchmarks.peers $(ARGS)

# What the gateway is compared with is no part of it, and has an environment of its own.
$(PEERS)/.installed: benchmarks/peers/requirements.lock $(VENV)/.locked
	$(BIN)/python -m venv --clear --without-pip $(PEERS)
	$(BIN)/python -m pip --python $(PEERS)/bin/python install --disable-pip-version-check $(LOCKED) -r $<
	@touch $@

bench-turns: setup ## compare with another checkout, by turns: OLD=/path/to/it
	$(BIN)/python -m benchmarks.by_turns "$(OLD)" . $(ARGS)

bench-embedded: setup ## measure the embedded log at sizes: ARGS='10000 300000', numbers of referrals
	$(BIN)/python -m benchmarks.at_size $(ARGS)

docs: setup ## make anew what is made from the code: docs/rules.md, docs/events.md, docs/demo.svg, the API's examples
	$(BIN)/python -m gateway.contracts.rules_page > docs/rules.md.new && mv docs/rules.md.new docs/rules.md
	$(BIN)/python -m gateway.contracts.events_page > docs/events.md.new && mv docs/events.md.new docs/events.md
	$(BIN)/python -m gateway.demo --picture docs/demo.svg
	$(BIN)/python -m tests.contracts.openapi.recording gateway/contracts/openapi/examples.json

mutants: setup ## change the rules one expression at a time, and print the changes that no test finds; half an hour
	$(BIN)/python -m tests.rules.mutants $(ARGS)

screenshots: setup ## make the pictures of the console in docs/console/, with Chromium
	$(BIN)/python -m tests.console.screenshots

simulate: setup ## run 100,000 random schedules of crashes and delays through the engine
	$(BIN)/python -m tests.engine.simulate --schedules 100000

lock: setup ## make the locks anew, with the newest versions
	$(COMPILE) --output-file requirements.lock pyproject.toml
	$(COMPILE) --output-file requirements-dev.lock --extra dev --group build --constraint requirements.lock pyproject.toml
	$(COMPILE) --output-file benchmarks/peers/requirements.lock benchmarks/peers/requirements.in
	$(COMPILE) --output-file requirements-build.lock --group build --constraint requirements-dev.lock

wheel: setup ## build the wheel into dist/
	$(BIN)/uv build --no-config --quiet --offline --wheel --no-build-isolation

release: setup ## make a release here: make release VERSION=1.2.0; nothing is pushed
	$(BIN)/python -m tests.releases.make $(VERSION)

clean: ## remove .venv and everything made
	@[ ! -d .kafka/broker ] || $(MAKE) --no-print-directory broker-stop
	rm -rf $(VENV) .kafka .tools tests/console/identity_provider/node_modules dist build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks .coverage .coverage.* htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
