#!/usr/bin/env bash
# Prints a token for the Engine API, which is good for a minute: token.sh [SECONDS] [JWT_HEX]
# SECONDS: how far ahead of now it is issued; negative: how long ago.
set -euo pipefail

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

key=$(tr -d ' \r\n' <"${2:-$(dirname "$0")/jwt.hex}" | sed 's/^0[xX]//')
header=$(printf '{"alg":"HS256","typ":"JWT"}' | base64url)
claims=$(printf '{"iat":%d}' "$(($(date +%s) + ${1:-0}))" | base64url)
mac=$(printf '%s' "$header.$claims" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64url)
printf '%s\n' "$header.$claims.$mac"
