#!/usr/bin/env bash
# Unpacks an ARM emulator, and a Python for it, into the given folder:
#   qemu-aarch64   Debian 13's: that of Debian 12 crashes in LiteRT
#   root           Debian 12's Python 3.11 for arm64, with its dependencies
#   site           NumPy and LiteRT for it, in given versions: fetch_arm64.sh FOLDER PYTHON numpy==… ai-edge-litert==…
# It installs nothing, changes nothing else, and needs no root: apt uses separate sources, lists and cache.
set -euo pipefail
folder=$1 python=$2
wheels=("${@:3}")
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

rm -rf "$folder"
mkdir -p "$folder/root"
folder=$(realpath "$folder")
# The system's package mirror has other releases too.
codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
  awk -v release="$codename" '$2 == release && !found { print $1; found = 1 }')
[ -n "$mirror" ] || { echo "apt has no source of Debian's packages: add one to /etc/apt/sources.list" >&2; exit 1; }

# download RELEASE ARCHITECTURE PACKAGE…: these and their dependencies, as for an empty system.
download() {
  local apt=$folder/apt-$1
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  echo "deb [signed-by=$keyring] $mirror $1 main" >"$apt/sources.list"
  touch "$apt/status"
  local options=(
    --option APT::Architecture="$2" --option APT::Architectures::="$2" --option APT::Sandbox::User=root
    --option Dir::Etc::SourceList="$apt/sources.list" --option Dir::Etc::SourceParts=/dev/null
    --option Dir::State::Lists="$apt/lists" --option Dir::State::Status="$apt/status"
    --option Dir::Cache="$apt/cache" --option Debug::NoLocking=true
  )
  apt-get --quiet=2 "${options[@]}" update
  apt-get --quiet=2 "${options[@]}" --download-only --no-install-recommends --yes install "${@:3}"
}

download trixie amd64 qemu-user
# The package holds emulators for all processors, half a gigabyte.
dpkg-deb --fsys-tarfile "$folder"/apt-trixie/cache/archives/qemu-user_*.deb |
  tar --extract --directory "$folder" --strip-components 3 ./usr/bin/qemu-aarch64
download bookworm arm64 python3.11-minimal libpython3.11-stdlib libstdc++6
for package in "$folder"/apt-bookworm/cache/archives/*.deb; do
  dpkg-deb --extract "$package" "$folder/root"
done
rm -r "$folder"/apt-*
platforms=(manylinux2014_aarch64 manylinux_2_27_aarch64 manylinux_2_28_aarch64) # wheels for the glibc of Debian 12
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder/site" --no-deps --only-binary=:all: \
  --python-version 3.11 --implementation cp "${platforms[@]/#/--platform=}" "${wheels[@]}"
