#!/bin/sh
# Builds the image from static binaries, one for each architecture, with docker, buildah or podman. It needs no network.
#
#   deploy/container/build.sh [--tag valetkey:latest] [--context DIR] amd64=PATH [arm64=PATH]
#
# --context DIR   only lays out the context in DIR, for a builder of your own:
#                 AMD64-OR-ARM64/valetkey  ca-certificates.crt  licenses/  data/
# BUILDER         the program (default: docker, else buildah, else podman)
# CA_BUNDLE       the certificates to trust (default: /etc/ssl/certs/ca-certificates.crt of this machine, Mozilla's on Debian and Ubuntu)
# VERSION, REVISION    for the image's labels
# SOURCE_DATE_EPOCH    the time that buildah and podman give to the image, so that the same files make the same image
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
tag=valetkey:latest
context=
platforms=
binary=

die() {
  echo "build.sh: $1" >&2
  exit 64
}

while [ $# -gt 0 ]; do
  case $1 in
    --tag) tag=${2:?--tag needs a name}; shift 2 ;;
    --context) context=${2:?--context needs a folder}; shift 2 ;;
    amd64=* | arm64=*) platforms="$platforms ${1%%=*}"; eval "binary_${1%%=*}=\${1#*=}"; shift ;;
    *) die "$1 is not known: see the head of this file" ;;
  esac
done
[ -n "$platforms" ] || die 'name a binary: amd64=PATH'

made=
if [ -z "$context" ]; then
  context=$(mktemp -d)
  made=$context
  trap 'rm -rf "$made"' EXIT
fi

mkdir -p "$context/data" "$context/licenses"
for platform in $platforms; do
  eval "binary=\$binary_$platform"
  [ -f "$binary" ] || die "$binary is no file"
  mkdir -p "$context/$platform"
  install -m 0755 "$binary" "$context/$platform/valetkey"
  # The licences of the crates in it, where they were packed beside the binary.
  for notices in "$(dirname "$binary")"/THIRD-PARTY*; do
    [ ! -f "$notices" ] || install -m 0644 "$notices" "$context/licenses/"
  done
done
install -m 0644 "${CA_BUNDLE:-/etc/ssl/certs/ca-certificates.crt}" "$context/ca-certificates.crt"
install -m 0644 "$root/LICENSE-MIT" "$root/LICENSE-APACHE" "$context/licenses/"
[ -n "$made" ] || exit 0

builder=${BUILDER:-}
for found in docker buildah podman; do
  [ -n "$builder" ] || ! command -v "$found" >/dev/null || builder=$found
done
[ -n "$builder" ] || die 'docker, buildah or podman is needed'

version=${VERSION:-$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1)}
revision=${REVISION:-$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)}
for platform in $platforms; do
  name=$tag
  case $platforms in *' '*' '*) name=$tag-$platform ;; esac
  set -- build --file "$here/Dockerfile" --platform "linux/$platform" --tag "$name" \
    --build-arg "VERSION=$version" --build-arg "REVISION=$revision" --build-arg "TARGETARCH=$platform"
  if [ "$builder" != docker ]; then
    # The health check is a part of Docker's format only.
    set -- "$@" --format docker
    [ -z "${SOURCE_DATE_EPOCH:-}" ] || set -- "$@" --timestamp "$SOURCE_DATE_EPOCH"
  fi
  "$builder" "$@" "$context"
  echo "built $name"
done
