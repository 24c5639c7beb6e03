# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# A device that another process serves (vfio-user): registers, mapped memory,
# DMA, interrupts and resets, over reboots of the guest.
# deadline: 400

serve_device plain
for run in 1 2 3; do
	device_run 60 guest.$run \
		'0,copy,4,bar,0,bar,2,intx,3 lab.end=reboot lab.show=slot6'
	expect_eq 0 "$status" "run $run: exit status"
	grep -q 'LAB: testdev ok irq=intx interrupts=[1-9]' guest.$run ||
		fail "run $run: no interrupts"
	grep -q 'LAB: testdev copied 4 ' guest.$run || fail "run $run: no DMA"
	grep -q 'LAB: testdev intx 3' guest.$run || fail "run $run: no INTx"
	grep -q 'LAB: testdev bar2 bytes=1048576' guest.$run ||
		fail "run $run: no memory of the device"
	# One reset before the guest, one after it.
	grep -q "LAB: testdev copied 4 resets=$((2 * run - 1))$(printf '\r')*\$" \
		guest.$run || fail "run $run: not reset before"
	grep -Eq "^byway: passthru vfio-user \($device\): reset device_specific [0-9]+ ms, ok: .*verified" \
		guest.$run || fail "run $run: not reset after"
	expect_eq $((2 * run)) "$(grep -c 'testdev: reset [0-9]* (message)' device.log)" \
		"run $run: resets that the device saw"
done
grep -q '00:06.0 ff00: 1b36:00fe (rev 01)' guest.1 || fail "not in lspci"
# Messages, too; and half of the copies were by message.
device_run 60 guest.4 '0,copy,4,msi,48'
expect_eq 1 "$status" "exit status with MSI"
grep -q 'LAB: testdev ok .* msi=arrived' guest.4 || fail "no MSI"
expect_eq 8 "$(grep -c 'dma 4096 bytes by message: done' device.log)" \
	"copies by message"
# Nothing of the guest stays with the server.
expect_eq "$(grep -c ': map ' device.log)" "$(grep -c ': unmap ' device.log)" \
	"maps of guest memory given back"

# kill -9: the device is as it was, and is reset before the next guest.
byway -m 512M -s 0,hostbridge -s 31,lpc -l com1,stdio \
	-s 6,passthru,vfio-user="$device" -o boot.kernel="$kernel" \
	-o boot.initrd="$initrd" \
	-o boot.cmdline="console=ttyS0 quiet panic=-1 lab.check=testdev lab.dev=0,copy,2,poke,77 lab.end=stay" \
	guest >killed 2>&1 </dev/null &
pid=$!
wait_line 60 'LAB: testdev ok' killed
# There is one client at a time.
byway_run 60 second -m 64M -o boot.kernel="$tiny" -o boot.cmdline=end=halt \
	-s 6,passthru,vfio-user="$device"
expect_eq 4 "$status" "exit status of a second guest"
grep -q "^byway: .*$device: the vfio-user server did not answer within 5000 ms; does it serve another guest?" \
	second || fail "the second guest is not told why"
kill -9 $pid
wait $pid || true
device_run 60 guest.5 '0,copy,1'
expect_eq 1 "$status" "exit status after the kill"
grep -q 'LAB: testdev ok' guest.5 || fail "no good device after the kill"
device_stop
expect_eq 0 "$status" "exit status of the server"

# No server, and none to come.
refused "$device: no vfio-user server listens there" \
	-s 6,passthru,vfio-user="$device"
