# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# SeaBIOS, in both sizes, boots a sector from each kind of disk, and has a screen.
# deadline: 120

screen=127.0.0.1:5902

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

# bootindex says which disk is first, whatever its slot.
for first in ahci nvme; do
	for disk in ahci nvme; do
		cp /lab/images/mbr $disk.img
		printf 'mbr: started from %s\r\n' $disk >>$disk.img
		truncate -s 16M $disk.img
	done
	index=3
	[ $first = nvme ] || index=1
	byway_run 60 log -m 128M -l bootrom,/usr/share/seabios/bios-256k.bin \
		-s 4:0,ahci,hd:ahci.img,bootindex=$index \
		-s 5:0,nvme,nvme.img,bootindex=2
	grep -q "mbr: started from $first" log || fail "$first is not first"
done

# With a video BIOS its words are on the screen before there is any driver.
truncate -s 0 disk.img
truncate -s 16M disk.img
byway -m 128M -s 0,hostbridge -s 31,lpc -s 4:0,ahci,hd:disk.img \
	-s 8:0,fbuf,tcp=$screen,rom=/usr/share/seabios/vgabios-bochs-display.bin \
	-l bootrom,/usr/share/seabios/bios-256k.bin -l com1,stdio screen \
	>screen.log 2>&1 </dev/null &
# shellcheck disable=SC2034 # for screen_line
font=/usr/share/consolefonts/bios8x16.psf
screen_line 60 $screen 'No bootable device'
grep -q 'SeaBIOS (version' screen.txt || fail "no banner on the screen"
kill -9 $!
wait $! 2>/dev/null || true
nothing_held
