#!/bin/sh
# Installs the Debian packages that the tests against real directory servers need, or those named as arguments.
# Does nothing when all are there.
set -eu
list="$(dirname "$0")/../../.ci/debian-packages"
missing=""
[ $# -gt 0 ] || set -- $(grep -v '^#' "$list")
for package in "$@"; do
    status="$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null || true)"
    case "$status" in
        ii*) ;;
        *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "These packages are missing:$missing" >&2
    echo "Install them with: sudo apt-get update && sudo apt-get install -y --no-install-recommends$missing" >&2
    exit 1
fi
# the packages must not start servers of their own: the tests start what they need on free ports
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086  # a list of words
apt-get install -y -q --no-install-recommends $missing
