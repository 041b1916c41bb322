# Each target does all of its own set-up in .venv; nothing else is needed but Python 3.10+ (3.11 for constraints.txt).
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo lab notebooks test check lint bench coverage docs picture clean

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -q -c constraints.txt

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 8

demo: $(VENV)/.notebook ## Run the quickstart on a real ResNet-50; leaves artifacts/resnet50.html
	$(BIN)/python tools/demo.py

lab: $(VENV)/.notebook ## Open JupyterLab on notebooks/
	$(BIN)/jupyter lab --ServerApp.root_dir=$(CURDIR)/notebooks $(if $(filter 0,$(shell id -u)),--allow-root)

notebooks: $(VENV)/.test ## Write the notebooks, English and Chinese, from notebooks/source/
	$(BIN)/python tools/notebooks.py

# Three workers, since those with a browser wait half of their time; PyTorch's threads would wait for each other, spinning.
test: export OMP_NUM_THREADS ?= 1
test: $(VENV)/.test $(VENV)/.browser ## Install what tests need (the browser too) and run them all
	$(BIN)/python -m pytest -n 3 --dist loadfile $(ARGS)

check: lint ## Formatting, lint, types, import directions, quick tests
	$(BIN)/python -m pytest -q -m 'not (slow or browser or jupyter)'

lint: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.test $(VENV)/.browser ## Compare show() with the road it replaces; JSON in artifacts/ (ARGS=--quick: does it run?)
	$(PIP) 'diffusers>=0.30'
	set -e; for part in run scale notebook capture finetune; do $(BIN)/python benchmarks/$$part.py $(ARGS); done

coverage: $(VENV)/.test ## Look at 530 models of torchvision, timm, transformers, diffusers; writes docs/coverage.md
	$(PIP) 'diffusers>=0.30'
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore -m benchmarks.coverage $(ARGS)

docs: $(VENV)/.docs ## Build the site in artifacts/docs, tutorials too; a warning is an error
	$(BIN)/sphinx-build -q -W --keep-going -b html docs artifacts/docs
	@echo "Built artifacts/docs/index.html"

picture: $(VENV)/.test $(VENV)/.browser ## Take the README's pictures of the panel, in JupyterLab
	$(BIN)/python tools/picture.py

clean: ## Remove what the targets made
	rm -rf $(VENV) artifacts build dist

$(VENV)/.made:
	tools/make_venv.sh $(VENV)
	touch $@

$(VENV)/.notebook: $(VENV)/.made pyproject.toml constraints.txt
	$(PIP) -e '.[notebook]'
	touch $@

$(VENV)/.test: $(VENV)/.made pyproject.toml constraints.txt
	$(PIP) -e '.[test]'
	touch $@

$(VENV)/.docs: $(VENV)/.made pyproject.toml constraints.txt
	$(PIP) -e '.[docs]'
	touch $@

$(VENV)/.browser: $(VENV)/.test
	$(BIN)/python tools/chromium.py --install
	touch $@
