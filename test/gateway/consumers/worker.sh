#!/bin/sh
# A worker of a queue that needs nothing but curl. Usage: worker.sh URL
set -eu
url=$1

ask() { # METHOD PATH [BODY]: prints the body, then the status on a line of its own
  if [ $# -gt 2 ]; then
    curl -sS -X "$1" -H 'content-type: application/json' -d "$3" -w '\n%{http_code}\n' "$url$2"
  else
    curl -sS -X "$1" -w '\n%{http_code}\n' "$url$2"
  fi
}
body() { printf '%s\n' "$1" | sed '$d'; }
status() { printf '%s\n' "$1" | sed -n '$p'; }
expect() { # STATUS ANSWER
  [ "$(status "$2")" = "$1" ] || { echo "expected $1: $2" >&2; exit 1; }
}
lease() { body "$1" | sed -n 's/.*"lease":"\([^"]*\)".*/\1/p'; }
field() { body "$2" | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }

made=$(ask PUT /v1/consumers/worker '{"filter":"jobs.*","from":"earliest"}')
expect 201 "$made"
expect 200 "$(ask PUT /v1/consumers/worker '{"filter":"jobs.*","from":"earliest"}')"
expect 409 "$(ask PUT /v1/consumers/worker '{"filter":"other.*"}')"
expect 200 "$(ask PUT '/v1/consumers/worker?update=true' '{"filter":"jobs.*","leaseMs":60000}')"

empty=$(ask POST /v1/consumers/worker/pull)
expect 200 "$empty"
[ "$(body "$empty")" = '[]' ]

ask POST /v1/events '{"topic":"jobs.a","type":"job","payload":{"n":1}}' >/dev/null
first=$(ask POST /v1/consumers/worker/pull '{"waitMs":30000}')
expect 200 "$first"
[ "$(field attempt "$first")" = 1 ]

expect 200 "$(ask POST /v1/consumers/worker/working "{\"lease\":\"$(lease "$first")\"}")"
expect 200 "$(ask POST /v1/consumers/worker/nak "{\"lease\":\"$(lease "$first")\",\"delayMs\":0,\"reason\":\"try again\"}")"
again=$(ask POST /v1/consumers/worker/pull '{"waitMs":30000}')
[ "$(field attempt "$again")" = 2 ]

lost=$(ask POST /v1/consumers/worker/ack "{\"lease\":\"$(lease "$first")\"}")
expect 409 "$lost"
body "$lost" | grep -q '"code":"LEASE_LOST"'
expect 200 "$(ask POST /v1/consumers/worker/ack "{\"lease\":\"$(lease "$again")\"}")"
[ "$(body "$(ask POST /v1/consumers/worker/pull)")" = '[]' ]

expect 404 "$(ask POST /v1/consumers/nobody/pull)"
expect 204 "$(ask DELETE /v1/consumers/worker)"
expect 404 "$(ask GET /v1/consumers/worker)"
echo done
