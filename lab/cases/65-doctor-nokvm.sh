# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# vm passthru doctor: a processor that cannot run guests; a kernel locked down.
# deadline: 60
# host: nokvm
mkdir -p "$VM_DIR"
run_expect 2 'KVM-OFF \(blocks' vm passthru doctor

# Under lockdown the same is seen, and nothing is refused. (Cannot be undone:
# the last of this host.)
lockdown=/sys/kernel/security/lockdown
[ -e $lockdown ] || mount -t securityfs none /sys/kernel/security
vm passthru doctor 1/0/0 >before.out || true
echo integrity >$lockdown
run_expect 2 'LOCKDOWN \(note' vm passthru doctor 1/0/0
vm passthru doctor --report locked.json 1/0/0 >/dev/null || true
[ -s locked.json ] || fail "no report under lockdown"
dmesg | grep 'Lockdown: vm' && fail "the kernel refused something"
expect_eq "$(grep Verdict before.out)" "$(grep Verdict output)" "verdict"
