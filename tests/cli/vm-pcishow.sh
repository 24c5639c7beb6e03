#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What vm passthru shows (-v, --json, --svg), reservations at boot, SR-IOV. The
# host is a tree of files here.
. "$CLI/vm-lib"

. "$CLI/vm-pci-lib"

pci . 0000:00:1c.0 8086 a110 060400 1 pcieport pm
pci . 0000:00:1c.1 8086 a111 060400 1 pcieport pm
pci . 0000:00:1f.6 8086 0d4f 020000 - e1000e 'flr'
pci 0000:00:1c.0 0000:01:00.0 1b36 0010 010802 10 nvme 'flr bus'
pci 0000:00:1c.0 0000:01:00.1 1b36 0010 010802 11 vfio-pci 'flr bus'
pci 0000:00:1c.1 0000:02:00.0 10b5 8747 060400 2 pcieport bus
pci 0000:00:1c.1/0000:02:00.0 0000:03:00.0 10de 1bb3 030200 12 vfio-pci bus
pci 0000:00:1c.1/0000:02:00.0 0000:03:00.1 10de 10f0 040300 12 vfio-pci ''
attribute() {
	printf '%s\n' "$3" >"$sys/bus/pci/devices/$1/$2"
}
attribute 0000:03:00.0 current_link_speed '2.5 GT/s PCIe'
attribute 0000:03:00.0 max_link_speed '8.0 GT/s PCIe'
attribute 0000:03:00.0 current_link_width 8
attribute 0000:03:00.0 max_link_width 16
attribute 0000:03:00.0 numa_node 1
attribute 0000:01:00.0 current_link_speed '8.0 GT/s PCIe'
attribute 0000:01:00.0 max_link_speed '8.0 GT/s PCIe'
attribute 0000:01:00.0 current_link_width 4
attribute 0000:01:00.0 max_link_width 4
cat >"$sys/bus/pci/devices/0000:03:00.0/resource" <<-END
	0x00000000de000000 0x00000000deffffff 0x0000000000040200
	0x0000004000000000 0x000000400fffffff 0x000000000014220c
	0x0000000000000000 0x0000000000000000 0x0000000000000000
	0x00000000c0000000 0x00000000c1ffffff 0x000000000014220c
END
attribute 0000:03:00.0 resource1_resize 00000000000041c0
attribute 0000:01:00.0 sriov_totalvfs 4
attribute 0000:01:00.0 sriov_numvfs 1
attribute 0000:01:00.0 sriov_drivers_autoprobe 1
ln -s ../0000:01:00.1 "$sys/bus/pci/devices/0000:01:00.0/virtfn0"
ln -s ../0000:01:00.0 "$sys/bus/pci/devices/0000:01:00.1/physfn"
mkdir -p "$VM_DIR" "$T/host/run"

guest gpu <<-'END'
	passthru0="p4"
END
guest idle <<-'END'
	passthru0="disk0-vf0"
END
fake gpu <<-'END'
	say running
	forever
END
"$VM" passthru name p4 3/0 >/dev/null
"$VM" passthru name disk0 1/0/0 >/dev/null
"$VM" start gpu >/dev/null || failed 'the guest does not start'

# Names come from the machine's PCI ID database: not in golden files.
"$VM" passthru -v | awk 'NR == 1 { width = index($0, "DESCRIPTION") - 1 }
	{ print substr($0, 1, width) "NAME" }' | golden pcishow-verbose
"$VM" passthru --json |
	sed -E 's/"(vendor|device)_name": .*,/"\1_name": "NAME",/' |
	golden pcishow-json
check 'JSON is JSON' sh -c '"$VM" passthru --json |
	python3 -c "import json, sys; json.load(sys.stdin)"'
"$VM" passthru --svg >"$T/host.svg"
sed -E -e 's|(<title>[^ ]*) .*(</title>)|\1 NAME\2|' \
	-e 's|(<tspan fill="#555555">)[^<]*|\1NAME|' "$T/host.svg" |
	golden pcishow-svg
check 'the picture is XML' python3 -c \
	'import sys, xml.dom.minidom as x; x.parse(sys.argv[1])' "$T/host.svg"
"$VM" passthru --svg | cmp -s - "$T/host.svg"
check 'and the same each time' test $? -eq 0

# What is written for the boots to come: shown first, below the root given.
etc=$T/host/etc
{
	run vm passthru reserve --persist -n p4 |
		sed "s|$VM|/usr/sbin/vm|g"
	ls "$etc" 2>&1
	echo '== no'
	echo n | vm passthru reserve --persist p4 2>&1 | tail -n 2 |
		sed "s|$VM|/usr/sbin/vm|g"
	ls "$etc" 2>&1
	echo '== yes'
	mkdir -p "$etc/initramfs-tools" "$etc/dracut.conf.d"
	run vm passthru reserve --persist -y 3/0/0 3/0/1 |
		sed "s|$VM|/usr/sbin/vm|g"
	(cd "$etc" && find . -type f -exec stat -c '%a %n' {} + | sort -k 2)
	run vm passthru reserve --persist -n 1/0/1
	run vm passthru reserve --persist -n 0/28/0
	run vm passthru reserve -n 3/0/0
} | golden pcishow-persist
check 'what is reserved at boot is in the table' test "$("$VM" passthru --json |
	grep -c '"reserved_at_boot": true')" -eq 2
check 'the hook is a script' sh -n "$etc/initramfs-tools/hooks/byway-passthru"
"$VM" stop -w 20 gpu >/dev/null 2>&1

# Given back, so that the files are gone, too. (Files do not bind: this stands
# for what the kernel would do.)
for func in 0 1; do
	rm "$sys/bus/pci/devices/0000:03:00.$func/driver"
done
{
	run vm passthru release 3/0/1
	grep -c '^# byway' "$etc/udev/rules.d/10-byway-passthru.rules"
	run vm passthru release 3/0/0
	find "$etc" -type f
	echo 'KERNEL=="sda"' >"$etc/udev/rules.d/10-byway-passthru.rules"
	run vm passthru reserve --persist -n 3/0/0
	rm "$etc/udev/rules.d/10-byway-passthru.rules"
	echo '== virtual functions'
	run vm passthru sriov disk0 1
	run vm passthru sriov disk0 5
	run vm passthru sriov p4 1
	run vm passthru sriov 3/0/0 1
	run vm passthru sriov disk0
	run vm passthru sriov disk0 x
	echo '== sizes of BARs'
	run vm passthru resize 3/0/0 bar1size=256M
	run vm passthru resize 3/0/0 bar1size=512M
	run vm passthru resize 3/0/0 bar0size=32M
	run vm passthru resize 3/0/0 bar1size=16G
	run vm passthru resize 3/0/0 bar1=16G
	run vm passthru resize 3/0/0 bar1size=3G
	run vm passthru resize 3/0/0
	vm passthru -v | awk '$2 == "1/0/1" { print $9, $10 }'
} | golden pcishow-release
