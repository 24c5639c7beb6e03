# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# Processors, their topology, memory above 4 GiB, clock and UUID.
# deadline: 240

uuid=12345678-9abc-4def-8123-456789abcdef
linux_boots 1 150 'lab.check=cpus,time' -c 16,sockets=1,cores=8,threads=2 \
	-U $uuid
grep -q 'LAB: cpus ok .* cpus=16 sockets=1 .* siblings=16 .* online=0-15' \
	guest.1 || fail "not one socket with 16 CPUs"
# (The emulated host has no TOPOEXT, without which Linux does not look for an
# AMD's threads; hence the processor's own word.)
grep -q 'LAB: cpus ok .* b=2/16/16 ' guest.1 ||
	fail "not 8 cores with 2 threads"
grep -q " uuid=$uuid " guest.1 || fail "not this UUID"

# A PC's clock is local time, -u asks for UTC; here both are the same.
linux_boots 1 60 'lab.check=cpus,time' -c 2,sockets=2 -m 5G -u
grep -q 'LAB: cpus ok .* cpus=2 sockets=2 cores=2 siblings=1 per_socket=1 b=1/1/2 online=0-1' \
	guest.1 || fail "not two sockets"
grep -q ' clock=kvm-clock' guest.1 || fail "kvm-clock is not in use"
kib=$(sed -n 's/.*LAB: time ok .* kib=\([0-9]*\).*/\1/p' guest.1)
[ "$kib" -gt $((4900 * 1024)) ] || fail "of 5 GiB only $kib KiB are there"
for word in utc rtc; do
	seconds=$(sed -n "s/.*LAB: time ok .* $word=\([0-9]*\).*/\1/p" guest.1)
	off=$(($(date +%s) - seconds))
	if [ $off -lt -2 ] || [ $off -gt 60 ]; then
		fail "the guest's clock ($word) is $off s behind"
	fi
done

# Memory of the host's huge pages, all or none, also for a device's DMA.
bind_vfio 1/0/0
huge() {
	timeout 60 byway -m 128M -o memory.hugepages=true -s 0,hostbridge \
		-s 31,lpc -s 6:0,passthru,1/0/0 -l com1,stdio \
		-o boot.kernel="$tiny" -o boot.cmdline=end=halt huge
}
echo 0 >/proc/sys/vm/nr_hugepages
run_expect 4 '64 huge pages of 2 MiB are needed, this host has 0 free' huge
echo 64 >/proc/sys/vm/nr_hugepages
run_expect 2 '^tiny: up' huge
expect_eq 64 "$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages)" \
	"huge pages given back"
echo 0 >/proc/sys/vm/nr_hugepages
