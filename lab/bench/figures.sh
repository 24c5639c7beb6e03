# shellcheck shell=sh disable=SC2034
# SPDX-License-Identifier: BSD-2-Clause
# What the cases of the benchmark share: guests under a stopwatch, exits counted,
# figures kept in files, rows of a table. Each case sets $runs.

byway_there=no
command -v byway >/dev/null && byway_there=yes
programs="qemu$([ $byway_there = no ] || echo ' byway')"
console='console=ttyS0 quiet panic=-1'
# kernel_of PROGRAM: without the time to unpack it, where the start is not what is
# measured. byway keeps the unpacked kernel by itself.
kernel_of() {
	case $1 in qemu*) echo /lab/images/vmlinux ;; *) echo "$kernel" ;; esac
}
figures=$PWD/figures
mkdir "$figures"

# timed PROGRAM DEVICE KERNEL INITRD COMMAND-LINE [OPTION...]: see bench/guest
timed() {
	# 1 is byway's power-off.
	STAMP=stamp /lab/bench/guest "$@" </dev/null || [ $? = 1 ]
}

# The end is clean when the guest powered itself off: QEMU says 0, byway 1.
ended_well() {
	grep -Eq ' exit [01] ' "$1" || { cat "$1"; fail "a guest ended badly"; }
}

# ms_of PATTERN FILE: when the first line that matches came
ms_of() {
	awk -v p="$1" '$0 ~ p { print $1; exit }' "$2"
}

# --- exits ---------------------------------------------------------------------

trace=/sys/kernel/tracing/events/kvm
# Of AMD's codes those of interrupts and timers: a host's interrupt, a guest that can
# take its own now, an MSR (its APIC). Most are the two clocks', so many a second,
# whatever a device does.
clock_codes='96 100 124'

count_on() {
	echo 'hist:keys=common_type' >$trace/kvm_userspace_exit/trigger
	echo 'hist:keys=exit_reason' >$trace/kvm_exit/trigger
}

count_off() {
	echo '!hist:keys=common_type' >$trace/kvm_userspace_exit/trigger
	echo '!hist:keys=exit_reason' >$trace/kvm_exit/trigger
}

# count_now: sets $user_exits, $all_exits and $own_exits, those but interrupts' and
# timers', counted since count_on
count_now() {
	awk '/Hits:/ { print $2 }' $trace/kvm_userspace_exit/hist >exits
	awk -v codes="$clock_codes" '
		BEGIN { split(codes, list, " "); for (i in list) clock[list[i]] }
		/Hits:/ { all = $2 }
		sub(/.*exit_reason: */, "") && $1 in clock {
			sub(/.*hitcount: */, "")
			of_clocks += $1
		}
		END { print all; print all - of_clocks }' $trace/kvm_exit/hist >>exits
	{ read -r user_exits; read -r all_exits; read -r own_exits; } <exits
}

# count_exits COMMAND...: all that it makes, its output in ./log. Counts need no
# repetition, and counting must not disturb what is timed.
count_exits() {
	count_on
	"$@" >log 2>&1 </dev/null || true
	count_now
	count_off
}

ready() {
	[ "$(grep -c 'LAB: ready' log)" -ge "$1" ] || grep -q ' exit ' log
}

# count_jobs JOBS COMMAND...: a guest told lab.wait=yes, and one job more, after
# which it ends; for each of the JOBS a line in ./counts: its exits to user space, all,
# and those but interrupts' and timers'
count_jobs() {
	jobs_left=$1 jobs_seen=1
	shift
	rm -f go
	mkfifo go
	exec 6<>go
	# Looked at before the guest is there.
	: >log
	count_on
	"$@" >log 2>&1 <&6 &
	pid=$!
	: >counts
	while wait_for 60 ready $jobs_seen && [ "$jobs_left" -gt 0 ]; do
		count_now
		before="$user_exits $all_exits $own_exits"
		echo >&6
		jobs_seen=$((jobs_seen + 1)) jobs_left=$((jobs_left - 1))
		wait_for 120 ready $jobs_seen || break
		count_now
		echo "$before $user_exits $all_exits $own_exits" |
			awk '{ print $4 - $1, $5 - $2, $6 - $3 }' >>counts
	done
	echo >&6
	wait $pid || [ $? = 1 ] || { cat log; fail "a guest ended badly"; }
	count_off
	exec 6>&-
}

# --- figures -----------------------------------------------------------------

# note METRIC PROGRAM VALUE: one measurement
note() {
	echo "$1 $2 $3"
	echo "$3" >>"$figures/$1.$2"
}

median() {
	sort -n "$figures/$1" 2>/dev/null |
		awk '{ v[NR] = $1 } END { if (NR) print v[int((NR + 1) / 2)] }'
}

# row METRIC TEXT EXPECTED-RATIO
row() {
	q=$(median "$1.qemu") b=$(median "$1.byway")
	awk -v q="$q" -v b="$b" -v t="$2" -v e="${3:-}" 'BEGIN {
		r = (q != "" && b != "" && q > 0) ? sprintf("%.2f", b / q) : "-"
		printf "%-46s %10s %10s %7s  %s\n", t, q, b == "" ? "-" : b, r, e
	}'
}

# row_of TEXT METRIC BETTER PROGRAM...: the programs' medians, the last one byway,
# and its ratio to the best of the others; BETTER is more or less
row_of() {
	row_text=$1 row_metric=$2 row_better=$3
	shift 3
	for program; do
		median "$row_metric.$program" | grep . || echo -
	done | awk -v t="$row_text" -v better="$row_better" '
		{ v[NR] = $1 }
		END {
			best = "-"
			for (i = 1; i < NR; i++) {
				if (v[i] == "-")
					continue
				if (best == "-" || (better == "more" && v[i] + 0 > best) ||
				    (better == "less" && v[i] + 0 < best))
					best = v[i] + 0
			}
			printf "%-36s", t
			for (i = 1; i <= NR; i++)
				printf " %11s", v[i]
			r = "-"
			if (best != "-" && v[NR] != "-" && best > 0)
				r = sprintf("%.2f", v[NR] / best)
			printf " %7s\n", r
		}'
}
