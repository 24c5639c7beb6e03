# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# BARs of 8 and 64 GiB: planned, used at both ends, moved while the guest runs.
# deadline: 180
# host: large-bars

bind_vfio 1/0/0 2/0/0

# The plan, which opens nothing.
run_expect 0 '^0:7:0 .*0000:02:00.0 .*BAR 2 64 GiB .*at 0x1000000000$' \
	byway -m 512M -s 0,hostbridge -s 31,lpc -s 6,passthru,1/0/0 \
	-s 7,passthru,2/0/0 -o plan=true bars
for line in '^0:6:0 .*BAR 2 8 GiB .*at 0x2000000000$' \
	'^BARs above memory .*0x1000000000-0x3fffffffff \(192 GiB\)$' \
	'^address bits \(guest\) .*40 of 40$' \
	'^address bits \(IOMMU\) .*48 \(dmar0\)$' \
	'^reserved by the IOMMU .*0xfee00000-0xfeefffff'; do
	grep -Eq "$line" output || fail "the plan has no line $line"
done
nothing_held

# A guest that is told of fewer address bits; they are enough.
script=$({
	bars_script | base64 -d
	# shellcheck disable=SC2016 # the guest's
	echo 'echo "BAR: $(sed -n "/^address sizes/{s/.*: //;p;q}" /proc/cpuinfo)"'
} | base64 -w 0)
linux_run 120 guest "lab.exec=$script lab.do=none" -o x86.phys_bits=39 \
	-s 6,passthru,1/0/0 -s 7,passthru,2/0/0
expect_eq 1 "$status" "exit status"
bars_told guest
grep -q '^BAR: 39 bits physical' told || fail "not 39 address bits"
grep -q 'BAR: 7 64 GiB at 0x0*1000000000' told || fail "not where planned"
bars_verify
