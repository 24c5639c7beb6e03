# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# Clocks and their interrupts, x2APIC with 16 vCPUs, Hyper-V enlightenments.
# deadline: 420

# clocks LOG WORDS OPTION...: one run with clocks (and more) checked, which must
# all be well, and ten seconds of the guest are ten of the host
clocks() {
	log=$1 words=$2
	shift 2
	timeout -s KILL 150 stamp byway -s 0,hostbridge -s 31,lpc -l com1,stdio \
		-m 512M -o boot.kernel="$kernel" -o boot.initrd="$initrd" \
		-o boot.cmdline="console=ttyS0 quiet panic=-1 $words" "$@" \
		guest >"$log" 2>&1 </dev/null || true
	cat "$log"
	grep -q ' exit 1 ' "$log" || fail "$log: not powered off"
	! grep ' FAIL ' "$log" || fail "$log: a check failed"
	grep -q 'LAB: clocks ok ' "$log" || fail "$log: clocks were not checked"
	ms=$(awk '/LAB: ten seconds/ { from = $1 } /LAB: have passed/ { to = $1 }
		END { print int(to - from) }' "$log")
	if [ "$ms" -lt 9700 ] || [ "$ms" -gt 10500 ]; then
		fail "$log: ten seconds of the guest last $ms ms"
	fi
}

# said LOG PATTERN WHAT
said() {
	grep -Eq "LAB: clocks ok .*$2" "$1" || fail "$1: $3"
}

# ticks LOG WHOSE: enough of them on interrupt 0 in the ten seconds
ticks() {
	irqs=$(sed -n 's/.* irq0=\([0-9]*\) .* irq0_later=\([0-9]*\).*/\2 - \1/p' "$1")
	[ $((irqs)) -gt 20 ] || fail "$1: only $((irqs)) ticks of $2 in 10 s"
}

# Hyper-V's: Linux knows both, and takes KVM for itself if it is told of it.
clocks both lab.check=clocks,hpet -o x86.hyperv=true
said both ' current=(kvm-clock|tsc) .*hypervisor=KVM' "KVM is not found any more"
# Timer 2 at 64 Hz, 192 times: never too fast; what a busy host misses is one.
ms=$(sed -n 's/.*LAB: hpet ok .* irqs=[0-9]* ms=\([0-9]*\).*/\1/p' both)
if [ "$ms" -lt 2900 ] || [ "$ms" -gt 6000 ]; then
	fail "192 periods of the HPET at 64 Hz took $ms ms"
fi
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

# Without it, every tick from the 8254. Of a processor with a deadline timer Linux
# believes that it needs no 8254, nolapic_timer or not, and has no tick at all.
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
