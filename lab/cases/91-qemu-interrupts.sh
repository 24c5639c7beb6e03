# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# The lab itself: each device works with INTx, a USB controller with MSI.
# deadline: 300

# boot DEVICES PARAMETERS...: a guest whose checks all succeed
boot() {
	devices=''
	for device in $1; do
		bind_vfio "$device"
		devices="$devices -device vfio-pci,host=$(sysbdf "$device")"
	done
	shift
	status=0
	# shellcheck disable=SC2086 # several words
	timeout 120 qemu-system-x86_64 -machine q35 -accel kvm -cpu host \
		-m 512M -nodefaults -no-user-config -display none -no-reboot \
		-serial stdio -kernel "$kernel" -initrd "$initrd" $devices \
		-append "console=ttyS0 quiet panic=-1 $*" \
		>guest.log 2>&1 </dev/null || status=$?
	cat guest.log
	expect_eq 0 "$status" "QEMU's exit status"
	grep -q "LAB: done boot=1 .* fail=0" guest.log || fail "checks failed"
}

nvme_prepare 1/0/0
boot '1/0/0 2/0/0 3/0/0' pci=nomsi
expect_eq 3 "$(grep -c ' ok irq=intx' guest.log)" "devices with INTx"
boot 10/0/0 lab.check=usb
expect_eq 1 "$(grep -c 'LAB: usb ok irq=msi ' guest.log)" "devices with MSI"
