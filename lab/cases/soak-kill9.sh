# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# 30 times kill -9, of byway and of its supervisor in turns, under load.
# deadline: 1500

. /lab/kill9.sh
kill_many 15
