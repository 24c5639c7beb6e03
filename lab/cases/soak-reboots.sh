# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# 50 reboots from inside the guest, three devices, nothing grows.
# deadline: 2700

boots=51
log=$VM_DIR/soak/vm-bhyve.log
nvme_prepare 1/0/0
vm_guest soak "$kernel" lab.boots=$boots <<-END
	passthru0="1/0/0"
	passthru1="2/0/0"
	passthru2="3/0/0"
END
vm passthru reserve 1/0/0 2/0/0 3/0/0
vm start soak
supervisor=$(vm_pid soak supervisor)

# use PID: its open files, resident KiB of its own, threads
use() {
	files=$(find "/proc/$1/fd/" -type l | wc -l)
	private=$(awk '/^RssAnon/ { print $2 }' "/proc/$1/status")
	threads=$(awk '/^Threads/ { print $2 }' "/proc/$1/status")
	echo "$files $private $threads"
}
runs_are() {
	grep -q "starting bhyve (run $1)" "$log" 2>/dev/null
}
over() {
	vm_is_down soak || runs_are "$1"
}
run=1
while [ $run -lt $boots ]; do
	run=$((run + 1))
	wait_for 150 over $run || fail "run $run does not begin"
	runs_are $run || break
	# byway is a new process each run: compare it at the same point of each.
	console_done() {
		[ "$(cat "$VM_DIR"/soak/com1.log* | grep -c 'LAB: nvme')" -ge $run ]
	}
	wait_for 150 console_done || {
		tail -n 20 "$VM_DIR/soak/com1.log" "$log"
		fail "run $run: no use of the NVMe"
	}
	echo "run $run: supervisor $(use "$supervisor") byway $(use "$(vm_pid soak byway)")" |
		tee -a uses
done
wait_for 150 vm_is_down soak || fail "the guest does not end"
cat "$VM_DIR"/soak/com1.log* >consoles 2>/dev/null
expect_eq $boots "$(grep -c 'LAB: done boot=[0-9]* ok=3 fail=0' consoles)" \
	"boots with every check ok"
! grep ' FAIL ' consoles || fail "a check failed"
expect_eq $((boots - 1)) "$(grep -c 'exited with status 0' "$log")" "reboots"
expect_eq $((boots * 3)) "$(grep -c 'passthru .*: reset .* ms, ok' "$log")" "resets"
vm_traces soak

# After the first runs nothing may grow: files and threads not at all, memory
# by less than a page or two of noise each.
awk '
	$2 == "4:" { for (i = 4; i <= 10; i++) first[i] = $i; next }
	{ for (i = 4; i <= 10; i++) last[i] = $i }
	END {
		bad = 0
		# supervisor F P T byway F P T
		if (last[4] > first[4] || last[6] > first[6]) bad = 1
		if (last[8] > first[8] || last[10] > first[10]) bad = 1
		if (last[5] > first[5] + 64 || last[9] > first[9] + 512) bad = 1
		exit bad
	}' uses || fail "something grows: $(sed -n 3p uses) ... $(tail -n 1 uses)"
vm passthru release 1/0/0 2/0/0 3/0/0
nvme_verify 1/0/0 $boots
