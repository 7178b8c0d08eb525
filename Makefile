# make demo   start a real network on this machine and search it (SHARE=DIR, KEEP=1)
# make test   the whole test suite        make lint   ruff and mypy
# make bench  measurements (N=1000000)    make clean  remove .venv and what the others left
# make lab    every declared target of whole networks, five seeds of 10,000 peers: hours (PEERS=1000 SEEDS=1 JOBS=2 for less)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint bench lab clean
.DELETE_ON_ERROR:

$(VENV)/.runtime: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.develop: $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	touch $@

# Rivals are measured where they can be had.
$(VENV)/.measure: $(VENV)/.develop
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	touch $@

demo: $(VENV)/.runtime
	@$(BIN)/superpeer demo $(if $(SHARE),--share "$(SHARE)") $(if $(KEEP),--keep)

test: $(VENV)/.develop
	$(BIN)/python -m pytest -n logical --maxprocesses 8 --dist loadfile $(PYTEST)

lint: $(VENV)/.develop
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.measure
	$(BIN)/python -m bench $(if $(N),--records $(N))

lab: $(VENV)/.runtime
	$(BIN)/superpeer lab all --out lab.json $(if $(PEERS),--peers $(PEERS)) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(JOBS),--jobs $(JOBS))

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .hypothesis .coverage
