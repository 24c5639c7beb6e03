#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The windows.conf that vm-bhyve's users have published starts as written: its
# command line, its log over two reboots, and nothing left in the end.
# In a network of its own, where the user may make one.
. "$CLI/vm-lib"
. "$CLI/vm-switch-lib"
own_network vm-windows
. "$CLI/vm-pci-lib"

pci . 0000:00:1c.0 8086 a110 060400 1 pcieport pm
pci 0000:00:1c.0 0000:03:00.0 10de 1b38 030200 12 vfio-pci bus
pci 0000:00:1c.0 0000:04:00.0 1b36 000d 0c0330 13 vfio-pci flr

# The published line has the guest's interface as tap4.
for n in 0 1 2 3; do
	ip tuntap add dev tap$n mode tap
done
ip link add vm-lan0 type bridge

firmware() {
	mkdir -p "$VM_SHARE_DIR/OVMF"
	truncate -s 3653632 "$VM_SHARE_DIR/OVMF/OVMF_CODE_4M.fd"
	truncate -s 540672 "$VM_SHARE_DIR/OVMF/OVMF_VARS_4M.fd"
}

mkdir -p "$VM_DIR/windows"
cat >"$VM_DIR/windows/windows.conf" <<-'END'
	loader="uefi"
	graphics="yes"
	xhci_mouse="yes"
	cpu=4
	cpu_sockets=1
	cpu_cores=4
	cpu_threads=1
	memory=16G
	ahci_device_limit="8"
	network0_type="virtio-net"
	network0_switch="lan0"
	disk0_type="ahci-hd"
	disk0_name="disk0"
	disk0_dev="sparse-zvol"
	graphics_port=5902
	graphics_res="1920x1080"
	utctime="no"
	bhyve_options="-K jp"
	uuid="0f7c4c6e-3d5c-11ee-be56-0242ac120002"
	network0_mac="58:9c:fc:07:57:ac"
	passthru0="3/0/0"
	passthru1="4/0/0"
END
fake windows <<-'END'
	say running
	say device 3/0/0 0000:03:00.0 reset bus 1041 ok link 8 GT/s x16
	say device 4/0/0 0000:04:00.0 reset flr 130 ok ids read back
	[ $run -lt 3 ] && exit 0
	exit 1
END
cp "$VM_DIR/windows/windows.conf" "$T/as-written"

# What keeps it from starting is said one after the other, and nothing stays.
{
	run vm start windows
	firmware
	run vm start windows
	truncate -s 1G "$VM_DIR/windows/disk0"
	ip link del vm-lan0
	run vm start windows
	ip link add vm-lan0 type bridge
	ip -o link show | grep -c tap4
} 2>&1 | golden windows-missing
no_traces windows || failed 'traces of a guest that could not start'

{
	run vm start windows
	wait_for 20 is_down windows || echo 'not down'
	grep -v warning "$VM_DIR/windows/vm-bhyve.log" |
		sed '1,/stopped$/d' | sed '1,/stopped$/d' | sed '1,/stopped$/d'
	sort -u "$VM_DIR/windows/calls"
} 2>&1 | golden windows
check 'three runs have the same line' test \
	"$(wc -l <"$VM_DIR/windows/calls")" = 3
check 'the file is as it was' cmp "$T/as-written" \
	"$VM_DIR/windows/windows.conf"
check 'the tap is gone' sh -c '! ip link show tap4 2>/dev/null | grep -q .'
no_traces windows || failed 'traces of a guest that was down'

# Letter by letter the published line, once the screen is open to all.
cat >"$T/published" <<-END
	-c 4,sockets=1,cores=4,threads=1 -m 16G -Hwl bootrom,FIRMWARE.fd -K jp -U UUID -S -s 0,hostbridge -s 31,lpc -s 4:0,ahci,hd:DISK -s 5:0,virtio-net,tap4,mac=58:9c:fc:07:57:ac -s 6:0,passthru,3/0/0 -s 7:0,passthru,4/0/0 -s 8:0,fbuf,tcp=0.0.0.0:5902,w=1920,h=1080 -s 9:0,xhci,tablet -l com1,/dev/nmdm-windows.1A NAME
END
echo 'graphics_listen="0.0.0.0"' >>"$VM_DIR/windows/windows.conf"
fake windows <<-'END'
	say running
	exit 1
END
"$VM" start windows >"$T/open" 2>&1
wait_for 20 is_down windows
check 'an open screen without password is told' \
	grep -q '0.0.0.0:5902 has no password' "$T/open"
sed -E -e 's/ -o (status\.fd|control)=[^ ]*//g' -e 's/ windows$/ NAME/' \
	-e "s|$VM_SHARE_DIR/OVMF/OVMF_CODE_4M.fd|FIRMWARE.fd|" \
	-e "s|$VM_DIR/windows/disk0|DISK|" -e "s|$VM_DEV_DIR|/dev|" \
	-e 's/0f7c4c6e-[-0-9a-f]*/UUID/' "$VM_DIR/windows/calls" >"$T/line"
check 'the published line comes out' diff -u "$T/published" "$T/line"
