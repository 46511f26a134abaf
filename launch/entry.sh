#!/usr/bin/env bash
# What a container runs: the flags, then audiogen in place of the shell, so that signals reach it.
#   entry.sh train --distributed --config xl --workdir /shared/runs/xl
set -euo pipefail
source "$(dirname "$0")/env.sh"
exec audiogen "$@"
