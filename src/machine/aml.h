/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AML, ACPI's byte code, as far as byway's DSDT needs it.
 *
 * Prefix notation as in the specification: an operator is followed by its
 * operands, each added by the next call. What has a length (scope, device,
 * method, package, buffer, field, if, else, resource template) is opened and
 * closed; the length is filled in by aml_close().
 *
 *	aml_device(a, "RTC");
 *	aml_name(a, "_HID");
 *	aml_eisa_id(a, "PNP0B00");
 *	aml_close(a);
 *
 * Running out of room is remembered by the buffer (tbuf.h). Unbalanced
 * open/close and malformed names are bugs of the caller (assert).
 * Source: ACPI 5.1 chapters 19.2 (encoding) and 6.4 (resources).
 */
#ifndef MACHINE_AML_H
#define MACHINE_AML_H

#include "machine/tbuf.h"

#define AML_DEPTH_MAX 12u

struct aml {
	struct tbuf *out;
	unsigned depth;
	struct {
		size_t at;	/* where the length goes */
		bool resources; /* closes with an end tag and its own size */
	} open[AML_DEPTH_MAX];
};

/* Operators without own function. */
enum aml_op {
	AML_ZERO = 0x00,
	AML_ONE = 0x01,
	AML_LOCAL0 = 0x60,
	AML_LOCAL1 = 0x61,
	AML_ARG0 = 0x68,
	AML_ARG1 = 0x69,
	AML_ARG3 = 0x6b,
	AML_STORE = 0x70,	       /* source, target */
	AML_DECREMENT = 0x76,	       /* target */
	AML_SHIFT_LEFT = 0x79,	       /* value, count, target */
	AML_AND = 0x7b,		       /* a, b, target */
	AML_OR = 0x7d,		       /* a, b, target */
	AML_FIND_SET_RIGHT_BIT = 0x82, /* value, target */
	AML_CREATE_DWORD_FIELD = 0x8a, /* buffer, byte index, name */
	AML_CREATE_WORD_FIELD = 0x8b,  /* buffer, byte index, name */
	AML_LNOT = 0x92,	       /* value */
	AML_LEQUAL = 0x93,	       /* a, b */
	AML_RETURN = 0xa4,	       /* value */
};
#define AML_NO_TARGET AML_ZERO

void aml_init(struct aml *a, struct tbuf *out);
void aml_op(struct aml *a, enum aml_op op);
void aml_int(struct aml *a, uint64_t value); /* shortest form */
void aml_string(struct aml *a, const char *text);
void aml_eisa_id(struct aml *a, const char *id);	      /* "PNP0A08" */
void aml_bytes(struct aml *a, const void *data, uint8_t len); /* a Buffer */
/* "LNKA", "\\_SB.PC00", "^PC00.PIRA"; short segments are padded. */
void aml_ref(struct aml *a, const char *path);

void aml_name(struct aml *a, const char *path); /* its value follows */
/* An operation region of PCI config space, and its byte-wide field. */
void aml_pci_region(struct aml *a, const char *name, uint8_t offset,
		    uint8_t len);

void aml_scope(struct aml *a, const char *path);
void aml_device(struct aml *a, const char *name);
void aml_method(struct aml *a, const char *name, unsigned args,
		bool serialized);
void aml_package(struct aml *a, uint8_t elements);
void aml_if(struct aml *a);
void aml_else(struct aml *a);
void aml_byte_field(struct aml *a, const char *region);
void aml_field_unit(struct aml *a, const char *name, uint8_t bits);
void aml_field_skip(struct aml *a, uint8_t bits);
void aml_close(struct aml *a);

/* ---- resource templates: between aml_resources() and aml_close() ---- */

void aml_resources(struct aml *a);
void aml_res_io(struct aml *a, uint16_t port, uint8_t len);
void aml_res_irq(struct aml *a, uint16_t mask); /* edge, high, exclusive */
void aml_res_irq_level(struct aml *a, uint16_t mask); /* low, shared */
void aml_res_memory(struct aml *a, uint32_t base, uint32_t len);
/* Windows a bridge hands down; first and last are inclusive. */
void aml_res_bus_window(struct aml *a, uint8_t first, uint8_t last);
void aml_res_io_window(struct aml *a, uint16_t first, uint16_t last);
void aml_res_mem32_window(struct aml *a, uint32_t first, uint32_t last);
void aml_res_mem64_window(struct aml *a, uint64_t first, uint64_t last);

#endif
