#!/usr/bin/env bash
# Makes deploy/secrets for compose.yaml: a key for Prometheus, one for a first client, one for
# operators, the file of their hashes, and Grafana's password. Prints the two keys that people need;
# they are nowhere else. Leaves what is there as it is.
set -euo pipefail
umask 077
cd "$(dirname "$0")"

if [ -e secrets ]; then
  echo "deploy/secrets is there already; remove it to make new ones" >&2
  exit 1
fi

random() { head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

# entry NAME KEY RIGHTS
entry() {
  local hash
  hash=$(printf %s "$2" | sha256sum)
  printf '[[client]]\nname = "%s"\nkeys = ["sha256:%s"]\nrights = [%s]\n\n' "$1" "${hash%% *}" "$3"
}

bots=$(random) operators=$(random) prometheus=$(random)
mkdir secrets
{
  entry bots "$bots" '"read", "stream"'
  entry operators "$operators" '"read", "stream", "ops", "admin"'
  entry prometheus "$prometheus" '"ops"'
} >secrets/keys.toml
printf %s "$prometheus" >secrets/prometheus_key
random >secrets/grafana_password
# Compose mounts the files as they are, and the containers' users are not this one; the folder keeps
# everybody else out.
chmod 444 secrets/*
printf 'bots       %s\noperators  %s\n' "$bots" "$operators"
