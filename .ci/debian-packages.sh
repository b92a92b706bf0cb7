#!/usr/bin/env bash
# Debian packages that the tests need: a C++ compiler with its sanitizers, a browser for the HTML report, npm to fetch
# the official SARIF schema.
set -euo pipefail

wanted=()
command -v g++ >/dev/null || wanted+=(g++)
[ -x /usr/bin/chromium ] || wanted+=(chromium fonts-dejavu-core)
command -v npm >/dev/null || wanted+=(npm)
if [ "${#wanted[@]}" -eq 0 ]; then
    exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo)
fi
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}"
