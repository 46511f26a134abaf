#!/usr/bin/env bash
# All hosts of a TPU VM slice, for as long as the slice lives:
#   launch/tpu_vm.sh NAME ZONE train --config xl --workdir gs://BUCKET/runs/xl
# The repository must be on every host (gcloud compute tpus tpu-vm scp --worker=all --recurse). A
# slice that may be preempted is asked for by launch/tpu_queued.sh.
set -euo pipefail
name=$1 zone=$2 command=$3
shift 3
gcloud compute tpus tpu-vm ssh "$name" --zone="$zone" --worker=all --command="
    cd audiogen-jax && pip install --quiet '.[tpu,remote]' && source launch/env.sh &&
    launch/restart.sh audiogen $command --distributed $(printf '%q ' "$@")"
