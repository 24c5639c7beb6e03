/* SPDX-License-Identifier: BSD-2-Clause */
/* Table buffers; the contract is in tbuf.h. */
#include "machine/tbuf.h"

#include <string.h>

int tbuf_init(struct tbuf *buf, size_t room)
{
	uint8_t *data = malloc(room);

	if (!data)
		return -ENOMEM;
	*buf = (struct tbuf){.data = data, .room = room};
	return 0;
}

void tbuf_fini(struct tbuf *buf)
{
	free(buf->data);
	*buf = (struct tbuf){0};
}

void tbuf_add(struct tbuf *buf, const void *data, size_t len)
{
	if (buf->full || len > buf->room - buf->len) {
		buf->full = true;
		return;
	}
	memcpy(buf->data + buf->len, data, len);
	buf->len += len;
}

void tbuf_align(struct tbuf *buf, size_t align)
{
	size_t end = align_up(buf->len, align);

	if (buf->full || end > buf->room) {
		buf->full = true;
		return;
	}
	memset(buf->data + buf->len, 0, end - buf->len);
	buf->len = end;
}

void tbuf_add_int(struct tbuf *buf, uint64_t value, unsigned size)
{
	uint8_t bytes[8];

	tbuf_set_int(bytes, value, size);
	tbuf_add(buf, bytes, size);
}

uint64_t tbuf_int(const uint8_t *at, unsigned size)
{
	uint64_t value = 0;

	while (size--)
		value = value << 8 | at[size];
	return value;
}

void tbuf_set_int(uint8_t *at, uint64_t value, unsigned size)
{
	unsigned i;

	for (i = 0; i < size; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

uint8_t tbuf_checksum(const uint8_t *data, size_t len)
{
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *data++);
	return (uint8_t)-sum;
}
