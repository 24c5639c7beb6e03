#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Subcommands: names, prefixes, help, what is not there.
. "$CLI/vm-lib"

{
	run vm
	run vm usage
	run vm -h
	run vm --help
	run vm help
} | golden usage

{
	run vm version
	run vm vers
	run vm VERS
	run vm sta
	run vm st
	run vm lits
	run vm consol3
	run vm snapshot demo
	run vm switch list
	run vm snap
	run vm _ru
} | golden usage-names

{
	for command in init list info create configure start install stop \
		restart reset poweroff console screen destroy passthru; do
		run vm $command -h
	done
	run vm help cons
	run vm help snapshot
	run vm help nothing
} | golden usage-help

mkdir "$VM_DIR"
{
	run vm start
	run vm start -x demo
	run vm start -f demo
	run vm start -i demo
	run vm stop
	run vm create
	run vm create -s
	run vm console
	run vm console demo com9
	run vm restart a b
	run vm list surplus
	run vm init surplus
	run vm passthru reserve
	run vm passthru frob 1/0/0
	run vm start nosuch
	run vm stop nosuch
	run vm info nosuch
	run vm destroy nosuch
	run vm console nosuch
	run vm start x
	run vm start ../etc
} | golden usage-errors
