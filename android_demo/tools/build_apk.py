"""A signed debug APK without Gradle, Android Studio or an SDK: Debian's tools, and jars from Maven Central.

``python android_demo/tools/build_apk.py [-Pdemo.NAME=VALUE …]`` writes ``android_demo/build/hifigan-demo.apk``. Gradle
builds the same app; settings of both are in ``gradle.properties``, and ``-P`` changes one of this build.
"""

import re
import shutil
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
ROOT = TOOLS.parent
SOURCES = ROOT / "app/src/main"
ASSETS = SOURCES / "assets"
BUILD = ROOT / "build"  # everything downloaded or built, ignored by git
SYSTEM = BUILD / "system"  # Android's own classes and resources
WORK = BUILD / "apk"
APK = BUILD / "hifigan-demo.apk"
KEYSTORE = BUILD / "debug.keystore"  # kept, so that an APK installs over the previous one
NAMESPACE = "dev.hifigan.demo"  # of the classes, whatever the application's id is; as in app/build.gradle
STORED = {".tflite", ".so", ".arsc", ".wav", ".png"}  # mapped from the APK, or compressed already
PAGE = 16384  # page size of the newest phones; a multiple of all others
KEY_PASSWORD = "android"  # as usual for debug keys
GRADLE_ONLY = {"demo.compileSdk", "demo.runtime"}
UNREACHABLE = re.compile(
    r".*(Could not transfer|Failure to transfer|Failed to fetch|Could not resolve '|Unable to connect).*"
)


def main() -> None:
    properties = read_properties()
    fetch(properties)
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    resources = link_resources(properties)
    runtimes = unpack_runtimes()
    compile_classes([runtime / "classes.jar" for runtime in runtimes])
    dex = make_dex([runtime / "classes.jar" for runtime in runtimes])
    unsigned = WORK / "unsigned.apk"
    pack(unsigned, resources, dex, libraries(runtimes, properties["demo.abis"].split(",")))
    sign(unsigned)
    print(
        f"{APK.relative_to(Path.cwd()) if APK.is_relative_to(Path.cwd()) else APK}: {APK.stat().st_size / 1e6:.1f} MB"
    )


def read_properties() -> dict[str, str]:
    """``gradle.properties`` as a dict, with what the command line changes."""
    text = (ROOT / "gradle.properties").read_text(encoding="utf-8")
    properties = dict(re.findall(r"^([\w.]+)=(.*)$", text, re.MULTILINE))
    known = [name for name in properties if name.startswith("demo.") and name not in GRADLE_ONLY]
    for option in sys.argv[1:]:
        setting = re.fullmatch(r"-P([\w.]+)=(.+)", option)
        if not setting or setting[1] not in known:
            sys.exit(f"error: {option} sets nothing: give -PNAME=VALUE, with one of {', '.join(known)}")
        properties[setting[1]] = setting[2]
    return properties


def fetch(properties: dict[str, str]) -> None:
    """Debian's tools to ``build/tools`` and the jars to ``build/jars``."""
    debian, pom = TOOLS / "fetch_tools.sh", TOOLS / "pom.xml"
    wanted = debian.read_text() + pom.read_text() + properties["demo.mavenCentralRuntime"]
    with fetched(BUILD / "fetched", wanted) as missing:
        if missing:
            shutil.rmtree(BUILD / "jars", ignore_errors=True)
            run(debian, BUILD / "tools")
            copy = ["dependency:copy-dependencies", "-Dmdep.stripVersion=true", f"-DoutputDirectory={BUILD / 'jars'}"]
            maven = ["mvn", "--batch-mode", "--quiet", "--file", pom, *runtime(properties)]
            run(*maven, *copy)
            run(*maven, "dependency:copy@systems", f"-DoutputDirectory={SYSTEM}")


@contextmanager
def fetched(stamp: Path, wanted: str):
    """Yields whether ``wanted`` is still to be fetched; records it as fetched when the block succeeds."""
    missing = not stamp.is_file() or stamp.read_text() != wanted
    if missing:
        print(f"Downloads to {shown(stamp.parent)}, once: a minute or two", flush=True)
    yield missing
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(wanted)


def shown(path: Path) -> Path:
    """The path, relative to the current folder if possible."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def runtime(properties: dict[str, str]) -> list[str]:
    """Properties of the runtime for ``pom.xml``."""
    names = ("groupId", "artifactId", "version")
    parts = properties["demo.mavenCentralRuntime"].split(":")
    return [f"-Druntime.{name}={part}" for name, part in zip(names, parts, strict=True)]


def link_resources(properties: dict[str, str]) -> Path:
    """The manifest and all resources as an archive, and ``R.java``."""
    manifest = (SOURCES / "AndroidManifest.xml").read_text(encoding="utf-8")
    (WORK / "AndroidManifest.xml").write_text(merged(manifest, properties["demo.applicationId"]), encoding="utf-8")

    compiled, linked = WORK / "resources.zip", WORK / "resources.apk"
    tool("aapt2", "compile", "--dir", SOURCES / "res", "-o", compiled)
    versions = [
        *("--min-sdk-version", properties["demo.minSdk"], "--target-sdk-version", properties["demo.targetSdk"]),
        *("--version-code", properties["demo.versionCode"], "--version-name", properties["demo.versionName"]),
    ]
    names = ["--manifest", WORK / "AndroidManifest.xml", "--custom-package", NAMESPACE, "--java", WORK / "gen"]
    tool("aapt2", "link", "-I", SYSTEM / "resources.jar", "--debug-mode", *versions, *names, "-o", linked, compiled)
    return linked


def merged(manifest: str, application_id: str) -> str:
    """The manifest as Gradle makes it: with the application's id, and the full names of the classes."""
    manifest = manifest.replace("${applicationId}", application_id)
    manifest = manifest.replace('android:name=".', f'android:name="{NAMESPACE}.')
    # Gradle sets these two itself and warns if they are in the manifest.
    manifest = manifest.replace("<manifest ", f'<manifest package="{application_id}" ', 1)
    return manifest.replace("<application", '<application android:extractNativeLibs="false"', 1)


def unpack_runtimes() -> list[Path]:
    """The folder of each AAR."""
    folders = []
    for archive in sorted((BUILD / "jars").glob("*.aar")):
        folders.append(WORK / "aar" / archive.stem)
        with zipfile.ZipFile(archive) as aar:
            aar.extractall(folders[-1])
    return folders


def compile_classes(jars: list[Path]) -> None:
    # Every warning is an error, except about Java 8 being old, serialization, and faults in Android's own classes.
    strict = ["--release", "8", "-Xlint:all,-options,-classfile,-serial", "-Werror", "-encoding", "UTF-8", "-g"]
    classpath = ":".join(map(str, [SYSTEM / "classes.jar", *jars]))
    sources = sorted([*(SOURCES / "java").rglob("*.java"), *(WORK / "gen").rglob("*.java")])
    run("javac", *strict, "-cp", classpath, "-d", WORK / "classes", *sources)


def make_dex(jars: list[Path]) -> Path:
    dex = WORK / "classes.dex"
    dx = ["java", "-cp", BUILD / "jars/dalvik-dx.jar", "com.android.dx.command.Main", "--dex"]
    run(*dx, f"--min-sdk-version={read_properties()['demo.minSdk']}", f"--output={dex}", WORK / "classes", *jars)
    return dex


def libraries(runtimes: list[Path], abis: list[str]) -> dict[str, Path]:
    """Native libraries by their path in the APK."""
    found = {f"lib/{abi}/{path.name}": path for abi in abis for aar in runtimes for path in aar.glob(f"jni/{abi}/*.so")}
    if missing := [abi for abi in abis if not any(name.startswith(f"lib/{abi}/") for name in found)]:
        sys.exit(f"the runtime has no native library for {', '.join(missing)}")
    return found


def pack(apk: Path, resources: Path, dex: Path, native: dict[str, Path]) -> None:
    """Everything in one archive. Stored files are aligned to four bytes, native libraries to a page."""
    entries = {"classes.dex": dex.read_bytes()}
    with zipfile.ZipFile(resources) as linked:
        entries |= {name: linked.read(name) for name in linked.namelist()}
    entries |= {f"assets/{path.relative_to(ASSETS)}": path.read_bytes() for path in ASSETS.rglob("*") if path.is_file()}
    entries |= {name: path.read_bytes() for name, path in native.items()}
    with zipfile.ZipFile(apk, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in sorted(entries.items()):
            entry = zipfile.ZipInfo(name, (1981, 1, 1, 1, 1, 2))  # one date: the same input gives the same APK
            if Path(name).suffix in STORED:
                alignment = PAGE if name.endswith(".so") else 4
                start = archive.fp.tell() + 30 + len(name.encode())  # of the content: a local header comes first
                entry.extra = bytes(-start % alignment)
            else:
                entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)


def sign(unsigned: Path) -> None:
    if not KEYSTORE.exists():
        who = [
            "-alias",
            "debug",
            "-dname",
            "CN=Android Debug",
            "-validity",
            "10000",
            "-keyalg",
            "RSA",
            "-keysize",
            "2048",
        ]
        run("keytool", "-genkeypair", "-keystore", KEYSTORE, "-storepass", KEY_PASSWORD, "-keypass", KEY_PASSWORD, *who)
    key = ["--ks", KEYSTORE, "--ks-pass", f"pass:{KEY_PASSWORD}", "--v4-signing-enabled", "false"]
    apksigner("sign", *key, "--out", APK, unsigned)


def tool(name: str, *arguments) -> str:
    """Runs one of Debian's native tools; returns its output."""
    library = BUILD / "tools/usr/lib"
    paths = [library, library / "p7zip", *library.glob("*-linux-gnu*"), *library.glob("*-linux-gnu*/android")]
    environment = {"LD_LIBRARY_PATH": ":".join(map(str, paths))}
    return run(library / "android-sdk/build-tools/debian" / name, *arguments, environment=environment)


def apksigner(*arguments) -> str:
    return run("java", "-jar", BUILD / "tools/usr/lib/android-sdk/build-tools/debian/apksigner.jar", *arguments)


def run(*command, environment: dict[str, str] | None = None) -> str:
    """Runs a program; returns its output. If it fails, exits with its messages."""
    command = list(map(str, command))
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    except FileNotFoundError:
        sys.exit(f"error: {command[0]} is missing: it takes a JDK of 17 or later, and Maven")
    said = done.stdout + done.stderr
    if done.returncode and (unreachable := UNREACHABLE.search(said)):
        sys.exit(f"error: Debian's packages or Maven Central are out of reach: {unreachable[0]}")
    if done.returncode:
        sys.exit(f"{said}\nerror: {Path(command[0]).name} failed: {' '.join(command)[:400]}")
    return done.stdout


if __name__ == "__main__":
    main()
