/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm switch list and info.
 *
 * Locking: none, one thread.
 */
#ifndef VM_SWITCH_SHOW_H
#define VM_SWITCH_SHOW_H

#include "vm/cmd.h"

command_fn switch_list, switch_info;

#endif
