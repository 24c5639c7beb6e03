#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# vm passthru doctor: arguments, reports of strangers, the probe's rules. What
# it finds is tested by tests/fixtures/run-hosts.
. "$CLI/vm-lib"
. "$CLI/vm-pci-lib"

pci . 0000:00:1c.0 8086 a110 060400 1 pcieport pm
pci 0000:00:1c.0 0000:01:00.0 1b36 0010 010802 10 vfio-pci 'flr bus'
pci . 0000:02:00.0 8086 10d3 020000 11 e1000e 'pm bus'

{
	run vm passthru doctor 9/9/9
	run vm passthru doctor nonsense
	run vm passthru doctor --frob
	run vm passthru doctor --report
	run vm passthru doctor --from "$T/nowhere" 1/0/0
	run vm passthru doctor --from "$T/nowhere"
	run vm passthru doctor --probe
	run vm passthru doctor --probe=0 1/0/0
	run vm passthru doctor --probe --json 1/0/0
	echo '{"byway_report": 1, "files": {"../x": "y"}}' >bad.json
	run vm passthru doctor --from bad.json
	echo '{"byway_report": 1, "links": {"x": "/etc"}}' >bad.json
	run vm passthru doctor --from bad.json
	echo 'hello' >bad.json
	run vm passthru doctor --from bad.json
	run vm passthru doctor --from .
	run vm passthru doctor --report "$T/no/where.json" 1/0/0 | tail -2
} | golden doctor-errors
check 'a stranger made no file' test ! -e "$T/x"

# A replay that is killed leaves no folder behind. The report is large, so that
# one of the attempts hits it while it is unpacked.
TMPDIR=$T/tmp
export TMPDIR
mkdir "$TMPDIR"
awk 'BEGIN {
	printf "{\"byway_report\": 1, \"nodes\": [\"n/0\""
	for (i = 1; i < 30000; i++)
		printf ", \"n/%d\"", i
	print "]}"
}' >large.json
no_folder() { ! ls -d "$TMPDIR"/byway-report-* >/dev/null 2>&1; }
has_folder() { ! no_folder; }
hit=0
while [ "$hit" -lt 20 ]; do
	hit=$((hit + 1))
	"$VM" passthru doctor --from large.json >/dev/null 2>&1 &
	pid=$!
	wait_for 10 has_folder
	kill -KILL $pid 2>/dev/null
	wait $pid 2>/dev/null
	[ $? != 137 ] || break
done
check 'a replay was killed' test "$hit" -lt 20
check 'its folder is gone' wait_for 20 no_folder
unset TMPDIR

guest web <<-'END'
	passthru0="1/0/0"
END
fake web <<-'END'
	say running
	forever
END
{
	run vm passthru doctor web
	run vm passthru doctor vfio-pci0
	run vm passthru doctor e1000e0
} | golden doctor-subjects

# The probe, with a player in byway-probe's place.
BYWAY_PROBE=$T/probe
export BYWAY_PROBE
cat >"$BYWAY_PROBE" <<-'END'
	#!/bin/sh
	echo "$*" >>"$T/probe-calls"
	round=1
	while [ $round -le "$2" ]; do
		for step in open regions reset verify interrupts close; do
			if [ "$(cat "$T/probe-fails" 2>/dev/null)" = $round.$step ]; then
				echo "probe $round $step failed 7 it broke"
				exit 1
			fi
			echo "probe $round $step ok 3 fine"
		done
		round=$((round + 1))
	done
END
chmod +x "$BYWAY_PROBE"
{
	run vm passthru doctor --probe=3 1/0/0 | sed -n '/^probe/,$p'
	echo 2.verify >probe-fails
	run vm passthru doctor --probe=3 web | sed -n '/^probe/,$p'
	echo 1.open >probe-fails
	run vm passthru doctor --probe 1/0/0 | sed -n '/^probe/,$p'
	rm probe-fails
	run vm passthru doctor --probe 2/0/0 | tail -3
	printf '#!/bin/sh\necho nonsense\n' >"$BYWAY_PROBE"
	run vm passthru doctor --probe 1/0/0 | sed -n '/^probe/,$p'
	"$VM" start web >/dev/null
	echo '== while a guest has it'
	run vm passthru doctor --probe 1/0/0 | tail -2
} | golden doctor-probe
check 'what is not bound to VFIO is not probed' \
	sh -c '! grep -q 02:00.0 "$T/probe-calls"'
"$VM" stop -w 20 web >/dev/null

# A device that hangs: reading its configuration space does not return.
config=$VM_HOST_ROOT/sys/bus/pci/devices/0000:01:00.0/config
mv "$config" config
mkfifo "$config"
timeout 60 "$VM" passthru doctor --json web >hang.json 2>&1 &
{
	run vm passthru doctor 1/0/0
} | golden doctor-hangs
wait $!
check 'the JSON has the verdict only' \
	sh -c 'grep -q "\"id\": \"HANGS\"" hang.json && ! grep -q findings hang.json'
# A start is not taken along.
fake web <<-'END'
	say event running
	exit 1
END
VM_DOCTOR_MS=100 timeout 60 "$VM" start web >"$T/start" 2>&1
check 'a start does not wait for it' grep -q \
	'! reading .*/0000:01:00.0/config does not return: power' "$T/start"
check 'its short form says that it did not end' grep -q \
	"doctor: not done within 100 ms, was reading .*; 'vm passthru doctor web'" \
	"$T/start"
mv config "$config"

# A start that fails for a reason of byway's own: the doctor saw none below it.
fake web <<-'END'
	say error it broke
	exit 4
END
"$VM" start web >"$T/start" 2>&1
check 'the start fails with its reason' grep -q 'it broke' "$T/start"
check 'the log says that the host was looked at' log_has web \
	'doctor; healthy'
check 'the terminal is spared' sh -c '! grep -q doctor "$T/start"'