# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# SeaBIOS, in both sizes, boots a sector from each kind of disk.
# deadline: 120

# boots ROM DEVICE: from a disk that says so
boots() {
	cp /lab/images/mbr disk.img
	printf 'mbr: started from %s\r\n' "${2%%,*}" >>disk.img
	truncate -s 16M disk.img
	byway_run 60 log -m 128M -l bootrom,/usr/share/seabios/"$1" \
		-s 4:0,"$2"
	expect_eq 0 "$status" "$2: exit status of a reset"
	grep -q 'SeaBIOS (version' log || fail "$1 says nothing"
	grep -q "mbr: started from ${2%%,*}" log || fail "$2: not booted"
}

boots bios-256k.bin ahci,hd:disk.img
boots bios.bin ahci,hd:disk.img
boots bios-256k.bin virtio-blk,disk.img
boots bios-256k.bin virtio-scsi,disk.img
boots bios-256k.bin nvme,disk.img
nothing_held
