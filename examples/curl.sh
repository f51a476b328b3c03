#!/bin/sh
# OpenAI's HTTP of `molora serve`, by hand: a whole answer with its routing, then a stream.
# sh examples/curl.sh [http://127.0.0.1:8080/v1]
set -eu
base="${1:-http://127.0.0.1:8080/v1}"
ask() { curl --silent --show-error --fail-with-body --no-buffer -H 'Content-Type: application/json' "$@" "$base/chat/completions"; }

ask -d '{"model": "nano", "messages": [{"role": "user", "content": "How many singers are there?"}], "max_tokens": 8,
         "temperature": 0, "molora": {"adapters": [{"id": "sql", "weight": 0.7}, {"id": "math", "weight": 0.3}]}}'
echo
ask -d '{"model": "nano:default", "messages": [{"role": "user", "content": "How many singers are there?"}],
         "max_tokens": 8, "temperature": 0, "stream": true}'
