# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# vm passthru doctor: limits, resets, forgotten BARs, other cards; around starts.
# deadline: 180

mkdir -p "$VM_DIR"
# doctor STATUS ID ARGUMENT...: exit status and finding ("-": none)
doctor() {
	want=$1 id=$2
	shift 2
	if [ "$id" = - ]; then
		run_expect "$want" '^Verdict: healthy' vm passthru doctor "$@"
	else
		run_expect "$want" "^  $id \\(" vm passthru doctor "$@"
	fi
}
vm_guest web "$tiny" end=halt <<-END
	memory="64M"
	passthru0="4/0/0"
END
dev=$pci/devices/0000:04:00.0

# The short form: at a start that the doctor sees fail, on terminal and in log.
run_expect 1 '^  \* doctor: blocked at binding .*\[BIND-NONE\]' \
	timeout 60 vm start web
grep -Eq 'doctor; blocked at binding .*\[BIND-NONE\]' \
	"$VM_DIR/web/vm-bhyve.log" || fail "the log has no short form"
vm passthru reserve 4/0/0 || fail reserve
# And after byway failed: healthy, so the fault is above.
echo 'bhyve_options="-s 7,nonsense"' >>"$VM_DIR/web/web.conf"
run_expect 1 'nonsense' timeout 60 vm start web
wait_line 10 'doctor; healthy' "$VM_DIR/web/vm-bhyve.log"
sed -i /nonsense/d "$VM_DIR/web/web.conf"
doctor 0 - web

# Memory that may not be locked; a control group that is too small.
setpriv --bounding-set -ipc_lock sh -c 'ulimit -l 64
	exec vm passthru doctor web' >limit.out 2>&1 </dev/null &&
	fail "a low limit of locked memory is healthy"
cat limit.out
grep -q '^  MEMLOCK (blocks' limit.out || fail "no MEMLOCK"
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/small
echo 60M >/sys/fs/cgroup/small/memory.max
(
	echo 0 >/sys/fs/cgroup/small/cgroup.procs
	doctor 2 CGROUP-MEMORY web
) || fail "no CGROUP-MEMORY"
rmdir /sys/fs/cgroup/small

# A host that lets VFIO map nothing: byway's status 4, and the doctor's word for
# it before and after.
limit=/sys/module/vfio_iommu_type1/parameters/dma_entry_limit
was=$(cat $limit)
echo 0 >$limit
doctor 2 DMA-ENTRIES web
run_expect 1 'no map entries left' timeout 60 vm start web
echo "$was" >$limit
wait_line 10 'bhyve exited with status 4' "$VM_DIR/web/vm-bhyve.log"
grep -q 'doctor; blocked at DMA map (host kernel): .*\[DMA-ENTRIES\]' \
	"$VM_DIR/web/vm-bhyve.log" || fail "the log has no short form for status 4"

# VFIO's nodes: a user's view; root that is held to owner and mode.
node=/dev/vfio/$(group_of 4/0/0)
run_expect 0 '^  VFIO-ACCESS \(note' setpriv --reuid 65534 --regid 65534 \
	--clear-groups vm passthru doctor 4/0/0
chown 65534 "$node"
run_expect 2 '^  VFIO-ACCESS \(blocks' setpriv \
	--bounding-set -dac_override,-dac_read_search vm passthru doctor 4/0/0
chown 0 "$node"

# Resets: none, through the power state only, without FLR.
vm passthru reserve 1/0/0 9/0/0 || fail reserve
echo pm >"$pci/devices/0000:01:00.0/reset_method" 2>/dev/null ||
	echo bus >"$pci/devices/0000:01:00.0/reset_method"
echo >"$dev/reset_method"
doctor 1 RESET-NONE 4/0/0
echo default >"$dev/reset_method"
echo default >"$pci/devices/0000:01:00.0/reset_method"
doctor 0 - 4/0/0
grep -q flr "$pci/devices/0000:09:00.0/reset_method" && fail "9/0/0 has FLR"
doctor 0 - 9/0/0
echo pm >"$pci/devices/0000:09:00.0/reset_method"
doctor 0 RESET-PM 9/0/0
echo default >"$pci/devices/0000:09:00.0/reset_method"

# A device that was reset behind the kernel's back.
bar=$(setpci -s 04:00.0 BASE_ADDRESS_0)
setpci -s 04:00.0 BASE_ADDRESS_0=0
doctor 2 BAR-LOST web
# This one sleeps while nobody has it, and the kernel writes its registers again
# when it is opened; byway, which reads them then, would refuse it otherwise.
run_expect 0 'doctor: blocked at BARs' timeout 60 vm start web
wait_for 20 vm_is_down web || fail "not down"
expect_eq "$bar" "$(setpci -s 04:00.0 BASE_ADDRESS_0)" "BAR 0 after a start"
doctor 0 - web
# Kept awake it stays as it is: byway refuses it, it is put aside, and the guest
# does without if it may.
echo on >"$dev/power/control"
setpci -s 04:00.0 BASE_ADDRESS_0=0
run_expect 1 'BAR 0 reads 0x0+ instead of 0x[1-9a-f]' timeout 60 vm start web
run_expect 1 '0000:04:00.0 .*in quarantine' timeout 60 vm start web
echo 'passthru0_required="no"' >>"$VM_DIR/web/web.conf"
run_expect 0 'started without passthru0: .*in quarantine' timeout 60 vm start web
wait_for 20 vm_is_down web || fail "not down"
sed -i /passthru0_required/d "$VM_DIR/web/web.conf"
run_expect 0 ' failed .*BAR 0 reads' vm passthru history 4/0/0
run_expect 0 'out of quarantine' vm passthru clear 4/0/0
setpci -s 04:00.0 BASE_ADDRESS_0="$bar"
echo auto >"$dev/power/control"
doctor 0 - web

# Looking opens nothing for writing, neither of the host nor of devices.
strace -f -o calls -e trace=open,openat vm passthru doctor web 4/0/0 \
	>/dev/null 2>&1 || true
strace -f -o calls -e trace=open,openat,write vm passthru doctor 4/0/0 \
	>/dev/null || fail "doctor under strace"
grep -q '0000:04:00.0/config' calls || fail "strace saw nothing"
grep -E '"[^"]*(sys|proc|dev)/[^"]*".*(O_WRONLY|O_RDWR)' calls |
	grep -v /dev/null && fail "a file of the host was opened for writing"

# Colours are for terminals, JSON is for programs.
vm passthru doctor 4/0/0 | grep -q "$(printf '\033')" &&
	fail "colours in a pipe"
run_expect 2 '"id": "BIND-NATIVE"' vm passthru doctor --json 3/0/0

# A named card that is pulled out; another one in its slot.
vm passthru release 4/0/0
vm passthru name toy 4/0/0
sed -i 's|"4/0/0"|"toy"|' "$VM_DIR/web/web.conf"
doctor 2 BIND-NONE web
monitor 'device_del dev4'
wait_for 20 test ! -e "$dev" || fail "4/0/0 is still there"
# (7/0/0 is of the same kind.)
run_expect 2 'toy: is not where it was, at 0000:04:00.0' vm passthru doctor web
run_expect 1 'DEV-MOVED \(degrades; host' vm passthru doctor
monitor 'device_add pci-testdev,id=dev4,bus=rp4'
wait_for 30 test -e "$dev/resource" || fail "no other card appears"
run_expect 2 'toy: another card is in its slot, at 0000:04:00.0' \
	vm passthru doctor toy
monitor 'device_del dev4'
wait_for 20 test ! -e "$dev" || fail "the other card is still there"
monitor 'device_add edu,id=dev4,bus=rp4'
wait_for 30 test -e "$dev/resource" || fail "4/0/0 is not back"
doctor 2 BIND-NONE toy
