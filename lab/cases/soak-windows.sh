# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# The published windows.conf through vm, with a Debian in Windows' place: every
# line of it is at work, and again after each of five reboots from inside.
# deadline: 5400
# needs: debian

# Local time that is not UTC, for utctime="no".
export TZ=JST-9
uuid=01234567-89ab-cdef-0123-456789abcdef
screen=127.0.0.1:5902
dir=$VM_DIR/windows
log=$dir/vm-bhyve.log

vm init
vm switch create -a 10.77.0.1/24 lan0
vm switch nat lan0 on
vm passthru reserve 1/0/0 3/0/0
mkdir -p "$dir"
cat >"$dir/windows.conf" <<END
loader="uefi"
graphics="yes"
xhci_mouse="yes"
cpu=4
cpu_sockets=1
cpu_cores=4
cpu_threads=1
memory=1G
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
uuid="$uuid"
network0_mac="58:9c:fc:07:57:ac"
passthru0="1/0/0"
passthru1="3/0/0"
END
cp "$dir/windows.conf" as-written
debian_disk "$dir/disk0"

vm start windows
supervisor=$(vm_pid windows supervisor)
tap=$(ls /sys/class/net/vm-lan0/brif)
expect_eq 1 "$(echo "$tap" | wc -w)" "interfaces on the switch"
vm info windows | tee info
grep -q "$screen" info || fail "vm info does not say where the screen is"

# One stays on the console over all reboots.
mkfifo keys
exec 7<>keys
# shellcheck disable=SC2094 # the guest writes what comes out
vm console windows <keys >console 2>&1 &

check_boot() {
	disk_up 480 "$dir/com1.log" "$1"
	reported "uuid $uuid"
	reported 'address 10\.77\.0\.[0-9]+/24'
	clock_right
	expect_eq '1920x1080 keys' "$(vnc $screen size)" "the screen"
	screen_line 120 $screen '^debian login:'
	expect_eq "$supervisor" "$(vm_pid windows supervisor)" "the supervisor"
	expect_eq "$tap" "$(ls /sys/class/net/vm-lan0/brif)" "the tap"
}

# said N PATTERN: the console has said it N times
said() {
	[ "$(grep -c -- "$2" console)" -ge "$1" ]
}
await() {
	wait_for 120 said "$1" "$2" || fail "no '$2' on the console, $1 times"
}

for boot in 1 2 3 4 5; do
	check_boot $boot
	if [ $((boot % 2)) = 1 ]; then
		# Typed on the screen's keyboard, by symbol, in a jp layout.
		vnc $screen type 'root\n'
		screen_line 90 $screen '^Password:'
		vnc $screen type 'byway\n'
		screen_line 120 $screen '^root@debian:~#'
		vnc $screen type 'reboot\n'
	else
		await $boot 'debian login: '
		printf 'root\r' >&7
		await $((boot / 2)) 'Password: '
		printf 'byway\r' >&7
		await $((boot / 2)) 'root@debian:~#'
		printf 'reboot\r' >&7
	fi
	wait_line 300 "starting bhyve \(run $((boot + 1))\)" "$log"
done
check_boot 6
vnc $screen shot screen.ppm
expect_eq 'P6 1920 1080 255' "$(head -n 3 screen.ppm | tr '\n' ' ' |
	sed 's/ $//')" "the picture"
vm stop -w 300 windows

# The log, in the order of the published set-up.
cat "$log"
{
	printf '%s\n' initialising '[loader: uefi]' '[cpu: 4]' '[memory: 1G]' \
		"[uuid: $uuid]" '[primary disk: disk0]' \
		'initialising network device' booting '[bhyve options: ' \
		'[bhyve devices: ' '[bhyve console: ' 'starting bhyve (run 1)'
	for run in 2 3 4 5 6; do
		printf '%s\n' 'bhyve exited with status 0' restarting \
			"starting bhyve (run $run)"
	done
	printf '%s\n' 'bhyve exited with status 1' \
		'destroying network device' stopped
} >order
last=0
while read -r words; do
	at=$(awk -v from="$last" -v words="$words" \
		'NR > from && index($0, words) { print NR; exit }' "$log")
	[ "$at" ] || fail "vm-bhyve.log: after line $last no '$words'"
	last=$at
done <order
expect_eq 12 "$(grep -c 'reset.* ok' "$log")" "verified resets in the log"
cmp as-written "$dir/windows.conf" || fail "the guest file has changed"
vm_traces windows
test ! -e "/sys/class/net/$tap" || fail "the tap $tap is left behind"
vm passthru release 1/0/0 3/0/0
expect_eq nvme "$(driver_of 1/0/0)" "the driver of 1/0/0"
vm switch destroy lan0
