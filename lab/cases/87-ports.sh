# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# Devices behind root ports of their own: a card with two functions, interrupts
# of each kind, the host's link; a kernel booted directly and one through OVMF.
# deadline: 500

boots=2
ports='-s 6:0,passthru,1/0/0,port=pcie -s 7,passthru,2/0/0,port=pcie
	-s 8:0,passthru,7/0/0,port=pcie -s 8:1,passthru,7/0/1,port=pcie'
link() {
	printf '%s %s' "$(cat "$pci/devices/$1/current_link_speed")" \
		"$(cat "$pci/devices/$1/current_link_width")"
}

nvme_prepare 1/0/0
bind_vfio 1/0/0 2/0/0 7/0/0 7/0/1
host_link=$(link "$(sysbdf 1/0/0)")

# What the guest sees, before it uses anything.
# shellcheck disable=SC2016 # the guest's
look='cd /sys/bus/pci/devices
	for dev in *; do
		set -- $(readlink -f $dev/../ | sed s,.*/,,)
		echo "LAB: at $1 $dev $(cat $dev/class) $(cat $dev/current_link_speed 2>/dev/null) $(cat $dev/current_link_width 2>/dev/null)"
	done
	lspci -t; lspci -vv; dmesg | grep -i "pci\|bridge"; cd /'
words="lab.check=nvme,nic lab.boots=$boots lab.exec=$(echo "$look" | base64 | tr -d '\n')"
# shellcheck disable=SC2086 # several words
linux_boots $boots 100 "$words" $ports
for run in 1 2; do
	tr -d '\r' <guest.$run >log
	for line in '0000:00:06\.0 0000:01:00\.0 0x010802' \
		'0000:00:07\.0 0000:02:00\.0 0x020000' \
		'0000:00:08\.0 0000:03:00\.0' '0000:00:08\.0 0000:03:00\.1' \
		"0000:01:00.0 0x010802 $host_link" \
		"0000:00:06.0 0x060400 $host_link"; do
		grep -q "^LAB: at .*$line" log || fail "run $run: no $line"
	done
	! grep -E "can't claim|no compatible bridge window|failed to assign" log ||
		fail "run $run: addresses"
	grep -q 'LAB: nvme ok irq=msix' log || fail "run $run: no good nvme"
	grep -q 'LAB: nic ok irq=msix' log || fail "run $run: no good nic"
done
# INTx of what is behind a port arrives.
# shellcheck disable=SC2086 # several words
linux_run 100 intx "pci=nomsi lab.check=nvme,nic" $ports
expect_eq 1 "$status" "exit status"
for device in nvme nic; do
	grep -q "LAB: $device ok irq=intx" intx || fail "no $device with INTx"
done
nothing_held

# OVMF numbers the buses itself, and loads a kernel from the NVMe behind a port.
bind_host 1/0/0
disk=$(disk_of 1/0/0) || fail "1/0/0: no disk appears"
mkdosfs "$disk" >/dev/null
mount -t vfat "$disk" /mnt
cp "$kernel" /mnt/vmlinuz.efi
cp "$initrd" /mnt/initrd.img
printf 'fs0:\r\n%s\r\n' "vmlinuz.efi initrd=\\initrd.img console=ttyS0 quiet panic=-1 lab.check=nic lab.exec=$(echo "$look" | base64 | tr -d '\n')" \
	>/mnt/startup.nsh
umount /mnt
bind_vfio 1/0/0
cp "$ovmf/OVMF_VARS_4M.fd" vars.fd
# (With its ROM the card would boot from the network, for minutes.)
# shellcheck disable=SC2046,SC2086 # several words
byway_run 200 uefi -m 512M -l bootrom,"$ovmf/OVMF_CODE_4M.fd",vars.fd \
	$(echo $ports | sed 's,2/0/0,&\,rom=none,') -s 9,pcie-port
expect_eq 1 "$status" "exit status through OVMF"
tr -d '\r' <uefi >log
for line in '0000:00:06\.0 0000:[0-9a-f]*:00\.0 0x010802' \
	'0000:00:07\.0 0000:[0-9a-f]*:00\.0 0x020000' \
	'0000:00:08\.0 0000:[0-9a-f]*:00\.1'; do
	grep -q "^LAB: at .*$line" log || fail "through OVMF: no $line"
done
grep -q "^LAB: at .* 0x010802 $host_link" log || fail "through OVMF: link"
grep -q 'LAB: nic ok irq=msix' log || fail "through OVMF: no good nic"
nothing_held
