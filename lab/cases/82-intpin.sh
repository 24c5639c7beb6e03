# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# A device without an interrupt pin is given one: a line that never fires, MSI-X.
# deadline: 150

bind_vfio 5/0/0
# The device rings itself ten times, with a message that Linux counts as a
# rescheduling interrupt (vector fd), of which one processor has no others. A
# driver listens on the line.
script=$(base64 -w 0 <<'END'
load uio_pci_generic
d=/sys/bus/pci/devices/0000:00:06.0
echo 1af4 1110 >/sys/bus/pci/drivers/uio_pci_generic/new_id
echo "PIN: irq $(cat $d/irq)"
lspci -vv -s 6 2>/dev/null | sed -n 's/^\t*Interrupt: /PIN: /p'
setpci -s 6 4.w=6:6
bar $d/resource1 16 0xfee00000
bar $d/resource1 24 0xfd
setpci -s 6 CAP_MSIX+2.w=8000:c000
res() { awk '/RES:/ { print $2 }' /proc/interrupts; }
before=$(res)
for i in 1 2 3 4 5 6 7 8 9 10; do bar $d/resource0 12 1 4; usleep 20000; done
echo "PIN: messages $(($(res) - before))"
echo "PIN: line$(awk '/uio_pci_generic/ { print "", $2 }' /proc/interrupts)"
END
)
for pin in '' ,intpin=a; do
	linux_run 70 guest "lab.exec=$script lab.do=none" \
		-s "6,passthru,5/0/0$pin"
	expect_eq 1 "$status" "exit status"
	tr -d '\r' <guest >"told$pin"
done

# As it is, it has neither pin nor line.
grep -qx 'PIN: irq 0' told || fail "there is a line without a pin"
grep -qx 'PIN: messages 10' told || fail "no MSI-X without a pin"
grep -qx 'PIN: line' told || fail "a driver has a line without a pin"

# With a pin: a line, on which nothing comes in; MSI-X as before.
grep -Eqx 'PIN: irq [1-9][0-9]*' told,intpin=a || fail "no line for the pin"
grep -Eqx 'PIN: pin A routed to IRQ [1-9][0-9]*' told,intpin=a ||
	fail "lspci shows no pin"
grep -qx 'PIN: messages 10' told,intpin=a || fail "no MSI-X with a pin"
grep -qx 'PIN: line 0' told,intpin=a || fail "something came in on the line"
