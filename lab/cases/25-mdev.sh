# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# A mediated device, the kernel's sample of a serial card with two ports, works
# in the guest over reboots, is nobody else's meanwhile, and needs no binding.
# deadline: 500
# needs: mdev

uuid=83b8f4f2-509f-382f-3c1e-e6bfe0fa1001
other=83b8f4f2-509f-382f-3c1e-e6bfe0fa1002

# --- refused ---------------------------------------------------------------------

refused "$other: no such mediated device, and no driver of this host offers any" \
	-s 6,passthru,mdev=$other
modprobe mdev
insmod /lab/images/mdev/mtty.ko || fail "the module does not fit this kernel"
types=/sys/class/mdev_bus/mtty/mdev_supported_types
echo $uuid >$types/mtty-2/create
refused "$other: no such mediated device; create it by writing this UUID" \
	-s 6,passthru,mdev=$other
refused 'mdev=mtty: expected a UUID' -s 6,passthru,mdev=mtty
refused "$uuid: given to the guest twice" -s 6,passthru,mdev=$uuid \
	-s 7,passthru,mdev=$uuid

# --- over reboots ------------------------------------------------------------------

for run in 1 2; do
	end=reboot want=0
	[ $run = 1 ] || end=poweroff want=1
	linux_run 100 guest.$run "lab.check=serial lab.show=slot6 lab.end=$end" \
		-s 6,passthru,mdev=$uuid
	expect_eq $want "$status" "exit status of run $run"
	grep -q 'LAB: serial ok irq=intx .* ports=2' guest.$run ||
		fail "run $run: the ports do not work"
	grep -Eq "^byway: passthru mdev \($uuid\): reset device_specific [0-9]+ ms, ok" \
		guest.$run || fail "run $run: not reset by its driver"
done
grep -q '^00:06.0 0700: 4348:3253 (rev 10) (prog-if 02' guest.1 ||
	fail "lspci shows another card"
nothing_held

# --- in use -------------------------------------------------------------------------

byway -s 0,hostbridge -s 31,lpc -l com1,stdio -m 512M \
	-o boot.kernel="$kernel" -o boot.initrd="$initrd" \
	-o boot.cmdline='console=ttyS0 quiet panic=-1 lab.check=serial lab.end=stay' \
	-s 6,passthru,mdev=/sys/bus/mdev/devices/$uuid first >first.log 2>&1 \
	</dev/null &
first=$!
wait_line 100 'LAB: serial ok' first.log
byway_refuses "$uuid: in use by guest 'first' \(byway, process $first\), which holds its IOMMU group" \
	-s 6,passthru,mdev=$uuid
kill -9 $first
wait $first || true
nothing_held

# --- with vm, and a function of the host beside it -----------------------------------

bind_vfio 4/0/0
vm_guest one "$kernel" 'lab.check=serial lab.end=reboot' <<-END
	passthru0="mdev=$uuid"
	passthru1="4/0/0"
END
run_expect 0 'state: a mediated device, ready' vm info one
run_expect 0 'running \(pid' timeout 120 vm start one
for run in 1 2; do
	wait_for 100 sh -c "[ \$(grep -c 'LAB: serial ok' '$VM_DIR/one/com1.log') -ge $run ]" ||
		fail "run $run with vm: the ports do not work"
done
run_expect 0 '' timeout 60 vm poweroff -f one
wait_for 60 vm_is_down one || fail "still there after poweroff"
cat "$VM_DIR/one/vm-bhyve.log"
grep -q "passthru mdev ($uuid): reset device_specific [0-9]* ms, ok" \
	"$VM_DIR/one/vm-bhyve.log" || fail "vm's log knows of no reset"
vm_traces one
bind_host 4/0/0

# --- byway as an ordinary user: its group is handed on ----------------------------------

user_guest
vm_guest two "$kernel" 'lab.check=serial' <<-END
	passthru0="mdev=$uuid"
	run_as="guest"
END
run_expect 0 'running \(pid' timeout 120 vm start two
console_line 100 two 'LAB: serial ok'
wait_for 60 vm_is_down two || fail "the user's guest does not power off"
vm_traces two

echo 1 >/sys/bus/mdev/devices/$uuid/remove
rmmod mtty
! dmesg | grep -E 'BUG:|Oops|general protection' || fail "the host's kernel complains"
