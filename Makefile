# Two commands do everything on a fresh machine with Python 3.11:
#   make demo    trains a small model, vocodes, evaluates: look into demo_output/
#   make test    the tests
PYTHON ?= python3.11
BIN := .venv/bin
INSTALLED := .venv/installed

CHECKPOINT ?= runs/demo

.PHONY: demo test test-processors test-slow lint clean android-assets android android-test android-ui-test

demo: $(INSTALLED)
	$(BIN)/python -m hifigan_tf.demo

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

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The app's models, of CHECKPOINT=… or else of the demo, which is trained first where it has not been.
android-assets: $(INSTALLED) $(if $(filter runs/demo,$(CHECKPOINT)),runs/demo/best.keras)
	$(BIN)/python export/android_assets.py --checkpoint "$(CHECKPOINT)"

runs/demo/best.keras: | $(INSTALLED)
	$(BIN)/python -m hifigan_tf.demo

# A signed debug APK, unpacked and checked: needs a JDK, Maven and, for Android's tools, Debian's apt.
android: android-assets
	$(BIN)/python android_demo/tools/build_apk.py
	$(BIN)/python android_demo/tools/verify_apk.py

# The core of the app, on this computer's JVM and LiteRT, compared with Python.
android-test: $(INSTALLED)
	android_demo/host/test.sh $(BIN)/python

# The app of that APK on this computer: its screens, its sound, its faults.
android-ui-test: $(INSTALLED)
	$(BIN)/python android_demo/tools/ui_test.py

$(INSTALLED): requirements.txt pyproject.toml
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -e '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pesq==0.0.4 || echo "pesq needs a C compiler and Python's headers: evaluation goes on without PESQ"
	touch $@

clean:
	rm -rf .venv runs demo_output android_demo/build android_demo/app/src/main/assets
