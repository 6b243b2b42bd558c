#!/bin/sh
# Makes the files in secrets/ that compose.yaml names, and keeps those that are there. Run it as root, or by sudo:
#
#   sudo ./secrets.sh FILE       FILE has the real key and nothing else; - reads it from standard input
#
# Compose shows each file in the containers with the owner it has here. They are root's, and the group of the image's user reads them.
set -eu
cd "$(dirname "$0")"
key=${1:?FILE with the real key, or -}
umask 077
mkdir -p secrets

keep() {
  if [ -e "secrets/$1" ]; then cat > /dev/null; else cat > "secrets/$1"; fi
}

[ "$key" != - ] || key=/dev/stdin
keep anthropic_api_key < "$key"
openssl rand -hex 32 | keep admin_token
openssl rand -hex 16 | keep enrolment_tokens
printf 'k1:%s\n' "$(openssl rand -base64 32)" | keep jwt_secrets
openssl rand -hex 24 | keep postgres_password
printf 'postgres://valetkey:%s@postgres/valetkey\n' "$(cat secrets/postgres_password)" | keep database_url
printf 'requirepass %s\n' "$(openssl rand -hex 24)" | keep redis.conf
printf 'redis://default:%s@redis\n' "$(sed 's/requirepass //' secrets/redis.conf)" | keep redis_url

chown root:65532 secrets/*
chmod 440 secrets/*
