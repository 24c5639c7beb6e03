/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest templates that `vm init` writes. */
#ifndef VM_TEMPLATES_H
#define VM_TEMPLATES_H

#include <stddef.h>

struct guest_template {
	const char *name; /* "default": .templates/default.conf */
	const char *text;
};

extern const struct guest_template guest_templates[];
extern const size_t guest_template_count;

#endif
