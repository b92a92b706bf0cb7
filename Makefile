# Three commands on a machine that has Python 3.11 or newer:
#
#   make demo    set up .venv, audit the example models, write demo/report.html
#   make labs    the same set-up; the interactive labs, in the browser
#   make test    all tests
#
# All compile the native core, which takes a minute, if there is a C++ compiler; without one they do without.
# Each group of packages is installed once; its stamp in .venv is newer than pyproject.toml while that holds.

PYTHON ?= python3
# An exact release: a looser spec may resolve to a build with several gigabytes of GPU libraries.
TORCH  ?= torch==2.13.0
JOBS   ?= $(shell nproc 2>/dev/null || echo 2)

VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

NATIVE := native/CMakeLists.txt native/check_symbols.py $(wildcard native/*.cpp native/*.h native/body/*.h)

# The field: public models nobody here wrote. torchvision's extension does not load beside a CPU build of PyTorch, so
# that transformers and diffusers, which would trip over it, live in another environment than what needs it.
FIELD  := .venv-field-transformers
FIELD2 := .venv-field-torchvision
RUN    := HF_HUB_OFFLINE=1 PYTHONPATH=src:.

.PHONY: help demo labs test native sanitize lint format bench docs docs-serve field field-sizes field-onnx clean

help:
	@echo "make demo | labs | test | native | sanitize | lint | format | bench | docs | docs-serve | field | field-sizes | field-onnx | clean"

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Upweave needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Set PYTHON=…")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	@touch $@

# torch before everything, so that no other package's requirement chooses its build
$(VENV)/.torch: $(VENV)/.created
	$(PIP) '$(TORCH)'
	@touch $@

# What compiles the native core: here rather than in pip's isolation, so that a rebuild compiles only what has changed.
$(VENV)/.builder: $(VENV)/.created
	$(PIP) 'scikit-build-core>=0.11' 'nanobind>=2.4' cmake ninja
	@touch $@

# pip shows nothing of a build that falls back to Python alone, so this says it.
$(VENV)/.upweave: $(VENV)/.torch $(VENV)/.builder pyproject.toml $(NATIVE)
	$(PIP) --no-build-isolation --config-settings=build-dir=build/native --editable . '$(TORCH)'
	@$(BIN)/python -c 'import upweave; why = upweave.available_backends()["native"]; why and print("Without the native core:", why)'
	@touch $@

# The package is there, so each of these adds what its extra lists and compiles nothing.
$(VENV)/.examples: $(VENV)/.upweave
	$(PIP) 'upweave[examples]' '$(TORCH)'
	@touch $@

$(VENV)/.labs: $(VENV)/.upweave
	$(PIP) 'upweave[labs,torch,onnx]' '$(TORCH)'
	@touch $@

$(VENV)/.test: $(VENV)/.upweave
	$(PIP) 'upweave[test]' '$(TORCH)'
	@touch $@

$(VENV)/.lint: $(VENV)/.test
	$(PIP) 'upweave[lint]' '$(TORCH)'
	@touch $@

$(VENV)/.docs: $(VENV)/.upweave
	$(PIP) 'upweave[docs]' '$(TORCH)'
	@touch $@

$(VENV)/.bench: $(VENV)/.upweave
	$(PIP) 'upweave[bench]' '$(TORCH)'
	@touch $@

demo: $(VENV)/.examples
	$(BIN)/python -m examples.demo demo

labs: $(VENV)/.labs
	$(BIN)/upweave lab $(ARGS)

test: $(VENV)/.test
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

# Compiles what has changed and installs it; here, unlike elsewhere, an error of the compiler is one of make.
native:
	@rm -f $(VENV)/.upweave
	@UPWEAVE_NATIVE=1 $(MAKE) --no-print-directory $(VENV)/.upweave

# The tests of the native core's memory, on a build that checks each access.
sanitize: $(VENV)/.test
	$(BIN)/python -m scripts.sanitize $(ARGS)

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m scripts.readme_rules --check

format: $(VENV)/.lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python -m scripts.readme_rules

# The core rows against every peer, then docs/performance.md. About twenty minutes; nothing else should run meanwhile.
bench: $(VENV)/.bench
	$(BIN)/python -m bench forward --core --force $(ARGS)
	$(BIN)/python -m bench report

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

docs-serve: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

$(FIELD)/.installed:
	$(PYTHON) -m venv $(FIELD)
	$(FIELD)/bin/python -m pip install --quiet '$(TORCH)'
	$(FIELD)/bin/python -m pip install --quiet '$(TORCH)' transformers==5.23.0 diffusers==0.42.1 monai==1.6.1 einops scipy
	@touch $@

# --no-deps: torchvision would ask for a build of PyTorch of its own
$(FIELD2)/.installed:
	$(PYTHON) -m venv $(FIELD2)
	$(FIELD2)/bin/python -m pip install --quiet '$(TORCH)'
	$(FIELD2)/bin/python -m pip install --quiet '$(TORCH)' numpy scipy pillow tqdm pyyaml safetensors huggingface_hub
	$(FIELD2)/bin/python -m pip install --quiet --no-deps \
		timm==1.0.31 segmentation-models-pytorch==0.6.0 torchvision==0.28.0
	@touch $@

field: $(FIELD)/.installed $(FIELD2)/.installed
	$(RUN) $(FIELD)/bin/python -m field.run transformers diffusers monai
	$(RUN) $(FIELD2)/bin/python -m field.run smp
	$(FIELD)/bin/python -m field.report

field-sizes: $(FIELD)/.installed $(FIELD2)/.installed
	-$(RUN) $(FIELD)/bin/python -m field.sizes transformers diffusers monai
	-$(RUN) $(FIELD2)/bin/python -m field.sizes smp

# Needs ONNX's exporter and the runtimes besides; nothing else should run meanwhile, since files are timed.
field-onnx: $(FIELD)/.installed $(FIELD2)/.installed
	$(FIELD)/bin/python -m pip install --quiet '$(TORCH)' onnx onnxscript onnxruntime openvino
	$(FIELD2)/bin/python -m pip install --quiet '$(TORCH)' onnx onnxscript onnxruntime openvino
	$(RUN) $(FIELD)/bin/python -m field.accelerate_onnx transformers diffusers monai examples
	$(RUN) $(FIELD2)/bin/python -m field.accelerate_onnx smp
	$(FIELD)/bin/python -m field.report_onnx

clean:
	rm -rf demo site build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
