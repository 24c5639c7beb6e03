/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One sentence for a person: which object, what is wrong, what to do.
 *
 * Functions return 0 or a negative errno. A function whose caller has to
 * explain the failure to a person also takes a `struct err *` (last parameter
 * before outputs) and fills it through err_set(); whoever finally handles the
 * error prints it, once. Passing NULL is allowed and discards the text.
 *
 * Sentences name the object first and end without a full stop or newline:
 * "0000:03:00.0: bound to nvme, not vfio-pci; run 'vm passthru reserve 3/0/0'".
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>

#include "base/base.h"

#define ERR_MSG_MAX 768

struct err {
	int code; /* negative errno, 0 while unused */
	char msg[ERR_MSG_MAX];
};

/* Stores code (made negative) and text, longer text is cut; returns code. */
int err_set(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
int err_vset(struct err *e, int code, const char *fmt, va_list ap)
    PRINTF_LIKE(3, 0);

/* err_set() with ": " and the text of errno value `code` appended. */
int err_sys(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "text: " before the sentence already stored; returns e->code. */
int err_prefix(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
