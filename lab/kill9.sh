# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# What the cases with kill -9 share: a guest under load, killed at random.

# kill_many ROUNDS: kills byway, then the supervisor, and so on, ROUNDS times
# each, between the start and some seconds of load
kill_many() {
	nvme_prepare 1/0/0
	vm passthru reserve 1/0/0 2/0/0 2>/dev/null || bind_vfio 1/0/0 2/0/0
	ip link add vm-lab type bridge
	ip link set vm-lab up
	vm_guest victim "$kernel" lab.do=load <<-END
		passthru0="1/0/0"
		passthru1="2/0/0"
		network0_type="virtio-net"
		network0_switch="lab"
	END
	round=1
	while [ $round -le "$1" ]; do
		kill_one byway
		kill_one supervisor
		round=$((round + 1))
	done

	# And it works as if nothing had been.
	: >"$VM_DIR/victim/com1.log"
	vm start victim || fail "no start after the last kill"
	console_line 60 victim 'LAB: written'
	console_line 60 victim 'LAB: fetched 2'
	vm poweroff -f victim
	wait_for 30 vm_is_down victim || fail "not down after the end"
	cat "$VM_DIR/victim/com1.log" >>consoles
	tidy
	! grep ' FAIL ' consoles || fail "a check failed"
	vm passthru release 1/0/0 2/0/0
	records_verify 1/0/0 consoles
}

# kill_one byway|supervisor: at a random moment of a run
kill_one() {
	start=$(uptime_ms)
	vm start victim >started 2>&1 || {
		cat started
		tail -n 20 "$VM_DIR/victim/vm-bhyve.log"
		fail "round $round: no start before the kill of $1"
	}
	victim=$(vm_pid victim "$1")
	# Half of them at once after the start, half under load.
	if [ "$(random 2)" = 0 ]; then
		usleep $(($(random 4000) * 1000))
	else
		console_line 60 victim 'LAB: written'
		usleep $(($(random 3000) * 1000))
	fi
	kill -9 "$victim" || fail "$1 is not there any more"
	tail -n 1 "$VM_DIR/victim/com1.log" || true
	echo "round $round: $1 killed $(($(uptime_ms) - start)) ms after the start"
	cat "$VM_DIR/victim/com1.log" >>consoles 2>/dev/null || true
	rm -f "$VM_DIR/victim/com1.log"
	# A supervisor's death is noticed; the next start waits for that.
	[ "$1" = supervisor ] || {
		wait_for 30 vm_is_down victim || fail "not down after the kill"
		tidy
	}
}

# Nothing of a run is left.
tidy() {
	vm_traces victim
	expect_eq 0 "$(find /sys/class/net/vm-lab/brif/ -type l | wc -l)" \
		"taps left in the bridge"
}
