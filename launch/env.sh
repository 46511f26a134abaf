# Flags of the accelerators, with their reasons; sourced by the launchers. What is set already stays.
# CPU, NVIDIA and TPU flags stand side by side: each is read by its own library alone.

# ---- this package
# Hosts start minutes apart where images are pulled or nodes boot; without a cluster 50 s is enough.
export AUDIOGEN_CONNECT_SECONDS=${AUDIOGEN_CONNECT_SECONDS:-600}
# xl compiles for 4 to 5 minutes at every start. Process 0 alone writes, so that the folder must be
# one that all hosts see: set JAX_COMPILATION_CACHE_DIR=/shared/cache/jax (or gs://bucket/cache).

# ---- TPU (read by libtpu)
# Gathers of weights and reductions of gradients run while the layers before and after compute: with
# parameters cut over fsdp there is one of each per layer. The last two fuse them over several
# matrix products, and let the all-gather of a scanned layer start in the one before.
export LIBTPU_INIT_ARGS=${LIBTPU_INIT_ARGS:-"\
 --xla_tpu_enable_async_collective_fusion=true\
 --xla_tpu_enable_async_collective_fusion_fuse_all_gather=true\
 --xla_tpu_overlap_compute_collective_tc=true\
 --xla_enable_async_all_gather=true\
 --xla_tpu_enable_async_collective_fusion_multiple_steps=true"}

# ---- NVIDIA (read by XLA, jax and NCCL)
# The scheduler hides collectives behind computing; pipelining moves those of a scanned layer into
# its neighbours; larger buckets make fewer, longer messages, which fill InfiniBand.
export XLA_FLAGS=${XLA_FLAGS:-"\
 --xla_gpu_enable_latency_hiding_scheduler=true\
 --xla_gpu_enable_pipelined_all_gather=true\
 --xla_gpu_enable_pipelined_reduce_scatter=true\
 --xla_gpu_all_gather_combine_threshold_bytes=134217728\
 --xla_gpu_reduce_scatter_combine_threshold_bytes=134217728"}
# 75 % is taken by default; NCCL and cuDNN need the rest, and 8 % of 80 GB is enough for them.
export XLA_PYTHON_CLIENT_MEM_FRACTION=${XLA_PYTHON_CLIENT_MEM_FRACTION:-0.92}
# Says which link failed instead of nothing; silent while all is well.
export NCCL_DEBUG=${NCCL_DEBUG:-WARN}
# Sockets of the first contact: not over the bridges of containers, which other hosts do not reach.
export NCCL_SOCKET_IFNAME=${NCCL_SOCKET_IFNAME:-^lo,docker,virbr}
