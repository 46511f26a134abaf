#!/usr/bin/env bash
# GPU cluster under SLURM, one process a node with all of its GPUs:
#   sbatch --nodes=4 launch/slurm.sh train --config xl --workdir /shared/runs/xl \
#       --set mesh.dcn_data=4
#   sbatch --nodes=8 launch/slurm.sh encode-dataset /shared/clips.jsonl --output /shared/latents
# In a container (pyxis and enroot), made by launch/Dockerfile with ACCELERATOR=cuda:
#   CONTAINER=registry#audiogen:cuda MOUNTS=/shared:/shared sbatch --nodes=4 launch/slurm.sh train ...
# jax reads the cluster from SLURM's environment. The time limit and preemption send SIGTERM: the
# training saves and ends with 75, and the job is queued again. So it is after the loss of a node.
#SBATCH --job-name=audiogen
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -uo pipefail
here=${LAUNCH:-$SLURM_SUBMIT_DIR/launch}  # SLURM runs a copy of this file
source "$here/env.sh"
container=()
if [[ -n ${CONTAINER:-} ]]; then
    container=(--container-image="$CONTAINER" --container-mounts="${MOUNTS:-/shared:/shared}")
fi
command=$1
shift
srun --kill-on-bad-exit=1 "${container[@]}" audiogen "$command" --distributed "$@"
code=$?
if ((code == 75 || code >= 128)) && ((${SLURM_RESTART_COUNT:-0} < 100)); then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit $code
