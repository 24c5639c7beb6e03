#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Tests of tools/check-ranks and tools/check-budgets: each rule is broken once
# in a small source tree, and the exact complaint is expected.
#
# usage: test_tools.sh TOOLS-FOLDER
set -u

tools=$(cd "$1" && pwd) || exit 1
tree=$(mktemp -d) || exit 1
trap 'rm -rf "$tree"' EXIT
failed=0

# file NAME LINE...: a file of the tree with these lines
file()
{
	mkdir -p "$tree/$(dirname "$1")"
	name=$1
	shift
	printf '%s\n' "$@" >"$tree/$name"
}

# expect STATUS OUTPUT COMMAND...: compares exit status and whole output
expect()
{
	status=$1
	output=$2
	shift 2
	got=$("$@" 2>&1)
	got_status=$?
	if [ "$got_status" != "$status" ] || [ "$got" != "$output" ]; then
		printf 'FAILED %s\nexpected status %s:\n%s\n' "$*" "$status" \
			"$output"
		printf 'got status %s:\n%s\n' "$got_status" "$got"
		failed=1
	fi
}

# bad FILE INCLUDE COMPLAINT: one wrong include in an otherwise good tree
bad()
{
	file "$1" '/* head */' "#include $2"
	expect 1 "$1:2: $3" "$tools/check-ranks" "$tree"
	rm "$tree/$1"
}

# repeat COUNT LINE
repeat()
{
	awk -v n="$1" -v line="$2" 'BEGIN { while (n-- > 0) print line }'
}

expect 2 "check-ranks: $tree: no C file in it" "$tools/check-ranks" "$tree"
expect 2 "check-ranks: $tree/x: no such folder" \
	"$tools/check-ranks" "$tree/x"

# Everything that is allowed.
file base/a.h '#include <stdio.h>' '#include "base/b.h"'
file base/evloop.c '#include <event2/event.h>'
file kvm/a.c '# include <linux/kvm.h>' '#include "bus/irq.h"'
file vfio/a.c '#include	<linux/vfio.h>' '#include "hostpci/hostpci.h"'
file dev/big/a.c '#include "dev/big/b.h"' '#include "backend/block.h"'
file vm/a.c '#include "base/err.h"' '#include "proto/status.h"' \
	'#include "hostpci/hostpci.h"' '#include "vm/b.h"'
file byway/a.c '#include "machine/m.h"' '#include <linux/pci_regs.h>'
expect 0 '' "$tools/check-ranks" "$tree"

bad base/x.c '"gmem/gmem.h"' '"gmem/gmem.h": base/ has rank 0, gmem/ has rank 1, which is not lower'
bad gmem/x.h '"hostpci/hostpci.h"' '"hostpci/hostpci.h": gmem/ has rank 1, hostpci/ has rank 1, which is not lower'
bad backend/x.c '"dev/uart.h"' '"dev/uart.h": backend/ has rank 2, dev/ has rank 4, which is not lower'
bad vm/x.c '"machine/m.h"' '"machine/m.h": vm/ includes only base/, proto/, hostpci/'
bad vm/x.c '"spec/nvme.h"' '"spec/nvme.h": vm/ includes only base/, proto/, hostpci/'
bad byway/x.c '"vm/vm.h"' '"vm/vm.h": only vm/ includes vm/'
bad dev/x.c '<linux/kvm.h>' '<linux/kvm.h>: only kvm/ includes this'
bad kvm/x.c '<linux/vfio.h>' '<linux/vfio.h>: only vfio/ includes this'
bad backend/x.c '<event2/event.h>' '<event2/event.h>: only base/evloop.c includes this'
bad dev/x.c '<bus/irq.h>' '<bus/irq.h>: write project headers in quotes'
bad dev/x.c '"uart.h"' '"uart.h": not "folder/file.h" of a folder with a rank'
bad dev/x.c '"../bus/irq.h"' '"../bus/irq.h": not "folder/file.h" of a folder with a rank'
bad dev/x.c 'HEADER' 'cannot tell what this includes'
file new/x.c '/* nothing */'
expect 1 'new/x.c:1: folder without a rank' "$tools/check-ranks" "$tree"
rm -r "$tree/new"
expect 0 '' "$tools/check-ranks" "$tree"

# Budgets: at the limit there is nothing to say, one more is a warning.
budget=$tree/budget
mkdir "$budget"
{
	echo 'static const int table[] = {1, 2};'
	echo 'int fits(int a, int b, int c, int d, int e, void (*f)(int, int))'
	echo '{'
	repeat 58 '	work();'
	echo '}'
	repeat 738 ''
} >"$budget/a.c"
expect 0 '' "$tools/check-budgets" "$budget"
{
	echo 'static int count;'
	echo 'int large(int a, int b, int c, int d,'
	echo '    int e, int f, int g)'
	echo '{'
	repeat 58 '	work();'
	printf '\t\t\t\t\t\treturn 1;\n'
	echo '}'
	repeat 737 ''
} >"$budget/a.c"
expect 0 "$budget/a.c:1: warning: mutable variable at file scope
$budget/a.c:4: warning: function has 7 parameters, budget 6
$budget/a.c:63: warning: nesting deeper than 4
$budget/a.c:4: warning: function has 61 lines, budget 60
$budget/a.c:801: warning: file has 801 lines, budget 800" \
	"$tools/check-budgets" "$budget"
rm -r "$budget"

[ "$failed" = 0 ] && echo "all rules of check-ranks and check-budgets hold"
exit "$failed"
