# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# A Debian from its own disk through OVMF, with all of the published guest file:
# AHCI, screen, keyboard, tablet, network, NVMe, passthrough; again after a reboot.
# deadline: 1500
# needs: debian

uuid=01234567-89ab-cdef-0123-456789abcdef
screen=127.0.0.1:5902
debian_disk disk.img
truncate -s 64M second.img
cp "$ovmf/OVMF_VARS_4M.fd" vars.fd
bind_vfio 1/0/0 3/0/0
mkfifo in
exec 7<>in

start_boot() {
	log=boot.$1
	byway -c 4,sockets=1,cores=4,threads=1 -m 1G \
		-Hwl bootrom,"$ovmf/OVMF_CODE_4M.fd",vars.fd -K jp -U $uuid -S \
		-s 0,hostbridge -s 31,lpc -s 4:0,ahci,hd:disk.img \
		-s 5:0,virtio-net,slirp,mac=58:9c:fc:07:57:ac \
		-s 6:0,passthru,1/0/0 -s 7:0,passthru,3/0/0 \
		-s 8:0,fbuf,tcp=$screen,w=1920,h=1080 -s 9:0,xhci,tablet \
		-s 10:0,nvme,second.img -l com1,stdio deb <in >"$log" 2>&1 &
	pid=$!
}

not_running() {
	! kill -0 $pid 2>/dev/null
}

# end_boot STATUS: it ends by itself, and nothing of it is left
end_boot() {
	wait_for 240 not_running || fail "byway still runs"
	status=0
	wait $pid || status=$?
	expect_eq "$1" $status "exit status"
	tail -n 5 "$log"
	nothing_held
	run_expect 1 'refused' vnc $screen size
}

check_boot() {
	disk_up 480 "$log" "$1"
	reported "uuid $uuid"
	reported 'address 10\.0\.2\.15/24'
	reported 'pci 0000:00:0a\.0 0x010802 nvme'
	clock_right
	expect_eq '1920x1080 keys' "$(vnc $screen size)" "the screen"
	screen_line 60 $screen '^debian login:'
}

start_boot 1
check_boot 1
vnc $screen type 'root\n'
screen_line 30 $screen '^Password:'
vnc $screen type 'byway\n'
screen_line 60 $screen '^root@debian:~#'
vnc $screen shot screen.ppm
expect_eq 'P6 1920 1080 255' "$(head -n 3 screen.ppm | tr '\n' ' ' |
	sed 's/ $//')" "the picture"
serial_login 1 "$log"

# What the guest's input devices bring: keys of the Japanese layout, typed by
# symbol, as Linux's key codes, and the tablet's corner and button.
events="od -v -An -tx2 -w24 /tmp/ev | awk"
input=/dev/input/by-path/pci-0000:00:09.0-usb-0:1:1.0-event-mouse
printf '%s\r' "dmidecode -s system-uuid | sed 's/^/DISK: dmi /'" \
	"cd /dev/input/by-path; echo DISK: \$((1 + 1)) ready" \
	"timeout 20 cat platform-i8042-serio-0-event-kbd >/tmp/ev" \
	"$events '\$9 == 1 && \$11 == 1 { s = s \" \" \$10 } END { print \"DISK: keys\" s }'" \
	"echo DISK: \$((2 + 1)) ready; timeout 20 cat $input >/tmp/ev" \
	"$events '\$9 == 3 { at[\$10] = \$11 } \$9 == 1 && \$11 == 1 { b = \$10 } END { print \"DISK: tablet\", at[\"0000\"], at[\"0001\"], b }'" >&7
wait_line 20 "DISK: dmi $uuid" "$log"
wait_line 20 'DISK: 2 ready' "$log"
usleep 500000
vnc $screen type "@[]:_\\"
# Shift is 2a, the two keys of the last line are one, KEY_RO.
wait_line 60 'DISK: keys 001a 001b 002b 0028 002a 0059 0059' "$log"
wait_line 20 'DISK: 3 ready' "$log"
usleep 500000
vnc $screen click 1919 1079
wait_line 60 'DISK: tablet 7fff 7fff 0110' "$log"

# shellcheck disable=SC2016 # the guest expands it
# The second disk: a file system, written, trimmed, checked.
printf '%s\r' 'disk=$(ls -d /sys/bus/pci/devices/0000:00:0a.0/nvme/nvme*/nvme*n1)' \
	'disk=/dev/${disk##*/}; mkfs.ext4 -q $disk && mount $disk /mnt && head -c 20M /dev/urandom >/mnt/x && sync && rm /mnt/x && sync && fstrim /mnt && umount /mnt && e2fsck -fn $disk && echo DISK: second $? clean' >&7
wait_line 60 'DISK: second 0 clean' "$log"
[ "$(du -m second.img | cut -f1)" -lt 20 ] || fail "TRIM has freed nothing"

# The backslash typed before goes on to the next line.
vnc $screen type '\n\nreboot\n'
end_boot 0
start_boot 2
check_boot 2
kill -TERM $pid
end_boot 1
