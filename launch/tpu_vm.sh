#!/usr/bin/env bash
# All hosts of a TPU VM slice:
#   launch/tpu_vm.sh NAME ZONE --config xl --workdir gs://bucket/runs/xl
# The repository must be on every host (gcloud compute tpus tpu-vm scp --worker=all --recurse).
set -euo pipefail
name=$1 zone=$2
shift 2
gcloud compute tpus tpu-vm ssh "$name" --zone="$zone" --worker=all --command="
    cd audiogen-jax && pip install --quiet '.[tpu]' && audiogen train --distributed $(printf '%q ' "$@")"
