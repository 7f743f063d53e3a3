"""Tests the app on this computer, from the first press to the last sample: ``android_demo/tools/ui_test.py [TESTS]``.

It tests the app in the APK, and the snippet of the README. Robolectric runs Android's own classes on a JVM, those of
Android 8, 15 and, where Java is 21 or newer, 16. ``host/`` replaces the runtime, with real models and kernels; only the
layers below, such as sound output, are faked.
Pictures of the screen go to ``android_demo/build/screens``.
"""

import dataclasses
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

from build_apk import APK, ASSETS, BUILD, NAMESPACE, ROOT, SYSTEM, TOOLS, WORK, fetched, run, shown

from hifigan_tf.streaming import contract

TESTS = ROOT / "app/src/test/java/dev/hifigan/demo"
STAND_IN = ROOT / "host/src/main/java"
UI = BUILD / "ui"
SCREENS = BUILD / "screens"
LOG = BUILD / "ui-test.log"
SNIPPET_IMPORTS = """
import static java.nio.channels.FileChannel.MapMode.READ_ONLY;

import android.content.res.*;
import android.media.*;
import dev.hifigan.vocoder.*;
import java.io.*;
import java.nio.*;
import java.nio.channels.*;
import java.util.*;
"""


def main() -> None:
    if not APK.exists():
        sys.exit(f"error: {APK} is missing: make android makes it")
    fetch()
    classpath = [*(UI / "jars").glob("*.jar"), WORK / "classes", SYSTEM / "classes.jar"]
    compile_tests(classpath)
    write_config(add_bad_models())
    shutil.rmtree(SCREENS, ignore_errors=True)
    SCREENS.mkdir()
    names = sorted(
        f"dev.hifigan.demo.{path.stem}" for path in TESTS.glob(sys.argv[1] if sys.argv[1:] else "*Test.java")
    )
    sys.exit(run_tests(classpath, names))


def fetch() -> None:
    pom = TOOLS / "ui_pom.xml"
    with fetched(UI / "fetched", f"{pom.read_text()}{systems()}") as missing:
        if missing:
            maven = ["mvn", "--batch-mode", "--quiet", "--file", pom]
            run(*maven, "dependency:copy-dependencies", f"-DoutputDirectory={UI / 'jars'}")
            for execution in ["systems", *(["android-16"] if "36" in systems() else [])]:
                run(*maven, f"dependency:copy@{execution}", f"-DoutputDirectory={UI / 'systems'}")
            for archive in (UI / "jars").glob("*.aar"):
                with zipfile.ZipFile(archive) as aar:
                    archive.with_suffix(".jar").write_bytes(aar.read("classes.jar"))


def compile_tests(classpath: list[Path]) -> None:
    sources = [*TESTS.glob("*.java"), *STAND_IN.rglob("*.java"), write_snippet()]
    shutil.rmtree(UI / "classes", ignore_errors=True)
    strict = ["-Xlint:all,-classfile,-serial,-processing", "-Werror", "-proc:none"]
    run("javac", *strict, "-cp", ":".join(map(str, classpath)), "-d", UI / "classes", *sources)


def write_snippet() -> Path:
    """What the README tells other apps to write, as a class."""
    (snippet,) = re.findall(r"^```java\n(.+?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.M)
    source = UI / "gen/Snippet.java"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(f"package {NAMESPACE};\n\n{SNIPPET_IMPORTS}\nfinal class Snippet {{\n{snippet}}}\n")
    return source


def add_bad_models() -> Path:
    """The APK with models that the app must refuse with a line on the screen."""
    with_bad = UI / "with_bad_models.apk"
    shutil.copy(APK, with_bad)
    good = (ASSETS / "models/vocoder_int8.tflite").read_bytes()
    agreed = contract.read(good, "vocoder_int8.tflite")
    slower = dataclasses.replace(agreed, audio=agreed.audio | {"sampling_rate": 16000})
    bad = {
        "cut": good[: len(good) // 2],
        "bare": contract.unpack(good),
        "slow": contract.pack(good, slower),
        "text": b"Dear Sir or Madam",
    }
    with zipfile.ZipFile(with_bad, "a") as apk:
        for name, model in bad.items():
            apk.writestr(f"assets/models/vocoder_{name}.tflite", model)  # stored, like the good ones
    return with_bad


def write_config(apk: Path) -> None:
    """Tells Robolectric where the app is."""
    config = UI / "classes/com/android/tools/test_config.properties"
    config.parent.mkdir(parents=True)
    manifest = f"android_merged_manifest={WORK / 'AndroidManifest.xml'}\n"
    config.write_text(f"{manifest}android_resource_apk={apk}\nandroid_custom_package={NAMESPACE}\n")


def systems() -> list[str]:
    """The versions of Android whose classes this Java reads."""
    java = int(re.match(r"\d+", run("java", "--version").split()[1])[0])  # openjdk 17.0.15 2025-04-15, openjdk 21-ea …
    return ["26", "35", *(["36"] if java >= 21 else [])]


def run_tests(classpath: list[Path], names: list[str]) -> int:
    library = Path(find_spec("ai_edge_litert").submodule_search_locations[0]) / "libLiteRt.so"
    properties = {
        "robolectric.offline": "true",
        "robolectric.enabledSdks": ",".join(systems()),
        "robolectric.dependency.dir": UI / "systems",
        "litert.library": library,
        "screens": SCREENS,
    }
    settings = [f"-D{name}={value}" for name, value in properties.items()]
    opened = [f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in ("io", "lang", "nio", "util")]
    java = ["java", "-Xmx2g", *settings, *opened, "-cp", ":".join(map(str, [UI / "classes", *classpath]))]
    done = subprocess.run([*java, "org.junit.runner.JUnitCore", *names], capture_output=True, text=True)
    LOG.write_text(done.stdout + done.stderr)
    summary = done.stdout[done.stdout.rfind("\nTime:") :]  # JUnit's: the failures, or the number of passed tests
    print(re.sub(r"\n\tat (java|jdk|org)\..*", "", summary).strip(), f"the whole log: {shown(LOG)}", sep="\n")
    return done.returncode


if __name__ == "__main__":
    main()
