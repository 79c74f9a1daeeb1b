# Two commands for a newcomer: `make demo` and `make test`. Set-up goes into .venv, once.

PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python

.PHONY: demo test test-long setup icarus clean

demo: setup
	$(RUN) -m hwgen build --pe 12x14
	$(RUN) -m hwgen run examples/lenet5/lenet5.onnx --input examples/lenet5/digits/7.png

test: setup icarus
	$(RUN) -m pytest -n 2 --dist worksteal -rs

# Whole networks, every array shape, long fuzzing: hours.
test-long: setup icarus
	$(RUN) -m pytest -n 2 --dist worksteal -rs -m long

setup: $(VENV)/ready

$(VENV)/ready: pyproject.toml scripts/setup
	@scripts/setup $(PYTHON) $(VENV)
	@touch $@

icarus:
	@scripts/icarus

clean:
	rm -rf build $(VENV)
