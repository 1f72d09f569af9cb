# On Linux and macOS; on Windows see the pip lines in README.md.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
SAMPLE := sample_data/sample_mixed.tif
COUNTED := out/$(notdir $(basename $(SAMPLE))).report.json
PROGRAM := $(shell find src -name '*.py' -o -name '*.json' -o -name '*.safetensors')

export PYTHON
# what is compiled once serves all workers and the processes they start, also where Python is told to keep none of it
QUIETLY := PYTHONDONTWRITEBYTECODE= NAPARI_STRICT_QT=1 OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE

.PHONY: run test coverage test-slow fuzz mutants lint docs bundle bench setup clean

# The sample is counted once, and again after a change of the program, of a model or of the sample
run: $(READY)
	@if $(MAKE) -q $(COUNTED); then \
		echo "The sample is counted already (rm -r out, and it is counted again):"; ls $(basename $(basename $(COUNTED))).*; \
	else \
		echo "Counting the atoms on $(SAMPLE)"; $(MAKE) -s $(COUNTED); \
	fi
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ "$$(uname -s)" = Darwin ]; then \
		echo "Opening the window"; $(BIN)/napari-atomicity window $(SAMPLE); \
	else \
		echo "No display here, so no window; on a desktop: $(BIN)/napari-atomicity window $(SAMPLE)"; \
	fi

$(COUNTED): $(READY) $(SAMPLE) $(PROGRAM)
	@$(BIN)/napari-atomicity analyse $(SAMPLE) -o out

# Three at a time even on two cores: those of the window wait a third of their time for it
test: $(READY)
	$(QUIETLY) $(BIN)/python -m pytest -n 3 --dist loadfile $(ARGS)

# The same, half as long again: at the end it says how much of the program the tests come by, and where least
coverage: $(READY)
	$(QUIETLY) $(BIN)/python -m pytest -n 3 --dist loadfile --cov --cov-report= $(ARGS)

# And every example of each property, of which `make test` tries a third
test-slow: $(READY)
	NAPARI_ATOMICITY_TEST_EXAMPLES=all $(QUIETLY) $(BIN)/python -m pytest -n 2 --dist loadfile \
		-m "slow or hypothesis" $(ARGS)

# Damaged and hostile input for every door; about half an hour. make fuzz ARGS="--files 300 --others 200 --seed 7"
fuzz: $(READY)
	$(BIN)/python -m tools.fuzz $(ARGS)

# Small faults in the program, one at a time: which does no test notice? tests/README.md tells more.
mutants: $(READY)
	$(QUIETLY) $(BIN)/python -m tools.mutants $(ARGS)

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/check_docstrings.py
	$(BIN)/zizmor --offline --quiet .github

# The site, as strictly as in CI, into build/site; ATOMICITY_SITE_NOTEBOOKS=0 leaves the notebooks as they are written
docs: $(READY)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt --group docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# A zip for computers without the net, into build/bundle, and a trial of it
bundle: $(READY)
	$(BIN)/python tools/bundle.py build -o build/bundle $(ARGS)
	$(BIN)/python tools/bundle.py try build/bundle

# All take hours; a small selection of each, some minutes: make bench ARGS=--quick
bench: $(READY)
	@for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(BIN)/python $$script $(ARGS) || exit 1; done

setup: $(READY)

# An editable install holds copies of napari.yaml and the samples, so these call for a new one
$(READY): pyproject.toml constraints.txt napari.yaml tools/setup.sh $(wildcard sample_data/*)
	@sh tools/setup.sh
	@touch $@

clean:
	rm -rf .venv out build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage* .mutants
