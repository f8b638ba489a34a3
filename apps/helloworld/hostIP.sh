#!/bin/sh
# Prints the address of the node this pod runs on, as the API of the cluster tells it (sample-apps.md §1.6).
#
# The old manifests of Linkerd's examples begin with it: http_proxy=`hostIP.sh`:4140. It wants POD_NAME and NS, and an API that
# asks for no password at K8S_API: `kubectl proxy` in a container beside this one. Linkerd's own waited ten seconds for that
# container; this one asks each second until it is told, 60 times unless HOST_IP_TRIES says otherwise.
set -u

fail() {
  echo "hostIP.sh: $1" >&2
  exit 1
}

[ -n "${POD_NAME:-}" ] || fail "POD_NAME is not set: it is the pod's metadata.name"
[ -n "${NS:-}" ] || fail "NS is not set: it is the pod's metadata.namespace"
url=${K8S_API:-localhost:8001}/api/v1/namespaces/$NS/pods/$POD_NAME
left=${HOST_IP_TRIES:-60}
while :; do
  # The proxy this address is for would not know the API.
  if answer=$(curl -sS --fail-with-body --noproxy '*' --max-time 5 "$url" 2>&1); then
    address=$(printf '%s' "$answer" | jq -r '.status.hostIP // empty' 2>/dev/null)
    if [ -n "$address" ]; then
      echo "$address"
      exit 0
    fi
  fi
  left=$((left - 1))
  [ "$left" -gt 0 ] || fail "$url does not tell status.hostIP: $answer"
  sleep 1
done
