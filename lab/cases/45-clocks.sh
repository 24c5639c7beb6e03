# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# Clocks and their interrupts: two hypervisors at once, the 8254 alone, x2APIC with
# 16 vCPUs. The others: soak-clocks.
# deadline: 300

# Hyper-V's: Linux knows both, and takes KVM for itself if it is told of it.
clocks both lab.check=clocks,hpet -o x86.hyperv=true
said both ' current=(kvm-clock|tsc) .*hypervisor=KVM' "KVM is not found any more"
# Timer 2 at 64 Hz, 192 times: never too fast; what a busy host misses is one.
ms=$(sed -n 's/.*LAB: hpet ok .* irqs=[0-9]* ms=\([0-9]*\).*/\1/p' both)
if [ "$ms" -lt 2900 ] || [ "$ms" -gt 6000 ]; then
	fail "192 periods of the HPET at 64 Hz took $ms ms"
fi

# Without the HPET every tick comes from the 8254. Of a processor with a deadline
# timer Linux believes that it needs no 8254, nolapic_timer or not, and has no
# tick at all.
pit='nolapic_timer lapic=notscdeadline'
clocks none "lab.check=clocks,alarm clocksource=acpi_pm $pit" -o x86.hpet=false
said none ' current=acpi_pm ' "not the ACPI timer"
said none ' event=pit ' "not the 8254's timer"
grep -q 'LAB: alarm ok .* irq8=1 sci=0' none || fail "no alarm of the chip's"
! grep -q 'available=[^ ]*hpet' none || fail "an HPET in spite of x86.hpet=false"
ticks none "the 8254"

# By default KVM's clock, or the TSC where it can be relied on; the HPET is
# there. Every vCPU of 16 is in x2APIC mode.
clocks default lab.check=clocks,alarm -c 16
said default ' current=(kvm-clock|tsc) ' "not KVM's clock"
said default ' available=[^ ]*hpet' "no HPET"
said default ' complaints=0 ' "the kernel complains about the tables"
said default ' x2apic=16 flags=16 ' "not in x2APIC mode"
# Interrupt 8 is the HPET's, so Linux takes the clock chip's alarm from ACPI.
grep -q 'LAB: alarm ok .* irq8=0 sci=[1-9]' default || fail "no alarm by ACPI"
