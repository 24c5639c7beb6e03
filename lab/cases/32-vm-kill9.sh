# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# kill -9 of byway or its supervisor under load: the next start works.
# deadline: 300

. /lab/kill9.sh
kill_many 3
