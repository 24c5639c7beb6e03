#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Network cards: taps, bridges, MTU, leftovers. In a network of its own, where
# the user may make one.
. "$CLI/vm-lib"

if [ -z "$VM_NET_INSIDE" ]; then
	# A user namespace does where there is no root.
	if ! unshare -rnm sh -c '
		mount -t sysfs sysfs /sys && ip tuntap add dev t0 mode tap &&
		ip link add b0 type bridge' 2>"$T/why"; then
		skipped "no network namespace here: $(tr '\n' ' ' <"$T/why")"
		exit 0
	fi
	VM_NET_INSIDE=yes
	export VM_NET_INSIDE UPDATE
	exec unshare -rnm sh "$CLI/vm-net.sh"
fi
mount -t sysfs sysfs /sys

ip link add vm-public type bridge
ip link set vm-public mtu 9000 up
ip link add plain type bridge
ip tuntap add dev fixed0 mode tap
ip tuntap add dev tap1 mode tap

guest net <<-'END'
	network0_type="virtio-net"
	network0_switch="public"
	network0_mac="58:9c:fc:01:02:03"
	network1_type="virtio-net"
	network1_switch="plain"
	network1_name="named"
	network1_mac="58:9c:fc:01:02:04"
	network2_type="virtio-net"
	network2_device="fixed0"
	network2_switch="public"
	network2_mac="58:9c:fc:01:02:05"
	network3_type="virtio-net"
	network3_mac="58:9c:fc:01:02:06"
END
fake net <<-'END'
	[ $run -eq 1 ] && say running && exit 0
	ip -o link show >links
	say running
	forever
END

links() {
	ip -o link show | sed -E 's/^[0-9]+: ([^:]*):.* mtu ([0-9]+).*/\1 \2/; /^lo/d' |
		sort
}

link_shape() {
	for link in tap0 tap1 named tap2 fixed0; do
		[ -e /sys/class/net/$link ] || continue
		master=$(readlink /sys/class/net/$link/master)
		echo "$link master=${master##*/}" \
			"mtu=$(cat /sys/class/net/$link/mtu)" \
			"alias=$(cat /sys/class/net/$link/ifalias)" \
			"up=$(ip -o link show $link | grep -c '[<,]UP[,>]')"
	done
}

{
	run vm start net
	link_shape
	wait_for 10 grep -q 2 "$VM_DIR/net/runs"
	grep 'network\|tap\|switch\|named\|fixed' "$VM_DIR/net/vm-bhyve.log"
	sed -n 's/^taps=//p' "$VM_DIR/net/run.lock"
	vm info net | grep 'device\|bridge\|mtu\|switch'
	run vm stop -w 20 net | sed 's/after [0-9]* s/after N s/'
	wait_for 10 is_down net
	links
	grep destroying "$VM_DIR/net/vm-bhyve.log"
} | golden net

# A killed supervisor's taps are removed by the next start; others' stay.
fake net <<-'END'
	say running
	[ $run -eq 1 ] && leave_when_orphaned
	forever
END
"$VM" start net >/dev/null 2>&1
kill -9 "$(supervisor_of net)" "$(byway_of net)"
before=$(links)
check 'killed: its taps are still there' sh -c \
	'echo "$1" | grep -q named' sh "$before"
rm "$VM_DIR/net/runs"
start() {
	"$VM" start net >/dev/null 2>&1
}
check 'killed: next start' wait_for 5 start
{
	grep 'left by' "$VM_DIR/net/vm-bhyve.log"
	link_shape
} | golden net-left
"$VM" stop -w 20 net >/dev/null
links | golden net-end

# The taps are found without the lock file that named them, too.
"$VM" start net >/dev/null 2>&1
kill -9 "$(supervisor_of net)" "$(byway_of net)"
rm "$VM_DIR/net/run.lock"
check 'killed, without lock file: next start' wait_for 5 start
"$VM" stop -w 20 net >/dev/null
links | golden net-end

# A stop clears up after it, too, and the next start has nothing to do.
"$VM" start net >/dev/null 2>&1
kill -9 "$(supervisor_of net)" "$(byway_of net)"
swept() {
	"$VM" stop net 2>&1 | grep 'left is removed'
}
{
	wait_for 5 swept
	run vm stop net
	links
} | golden net-swept
no_traces net || failed 'traces after a kill and a stop'

# What is no tap stays off the switch.
ip link add card type bridge
sed -i 's/"fixed0"/"card"/' "$VM_DIR/net/net.conf"
{
	run vm start net 2>&1 | grep -v '^  \*'
	links
} | golden net-no-tap
sed -i 's/"card"/"fixed0"/' "$VM_DIR/net/net.conf"
ip link del card

# A name that is taken is refused, and what was made before is removed.
ip tuntap add dev named mode tap
{
	run vm start net
	links
} | golden net-taken
ip link del named

# destroy clears up after a killed supervisor as well.
"$VM" start net >/dev/null 2>&1
kill -9 "$(supervisor_of net)" "$(byway_of net)"
destroy() {
	"$VM" destroy -f net >/dev/null 2>&1
}
check 'destroy after a kill' wait_for 5 destroy
links | golden net-destroyed
