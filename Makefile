# Two commands do everything on a fresh machine with Python 3.11:
#   make demo    trains a small model, vocodes, evaluates: look into demo_output/
#   make test    the tests
PYTHON ?= python3.11
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: demo test lint clean

demo: $(INSTALLED)
	$(BIN)/python -m hifigan_tf.demo

# Two workers, a file each at a time: most of a test's time is one thread compiling a graph.
test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

$(INSTALLED): requirements.txt pyproject.toml
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -e '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pesq==0.0.4 || echo "pesq needs a C compiler and Python's headers: evaluation goes on without PESQ"
	touch $@

clean:
	rm -rf .venv runs demo_output
