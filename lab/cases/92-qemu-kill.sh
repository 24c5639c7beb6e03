# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# The lab itself: what a guest has written survives the hypervisor's kill -9.
# deadline: 120

nvme_prepare 1/0/0
bind_vfio 1/0/0 2/0/0
qemu-system-x86_64 -machine q35 -accel kvm -cpu host -m 512M -nodefaults \
	-no-user-config -display none -serial stdio \
	-device vfio-pci,host=01:00.0 -device vfio-pci,host=02:00.0 \
	-kernel "$kernel" -initrd "$initrd" \
	-append "console=ttyS0 quiet panic=-1 lab.do=load" \
	>guest.log 2>&1 </dev/null &
pid=$!
wait_line 60 'LAB: written 100' guest.log
wait_line 60 'LAB: fetched 2' guest.log
kill -9 $pid
wait $pid || true
tail -n 5 guest.log
! grep FAIL guest.log || fail "a check failed"
records_verify 1/0/0 guest.log
