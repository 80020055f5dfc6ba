# The four things a newcomer does. Needs Python 3.11 and make, nothing else.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
TORCH_INDEX ?=
STUDIES ?= demo/studies

# The versions tested together, also for packages that pip builds.
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt

PLUGIN := .venv-plugin

.PHONY: demo serve test test-plugin lint audit clean

demo: $(VENV)/.server  ## segment a volume over HTTP, synthesize new ones, audit them, print the verdict
	$(BIN)/python sample-data/demo.py

serve: $(VENV)/.server $(STUDIES)  ## serve the folder STUDIES to 3D Slicer at http://127.0.0.1:8000
	$(BIN)/verisim serve --studies $(STUDIES)

demo/studies:  # a copy, since the server keeps labels beside the images
	mkdir -p demo
	cp -R sample-data/studies $@

test: $(VENV)/.tests test-plugin  ## every test that takes seconds
	$(BIN)/python -m pytest -m "not slow"

test-plugin: $(PLUGIN)/.installed $(VENV)/.server  ## the 3D Slicer panels, in a stand-in for Slicer, without a display
	$(PLUGIN)/bin/python plugin/system_libraries.py
	env -u DISPLAY QT_QPA_PLATFORM=offscreen OMP_WAIT_POLICY=PASSIVE \
		timeout 600 $(PLUGIN)/bin/python -m pytest -q tests/plugin

lint: $(VENV)/.tests  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

audit:  ## known vulnerabilities of the pinned versions, as pypi.org knows them
	$(PYTHON) -m venv build/audit
	build/audit/bin/pip install --quiet pip-audit
	# strict: a version that could not be looked up is a failure, not a success
	build/audit/bin/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

clean:
	rm -rf $(VENV) $(PLUGIN) build

# sam2, which MONAI Label requires, would fetch a second torch only to be built:
# without build isolation it is built with the torch that is here already.
$(VENV)/.server: pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info[:2] != (3, 11) and \
		f'MONAI Label needs Python 3.11, this is {sys.version.split()[0]}: make PYTHON=/path/to/python3.11')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet torch setuptools wheel $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
	SAM2_BUILD_CUDA=0 $(BIN)/pip install --quiet --no-build-isolation sam2
	$(BIN)/pip install --quiet -e ".[label]"
	touch $@

$(VENV)/.tests: $(VENV)/.server
	$(BIN)/pip install --quiet -e ".[dev]"
	touch $@

# An environment of its own, and not the server's constraints: numpy and vtk differ, and
# the package named slicer that shap requires would overwrite slicer-core.
$(PLUGIN)/.installed: plugin/requirements.txt
	$(PYTHON) -m venv $(PLUGIN)
	env -u PIP_CONSTRAINT $(PLUGIN)/bin/pip install --quiet -r plugin/requirements.txt
	touch $@
