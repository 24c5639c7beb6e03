/* SPDX-License-Identifier: BSD-2-Clause */
/* Unpacking payloads; the contract is in payload.h. */
#include "unpack/payload.h"

#include <elf.h>
#include <endian.h>
#include <lz4.h>
#include <lzma.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>
#include <zstd.h>

#define SIZE_BYTES    sizeof(uint32_t) /* at the payload's end */
#define LZ4_BLOCK_MAX (8 << 20)
#define GZIP_WINDOW   (16 + MAX_WBITS) /* 16: expect a gzip header */

/* Unpacks all of `in` to exactly out_len bytes; -EBADMSG when it does not. */
typedef int unpack_fn(const uint8_t *in, size_t in_len, uint8_t *out,
		      size_t out_len);

static int unpack_gzip(const uint8_t *in, size_t in_len, uint8_t *out,
		       size_t out_len)
{
	z_stream z = {
	    .next_in = (uint8_t *)in, /* zlib only reads it */
	    .avail_in = (uInt)in_len,
	    .next_out = out,
	    .avail_out = (uInt)out_len,
	};
	int r;

	if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
		return -ENOMEM;
	r = inflate(&z, Z_FINISH);
	inflateEnd(&z);
	if (r == Z_MEM_ERROR)
		return -ENOMEM;
	return r == Z_STREAM_END && z.avail_out == 0 ? 0 : -EBADMSG;
}

static int unpack_with(lzma_stream *z, const uint8_t *in, size_t in_len,
		       uint8_t *out, size_t out_len)
{
	lzma_ret r;

	z->next_in = in;
	z->avail_in = in_len;
	z->next_out = out;
	z->avail_out = out_len;
	r = lzma_code(z, LZMA_FINISH);
	lzma_end(z);
	if (r == LZMA_MEM_ERROR || r == LZMA_MEMLIMIT_ERROR)
		return -ENOMEM;
	return r == LZMA_STREAM_END && z->avail_out == 0 ? 0 : -EBADMSG;
}

static int unpack_xz(const uint8_t *in, size_t in_len, uint8_t *out,
		     size_t out_len)
{
	lzma_stream z = LZMA_STREAM_INIT;

	if (lzma_stream_decoder(&z, PAYLOAD_MEMORY_MAX, 0) != LZMA_OK)
		return -ENOMEM;
	return unpack_with(&z, in, in_len, out, out_len);
}

static int unpack_lzma(const uint8_t *in, size_t in_len, uint8_t *out,
		       size_t out_len)
{
	lzma_stream z = LZMA_STREAM_INIT;

	if (lzma_alone_decoder(&z, PAYLOAD_MEMORY_MAX) != LZMA_OK)
		return -ENOMEM;
	return unpack_with(&z, in, in_len, out, out_len);
}

static int unpack_zstd(const uint8_t *in, size_t in_len, uint8_t *out,
		       size_t out_len)
{
	size_t n = ZSTD_decompress(out, out_len, in, in_len);

	return !ZSTD_isError(n) && n == out_len ? 0 : -EBADMSG;
}

static uint32_t load32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return le32toh(v);
}

/* Legacy frame: the magic, then blocks with their packed size before them. */
static int unpack_lz4(const uint8_t *in, size_t in_len, uint8_t *out,
		      size_t out_len)
{
	size_t at = 4, done = 0;

	while (done < out_len) {
		size_t room = MIN(out_len - done, (size_t)LZ4_BLOCK_MAX);
		uint32_t block;
		int n;

		if (in_len - at < 4)
			return -EBADMSG;
		block = load32(in + at);
		at += 4;
		if (block > in_len - at || block > INT32_MAX)
			return -EBADMSG;
		n = LZ4_decompress_safe((const char *)in + at,
					(char *)out + done, (int)block,
					(int)room);
		if (n <= 0)
			return -EBADMSG;
		at += block;
		done += (size_t)n;
	}
	return at == in_len ? 0 : -EBADMSG;
}

struct format {
	const char *name;
	uint8_t magic[6];
	uint8_t magic_len;
	bool own_size;	   /* the size at the end is part of the format */
	unpack_fn *unpack; /* NULL: cannot */
};

static const struct format formats[] = {
    {"gzip", {0x1f, 0x8b}, 2, true, unpack_gzip},
    {"xz", {0xfd, '7', 'z', 'X', 'Z', 0}, 6, false, unpack_xz},
    {"zstd", {0x28, 0xb5, 0x2f, 0xfd}, 4, false, unpack_zstd},
    {"lz4", {0x02, 0x21, 0x4c, 0x18}, 4, false, unpack_lz4},
    {"lzma", {0x5d, 0, 0}, 3, false, unpack_lzma},
    {"bzip2", {'B', 'Z', 'h'}, 3, false, NULL},
    {"lzo", {0x89, 'L', 'Z', 'O', 0, 0x0d}, 6, false, NULL},
};

static const struct format *find_format(const uint8_t *in, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(formats); i++)
		if (len > formats[i].magic_len + SIZE_BYTES &&
		    !memcmp(in, formats[i].magic, formats[i].magic_len))
			return &formats[i];
	return NULL;
}

static int alloc_output(size_t len, struct err *err, uint8_t **ret_data)
{
	void *data;

	if (len > PAYLOAD_UNPACKED_MAX)
		return err_set(
		    err, -EFBIG,
		    "payload: says it unpacks to %zu MiB, more than any kernel",
		    len >> 20);
	data = mmap(NULL, len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (data == MAP_FAILED)
		return err_sys(err, errno, "payload: %zu MiB to unpack it",
			       len >> 20);
	/* A hint: fewer faults while 60 MB are filled. */
	(void)madvise(data, len, MADV_HUGEPAGE);
	*ret_data = data;
	return 0;
}

static int copy_unpacked(const uint8_t *in, size_t len, struct err *err,
			 uint8_t **ret_data, size_t *ret_len)
{
	int r = alloc_output(len, err, ret_data);

	if (r)
		return r;
	memcpy(*ret_data, in, len);
	*ret_len = len;
	return 0;
}

int payload_unpack(const uint8_t *in, size_t len, struct err *err,
		   uint8_t **ret_data, size_t *ret_len)
{
	const struct format *format = find_format(in, len);
	uint8_t *out = NULL;
	size_t out_len;
	int r;

	if (len > SELFMAG && !memcmp(in, ELFMAG, SELFMAG))
		return copy_unpacked(in, len, err, ret_data, ret_len);
	if (!format || !format->unpack)
		return err_set(err, -ENOTSUP,
			       "payload: packed with %s, which"
			       " byway-unpack cannot unpack",
			       format ? format->name : "an unknown method");
	out_len = load32(in + len - SIZE_BYTES);
	r = alloc_output(MAX(out_len, (size_t)1), err, &out);
	if (r)
		return r;
	if (!format->own_size)
		len -= SIZE_BYTES;
	r = format->unpack(in, len, out, out_len);
	if (r) {
		payload_free(out, MAX(out_len, (size_t)1));
		return r == -ENOMEM
			   ? err_set(err, r,
				     "payload: not enough memory for %s",
				     format->name)
			   : err_set(err, r, "payload: its %s data is damaged",
				     format->name);
	}
	*ret_data = out;
	*ret_len = out_len;
	return 0;
}

void payload_free(uint8_t *data, size_t len)
{
	if (data)
		munmap(data, len);
}
