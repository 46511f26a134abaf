#!/usr/bin/env bash
# GPU cluster under SLURM, one process a node with all of its GPUs:
#   sbatch --nodes=4 launch/slurm.sh --config xl --workdir /shared/runs/xl \
#       --set mesh.dcn_data=4
# jax reads the cluster from SLURM's environment. The time limit sends SIGTERM two minutes early:
# the training saves, stops, and is queued again.
#SBATCH --job-name=audiogen
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --signal=TERM@120
#SBATCH --requeue
set -euo pipefail
srun --kill-on-bad-exit=1 audiogen train --distributed "$@"
