# make demo | test | lint | docs | wheel. Needs python3 >= 3.11; everything is installed in $(VENV).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test lint docs wheel

demo: $(VENV)/installed
	mkdir -p demo
	$(BIN)/audiogen generate \
	  --caption 'A man saying "seven", a dog barking and rain falling.' \
	  --speech "a man speaking" --asr "seven" \
	  --sfx "a dog barking" --env "rain falling" \
	  --duration 5 --seed 0 --plot --output demo/scene.wav
	@echo "Written: demo/scene.wav (the scene) and demo/scene.png (its mel spectrogram)"

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest --numprocesses=auto --dist=loadfile

lint: $(VENV)/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python

# The site in site/, and again while it is edited: $(BIN)/zensical serve
docs: $(VENV)/installed-docs
	$(BIN)/python docs/draw_architecture.py
	$(BIN)/zensical build --strict

wheel:
	$(PYTHON) -m pip wheel --quiet --no-deps --wheel-dir dist .

$(VENV)/installed: pyproject.toml $(shell find audiogen_jax -type f -not -name '*.pyc')
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet .
	touch $@

# Editable, so that tests and type checks see the source tree as it is.
$(VENV)/installed-dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable ".[dev]"
	touch $@

$(VENV)/installed-docs: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable ".[docs]"
	touch $@
