# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# Reads of a passed-through NVMe never leave the guest for byway.
# deadline: 150

# Two jobs that differ in nothing but the number of reads: what a job's line on
# the console costs cancels out.
ready() {
	[ "$(grep -c 'LAB: ready' guest.log 2>/dev/null)" -ge "$1" ]
}
bind_vfio 1/0/0
mkfifo stdin
byway -m 512M -s 0,hostbridge -s 31,lpc -l com1,stdio -o control=control \
	-s 6,passthru,1/0/0 -o boot.kernel="$kernel" -o boot.initrd="$initrd" \
	-o boot.cmdline="console=ttyS0 quiet panic=-1 lab.do=read lab.wait=yes lab.reads=4096:4:1000,4096:4:5000,4096:4:1" \
	guest >guest.log 2>&1 <stdin &
pid=$!
exec 7>stdin
for job in 1 2 3; do
	wait_for 60 ready $job || fail "job $job: not ready"
	counted=$(ask control stats)
	echo "$counted"
	counted=${counted#*exits=}
	eval "at_$job=${counted%% *}"
	echo >&7
done
exec 7>&-
status=0
wait $pid || status=$?
cat guest.log
expect_eq 1 "$status" "exit status"
expect_eq 3 "$(grep -c 'LAB: read ' guest.log)" "jobs done"
# shellcheck disable=SC2154 # set by eval
few=$((at_2 - at_1)) many=$((at_3 - at_2))
echo "1000 reads: $few exits; 5000 reads: $many exits"
# The console's line of each job is seen, so the counter does count.
[ $few -gt 50 ] || fail "the counter does not count"
[ $((many - few)) -le 40 ] ||
	fail "4000 more reads cost $((many - few)) exits"
