# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# A device without an interrupt pin: the guest has no line for it, and
# messages arrive all the same.
# deadline: 120

serve_device pin-0
device_run 60 guest.1 '0,copy,2,msi,48 lab.show=slot6'
expect_eq 1 "$status" "exit status"
grep -q 'LAB: testdev ok .* line=0 msi=arrived' guest.1 || fail "no message"
! grep -q 'Interrupt: pin' guest.1 || fail "the guest sees a pin"
device_stop
