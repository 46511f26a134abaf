#!/usr/bin/env bash
# A spot slice by a queued resource, asked for again whenever it is preempted:
#   launch/tpu_queued.sh NAME ZONE v5litepod-256 gs://BUCKET IMAGE train --config xl \
#       --workdir gs://BUCKET/runs/xl
# Every host runs IMAGE (launch/Dockerfile with ACCELERATOR=tpu) when it boots; training goes on from
# the last checkpoint. Ends when the training has: the hosts write gs://BUCKET/NAME.done (remove it
# to use the name again).
set -euo pipefail
name=$1 zone=$2 type=$3 bucket=$4 image=$5 command=$6
shift 6
queued=(gcloud compute tpus queued-resources)
startup=$(mktemp)
trap 'rm -f "$startup"' EXIT
cat > "$startup" <<BOOT
#!/usr/bin/env bash
docker run --rm --privileged --net=host --entrypoint /opt/audiogen/launch/restart.sh \\
    $image /opt/audiogen/launch/entry.sh $command --distributed $(printf '%q ' "$@")
echo \$? | gcloud storage cp - $bucket/$name.done
BOOT
until code=$(gcloud storage cat "$bucket/$name.done" 2> /dev/null); do
    state=$("${queued[@]}" describe "$name" --zone="$zone" --format='value(state.state)' || true)
    case $state in
        SUSPENDED | FAILED) # preempted: it does not come back by itself
            "${queued[@]}" delete "$name" --zone="$zone" --force --quiet ;;
        "")
            "${queued[@]}" create "$name" --node-id="$name" --zone="$zone" --spot \
                --accelerator-type="$type" --runtime-version="${RUNTIME:-v2-alpha-tpuv5-lite}" \
                --metadata-from-file=startup-script="$startup" ;;
    esac
    sleep "${PAUSE:-60}"
done
"${queued[@]}" delete "$name" --zone="$zone" --force --quiet
exit "$code"
