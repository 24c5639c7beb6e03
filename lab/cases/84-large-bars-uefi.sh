# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# The same BARs placed by OVMF, which is told how much room they need; and a
# display, which has a root port of its own without being asked for.
# deadline: 300
# host: large-bars

monitor 'device_add bochs-display,id=dev3,bus=rp3,romfile='
wait_for 30 test -e "$pci/devices/0000:03:00.0/resource" ||
	fail "no display appears"
bind_vfio 1/0/0 2/0/0 3/0/0

# A disk from which the UEFI shell starts the kernel.
modprobe loop
modprobe vfat
modprobe nls_cp437 2>/dev/null || true
modprobe nls_ascii 2>/dev/null || true
modprobe nls_iso8859-1 2>/dev/null || true
truncate -s 128M efi.img
mkdosfs efi.img
# shellcheck disable=SC2016 # the guest's
script=$({
	bars_script | base64 -d
	echo 'for dev in /sys/bus/pci/devices/*; do
		[ "$(cat $dev/class)" != 0x038000 ] ||
			echo "BAR: display behind $(readlink -f $dev/.. | sed s,.*/,,)"
	done'
} | base64 -w 0)
mkdir efi
mount -o loop -t vfat efi.img efi
cp "$kernel" efi/linux.efi
cp "$initrd" efi/initrd.img
echo "fs0:\\linux.efi initrd=\\initrd.img console=ttyS0 quiet panic=-1 lab.do=none lab.exec=$script" \
	>efi/startup.nsh
umount efi
cp "$ovmf/OVMF_VARS_4M.fd" vars.fd

uefi() {
	set -- -m 1G -s 0,hostbridge -s 3,ahci-hd,efi.img -s 31,lpc \
		-s 6,passthru,1/0/0 -s 7,passthru,2/0/0 \
		-s 8,passthru,3/0/0 -l com1,stdio \
		-l "bootrom,$ovmf/OVMF_CODE_4M.fd,vars.fd" "$@" uefi
	timeout -s KILL 240 byway "$@" >guest 2>&1 </dev/null
}
uefi -o plan=true || {
	cat guest
	fail "no plan"
}
cat guest
grep -q 'X-PciMmio64Mb=262144$' guest || fail "firmware is not told of 256 GiB"
grep -q '^root ports .*1 by themselves, for display functions$' guest ||
	fail "the plan has no port for the display"

status=0
uefi || status=$?
tr -d '\r' <guest | tail -n 40
expect_eq 1 $status "exit status"
bars_told guest
grep -qx 'BAR: display behind 0000:00:08.0' told ||
	fail "the display is not behind a port of its own"
bars_verify
monitor 'device_del dev3'
