# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# vhost-net moves a guest's packets without byway; the driver may come again.
# deadline: 600

tunctl -t tap44
ip addr add 192.168.44.1/24 dev tap44
ip link set tap44 up
head -c 100000 /dev/urandom >few
head -c 20000000 /dev/urandom >many
httpd -f -h . -p 192.168.44.1:80 &
server=$!
sum_of() {
	set -- "$(sha256sum <"$1")"
	echo "${1%% *}"
}
few_sum=$(sum_of few) many_sum=$(sum_of many)

# What the guest does: fetches few, then many, each when told to on its console;
# then its driver is taken from the card and given to it again.
cat >script <<'EOF'
got() {
	fetch=http://192.168.44.1/$1
	sum=$(fetch_sum)
	cd /sys/class/net/$eth/statistics
	echo "LAB: got $1 ${sum%% *} packets=$(($(cat rx_packets)+$(cat tx_packets)))."
	cd /
}
up() { nic_up virtio_net || echo "LAB: nic FAIL $why"; }
ready() { echo "LAB: ready"; read -r _ </dev/ttyS0; }
up
for f in few many; do ready; got $f; done
ready
d=/sys/bus/pci/drivers/virtio-pci
for n in 1 2; do
	ifconfig $eth down
	echo ${dev##*/} >$d/unbind
	eth=
	echo ${dev##*/} >$d/bind
	up
	got few
done
EOF
exec64=$(base64 <script | tr -d '\n')
words="lab.exec=$exec64 lab.check=nic lab.nic=virtio_net lab.ip=192.168.44.2 \
lab.fetch=http://192.168.44.1/few lab.sum=$few_sum"

ready() {
	[ "$(grep -c 'LAB: ready' "$1" 2>/dev/null)" -ge "$2" ]
}
# count N: exits to user space, and reads and writes by byway, until now
count() {
	exits=$(ask control stats)
	exits=${exits#*exits=}
	calls=$(awk '/^sysc[rw]:/ { n += $2 } END { print n }' "/proc/$pid/io")
	eval "exits_$1=${exits%% *} calls_$1=$calls"
	echo "$1: exits=${exits%% *} calls=$calls"
}
# vhost_threads PID: how many the kernel has for that process
vhost_threads() {
	cat /proc/[0-9]*/comm 2>/dev/null | grep -c "^vhost-$1\$" || true
}
# packets FILE: moved by the guest when it had fetched it first
packets() {
	sed -n "s/.*LAB: got $1 .* packets=\([0-9]*\)\..*/\1/p" "$log" | head -n 1
}
# run LOG NIC-OPTION OPTION...: the guest from start to end
run() {
	log=$1 option=$2
	shift 2
	rm -f stdin
	mkfifo stdin
	byway -m 512M -s 0,hostbridge -s 31,lpc -l com1,stdio -o control=control \
		-o log.debug=true -s 5,virtio-net,tap44"$option" "$@" \
		-o boot.kernel="$kernel" -o boot.initrd="$initrd" \
		-o boot.cmdline="console=ttyS0 quiet panic=-1 $words" \
		guest >"$log" 2>&1 <stdin &
	pid=$!
	exec 7>stdin
	for job in 1 2 3; do
		wait_for 60 ready "$log" $job || {
			cat "$log"
			fail "$log: job $job: not ready"
		}
		count $job
		threads=$(vhost_threads "$pid")
		echo >&7
	done
	exec 7>&-
	status=0
	wait $pid || status=$?
	cat "$log"
	expect_eq 1 "$status" "$log: exit status"
	! grep ' FAIL ' "$log" || fail "$log: a check failed"
	expect_eq 3 "$(grep -c "LAB: got few $few_sum" "$log")" "$log: few fetched"
	expect_eq 1 "$(grep -c "LAB: got many $many_sum" "$log")" "$log: many fetched"
	moved=$(($(packets many) - $(packets few)))
	[ "$moved" -gt 200 ] || fail "$log: only $moved packets"
	# shellcheck disable=SC2154 # set by eval
	exits=$((exits_3 - exits_2 - (exits_2 - exits_1)))
	# shellcheck disable=SC2154 # set by eval
	calls=$((calls_3 - calls_2 - (calls_2 - calls_1)))
	echo "$log: $moved packets more: $exits exits, $calls reads and writes more"
}

rmmod vhost_net 2>/dev/null || true
refused "/dev/vhost-net is missing; load it with 'modprobe vhost_net'" \
	-s 5,virtio-net,tap44,vhost=on
refused 'vhost=on works with a tap only' -s 5,virtio-net,slirp,vhost=on

# Left to itself and without the module, byway does it all.
run without ''
grep -q 'without vhost-net: /dev/vhost-net is missing' without ||
	fail "without: not told"
expect_eq 0 "$threads" "without: threads of vhost"
grep -q 'LAB: nic ok irq=msix' without || fail "without: no MSI-X"
# The counter counts, and not the exits tell the difference.
[ "$calls" -gt $((moved / 2)) ] || fail "without: the counter does not count"

modprobe vhost_net
run on ,vhost=on
expect_eq 1 "$threads" "on: threads of vhost"
grep -q 'LAB: nic ok irq=msix' on || fail "on: no MSI-X"
# Three drivers in turn.
expect_eq 3 "$(grep -c 'vhost-net works on the queues' on)" "on: taken over"
[ $((exits * 20)) -le "$moved" ] || fail "on: exits to user space per packet"
[ $((calls * 20)) -le "$moved" ] || fail "on: byway works per packet"

run off ,vhost=off
expect_eq 0 "$threads" "off: threads of vhost"
[ "$calls" -gt $((moved / 2)) ] || fail "off: nothing to do for byway?"

# INTx goes through byway, packets do not; by default vhost is used.
run intx '' -W
expect_eq 1 "$threads" "intx: threads of vhost"
grep -q 'LAB: nic ok irq=intx' intx || fail "intx: no INTx"
expect_eq 3 "$(grep -c 'vhost-net works on the queues' intx)" "intx: taken over"

expect_eq 0 "$(vhost_threads '[0-9]*')" "threads left behind"
kill $server
tunctl -d tap44
rmmod vhost_net
