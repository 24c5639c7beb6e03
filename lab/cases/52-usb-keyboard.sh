# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# The USB keyboard in Linux: what a viewer types in a Japanese layout arrives there
# as key codes.
# deadline: 90

screen=127.0.0.1:5902
cat >script <<'END'
load xhci-pci usbhid hid-generic evdev
keyboard() {
	event=$(awk '/^N:/ { usb = /USB Keyboard/ }
		usb && match($0, /event[0-9]+/) {
			print substr($0, RSTART, RLENGTH); exit
		}' /proc/bus/input/devices)
	[ "$event" ] && test -c "/dev/input/$event"
}
wait_for 20 keyboard || echo "LAB: keys FAIL no USB keyboard"
echo "LAB: keys ready"
timeout 10 cat "/dev/input/$event" >/run/events
echo "LAB: keys$(od -v -An -tx2 -w24 /run/events |
	awk '$9 == 1 && $11 == 1 { printf " %s", $10 }') end"
END
byway -m 256M -s 0,hostbridge -s 31,lpc -l com1,stdio -K jp \
	-s 8,fbuf,tcp=$screen -s 9,xhci,tablet,kbd \
	-o boot.kernel="$kernel" -o boot.initrd="$initrd" \
	-o boot.cmdline="console=ttyS0 quiet panic=-1 lab.do=none lab.exec=$(base64 -w 0 <script)" \
	keys >log 2>&1 </dev/null &
pid=$!
wait_line 60 'LAB: keys ready' log
usleep 500000
vnc $screen type "@[]:_\\"
# As soak-uefi-disk has them from the PS/2 keyboard.
wait_line 30 'LAB: keys 001a 001b 002b 0028 002a 0059 0059 end' log
wait $pid || true
nothing_held
