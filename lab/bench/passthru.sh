# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# Passthrough beside the data path: starts of guests with 1, 2 and 4 GiB pinned,
# maps and resets, register reads, and interrupts of each kind.
# deadline: 3000

runs=3 pin_runs=1
. /lab/bench/figures.sh
thp=/sys/kernel/mm/transparent_hugepage/enabled
huge=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages

# --- memory ------------------------------------------------------------------

# Pages of the host: plain, thp (Debian's default), hugetlbfs.
pages_are() {
	case $1 in plain) echo never >$thp ;; *) echo always >$thp ;; esac
}

# pinned PROGRAM PAGES GIB COMMAND...: a tiny guest with the NVMe, under COMMAND
pinned() {
	program=$1 pages=$2 gib=$3
	STAMP=$4
	set --
	pages_are "$pages"
	if [ "$pages" = hugetlbfs ]; then
		echo $((gib * 512 + 4)) >$huge
		[ "$(cat $huge)" -ge $((gib * 512)) ] ||
			fail "$(cat $huge) huge pages free for $gib GiB"
		case $program in
		qemu) set -- -object "memory-backend-file,id=ram,size=${gib}G,mem-path=/tmp/case/huge" \
			-machine memory-backend=ram ;;
		byway) set -- -o memory.hugepages=true ;;
		esac
	fi
	MEMORY=${gib}G STAMP=$STAMP /lab/bench/guest "$program" 1/0/0 "$tiny" - \
		end=poweroff "$@" >log 2>&1 </dev/null || [ $? = 1 ] ||
		{ cat log; fail "$program: $gib GiB of $pages pages"; }
	[ "$pages" != hugetlbfs ] || echo 0 >$huge
	pages_are thp
}

pin_time() {
	pinned "$1" "$2" "$3" stamp
	ended_well log
	note "pin_$2_$3" "$1" "$(ms_of 'tiny: up' log)"
}

# --- system calls --------------------------------------------------------------

# called: what ./trace (strace -f -y -T) says, in lines METRIC VALUE. A call that
# another thread's interrupts is put together again.
called() {
	awk '
		/<unfinished/ { sub(/ <unfinished.*/, ""); begun[$1] = $0; next }
		/resumed>/ {
			pid = $1
			sub(/.*resumed>/, "")
			$0 = begun[pid] $0
		}
		!match($0, /<[0-9.]+>$/) { next }
		{ ms = substr($0, RSTART + 1, RLENGTH - 2) * 1000; calls++ }
		/ioctl\([0-9]+<\/dev\/vfio\/vfio>, .*VFIO_IOMMU_MAP_DMA/ { maps++; map_ms += ms }
		/madvise\(.*(0x17|MADV_POPULATE_WRITE)/ { map_ms += ms }
		/mmap\(.*vfio-device/ { bars++; bar_ms += ms }
		/ioctl\([0-9]+<[^>]*vfio-device[^>]*>+, .*(DEVICE_RESET|HOT_RESET )/ { resets++; reset_ms += ms }
		/ioctl\(.*KVM_SET_USER_MEMORY_REGION/ { slots++ }
		END {
			print "calls", calls + 0
			print "dma_maps", maps + 0
			printf "dma_ms %.1f\n", map_ms
			print "slots", slots + 0
			print "bar_maps", bars + 0
			printf "bar_ms %.2f\n", bar_ms
			print "resets", resets + 0
			printf "reset_ms %.1f\n", resets ? reset_ms / resets : 0
		}' trace
}

trace_start() {
	pinned "$1" thp 1 'strace -f -y -T -o trace'
	grep -q 'tiny: up' log || { cat log; fail "$1: no guest under strace"; }
	cp trace "/logs/passthru-$1.trace"
	called >calls
	while read -r metric value; do
		note "$metric" "$1" "$value"
	done <calls
}

# --- registers, interrupts -------------------------------------------------------

# with_devices PROGRAM WORDS: a guest with the NVMe (MSI-X) and a USB controller
# that has MSI only
with_devices() {
	program=$1 words=$2
	case $program in
	qemu) set -- -device "vfio-pci,host=$(sysbdf 10/0/0)" ;;
	byway) set -- -s 7:0,passthru,10/0/0 ;;
	esac
	STAMP=stamp /lab/bench/guest "$program" 1/0/0 "$(kernel_of "$program")" \
		"$initrd" "$console lab.do=rates $words" "$@" || [ $? = 1 ]
}

# rates PROGRAM WORDS: one guest's figures, by second, under the kind of interrupt
# that the guest saw
rates() {
	with_devices "$1" "$2" >log </dev/null || { cat log; fail "$1: no guest"; }
	ended_well log
	! grep FAIL log || fail "$1: a device does not work"
	sed -n 's/.*LAB: rate what=\([a-z]*\) count=\([0-9]*\) \(.*\)/\1 \2 \3/p' log >told
	grep -q . told || { cat log; fail "$1: no figures"; }
	cat told
	while read -r what count kind irqs us; do
		case $kind in
		us=*) us=${kind#us=} name=$what ;;
		*)
			us=${us#us=} name=${kind#kind=}_$what
			note "${name}_irqs" "$1" "$(awk "BEGIN {
				printf \"%.2f\", ${irqs#interrupts=} / $count }")"
			;;
		esac
		note "$name" "$1" "$(awk "BEGIN { printf \"%.0f\", $count * 1e6 / $us }")"
	done <told
}

# Two lengths of each, so that what a job costs besides falls out; the last one
# is not counted.
counted='bar:1000 bar:11000 config:100 config:1100 nvme:200 nvme:1200 usb:100 usb:600'
count() {
	list=$(echo "$counted" | tr ' ' ,)
	count_jobs 8 with_devices "$1" "lab.wait=yes $3 lab.rates=$list,config:1"
	echo "$counted" | tr ' ' '\n' | paste -d ' ' - counts |
		awk -v p="$2" '
			{ split($1, w, ":") }
			NR % 2 { n = w[2]; user = $2; all = $3; next }
			{
				printf "%s%s_user %.2f\n", p, w[1], ($2 - user) / (w[2] - n)
				printf "%s%s_all %.2f\n", p, w[1], ($3 - all) / (w[2] - n)
			}' >exits_each
	while read -r metric value; do
		note "$metric" "$1" "$value"
	done <exits_each
}

# --- the whole -----------------------------------------------------------------

mkdir huge
mount -t hugetlbfs -o pagesize=2M none huge
trap 'ended; cd /; echo always >$thp; echo 0 >$huge; umount /tmp/case/huge 2>/dev/null || true' EXIT
bind_vfio 1/0/0 10/0/0
for program in $programs; do
	trace_start "$program"
done
run=0
while [ $((run += 1)) -le $runs ]; do
	echo "run $run of $runs"
	for program in $programs; do
		rates "$program" lab.rates=bar:2000000,config:2000,nvme:2000,usb:500
		rates "$program" 'pci=nomsi lab.rates=nvme:2000,usb:500'
	done
done
for program in $programs; do
	count "$program" msi_ ''
	count "$program" intx_ pci=nomsi
done

printf '\n%-36s %11s %11s %7s\n' 'start with 1 GiB, under strace' qemu byway ratio
for what in 'calls:system calls' 'dma_maps:DMA maps' \
	'dma_ms:paging in and mapping for DMA, ms' 'slots:KVM memory slots set' \
	'bar_maps:maps of BARs' 'bar_ms:maps of BARs, ms' \
	'resets:resets' 'reset_ms:each, ms'; do
	row_of "${what#*:}" "${what%%:*}" less qemu byway
done
printf '\n%-36s %11s %11s %7s\n' 'registers and interrupts' qemu byway ratio
for what in bar:msi_bar:'register reads' config:msi_config:'config space reads' \
	msix_nvme:msi_nvme:'MSI-X: NVMe reads' msi_usb:msi_usb:'MSI: USB disk reads' \
	intx_nvme:intx_nvme:'INTx: NVMe reads' \
	intx_usb:intx_usb:'INTx: USB disk reads'; do
	rest=${what#*:}
	row_of "${rest#*:} per second" "${what%%:*}" more qemu byway
	case $what in
	ms* | intx*) row_of '  interrupts each' "${what%%:*}_irqs" less qemu byway ;;
	esac
	row_of '  exits to user space each' "${rest%%:*}_user" less qemu byway
	row_of '  exits each' "${rest%%:*}_all" less qemu byway
done

run=0
while [ $((run += 1)) -le $pin_runs ]; do
	for gib in 1 2 4; do
		for program in $programs; do
			pin_time "$program" thp "$gib"
			pin_time "$program" plain "$gib"
			pin_time "$program" hugetlbfs "$gib"
		done
	done
done
printf '\n%-36s %11s %11s %7s\n' 'tiny kernel with NVMe: exec to line' qemu byway ratio
for pages in thp plain hugetlbfs; do
	for gib in 1 2 4; do
		row_of "$gib GiB, $pages: ms" "pin_${pages}_$gib" less qemu byway
	done
done
