# Two commands for a newcomer: `make demo` and `make test`. Set-up goes into .venv, once.

PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python

.PHONY: demo test test-long docs setup icarus clean

demo: setup
	$(RUN) -m hwgen build --pe 12x14
	$(RUN) -m hwgen run examples/lenet5/lenet5.onnx --input examples/lenet5/digits/7.png

test: setup icarus
	$(RUN) -m pytest -n 2 --dist worksteal -rs

# Whole networks, every array shape, long fuzzing: hours.
test-long: setup icarus
	$(RUN) -m pytest -n 2 --dist worksteal -rs -m long

# The documentation as a site in build/site; a broken link is an error.
docs: setup
	$(RUN) -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict --quiet
	@echo "The documentation is in build/site/index.html."

setup: $(VENV)/ready

$(VENV)/ready: pyproject.toml scripts/setup
	@scripts/setup $(PYTHON) $(VENV)
	@touch $@

icarus:
	@scripts/icarus

clean:
	rm -rf build $(VENV)
