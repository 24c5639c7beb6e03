# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# Starts, reboots, memory, and the way to a passed-through NVMe: Debian's QEMU
# and byway in turns, the same guests, the same device.
# deadline: 2400

runs=5
ram_mib=512
. /lab/bench/figures.sh

# --- what is measured ------------------------------------------------------

# A tiny kernel that prints one line: the hypervisor's own share of a boot.
tiny_boot() {
	timed "$1" - "$tiny" - end=poweroff >log
	ended_well log
	note tiny_first_line_ms "$1" "$(ms_of 'tiny: up' log)"
	note tiny_exit_ms "$1" "$(ms_of ' exit ' log)"
}

linux_boot() {
	timed "$1" - "$kernel" "$initrd" "$console lab.do=none" >log
	ended_well log
	note linux_first_line_ms "$1" "$(ms_of 'LAB: up' log)"
	note linux_exit_ms "$1" "$(ms_of ' exit ' log)"
}

tiny_nvme_boot() {
	timed "$1" 1/0/0 "$tiny" - end=poweroff >log
	ended_well log
	note tiny_nvme_first_line_ms "$1" "$(ms_of 'tiny: up' log)"
}

# One reboot with the NVMe passed through, then reads; the reboot's time runs
# from the guest's order to its first line afterwards.
nvme_reboot_and_read() {
	nvme_prepare 1/0/0
	bind_vfio 1/0/0
	stamp /lab/bench/until-poweroff "$1" 1/0/0 "$kernel" "$initrd" \
		"$console lab.check=nvme lab.boots=2 lab.last=read" \
		>log </dev/null || [ $? = 1 ]
	ended_well log
	note reboot_ms "$1" "$(awk '/LAB: end reboot/ { t = $1 }
		/LAB: up/ && t { print $1 - t; exit }' log)"
	reads_of "$1" log
}

reads_of() {
	sed -n 's/.*LAB: read bytes=\([0-9]*\) inflight=\([0-9]*\) .*kib_s=\([0-9]*\).*/\1 \2 \3/p' "$2" |
		while read -r bytes inflight kib_s; do
			note "read_${bytes}_qd${inflight}_kib_s" "$1" "$kib_s"
		done
}

# The same reads on the bare host.
host_read() {
	bind_host 1/0/0
	disk=$(disk_of 1/0/0)
	{
		readrand "$disk" 4096 1 2000
		readrand "$disk" 4096 4 4000
		readrand "$disk" 131072 4 500
	} >log
	reads_of host log
}

# Memory besides the guest's: the mappings as large as its RAM do not count.
memory() {
	/lab/bench/guest "$1" "$2" "$3" "$4" "$5" >log </dev/null 2>&1 &
	pid=$!
	wait_line 60 "$6" log
	awk -v ram=$((ram_mib * 1024)) '
		/^[0-9a-f]+-/ { big = 0 }
		/^Size:/ { big = $2 >= ram * 0.7 }
		/^Pss:/ && !big { pss += $2 }
		/^Private_(Clean|Dirty):/ && !big { private += $2 }
		END { print pss, private }' "/proc/$pid/smaps" >sums
	kill -9 $pid
	wait $pid 2>/dev/null || true
	read -r pss private <sums
}

# Exits a read costs: what more reads add, over a boot that is the same.
exits_per_read() {
	bind_vfio 1/0/0
	for reads in 1000 17000; do
		count_exits timed "$1" 1/0/0 "$kernel" "$initrd" \
			"$console lab.do=read lab.reads=4096:1:$reads"
		ended_well log
		eval "user_$reads=$user_exits all_$reads=$all_exits own_$reads=$own_exits"
	done
	for of in user all own; do
		eval "more=\$((${of}_17000 - ${of}_1000))"
		note ${of}_exits_per_read "$1" "$(awk "BEGIN { printf \"%.2f\", $more / 16000 }")"
	done
}

# --- the table -----------------------------------------------------------------

host_row() {
	h=$(median "$1.host")
	for program in $programs; do
		awk -v h="$h" -v v="$(median "$1.$program")" -v t="$2, $program" '
			BEGIN { printf "%-46s %10s %10s %7.2f\n", t, h, v, h ? v / h : 0 }'
	done
}

table() {
	printf '%-46s %10s %10s %7s  %s\n' \
		"medians of $runs" QEMU byway ratio expected
	row tiny_first_line_ms 'tiny kernel: exec to first line, ms' '<= 0.12'
	row tiny_exit_ms 'tiny kernel: exec to exit, ms'
	row tiny_nvme_first_line_ms 'tiny kernel with NVMe: exec to first line, ms'
	row linux_first_line_ms 'Debian kernel: exec to first user line, ms' '<= 0.7'
	row linux_exit_ms 'Debian kernel: exec to clean exit, ms' '<= 0.7'
	row reboot_ms 'guest reboot with NVMe, ms'
	row tiny_pss_kib 'memory besides guest RAM, tiny kernel, KiB' '<= 0.1'
	row linux_pss_kib 'memory besides guest RAM, Debian kernel, KiB' '<= 0.1'
	row linux_private_kib 'of which private, KiB' '<= 0.1'
	row tiny_user_exits 'exits to user space, tiny kernel'
	row linux_user_exits 'exits to user space, Debian kernel boot'
	row linux_exits 'exits of any kind, Debian kernel boot'
	row user_exits_per_read 'exits to user space per NVMe read' 'byway: 0'
	row own_exits_per_read 'exits but interrupts and timers per NVMe read'
	row all_exits_per_read 'exits of any kind per NVMe read'
	for size in 4096_qd1 4096_qd4 131072_qd4; do
		row read_${size}_kib_s "NVMe reads $size, KiB/s" '>= 1'
	done
	echo
	printf '%-46s %10s %10s %7s\n' 'passthrough reads' host guest ratio
	for size in 4096_qd1 4096_qd4 131072_qd4; do
		host_row read_${size}_kib_s "reads $size, KiB/s"
	done
}

# --- the whole ---------------------------------------------------------------

for program in $programs; do
	for what in tiny linux; do
		if [ $what = tiny ]; then
			memory "$program" - "$tiny" - end=spin 'tiny: up'
		else
			memory "$program" - "$kernel" "$initrd" \
				"$console lab.do=none lab.end=stay" 'LAB: end'
		fi
		note ${what}_pss_kib "$program" "$pss"
		note ${what}_private_kib "$program" "$private"
	done
	count_exits timed "$program" - "$tiny" - end=poweroff
	note tiny_user_exits "$program" "$user_exits"
	count_exits timed "$program" - "$kernel" "$initrd" "$console lab.do=none"
	note linux_user_exits "$program" "$user_exits"
	note linux_exits "$program" "$all_exits"
	exits_per_read "$program"
done

# In turns, so that whatever else the machine does meets both alike. The guests whose
# memory is pinned first: where a Linux guest has run, clearing it takes twice as
# long, as the emulator has code of it, and who gets that memory is chance.
bind_vfio 1/0/0
run=0
while [ $((run += 1)) -le $runs ]; do
	echo "pinned run $run of $runs"
	for program in $programs; do
		tiny_nvme_boot "$program"
	done
done
run=0
while [ $((run += 1)) -le $runs ]; do
	echo "run $run of $runs"
	for program in $programs; do
		tiny_boot "$program"
		linux_boot "$program"
		nvme_reboot_and_read "$program"
	done
	host_read
done
table
