# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# An NVMe in a guest whose byway is an ordinary user, over reboots and kills.
# deadline: 400

grep -q ^guest: /etc/passwd || {
	echo 'guest:x:1000:1000::/nonexistent:/bin/false' >>/etc/passwd
	echo 'guest:x:1000:' >>/etc/group
	echo 'labkvm:x:900:guest' >>/etc/group
}
boots=3
nvme_prepare 1/0/0
bind_vfio 1/0/0
vm_guest one "$kernel" "lab.check=nvme lab.boots=$boots" <<-'END'
	passthru0="1/0/0"
	run_as="guest"
END

# --- refused, and nothing left ---------------------------------------------------

chown 0:0 /dev/kvm
chmod 600 /dev/kvm
run_expect 1 '/dev/kvm: user guest may not open it; give it to a group' \
	timeout 60 vm start one
vm_traces one
chgrp 900 /dev/kvm
chmod 660 /dev/kvm
sed -i 's/^labkvm:.*/labkvm:x:900:/' /etc/group
run_expect 1 "/dev/kvm: user guest may not open it; run 'usermod -aG labkvm guest'" \
	timeout 60 vm start one
vm_traces one
sed -i 's/^labkvm:.*/labkvm:x:900:guest/' /etc/group

# --- three boots -------------------------------------------------------------------

# byway_is_guest: the user's, without any right of root's
byway_is_guest() {
	pid=$(vm_pid one byway)
	ps -o pid,user,comm | grep -E "^ *$pid .*byway"
	for line in 'Uid:.1000.1000.1000.1000' 'Gid:.1000.1000.1000.1000' \
		'Groups:.(900 1000|1000 900) ?' 'CapPrm:.0+' 'CapEff:.0+' \
		'CapInh:.0+' 'NoNewPrivs:.1'; do
		grep -Eq "^$line\$" "/proc/$pid/status" || {
			cat "/proc/$pid/status"
			fail "byway is not $line"
		}
	done
	# The lock is the supervisor's alone: vm believes what it says.
	! ls -l "/proc/$pid/fd" | grep run.lock || fail "byway holds run.lock"
	ls -l "/proc/$pid/fd" | grep -q "/dev/vfio/$(group_of 1/0/0)\$" ||
		fail "byway has no group"
}

# run_began N: the guest's Nth run since its start
run_began() {
	grep -q "starting bhyve (run $1)" "$VM_DIR/one/vm-bhyve.log"
}

group=/dev/vfio/$(group_of 1/0/0)
run_expect 0 'running \(pid' timeout 120 vm start one
byway_is_guest
# Nobody else gets at the device, the user no more than others.
run_expect 4 'in use by' timeout 60 byway -m 64M -s 0,hostbridge -s 31,lpc \
	-s 6,passthru,1/0/0 -o boot.kernel="$tiny" thief
vm list | grep -q '^one .*Running' || fail "the guest is not listed as running"
for run in 2 3; do
	wait_for 100 run_began $run || fail "run $run does not begin"
	holders | grep -q "^$group: held by process $(vm_pid one supervisor)\$" ||
		fail "the supervisor does not hold the group between runs"
	wait_for 60 grep -q "^reached=1" "$VM_DIR/one/run.lock" ||
		fail "run $run does not run"
	byway_is_guest
done
wait_for 100 vm_is_down one || fail "the guest does not power off"
cat "$VM_DIR/one/vm-bhyve.log"
grep 'LAB: ' "$VM_DIR/one/com1.log"
expect_eq $boots "$(grep -c 'LAB: nvme ok irq=msix' "$VM_DIR/one/com1.log")" \
	"boots with a good NVMe"
expect_eq $boots "$(grep -c 'passthru 1/0/0 .*: reset flr [0-9]* ms, ok' \
	"$VM_DIR/one/vm-bhyve.log")" "good resets"
vm_traces one
nvme_verify 1/0/0 $boots

# --- kills: the next start has the device ---------------------------------------------

bind_vfio 1/0/0
vm_guest one "$kernel" lab.do=button <<-'END'
	passthru0="1/0/0"
	run_as="guest"
END
for victim in byway supervisor; do
	run_expect 0 'running \(pid' timeout 120 vm start one
	byway_is_guest
	kill -9 "$(vm_pid one $victim)"
	[ $victim = supervisor ] || wait_for 60 vm_is_down one ||
		fail "still there after a kill of $victim"
done
run_expect 0 'running \(pid' timeout 120 vm start one
byway_is_guest
run_expect 0 '' timeout 60 vm poweroff -f one
wait_for 60 vm_is_down one || fail "still there after poweroff"
vm_traces one
bind_host 1/0/0
expect_eq nvme "$(driver_of 1/0/0)" "1/0/0: driver"
