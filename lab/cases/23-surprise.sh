# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# A device that is torn out of the host ends the guest, not the host.
# deadline: 150

# slot_power BITS: Slot Control of its port, power and its indicator: 0700 off
slot_power() { setpci -s 00:10.0 "CAP_EXP+18.w=$1:0700"; }

nvme_prepare 1/0/0
bind_vfio 1/0/0 2/0/0
byway -m 512M -s 0,hostbridge -s 31,lpc -s 6,passthru,1/0/0 \
	-s 7,passthru,2/0/0 -l com1,stdio \
	-o boot.kernel="$kernel" -o boot.initrd="$initrd" \
	-o boot.cmdline="console=ttyS0 quiet panic=-1 lab.do=load" \
	guest >guest.log 2>&1 </dev/null &
pid=$!
wait_line 60 'LAB: written 50' guest.log
# Its slot loses power, so it reads as ones at once; then the host's hot-plug
# driver takes it away, as which we act. (Who asks before he pulls: case 88.)
slot_power 0700
expect_eq ffffffff "$(setpci -s 01:00.0 0.l)" "1/0/0 reads"
(echo 1 >"$pci/devices/0000:01:00.0/remove") &
remover=$!
gone() { ! kill -0 $pid 2>/dev/null; }
wait_for 40 gone || fail "byway still runs 40 s after its device was torn out"
status=0
wait $pid || status=$?
wait $remover
tail -n 8 guest.log
grep -q 'passthru 1/0/0 .*failed: .*the link below 0000:00:10.0 is down' guest.log ||
	fail "byway does not say that the card lost its slot"
grep -q 'passthru 2/0/0 .*: reset .* ok: ' guest.log ||
	fail "the other device was not reset"
grep -Eq '^byway: .*(01:00\.0|1/0/0).*(back|removed|gone|error)' guest.log ||
	fail "byway does not name the device that went"
case $status in 1 | 4) ;; *) fail "exit status $status" ;; esac
nothing_held
wait_for 20 test ! -e "$pci/devices/$(sysbdf 1/0/0)" ||
	fail "1/0/0 is still there"
refused '(0000:01:00\.0|1/0/0).*no such device' -s 6,passthru,1/0/0

# The other one is fine, for a guest and for the host.
byway_run 30 log -m 64M -o boot.kernel="$tiny" -o boot.cmdline=end=halt \
	-s 7,passthru,2/0/0
expect_eq 2 "$status" "exit status with the other device"
bind_host 2/0/0
expect_eq e1000e "$(driver_of 2/0/0)" "2/0/0: driver"

# And the first one is when it is back, with all that was written to it.
slot_power 0000
echo 1 >/sys/bus/pci/rescan
wait_for 30 test -e "$pci/devices/$(sysbdf 1/0/0)" || fail "1/0/0 is not back"
records_verify 1/0/0 guest.log
bind_vfio 1/0/0
byway_run 30 log -m 64M -o boot.kernel="$tiny" -o boot.cmdline=end=halt \
	-s 6,passthru,1/0/0
expect_eq 2 "$status" "exit status with the device that came back"
grep -q 'passthru 1/0/0 .* ok' log || fail "1/0/0 does not reset"
