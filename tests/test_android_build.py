"""The settings of the Android app, as its build without Gradle takes them."""

import importlib
import re
import subprocess
import xml.etree.ElementTree as ET

import pytest

from android_demo.tools import build_apk

ANDROID = "{http://schemas.android.com/apk/res/android}"


def names(element: ET.Element) -> set[str]:
    return {part.get(f"{ANDROID}name") for part in element.find("application")}


@pytest.fixture
def manifest():
    return (build_apk.SOURCES / "AndroidManifest.xml").read_text(encoding="utf-8")


def test_another_application_id_leaves_the_classes_where_they_are(manifest):
    merged = ET.fromstring(build_apk.merged(manifest, "org.example.speech"))
    assert merged.get("package") == "org.example.speech"
    sources = build_apk.SOURCES / "java"
    for name in names(merged):
        assert (sources / f"{name.replace('.', '/')}.java").is_file(), name
    provider = merged.find("application/provider")
    assert provider.get(f"{ANDROID}authorities") == "org.example.speech.share"
    assert "${" not in build_apk.merged(manifest, "org.example.speech")


def test_both_builds_have_one_namespace(monkeypatch):
    monkeypatch.setattr("sys.argv", ["build_apk.py"])
    gradle = (build_apk.ROOT / "app/build.gradle").read_text(encoding="utf-8")
    assert re.findall(r"namespace = '(.+?)'", gradle) == [build_apk.NAMESPACE]
    wanted = set(re.findall(r"property\('(.+?)'\)", gradle)) | {"demo.mavenCentralRuntime"}
    assert {name for name in build_apk.read_properties() if name.startswith("demo.")} == wanted


def test_the_command_line_changes_a_setting(monkeypatch):
    monkeypatch.setattr("sys.argv", ["build_apk.py", "-Pdemo.applicationId=org.example.speech", "-Pdemo.targetSdk=37"])
    properties = build_apk.read_properties()
    assert (properties["demo.applicationId"], properties["demo.targetSdk"]) == ("org.example.speech", "37")
    assert properties["demo.compileSdk"] == "36"


SETTING_NOTHING = (
    "-Pdemo.applicationID=org.example",
    "-Pdemo.applicationId",
    "-Pdemo.minSdk=",
    "-Pdemo.runtime=org.tensorflow:tensorflow-lite:2.16.1",  # these three are Gradle's
    "-Pdemo.compileSdk=35",
    "-Porg.gradle.jvmargs=-Xmx4g",
    "demo.minSdk=27",
)


@pytest.mark.parametrize("option", SETTING_NOTHING)
def test_a_setting_that_is_none_is_an_error(option, monkeypatch):
    monkeypatch.setattr("sys.argv", ["build_apk.py", option])
    with pytest.raises(SystemExit, match=f"^error: {option} sets nothing: give -PNAME=VALUE, with one of demo.app"):
        build_apk.read_properties()


def test_every_setting_that_the_build_takes_is_read():
    text = "".join((build_apk.TOOLS / name).read_text(encoding="utf-8") for name in ("build_apk.py", "verify_apk.py"))
    gradle = (build_apk.ROOT / "gradle.properties").read_text(encoding="utf-8")
    read = set(re.findall(r"properties(?:\(\))?\[[\"'](demo\.\w+)[\"']\]", text))
    assert read == set(re.findall(r"^(demo\.\w+)=", gradle, re.MULTILINE)) - build_apk.GRADLE_ONLY


@pytest.mark.parametrize(("java", "newest"), [("17.0.15 2025-04-15", "35"), ("21-ea 2023-09-19", "36"), ("25", "36")])
def test_a_java_of_any_version_reads_the_systems_that_it_can(java, newest, monkeypatch):
    monkeypatch.syspath_prepend(build_apk.TOOLS)
    ui_test = importlib.import_module("ui_test")
    monkeypatch.setattr(ui_test, "run", lambda *_: f"openjdk {java}\nOpenJDK Runtime Environment\n")
    assert ui_test.systems()[-1] == newest


def test_the_arm64_check_says_how_to_make_the_float32_model(tmp_path):
    (tmp_path / "vocoder_int8.tflite").touch()
    done = subprocess.run([build_apk.ROOT / "verify_arm64.sh", tmp_path], capture_output=True, text=True)
    line = f"error: {tmp_path} has no vocoder_float32.tflite: make android-assets FLOAT32=1 makes it\n"
    assert (done.returncode, done.stderr) == (2, line)
