# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# Clocks of Hyper-V alone, of no hypervisor, and of the HPET alone.
# deadline: 400

# Hyper-V's, alone.
clocks hyperv lab.check=clocks -c 4 -o x86.hyperv=true -o x86.kvm=false
said hyperv ' hypervisor=Microsoft_Hyper-V' "Hyper-V is not found"
said hyperv ' current=(hyperv_clocksource_(tsc_page|msr)|tsc) ' "no clock of Hyper-V's"
said hyperv ' event=Hyper-V clockevent ' "no synthetic timers"

# A crash is told in one line and the guest goes on; the reset is a reboot.
linux_run 60 crash lab.check=crash -o x86.hyperv=true -o x86.kvm=false
expect_eq 0 "$status" "exit status after a reset through Hyper-V"
grep -q 'guest crashed (vcpu 0): code 0xd1, parameters 0x1234 0x0' crash ||
	fail "the crash is not told"
grep -q 'LAB: crash told, going on' crash || fail "the guest did not go on"

# No hypervisor at all.
clocks hidden lab.check=clocks -o x86.hide_hypervisor=true
said hidden ' hypervisor=$|hypervisor= ' "a hypervisor is seen"
refused 'x86.hide_hypervisor and x86.hyperv' -o x86.hyperv=true \
	-o x86.hide_hypervisor=true

# Everything from the HPET: time, and without the APIC's timer every tick. On a
# machine that is said to be old Linux makes the alarm from timer 1, at 64 Hz.
clocks hpet 'lab.check=clocks,alarm clocksource=hpet nolapic_timer' -a \
	-o bios.release_date=01/01/2014
said hpet ' current=hpet ' "not the HPET's counter"
said hpet ' event=hpet ' "not the HPET's timer"
said hpet ' x2apic=0 flags=0 ' "x2APIC in spite of -a"
grep -Eq 'LAB: alarm ok .* irq8=[0-9]{2,}' hpet || fail "timer 1 is silent"
ticks hpet "the HPET"
