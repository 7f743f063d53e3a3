# Two commands do everything on a fresh machine with Python 3.11, 3.12 or 3.13:
#   make demo    the voice speaks: open demo_output/demo.html; SPEECH=my.wav adds your own
#   make test    the tests
BIN := .venv/bin
INSTALLED := .venv/installed
SPOKEN := .venv/installed-to-speak
CURRENT_BIN := .venv-current/bin
CURRENT_INSTALLED := .venv-current/installed

# The packages that fit a Python: the reference set, with tensorflow-io, as long as there is a choice.
REQUIREMENTS_3.11 := requirements.txt
REQUIREMENTS_3.12 := requirements.txt
REQUIREMENTS_3.13 := requirements-current.txt
PYTHON ?= $(call find_python,3.11 3.12 3.13)
CURRENT_PYTHON ?= $(call find_python,3.13 3.12)

# A shim of pyenv may be there for a version that does not run: so each is asked, and pyenv's own are looked through.
version = $(shell '$(1)' -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
candidates = python$(1) python3 python $(wildcard $(shell pyenv root 2>/dev/null)/versions/$(1).*/bin/python)
find_python = $(firstword $(foreach wanted,$(1),\
	$(foreach python,$(call candidates,$(wanted)),$(if $(filter $(wanted),$(call version,$(python))),$(python)))))

CHECKPOINT ?= hifigan_tf/voices/live.keras

.PHONY: demo train-demo test test-processors test-slow test-current test-current-core current-python
.PHONY: c-test fuzz soak lint docs clean android-assets android android-test android-ui-test
.PHONY: web web-models web-packages web-test

demo: $(SPOKEN)
	$(BIN)/python -m hifigan_tf.demo $(if $(SPEECH),--speech $(SPEECH))

# Trains a small model for a few minutes, vocodes, evaluates: look into train_demo_output/; with FROM_VOICE=1 the voice
# goes on learning instead, as it does from another speaker's recordings.
train-demo: $(INSTALLED)
	$(BIN)/python -m hifigan_tf.train_demo $(if $(FROM_VOICE),--from-voice)

# Two workers, a file each at a time: most of a test's time is one thread compiling a graph.
test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: $(INSTALLED)
	$(BIN)/python -m pytest -m slow

# Gradients, distillation, training and distribution with the kernels of other processors: oneDNN's for AVX2, and
# TensorFlow's own, which Python programs get on processors without AVX-512.
test-processors: $(INSTALLED)
	TF_ENABLE_ONEDNN_OPTS=1 ONEDNN_MAX_CPU_ISA=AVX2 $(BIN)/python -m pytest -n 2 -m processors
	TF_ENABLE_ONEDNN_OPTS=0 $(BIN)/python -m pytest -n 2 -m processors

# The same tests on the newest TensorFlow, in an environment of its own.
test-current: $(CURRENT_INSTALLED)
	$(CURRENT_BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Of these what depends on the packages most: installation, parity, training, export, distillation and streaming.
test-current-core: $(CURRENT_INSTALLED)
	$(CURRENT_BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m 'current and not slow'

# The Python that these take; nothing where this machine has none.
current-python:
	@echo $(CURRENT_PYTHON)

# The example of docs/by_hand, built with LiteRT's library: its samples are Python's.
c-test: $(INSTALLED)
	$(BIN)/python -m pytest -m c tests/test_by_hand.py

# Mutated files for every reader of files from outside: a result or one line, within limits of time and memory.
# Fails too where a reader has had fewer than FUZZ_LEAST files in the time.
FUZZ_SECONDS ?= 600
FUZZ_LEAST ?= 10000
fuzz: $(INSTALLED)
	$(BIN)/python tests/fuzz.py --seconds $(FUZZ_SECONDS) --least $(FUZZ_LEAST)

# An hour of random pushes, resets and moved states of 32 streams on 4 threads.
SOAK_SECONDS ?= 3600
soak: $(INSTALLED)
	$(BIN)/python tests/soak.py --seconds $(SOAK_SECONDS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The API pages, from the docstrings: docs/api/index.html.
docs: $(INSTALLED)
	$(BIN)/python docs/make_api.py

# The app's models, of CHECKPOINT=… or else of the voice; with FLOAT32=1 the float32 model too.
android-assets: $(INSTALLED)
	$(BIN)/python export/android_assets.py --checkpoint "$(CHECKPOINT)" $(if $(FLOAT32),--float32)

# A signed debug APK, unpacked and checked: needs a JDK, Maven and, for Android's tools, Debian's apt. SETTINGS changes
# what android_demo/gradle.properties says, for example SETTINGS=-Pdemo.applicationId=org.example.speech.
android: android-assets
	$(BIN)/python android_demo/tools/build_apk.py $(SETTINGS)
	$(BIN)/python android_demo/tools/verify_apk.py $(SETTINGS)

# The core of the app, on this computer's JVM and LiteRT, compared with Python.
android-test: $(INSTALLED)
	android_demo/host/test.sh $(BIN)/python

# The app of that APK on this computer: its screens, its sound, its faults.
android-ui-test: $(INSTALLED)
	$(BIN)/python android_demo/tools/ui_test.py

# The page in the browser, with models of CHECKPOINT=… or else of the voice, or with MODEL=… (finished .tflite files):
# needs npm.
PORT ?= 8080
web: web-models web-packages
	$(BIN)/python web_demo/tools/serve.py --port $(PORT)

web-models: $(INSTALLED)
	$(BIN)/python web_demo/tools/make_models.py $(if $(MODEL),--model $(MODEL),--checkpoint "$(CHECKPOINT)")

web-packages:
	cd web_demo && npm ci --omit=dev

# That page in headless Chromium, its samples compared with Python's; SCREENSHOTS=1 renews its README's pictures.
web-test: $(INSTALLED)
	SCREENSHOTS=$(SCREENSHOTS) web_demo/test/test.sh $(BIN)/python

# $(call install,FOLDER,PYTHON,REQUIREMENTS): an environment of these packages, this project and its tools.
define install
	test -x $(1)/bin/pip || '$(2)' -m venv $(1)
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check -r $(3) -e '.[dev]'
	$(call install_compiled,$(1),$(PESQ))
	$(call install_compiled,$(1),$(VISQOL))
	touch $(1)/installed
endef
PESQ := pesq==0.0.4
VISQOL := visqol-python==3.8.0
# Packages without wheels, which not every computer can compile.
install_compiled = $(1)/bin/python -m pip install --quiet --disable-pip-version-check $(2) || echo "$(2) needs a compiler and Python's headers: evaluation goes on without it"
unsupported = $(error $(if $(strip $(2)),$(strip $(2)) is,there is) no Python $(1): install one, or name it by $(3)=…)
, := ,

$(INSTALLED): python = $(or $(wildcard $(BIN)/python),$(PYTHON))
$(INSTALLED): requirements = $(REQUIREMENTS_$(call version,$(python)))
$(INSTALLED): requirements.txt requirements-current.txt pyproject.toml
	$(call install,.venv,$(python),$(or $(requirements),$(call unsupported,3.11$(,) 3.12 or 3.13,$(python),PYTHON)))

# What the demo needs and no more, of the same versions.
$(SPOKEN): python = $(or $(wildcard $(BIN)/python),$(PYTHON))
$(SPOKEN): requirements = $(REQUIREMENTS_$(call version,$(python)))
$(SPOKEN): requirements.txt requirements-current.txt pyproject.toml
	test -x .venv/bin/pip || '$(python)' -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(or $(requirements),$(call unsupported,3.11$(,) 3.12 or 3.13,$(python),PYTHON)) -e '.[evaluate]'
	$(call install_compiled,.venv,$(PESQ))
	touch $@

$(CURRENT_INSTALLED): python = $(CURRENT_PYTHON)
$(CURRENT_INSTALLED): supported = $(filter 3.12 3.13,$(call version,$(python)))
$(CURRENT_INSTALLED): requirements-current.txt pyproject.toml
	$(call install,.venv-current,$(python),$(if $(supported),$<,$(call unsupported,3.13 or 3.12,$(python),CURRENT_PYTHON)))

clean:
	rm -rf .venv .venv-current runs demo_output docs/api android_demo/build android_demo/app/src/main/assets
	rm -rf web_demo/build web_demo/models web_demo/litert web_demo/node_modules
