# SPDX-License-Identifier: BSD-2-Clause
# The demo's closing table, from the guest's console (first file) and the
# manager's log (second): a row for each run. Exits 1 when anything is missing.

# --- the guest's console
FNR == NR && /^LAB: up/ { run++ }
FNR == NR && /^LAB: (nvme|nic|usb) / {
	ms = irq = ""
	for (i = 4; i <= NF; i++) {
		if ($i ~ /^irq=/) irq = substr($i, 5)
		if ($i ~ /^ms=/) ms = substr($i, 4)
	}
	check[run, $2] = $3 " " irq
	time[run] += ms
	next
}
FNR == NR { next }

# --- the manager's log
/starting bhyve \(run [0-9]+\)/ {
	started = $0
	sub(/.*\(run /, "", started)
	started += 0
	runs = started
}
/exited with status [0-9]+/ {
	status[started] = $0
	sub(/.*exited with status /, "", status[started])
	status[started] += 0
}
# One reset: TIME: passthru 1/0/0 (BDF): reset METHOD MS ms, ok: WHAT
/: passthru .*: reset [a-z_]+ [0-9]+ ms/ {
	for (i = 1; i < NF && $i != "reset"; i++)
		;
	resets[started] = resets[started] (resets[started] ? "," : "") $(i + 1)
	reset_ms[started] += $(i + 2)
	if ($(i + 4) !~ /^ok/)
		bad_reset = 1
}

END {
	print "run  exit  nvme       nic        usb        reset methods    reset ms  check ms"
	bad = runs != boots || bad_reset
	for (r = 1; r <= runs; r++) {
		printf "%-4d %-5s %-10s %-10s %-10s %-16s %-9s %s\n", r,
		    status[r], check[r, "nvme"], check[r, "nic"],
		    check[r, "usb"], resets[r], reset_ms[r], time[r]
		want = r < boots ? 0 : 1
		if (status[r] != want) bad = 1
		if (check[r, "nvme"] !~ /^ok/ || check[r, "nic"] !~ /^ok/ ||
		    check[r, "usb"] !~ /^ok/)
			bad = 1
		if (resets[r] == "") bad = 1
	}
	print bad ? "NOT all well" : "all well: every device worked in every run"
	exit bad
}
