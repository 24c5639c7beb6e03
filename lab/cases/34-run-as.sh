# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# A guest whose byway is an ordinary user, with devices of each way to reset, a
# tap and a TPM, over reboots and kills.
# deadline: 400

user_guest
boots=2
nvme_prepare 1/0/0
bind_vfio 1/0/0 2/0/0 4/0/0 5/0/0
vm init
vm switch create -a 172.16.0.1/24 net
mkdir www
head -c 300000 /dev/urandom >www/blob
sum=$(sha256sum <www/blob)
httpd -f -h www -p 172.16.0.1:80 &
server=$!
vm_guest one "$kernel" "lab.check=nvme,nic,tpm lab.boots=$boots lab.last=button lab.nic=virtio_net lab.ip=172.16.0.2 lab.fetch=http://172.16.0.1/blob lab.sum=${sum%% *}" <<-'END'
	passthru0="1/0/0"
	passthru1="2/0/0"
	passthru1_options="reset=pm"
	passthru2="4/0/0"
	passthru_slots="1"
	network0_type="virtio-net"
	network0_switch="net"
	tpm="yes"
	run_as="guest"
END

# --- refused, and nothing left ---------------------------------------------------

chown 0:0 /dev/kvm
chmod 600 /dev/kvm
run_expect 1 '/dev/kvm: user guest may not open it; give it to a group' \
	timeout 60 vm start one
vm_traces one
user_guest
sed -i 's/^labkvm:.*/labkvm:x:900:/' /etc/group
run_expect 1 "/dev/kvm: user guest may not open it; run 'usermod -aG labkvm guest'" \
	timeout 60 vm start one
vm_traces one
sed -i 's/^labkvm:.*/labkvm:x:900:guest/' /etc/group

# As udev makes it.
chmod 666 /dev/net/tun

# --- two boots ---------------------------------------------------------------------

# is_guest PID: the user's, without any right of root's
is_guest() {
	for line in 'Uid:.1000.1000.1000.1000' 'Gid:.1000.1000.1000.1000' \
		'Groups:.(900 1000|1000 900) ?' 'CapPrm:.0+' 'CapEff:.0+' \
		'CapInh:.0+' 'NoNewPrivs:.1'; do
		grep -Eq "^$line\$" "/proc/$1/status" || {
			cat "/proc/$1/status"
			fail "$(cat "/proc/$1/comm") is not $line"
		}
	done
}

byway_is_guest() {
	pid=$(vm_pid one byway)
	ps -o pid,user,comm | grep -E "^ *$pid .*byway"
	is_guest "$pid"
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
is_guest "$(pidof swtpm)"
# Nobody else gets at the device, the user no more than others.
run_expect 4 'in use by' timeout 60 byway -m 64M -s 0,hostbridge -s 31,lpc \
	-s 6,passthru,1/0/0 -o boot.kernel="$tiny" thief
vm list | grep -q '^one .*Running' || fail "the guest is not listed as running"
wait_for 100 run_began 2 || fail "the second run does not begin"
holders | grep -q "^$group: held by process $(vm_pid one supervisor)\$" ||
	fail "the supervisor does not hold the group between runs"
wait_for 60 grep -q "^reached=1" "$VM_DIR/one/run.lock" ||
	fail "the second run does not run"
byway_is_guest

# --- a device that comes and goes: its group is handed over ------------------------------

console_line 100 one 'LAB: waits for the power button'
slot=/dev/vfio/$(group_of 5/0/0)
slot_holders() { holders | sed -n "s|^$slot: held by process ||p"; }
run_expect 0 '05:00\.0.* is in slot' timeout 60 vm passthru attach one 5/0/0
expect_eq "$(vm_pid one byway)" "$(slot_holders)" "who has 5/0/0"
run_expect 0 'was detached' timeout 60 vm passthru detach one 5/0/0
expect_eq '' "$(slot_holders)" "who has 5/0/0 afterwards"
run_expect 0 '05:00\.0.* is in slot' timeout 60 vm passthru attach one 5/0/0
vm stop -w 60 one || fail "the guest does not power off"
cat "$VM_DIR/one/vm-bhyve.log"
grep 'LAB: ' "$VM_DIR/one/com1.log"
expect_eq $boots "$(grep -c 'LAB: nvme ok irq=msix' "$VM_DIR/one/com1.log")" \
	"boots with a good NVMe"
for way in '1/0/0 flr' '2/0/0 pm' '4/0/0 bus'; do
	expect_eq $boots "$(grep -c \
		"passthru ${way% *} .*: reset ${way#* } [0-9]* ms, ok" \
		"$VM_DIR/one/vm-bhyve.log")" "good resets of $way"
done
expect_eq $boots "$(grep -c 'LAB: nic ok irq=msix' "$VM_DIR/one/com1.log")" \
	"boots with a good network"
expect_eq $((boots - 1)) "$(grep -c 'LAB: tpm ok .*nv=kept:' \
	"$VM_DIR/one/com1.log")" "boots that find what the TPM keeps"
expect_eq '600 1000 1000' "$(stat -c '%a %u' "$VM_DIR/one/run_as/tpm2-00.permall") \
$(stat -c %u "$VM_DIR/one/run_as")" "who has the TPM's state"
vm_traces one
nvme_verify 1/0/0 $boots

# --- kills: the next start has the device ---------------------------------------------

bind_vfio 1/0/0
vm_guest one "$kernel" lab.do=button <<-'END'
	passthru0="1/0/0"
	tpm="yes"
	run_as="guest"
END
tpm_is_gone() { ! kill -0 "$swtpm" 2>/dev/null; }
for victim in byway supervisor; do
	run_expect 0 'running \(pid' timeout 120 vm start one
	byway_is_guest
	swtpm=$(pidof swtpm)
	kill -9 "$(vm_pid one $victim)"
	wait_for 20 tpm_is_gone || fail "swtpm outlives the $victim"
	[ $victim = supervisor ] || wait_for 60 vm_is_down one ||
		fail "still there after a kill of $victim"
done
run_expect 0 'running \(pid' timeout 120 vm start one
byway_is_guest
run_expect 0 '' timeout 60 vm poweroff -f one
wait_for 60 vm_is_down one || fail "still there after poweroff"
vm_traces one
kill $server
vm switch destroy net
bind_host 1/0/0
expect_eq nvme "$(driver_of 1/0/0)" "1/0/0: driver"
