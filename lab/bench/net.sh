# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# The emulated network cards over a tap: a TCP stream each way, and exits for
# each megabyte.
# deadline: 1500

# Streams of virtio-net scatter by half, and take a third of the e1000's time.
runs=9 e1000_runs=3 counts=3
. /lab/bench/figures.sh

bytes=40000000
host=192.168.77.1
streams="$host:5000:get:$bytes,$host:5000:put:$bytes"

# with_nic WAY WORDS: a guest with one card
with_nic() {
	way=$1 words=$2
	nic=virtio_net
	case $way in
	*-e1000) nic=e1000 ;;
	esac
	case $way in
	qemu) set -- "$tap,vhost=off" -device virtio-net-pci,netdev=net,romfile= ;;
	qemu-vhost) set -- "$tap,vhost=on" -device virtio-net-pci,netdev=net,romfile= ;;
	qemu-e1000) set -- "$tap" -device e1000,netdev=net,romfile= ;;
	byway) set -- -s "4:0,virtio-net,tap7$vhost_off" ;;
	byway-vhost) set -- -s 4:0,virtio-net,tap7,vhost=on ;;
	byway-e1000) set -- -s 4:0,e1000,tap7 ;;
	esac
	case $way in qemu*) set -- -netdev "$@" ;; esac
	STAMP=stamp /lab/bench/guest "${way%%-*}" - "$(kernel_of "$way")" "$initrd" \
		"$console lab.do=stream lab.nic=$nic lab.ip=192.168.77.2 $words" \
		"$@" || [ $? = 1 ]
}
tap='tap,id=net,ifname=tap7,script=no,downscript=no'

measure() {
	with_nic "$1" "lab.streams=$streams" >log </dev/null ||
		{ cat log; fail "$1: no guest"; }
	ended_well log
	sed -n 's/.*LAB: \([gp][eu]t\) .*kib_s=\([0-9]*\).*/\1 \2/p' log |
		while read -r way_there kib_s; do
			note "$way_there" "$1" "$kib_s"
		done
}

count() {
	count_jobs 2 with_nic "$1" \
		"lab.wait=yes lab.streams=$streams,$host:5000:get:1"
	for job in get put; do
		read -r user all own || { cat log; fail "$1: not counted"; }
		for of in user all own; do
			eval "exits=\$$of"
			note ${job}_$of "$1" "$(awk "BEGIN { printf \"%.1f\", $exits / $bytes * 1e6 }")"
		done
	done <counts
}

table() {
	printf '\n%-36s %11s %11s %7s\n' "$1" "$2" "$3" ratio
	shift
	for way in get put; do
		text='host to guest'
		[ $way = get ] || text='guest to host'
		row_of "$text: KiB/s" $way more "$@"
		row_of '  exits to user space per MB' ${way}_user less "$@"
		row_of '  but interrupts and timers, per MB' ${way}_own less "$@"
		row_of '  exits per MB' ${way}_all less "$@"
	done
}

tunctl -t tap7
ip addr add $host/24 dev tap7
ip link set tap7 up
modprobe vhost_net
stream serve $host 5000 &
server=$!

# byway's back end in the kernel, where it knows the option.
ways='qemu byway qemu-vhost qemu-e1000 byway-e1000'
vhost_off=''
if STAMP=stamp timeout 60 /lab/bench/guest byway - "$tiny" - end=poweroff \
	-s 4:0,virtio-net,tap7,vhost=on >log </dev/null || [ $? = 1 ]; then
	ways="$ways byway-vhost"
	vhost_off=,vhost=off
else
	grep 'byway:' log
	echo "byway has no vhost=on here: not measured"
fi

run=0
while [ $((run += 1)) -le $runs ]; do
	echo "run $run of $runs"
	for way in $ways; do
		case $way in *-e1000) [ $run -le $e1000_runs ] || continue ;; esac
		measure "$way"
	done
done
run=0
while [ $((run += 1)) -le $counts ]; do
	echo "count $run of $counts"
	for way in $ways; do
		count "$way"
	done
done
table 'virtio-net in user space' qemu byway
table 'virtio-net, vhost' qemu-vhost byway-vhost
table 'e1000' qemu-e1000 byway-e1000
kill $server
