# SPDX-License-Identifier: BSD-2-Clause
# What the tests with instances share: a tiny system of busybox.

# Makes the root of an instance at $1.
make_root() {
	mkdir -p "$1"/{bin,sbin,dev,proc,sys,etc,root,tmp,run}
	cp /bin/busybox "$1/bin/busybox"
	for a in sh ls cat echo sleep true false kill id tty stty ps grep \
		hostname ip; do
		ln -sf busybox "$1/bin/$a"
	done
	printf 'root:x:0:0:root:/root:/bin/sh\n' >"$1/etc/passwd"
	cat >"$1/sbin/init" <<-'EOF'
	#!/bin/sh
	trap 'exit 0' TERM
	echo "init is up"
	while :; do sleep 1000 & wait; done
	EOF
	chmod 755 "$1/sbin/init"
	printf '#!/bin/nothing\n' >"$1/root/broken"
	chmod 644 "$1/root/broken"
}

# conf ID [LINE]...: /etc/vps/vps_ID.conf with a root of its own.
conf() {
	local id=$1
	shift
	install -d -m 0700 "$BATS_FILE_TMPDIR/$id"
	[ -d "$BATS_FILE_TMPDIR/$id/root" ] ||
		make_root "$BATS_FILE_TMPDIR/$id/root"
	{
		echo "NAME = $id"
		echo "FSROOT = $BATS_FILE_TMPDIR/$id/root"
		[ "$#" -eq 0 ] || printf '%s\n' "$@"
	} >"/etc/vps/vps_$id.conf"
}

# until_true SECONDS COMMAND [ARG]...
until_true() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

state() {
	"$VPSCTL" show --json "$1" |
		python3 -c 'import json, sys; print(json.load(sys.stdin)["state"])'
}

is_state() {
	[ "$(state "$1")" = "$2" ]
}

# shellcheck disable=SC2154 # lines is set by run
# What was printed is one line that begins with "vpsctl: " and contains $1.
one_line() {
	[ "${#lines[@]}" -eq 1 ]
	[[ ${lines[0]} == "vpsctl: "* ]]
	[[ ${lines[0]} == *"$1"* ]]
}

stop_all() {
	local id
	for id in $("$VPSCTL" list --json | python3 -c '
import json, sys
for i in json.load(sys.stdin):
    print(i["id"])'); do
		"$VPSCTL" stop --timeout 0 "$id" || true
	done
}
