# make demo | test | lint | docs | wheel. Needs python3 >= 3.11; everything is installed in $(VENV).
# make test-versions: the tests on the oldest Python with the lowest versions that pyproject.toml
# allows, and on a new Python with the newest of everything, each in its folder of $(VERSIONS).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST ?= --numprocesses=auto --dist=loadfile --no-loadscope-reorder

VERSIONS ?= build/versions
UV := $(VERSIONS)/uv/bin/uv
# A path, or a version that is on PATH or in pyenv.
find-python = $(or $(shell python$(1) -c 'import sys; print(sys.executable)' 2>/dev/null),\
  $(addsuffix /bin/python,$(shell pyenv prefix $(1) 2>/dev/null)),python$(1))
PYTHON_LOWEST ?= $(call find-python,3.11)
PYTHON_NEWEST ?= $(call find-python,3.13)

.PHONY: demo test lint docs wheel test-versions test-lowest test-newest

demo: $(VENV)/installed
	mkdir -p demo
	$(BIN)/audiogen generate \
	  --caption 'A man saying "seven", a dog barking and rain falling.' \
	  --speech "a man speaking" --asr "seven" \
	  --sfx "a dog barking" --env "rain falling" \
	  --duration 5 --seed 0 --plot --output demo/scene.wav --overwrite
	@echo "Written: demo/scene.wav (the scene) and demo/scene.png (its mel spectrogram)"

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest $(PYTEST)

# Both run; either failing fails the whole.
test-versions:
	$(MAKE) --keep-going test-lowest test-newest

test-lowest: $(UV)
	$(call environment,$@,$(PYTHON_LOWEST),lowest-direct)
	$(VERSIONS)/$@/bin/python -m tests.versions --lowest
	$(VERSIONS)/$@/bin/python -m pytest $(PYTEST)

test-newest: $(UV)
	$(call environment,$@,$(PYTHON_NEWEST),highest)
	$(VERSIONS)/$@/bin/python -m tests.versions
	$(VERSIONS)/$@/bin/python -m pytest $(PYTEST)

# Installed afresh each time: what is newest changes from day to day.
environment = $(UV) venv --quiet --clear --no-python-downloads --python $(2) $(VERSIONS)/$(1) && \
  $(UV) pip install --quiet --python $(VERSIONS)/$(1) --resolution $(3) --editable ".[test]"

$(UV):
	$(PYTHON) -m venv $(VERSIONS)/uv
	$(VERSIONS)/uv/bin/pip install --quiet uv

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
