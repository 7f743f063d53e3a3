"""Unpacks the APK and checks that a phone would accept it: ``python android_demo/tools/verify_apk.py``.

Prints one line per check and a table of sizes; the exit code is 1 when a check fails. It takes the same ``-P`` options
as ``build_apk.py``.
"""

import re
import struct
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from collections import Counter
from pathlib import Path

import build_apk
from build_apk import APK, NAMESPACE, PAGE, SOURCES, TOOLS, apksigner, read_properties, tool

ANDROID = "{http://schemas.android.com/apk/res/android}"
MODELS = {"vocoder_float16", "vocoder_int8", "mel_frontend"}
OPTIONAL = "vocoder_float32"
MAX_BYTES = 25e6  # without the optional model
COMPONENTS = {"application", "activity", "service", "receiver", "provider"}
LOAD = 1  # type of the ELF segments that are mapped into memory

failures = 0


def main() -> None:
    properties = read_properties()
    manifest = ET.parse(SOURCES / "AndroidManifest.xml").getroot()
    badging = tool("aapt", "dump", "badging", APK)
    check_badging(badging, manifest, properties)
    check_provider(properties["demo.applicationId"])
    check_signature()
    with zipfile.ZipFile(APK) as apk:
        check_alignment(apk)
        check_models(apk)
        check_libraries(apk, properties["demo.abis"].split(","))
        check_size(apk)
    check_classes(manifest)
    check_api_level(properties)
    check_resources()
    sys.exit(failures > 0)


def check(good: bool, text: str, detail: str = "") -> None:
    global failures
    failures += not good
    print(f"{'ok    ' if good else 'FAILED'} {text}{'' if good or not detail else f': {detail}'}")


def check_badging(badging: str, manifest: ET.Element, properties: dict[str, str]) -> None:
    package = properties["demo.applicationId"]
    activity = next(manifest.iter("activity")).get(f"{ANDROID}name")
    permissions = {element.get(f"{ANDROID}name") for element in manifest.iter("uses-permission")}
    declared = set(re.findall(r"^uses-permission: name='([^']+)'", badging, re.MULTILINE))
    for line in (
        f"package: name='{package}' versionCode='{properties['demo.versionCode']}'",
        f"sdkVersion:'{properties['demo.minSdk']}'",
        f"targetSdkVersion:'{properties['demo.targetSdk']}'",
        f"launchable-activity: name='{NAMESPACE}{activity}'",
        "application-label-ko:",
        "native-code: " + " ".join(f"'{abi}'" for abi in sorted(properties["demo.abis"].split(","))),
    ):
        check(line in badging, f"badging has {line}")
    check(declared == permissions, f"the only permissions are {', '.join(sorted(permissions))}", str(declared))


def check_provider(application_id: str) -> None:
    """Checks that another app with these classes can be installed beside this one: no two may share an authority."""
    tree = tool("aapt", "dump", "xmltree", APK, "AndroidManifest.xml")
    authorities = re.findall(r'android:authorities\(\w+\)="([^"]+)"', tree)
    check(authorities == [f"{application_id}.share"], f"the provider is {application_id}.share", str(authorities))


def check_signature() -> None:
    report = apksigner("verify", "--verbose", APK)
    for scheme in ("v2", "v3"):
        check(
            f"Verified using {scheme} scheme (APK Signature Scheme {scheme}): true" in report,
            f"signed, scheme {scheme}",
        )


def check_alignment(apk: zipfile.ZipFile) -> None:
    tool("zipalign", "-c", "-p", "4", APK)  # exits if it fails
    check(True, "zipalign -c -p 4")
    unaligned = [
        entry.filename for entry in apk.infolist() if entry.filename.endswith(".so") and start(apk, entry) % PAGE
    ]
    check(not unaligned, f"native libraries begin at multiples of {PAGE >> 10} KiB", ", ".join(unaligned))


def start(apk: zipfile.ZipFile, entry: zipfile.ZipInfo) -> int:
    """Where the content of an entry begins in the APK."""
    apk.fp.seek(entry.header_offset + 26)
    name, extra = struct.unpack("<HH", apk.fp.read(4))
    return entry.header_offset + 30 + name + extra


def check_models(apk: zipfile.ZipFile) -> None:
    entries = {Path(entry.filename).stem: entry for entry in apk.infolist() if entry.filename.endswith(".tflite")}
    good = set(entries) - {OPTIONAL} == MODELS
    check(good, f"models: {', '.join(sorted(entries))}", f"not {', '.join(sorted(MODELS))}")
    compressed = [name for name, entry in entries.items() if entry.compress_type != zipfile.ZIP_STORED]
    check(not compressed, "models are stored, so that they can be mapped", ", ".join(compressed))
    without = [name for name in entries if f"assets/models/{name}.json" not in apk.namelist()]
    check(not without, "each model has its contract as a JSON file", ", ".join(without))
    mels = [name for name in apk.namelist() if re.fullmatch(r"assets/mels/.+\.npy", name)]
    recordings = [mel for mel in mels if mel.removesuffix("npy") + "wav" in apk.namelist()]
    check(len(recordings) >= 1, "a bundled mel and its recording")


def check_libraries(apk: zipfile.ZipFile, abis: list[str]) -> None:
    entries = [entry for entry in apk.infolist() if entry.filename.startswith("lib/")]
    found = {entry.filename.split("/")[1] for entry in entries}
    check(found == set(abis), f"native libraries for {', '.join(abis)}", ", ".join(sorted(found)))
    stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
    check(stored, "native libraries are stored: nothing is copied at installation")
    for entry in entries:
        alignment = segment_alignment(apk.read(entry))
        fit = "fit for pages of 16 KiB" if alignment >= PAGE else "made for pages of 4 KiB, as its makers published it"
        print(f"note   {entry.filename}: segments aligned to {alignment >> 10} KiB, {fit}")


def segment_alignment(library: bytes) -> int:
    """The smallest alignment of the mapped segments of an ELF file."""
    wide = library[4] == 2
    offset = struct.unpack_from("<Q" if wide else "<I", library, 32 if wide else 28)[0]
    size, count = struct.unpack_from("<HH", library, 54 if wide else 42)
    alignments = []
    for segment in range(offset, offset + size * count, size):
        if struct.unpack_from("<I", library, segment)[0] == LOAD:
            alignments.append(struct.unpack_from("<Q" if wide else "<I", library, segment + (48 if wide else 28))[0])
    return min(alignments)


def check_size(apk: zipfile.ZipFile) -> None:
    size = APK.stat().st_size
    if f"assets/models/{OPTIONAL}.tflite" in apk.namelist():
        print(f"note   {size / 1e6:.1f} MB, with {OPTIONAL}")
    else:
        check(size < MAX_BYTES, f"{size / 1e6:.1f} MB, below {MAX_BYTES / 1e6:.0f} MB")
    parts: Counter[str] = Counter()
    for entry in apk.infolist():
        top, *rest = entry.filename.split("/")
        parts["/".join([top, *rest[:1]]) if top in ("lib", "assets") else top] += entry.compress_size
    for name, part in parts.most_common():
        print(f"size   {name:<20} {part / 1e6:6.2f} MB")


def check_classes(manifest: ET.Element) -> None:
    dump = tool("dexdump", APK)
    classes = {name.replace("/", ".") for name in re.findall(r"Class descriptor  : 'L([^;]+);'", dump)}
    named = {
        element.get(f"{ANDROID}name") for element in manifest.find("application").iter() if element.tag in COMPONENTS
    }
    wanted = {NAMESPACE + name if name.startswith(".") else name for name in named}
    views = [element.tag for layout in SOURCES.glob("res/layout*/*.xml") for element in ET.parse(layout).iter()]
    wanted |= {view for view in views if "." in view}
    check(wanted <= classes, f"the dex has {', '.join(sorted(wanted))}", f"not {', '.join(sorted(wanted - classes))}")
    runtime = "org.tensorflow.lite.Interpreter"
    check(runtime in classes, f"and {runtime}; {len(classes)} classes in all")


def check_api_level(properties: dict[str, str]) -> None:
    """Checks that every class and method used exists on the oldest supported phone."""
    sniffer = "org.codehaus.mojo:animal-sniffer-maven-plugin:check"
    command = ["mvn", "--batch-mode", "--quiet", "--file", TOOLS / "pom.xml", *build_apk.runtime(properties), sniffer]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    missing = ", ".join(re.findall(r"Undefined reference: (.+)", done.stdout)) or done.stdout[-400:]
    check(done.returncode == 0, f"every class and method used is in API {properties['demo.minSdk']}", missing)


def check_resources() -> None:
    """Checks that the Korean texts are complete, with the same placeholders as the English ones."""
    english, korean = (strings(SOURCES / f"res/values{qualifier}/strings.xml") for qualifier in ("", "-ko"))
    check(english.keys() == korean.keys(), "every string is there in Korean", str(english.keys() ^ korean.keys()))
    differing = [name for name in english.keys() & korean.keys() if places(english[name]) != places(korean[name])]
    check(not differing, "with the same arguments", ", ".join(differing))
    day, night = (colors(SOURCES / f"res/values{qualifier}/colors.xml") for qualifier in ("", "-night"))
    check(night == day - {"launcher_background"}, "every colour of the screen is there for the night", str(day ^ night))
    configurations = set(tool("aapt", "dump", "configurations", APK).split())
    wanted = {"ko", "night", "land"}
    check(wanted <= configurations, f"resources for {', '.join(sorted(wanted))}", str(configurations))


def strings(path: Path) -> dict[str, str]:
    return {element.get("name"): element.text for element in ET.parse(path).iter("string")}


def places(text: str) -> list[str]:
    return sorted(re.findall(r"%\d\$[.\d]*\w", text))


def colors(path: Path) -> set[str]:
    return {element.get("name") for element in ET.parse(path).getroot()}


if __name__ == "__main__":
    main()
