#!/usr/bin/env bash
# push-image.sh NAME VERSION PACKAGES: builds the image of both architectures from the npm packages of the service, pushes it to its
# registry, and hands its name and digest to the next step.
set -euo pipefail

name=$1 version=$2 packages=$3
tags=(--tag "$name:$version")
case $version in *-*) ;; *) tags+=(--tag "$name:latest") ;; esac

for cpu in x64 arm64; do
  mkdir -p "target/service/$cpu"
  tar -xzf "$packages/valetkey-service-linux-$cpu-$version.tgz" -C "target/service/$cpu" --strip-components=1
done
deploy/container/build.sh --context target/image amd64=target/service/x64/valetkey arm64=target/service/arm64/valetkey

docker buildx create --use --driver docker-container
docker buildx build --file deploy/container/Dockerfile --platform linux/amd64,linux/arm64 --provenance=false --sbom=false \
  --build-arg "VERSION=$version" --build-arg "REVISION=${GITHUB_SHA:-unknown}" \
  "${tags[@]}" --metadata-file target/image.json --push target/image

{
  echo "name=$name"
  echo "digest=$(jq --exit-status --raw-output '."containerimage.digest"' target/image.json)"
} >> "${GITHUB_OUTPUT:-/dev/stdout}"
