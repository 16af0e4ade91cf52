#!/bin/sh
# Installs the Debian packages that the project needs and that are missing.
# usage: tools/deps.sh build|check|demo|vm ...   (sets may be combined)
set -eu

build="gcc make meson ninja-build pkg-config python3 clang-14 libxxhash-dev
linux-libc-dev libc6-dev"
demo="debootstrap rsync openssh-client openssh-server iproute2 python3 tcpdump
redis-tools procps util-linux e2fsprogs"
check="libcmocka-dev bats mandoc clang-format-14 clang-tidy-14 cppcheck
libclang-rt-14-dev shellcheck codespell redis-server nginx-light xfsprogs
btrfs-progs python3 nftables busybox-static"
vm="qemu-system-x86 busybox-static cpio"

want=""
for set in "$@"; do
	case $set in
	build) want="$want $build" ;;
	check) want="$want $build $demo $check" ;;
	demo) want="$want $build $demo" ;;
	vm) want="$want $vm" ;;
	*) echo "deps.sh: no such set: $set" >&2; exit 2 ;;
	esac
done

missing=""
for p in $want; do
	dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null |
		grep -qx installed || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo "deps.sh: missing packages:$missing (run as root to install them)" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# Servers that tests start by hand must not be started by their packages.
policy=/usr/sbin/policy-rc.d
made=""
if [ ! -e $policy ]; then
	made=$policy
	trap 'rm -f "$made"' EXIT
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
fi
# shellcheck disable=SC2086 # a list of words
apt-get install -y --no-install-recommends $missing ||
	{ apt-get update && apt-get install -y --no-install-recommends $missing; }
