#!/usr/bin/env bash
# Unpacks Debian's Android tools, and their libraries that the system lacks, into the given folder. It installs
# nothing, changes nothing else, and needs no root: apt uses separate lists and cache.
set -euo pipefail
folder=$1
packages=(aapt apksigner zipalign dexdump)

rm -rf "$folder"
mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial"
folder=$(realpath "$folder")
own_apt() {
  apt-get --quiet=2 --option Debug::NoLocking=true --option APT::Sandbox::User=root \
    --option Dir::State::lists="$folder/apt/lists" --option Dir::Cache="$folder/apt/cache" "$@"
}
own_apt update
own_apt --download-only --no-install-recommends --reinstall --yes install "${packages[@]}"
for package in "$folder"/apt/cache/archives/*.deb; do
  dpkg --extract "$package" "$folder"
done
rm -r "$folder/apt"
