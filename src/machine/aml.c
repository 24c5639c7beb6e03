/* SPDX-License-Identifier: BSD-2-Clause */
/* AML encoding; the contract is in aml.h. */
#include "machine/aml.h"

#include <assert.h>
#include <string.h>

#define OP_NAME		 0x08
#define OP_BYTE_PREFIX	 0x0a
#define OP_WORD_PREFIX	 0x0b
#define OP_DWORD_PREFIX	 0x0c
#define OP_STRING_PREFIX 0x0d
#define OP_QWORD_PREFIX	 0x0e
#define OP_SCOPE	 0x10
#define OP_BUFFER	 0x11
#define OP_PACKAGE	 0x12
#define OP_METHOD	 0x14
#define OP_DUAL_NAME	 0x2e
#define OP_MULTI_NAME	 0x2f
#define OP_EXT		 0x5b
#define OP_EXT_REGION	 0x80
#define OP_EXT_FIELD	 0x81
#define OP_EXT_DEVICE	 0x82
#define OP_IF		 0xa0
#define OP_ELSE		 0xa1

#define NAME_SEG	  4u
#define REGION_PCI_CONFIG 2
#define FIELD_BYTE_ACCESS 1
#define METHOD_SERIALIZED 8u
#define PKG_LEN_ONE_BYTE  0x3fu /* largest lengths of each encoding */
#define PKG_LEN_TWO_BYTES 0xfffu

static void byte(struct aml *a, unsigned value)
{
	tbuf_add_int(a->out, value, 1);
}

void aml_init(struct aml *a, struct tbuf *out)
{
	*a = (struct aml){.out = out};
}

void aml_op(struct aml *a, enum aml_op op)
{
	byte(a, op);
}

/* ---- things with a length ---- */

static void open_length(struct aml *a, bool resources)
{
	assert(a->depth < AML_DEPTH_MAX);
	a->open[a->depth].at = a->out->len;
	a->open[a->depth++].resources = resources;
}

/* The length counts its own bytes, which are put before what is there. */
static void insert_length(struct tbuf *out, size_t at)
{
	size_t content = out->len - at, total;
	uint8_t enc[3];
	unsigned n;

	if (content + 1 <= PKG_LEN_ONE_BYTE)
		n = 1;
	else
		n = content + 2 <= PKG_LEN_TWO_BYTES ? 2 : 3;
	total = content + n;
	assert(total < 1u << 20);
	if (n == 1) {
		enc[0] = (uint8_t)total;
	} else {
		enc[0] = (uint8_t)((n - 1) << 6 | (total & 0xf));
		enc[1] = (uint8_t)(total >> 4);
		enc[2] = (uint8_t)(total >> 12);
	}
	tbuf_add(out, enc, n);
	if (out->full)
		return;
	memmove(out->data + at + n, out->data + at, content);
	memcpy(out->data + at, enc, n);
}

void aml_close(struct aml *a)
{
	struct tbuf *out = a->out;
	size_t at;

	assert(a->depth > 0);
	at = a->open[--a->depth].at;
	if (a->open[a->depth].resources) {
		/* End tag; a checksum of 0 means "not used". */
		tbuf_add_int(out, 0x0079, 2);
		/* The buffer's size: the word after its prefix byte. */
		if (!out->full)
			tbuf_set_int(out->data + at + 1, out->len - at - 3, 2);
	}
	if (!out->full)
		insert_length(out, at);
}

/* ---- names and values ---- */

static unsigned count_segments(const char *path)
{
	unsigned n = *path != '\0';

	while ((path = strchr(path, '.'))) {
		path++;
		n++;
	}
	return n;
}

void aml_ref(struct aml *a, const char *path)
{
	unsigned n;

	for (; *path == '\\' || *path == '^'; path++)
		byte(a, (uint8_t)*path);
	n = count_segments(path);
	if (n == 0)
		byte(a, AML_ZERO);
	else if (n == 2)
		byte(a, OP_DUAL_NAME);
	else if (n > 2)
		tbuf_add_int(a->out, OP_MULTI_NAME | n << 8, 2);
	while (n--) {
		size_t len = strcspn(path, ".");
		char seg[NAME_SEG] = {'_', '_', '_', '_'};

		assert(len > 0 && len <= NAME_SEG);
		memcpy(seg, path, len);
		tbuf_add(a->out, seg, sizeof(seg));
		path += len + (path[len] == '.');
	}
}

void aml_int(struct aml *a, uint64_t value)
{
	unsigned size = value >> 32 ? 8 : value >> 16 ? 4 : value >> 8 ? 2 : 1;

	if (value > 1)
		byte(a, size == 8   ? OP_QWORD_PREFIX
			: size == 4 ? OP_DWORD_PREFIX
			: size == 2 ? OP_WORD_PREFIX
				    : OP_BYTE_PREFIX);
	tbuf_add_int(a->out, value, size);
}

void aml_string(struct aml *a, const char *text)
{
	byte(a, OP_STRING_PREFIX);
	tbuf_add(a->out, text, strlen(text) + 1);
}

/* Three letters of five bits and four hex digits, big-endian in a dword. */
void aml_eisa_id(struct aml *a, const char *id)
{
	uint32_t letters = 0, digits;
	unsigned i;

	assert(strlen(id) == 7);
	for (i = 0; i < 3; i++)
		letters = letters << 5 | (uint32_t)(id[i] - '@');
	digits = (uint32_t)strtoul(id + 3, NULL, 16);
	byte(a, OP_DWORD_PREFIX);
	tbuf_add_int(a->out, __builtin_bswap32(letters << 16 | digits), 4);
}

void aml_bytes(struct aml *a, const void *data, uint8_t len)
{
	byte(a, OP_BUFFER);
	open_length(a, false);
	aml_int(a, len);
	tbuf_add(a->out, data, len);
	aml_close(a);
}

void aml_name(struct aml *a, const char *path)
{
	byte(a, OP_NAME);
	aml_ref(a, path);
}

void aml_pci_region(struct aml *a, const char *name, uint8_t offset,
		    uint8_t len)
{
	tbuf_add_int(a->out, OP_EXT | OP_EXT_REGION << 8, 2);
	aml_ref(a, name);
	byte(a, REGION_PCI_CONFIG);
	aml_int(a, offset);
	aml_int(a, len);
}

void aml_scope(struct aml *a, const char *path)
{
	byte(a, OP_SCOPE);
	open_length(a, false);
	aml_ref(a, path);
}

void aml_device(struct aml *a, const char *name)
{
	tbuf_add_int(a->out, OP_EXT | OP_EXT_DEVICE << 8, 2);
	open_length(a, false);
	aml_ref(a, name);
}

void aml_method(struct aml *a, const char *name, unsigned args, bool serialized)
{
	assert(args <= 7);
	byte(a, OP_METHOD);
	open_length(a, false);
	aml_ref(a, name);
	byte(a, args | (serialized ? METHOD_SERIALIZED : 0));
}

void aml_package(struct aml *a, uint8_t elements)
{
	byte(a, OP_PACKAGE);
	open_length(a, false);
	byte(a, elements);
}

void aml_if(struct aml *a)
{
	byte(a, OP_IF);
	open_length(a, false);
}

void aml_else(struct aml *a)
{
	byte(a, OP_ELSE);
	open_length(a, false);
}

void aml_byte_field(struct aml *a, const char *region)
{
	tbuf_add_int(a->out, OP_EXT | OP_EXT_FIELD << 8, 2);
	open_length(a, false);
	aml_ref(a, region);
	byte(a, FIELD_BYTE_ACCESS);
}

void aml_field_unit(struct aml *a, const char *name, uint8_t bits)
{
	assert(bits <= PKG_LEN_ONE_BYTE);
	aml_ref(a, name);
	byte(a, bits);
}

void aml_field_skip(struct aml *a, uint8_t bits)
{
	assert(bits <= PKG_LEN_ONE_BYTE);
	byte(a, 0);
	byte(a, bits);
}

/* ---- resources ---- */

#define RES_IRQ		0x22 /* small, two bytes: edge, high, exclusive */
#define RES_IRQ_FLAGS	0x23
#define RES_IO		0x47
#define RES_MEM32_FIXED 0x86
#define RES_DWORD_SPACE 0x87
#define RES_WORD_SPACE	0x88
#define RES_QWORD_SPACE 0x8a

#define RES_IRQ_LOW_SHARED 0x18 /* bit 0 clear: level */
#define RES_IO_DECODE16	   1
#define RES_READ_WRITE	   1
#define RES_FIXED_WINDOW   0x0c /* producer, minimum and maximum fixed */
#define RES_IO_ENTIRE	   3

enum space_type {
	SPACE_MEMORY,
	SPACE_IO,
	SPACE_BUS
};

void aml_resources(struct aml *a)
{
	byte(a, OP_BUFFER);
	open_length(a, true);
	byte(a, OP_WORD_PREFIX);
	tbuf_add_int(a->out, 0, 2); /* aml_close() fills it in */
}

void aml_res_io(struct aml *a, uint16_t port, uint8_t len)
{
	byte(a, RES_IO);
	byte(a, RES_IO_DECODE16);
	tbuf_add_int(a->out, port, 2);
	tbuf_add_int(a->out, port, 2);
	byte(a, 1); /* alignment */
	byte(a, len);
}

void aml_res_irq(struct aml *a, uint16_t mask)
{
	byte(a, RES_IRQ);
	tbuf_add_int(a->out, mask, 2);
}

void aml_res_irq_level(struct aml *a, uint16_t mask)
{
	byte(a, RES_IRQ_FLAGS);
	tbuf_add_int(a->out, mask, 2);
	byte(a, RES_IRQ_LOW_SHARED);
}

void aml_res_memory(struct aml *a, uint32_t base, uint32_t len)
{
	byte(a, RES_MEM32_FIXED);
	tbuf_add_int(a->out, 9, 2);
	byte(a, RES_READ_WRITE);
	tbuf_add_int(a->out, base, 4);
	tbuf_add_int(a->out, len, 4);
}

/* Address space descriptor with fields of `size` bytes. */
static void add_window(struct aml *a, unsigned size, enum space_type type,
		       uint64_t first, uint64_t last)
{
	static const uint8_t type_flags[] = {
	    [SPACE_MEMORY] = RES_READ_WRITE, /* and not cacheable */
	    [SPACE_IO] = RES_IO_ENTIRE,
	    [SPACE_BUS] = 0,
	};

	byte(a, size == 8   ? RES_QWORD_SPACE
		: size == 4 ? RES_DWORD_SPACE
			    : RES_WORD_SPACE);
	tbuf_add_int(a->out, 3 + 5 * size, 2);
	byte(a, type);
	byte(a, RES_FIXED_WINDOW);
	byte(a, type_flags[type]);
	tbuf_add_int(a->out, 0, size); /* granularity */
	tbuf_add_int(a->out, first, size);
	tbuf_add_int(a->out, last, size);
	tbuf_add_int(a->out, 0, size); /* translation */
	tbuf_add_int(a->out, last - first + 1, size);
}

void aml_res_bus_window(struct aml *a, uint8_t first, uint8_t last)
{
	add_window(a, 2, SPACE_BUS, first, last);
}

void aml_res_io_window(struct aml *a, uint16_t first, uint16_t last)
{
	add_window(a, 2, SPACE_IO, first, last);
}

void aml_res_mem32_window(struct aml *a, uint32_t first, uint32_t last)
{
	add_window(a, 4, SPACE_MEMORY, first, last);
}

void aml_res_mem64_window(struct aml *a, uint64_t first, uint64_t last)
{
	add_window(a, 8, SPACE_MEMORY, first, last);
}
