#!/usr/bin/env bash
# Runs a command again while it ends unfinished: 75, or by a signal, as when another host was lost.
#   restart.sh audiogen train --distributed --config xl --workdir /shared/runs/xl
# Any other exit code ends it: 0 is done, 1 and 2 are errors that would come again.
set -uo pipefail
for ((attempt = 1; attempt <= ${ATTEMPTS:-100}; attempt++)); do
    "$@"
    code=$?
    ((code == 75 || code >= 128)) || exit $code
    echo "restart.sh: exit code $code, start $((attempt + 1)) follows" >&2
    sleep "${PAUSE:-15}"
done
exit $code
