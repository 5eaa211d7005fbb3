#!/usr/bin/env bash
# Runs real clients against the simulated exchanges and against the gateway in front of them: ccxt,
# bitfinex-api-py, bitfinex-api-node, pandas, polars, pyarrow, schemathesis and promtool.
#
#   tests/clients/run.sh target/debug/tidegate
#
# Installs what is missing: Debian packages, .venv in the project's root, node_modules in this
# folder. Closes with `N passed, N failed`; fails if anything failed or nothing was run.
set -uo pipefail

die() {
  echo "$0: $*" >&2
  exit 2
}

[ $# -eq 1 ] || die "usage: $0 BIN"
[ -x "$1" ] || die "$1 is not an executable; build it first"
bin=$(realpath "$1")
cd "$(dirname "$0")" || exit 2
venv=

install_tools() {
  ../../scripts/debian.sh python3=python3 node=nodejs npm=npm promtool=prometheus ||
    die "a tool is missing"
  venv=$(../../scripts/venv.sh) || die "the Python clients cannot be installed"
  if ! cmp -s package-lock.json node_modules/installed.json; then
    npm ci --no-fund --no-audit --omit=dev --omit=optional --ignore-scripts --loglevel=error --fetch-retries=5 ||
      die "npm failed"
    cp package-lock.json node_modules/installed.json
  fi
}

scratch=$(mktemp -d)
started=()
declare -A aside
clean_up() {
  for pid in "${aside[@]}" "${started[@]}"; do kill "$pid" 2>/dev/null; done
  for pid in "${aside[@]}" "${started[@]}"; do wait "$pid" 2>/dev/null; done
  rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# Whoever is started takes a free port by itself: one that was found beforehand may be taken by then.
# root_of PID LOG PATH: the root URL that its log names, as soon as PATH below it answers 2xx.
root_of() {
  python3 - "$@" <<'PY' || { cat "$2" >&2; die "$3 did not answer"; }
import os, re, sys, time, urllib.request
pid, log, path = sys.argv[1:]
deadline = time.monotonic() + 60
while time.monotonic() < deadline and os.path.exists(f"/proc/{pid}"):
    root = re.search(r"listening on (http://\S+)\n", open(log).read())
    try:
        if root:
            urllib.request.urlopen(root[1] + path, timeout=20).close()
            print(root[1])
            sys.exit(0)
    except OSError:
        pass
    time.sleep(0.05)
sys.exit(1)
PY
}

# start_exchange NAME [OPTION...]: sets NAME to its root URL.
start_exchange() {
  local name=$1 root log=$scratch/$1.log
  shift
  "$bin" sim --listen 127.0.0.1:0 "$@" >"$log" 2>&1 &
  started+=($!)
  root=$(root_of $! "$log" /sim/counts) || exit 2
  printf -v "$name" %s "$root"
}

# start_bodies NAME: the exchanges that give everyone the same bodies; sets NAME to their root URL.
start_bodies() {
  local root log=$scratch/$1.log
  python3 -B parity_exchange.py >"$log" 2>&1 &
  started+=($!)
  root=$(root_of $! "$log" /api/v3/exchangeInfo) || exit 2
  printf -v "$1" %s "$root"
}

# served NAME ROOT: the settings, each a word, by which a gateway serves an exchange.
served() {
  echo "TIDEGATE__EXCHANGES__${1^^}__ENABLED=true TIDEGATE__EXCHANGES__${1^^}__REST_URL=$2"
}

# start_gateway NAME EXCHANGE [SETTING=VALUE...]: sets NAME to its root URL.
start_gateway() {
  local name=$1 exchange=$2 root log=$scratch/$1.log
  shift 2
  env TIDEGATE__SERVER__LISTEN=127.0.0.1:0 \
    "TIDEGATE__EXCHANGES__BITFINEX__REST_URL=$exchange" \
    "TIDEGATE__EXCHANGES__BITFINEX__WS_URL=${exchange/http/ws}/ws/2" \
    "$@" "$bin" serve >"$log" 2>&1 &
  started+=($!)
  root=$(root_of $! "$log" /readyz) || exit 2
  printf -v "$name" %s "$root"
}

passed=0 failed=0

# python_checks TITLE FILE... -- OPTION...
python_checks() {
  echo "== $1"
  run_pytest python "${@:2}"
  count_pytest python
}

# run_pytest NAME FILE... -- OPTION...: what came of it is in $scratch/NAME.xml.
run_pytest() {
  local xml=$scratch/$1.xml files=()
  shift
  while [ "$1" != -- ]; do files+=("$1") && shift; done
  shift
  rm -f "$xml"
  "$venv/bin/python" -B -m pytest -q --tb=short --junit-xml="$xml" "$@" "${files[@]}"
}

count_pytest() {
  local counts
  counts=$(python3 - "$scratch/$1.xml" <<'PY'
import sys, xml.etree.ElementTree as tree
suite = tree.parse(sys.argv[1]).getroot().find("testsuite")
total, bad = int(suite.get("tests")), int(suite.get("failures")) + int(suite.get("errors"))
print(total - bad, bad if total else 1)
PY
  ) || counts="0 1"
  passed=$((passed + ${counts% *})) failed=$((failed + ${counts#* }))
}

# aside NAME FILE... -- OPTION...: starts checks that mostly wait; `gather NAME TITLE` tells of them.
aside() {
  run_pytest "$@" >"$scratch/$1.out" 2>&1 &
  aside[$1]=$!
}

gather() {
  echo "== $2"
  wait "${aside[$1]}"
  unset "aside[$1]"
  cat "$scratch/$1.out"
  count_pytest "$1"
}

# node_checks TITLE BASE [FILE]
node_checks() {
  local tap=$scratch/node.tap ok bad cancelled
  echo "== $1"
  TARGET_BASE=$2 node --test --test-reporter=tap "${3:-node_checks.mjs}" >"$tap"
  ok=$(sed -n 's/^# pass //p' "$tap") bad=$(sed -n 's/^# fail //p' "$tap")
  # A check that runs out of its time counts as cancelled, not as failed.
  cancelled=$(sed -n 's/^# cancelled //p' "$tap") bad=$((${bad:-1} + ${cancelled:-0}))
  [ "${ok:-0}" -gt 0 ] || bad=$((bad + 1))
  if [ "$bad" -gt 0 ]; then cat "$tap"; else echo "$ok passed"; fi
  passed=$((passed + ${ok:-0})) failed=$((failed + bad))
}

# one_check TITLE COMMAND...: its exit status is the verdict.
one_check() {
  echo "== $1"
  shift
  if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

metrics_are_clean() {
  local said
  said=$("$venv/bin/python" -c 'import requests, sys; print(requests.get(sys.argv[1]).text, end="")' \
    "$1/metrics" | promtool check metrics 2>&1) && [ -z "$said" ] && echo "promtool: nothing to say" && return
  echo "$said"
  return 1
}

# description_holds BASE [OPTION...]
description_holds() {
  local base=$1
  shift
  "$venv/bin/schemathesis" --config-file schemathesis.toml run "$base/openapi.json" \
    --phases examples,coverage,fuzzing --no-color "$@"
}

# operators_key NAME: sets NAME to a key that may do everything; $scratch/keys.toml knows it.
operators_key() {
  local entry=$scratch/keys.toml shown=$scratch/key
  "$bin" key operator >"$entry" 2>"$shown" || die "no key can be made"
  echo 'rights = ["read", "stream", "ops", "admin"]' >>"$entry"
  printf -v "$1" %s "$(grep -o 'tg_[A-Za-z0-9]*' "$shown")"
}

install_tools

# Two exchanges, since each counts the calls of one address. The others are none of the clients'
# business.
start_exchange exchange
start_exchange behind
start_exchange kraken --exchange kraken
start_exchange coinbase --exchange coinbase
start_exchange binance --exchange binance
start_gateway gateway "$behind" $(served kraken "$kraken") $(served coinbase "$coinbase") \
  $(served binance "$binance")

clients=(ccxt_checks.py bfxapi_checks.py)
python_checks "Python clients on the exchange" "${clients[@]}" -- --target exchange --base "$exchange"
node_checks "bitfinex-api-node on the exchange" "$exchange"
in_front=(--target gateway --base "$gateway" --exchange "$behind")
python_checks "Python clients on the gateway" "${clients[@]}" gateway_checks.py -- "${in_front[@]}"
node_checks "bitfinex-api-node on the gateway" "$gateway"
python_checks "past the exchange's budget" budget_checks.py -- --target exchange --base "$exchange"
python_checks "past the gateway's budget" budget_checks.py -- "${in_front[@]}"

# Its own exchange: its tickers move as fast as a check has patience.
start_exchange streaming --ticker-every 1s
python_checks "Python clients on the exchange's WebSocket" ws_checks.py -- --target exchange --base "$streaming"
node_checks "bitfinex-api-node on the exchange's WebSocket" "$streaming" ws_node_checks.mjs
start_exchange streaming_behind --ticker-every 1s
start_gateway live "$streaming_behind" TIDEGATE__FEED__CONNECT_INTERVAL=50ms
live_in_front=(--target gateway --base "$live" --exchange "$streaming_behind")
python_checks "Python clients on the gateway's WebSocket" ws_checks.py -- "${live_in_front[@]}"
node_checks "bitfinex-api-node on the gateway's WebSocket" "$live" ws_node_checks.mjs

# Clients that keep the exchanges' limits, and for the most part wait for them.
aside others exchanges_checks.py -- --bin "$bin"
start_exchange watched --exchange binance
aside binance binance_checks.py -- --target exchange --base "$watched"
# Nothing that nobody asked for is to come between two readers of the same bodies.
start_bodies bodies
start_gateway compared "$bodies" TIDEGATE__FEED__ENABLED=false $(served kraken "$bodies") \
  $(served coinbase "$bodies") $(served binance "$bodies")
python_checks "the gateway beside ccxt on the same bodies" parity_checks.py -- \
  --target gateway --base "$compared" --exchange "$bodies"
gather others "ccxt and ccxt.pro on the simulated Kraken and Coinbase"
gather binance "ccxt and ccxt.pro on the simulated Binance"

start_exchange framed_behind
start_gateway framed "$framed_behind"
python_checks "pandas, polars and pyarrow on the gateway's data frames" frames_checks.py -- \
  --target gateway --base "$framed" --exchange "$framed_behind"

one_check "promtool check metrics" metrics_are_clean "$gateway"

# A gateway of its own: requests made up by the thousand spend every budget, and what waits for
# one would wait for seconds.
start_exchange made_up_behind
start_gateway made_up "$made_up_behind" TIDEGATE__SERVER__REQUEST_DEADLINE=500ms
one_check "schemathesis on the gateway's own description" description_holds "$made_up" \
  --exclude-path-regex '^/api/admin/'

# What operators do, on a gateway that has nothing else to answer; a drain would end it. Its exchange
# is another one: what was made up may have spent the budgets of that before, and so what readiness takes.
operators_key key
start_exchange operated_behind
start_gateway operated "$operated_behind" "TIDEGATE__ACCESS__KEYS_FILE=$scratch/keys.toml"
one_check "schemathesis on what operators do" description_holds "$operated" \
  --include-path-regex '^/api/admin/' --exclude-path /api/admin/drain \
  --header "Authorization: Bearer $key"

if [ "$failed" -gt 0 ]; then
  tail -n 20 "$scratch"/{gateway,live,framed,compared,made_up,operated}.log
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
