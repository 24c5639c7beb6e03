/* SPDX-License-Identifier: BSD-2-Clause */
/* Small Linux kernels for tests; described in synth.h. */
#include "synth.h"

#include <elf.h>
#include <fcntl.h>
#include <lz4.h>
#include <lzma.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define SETUP_SECTS 3u
#define CODE_AT	    ((SETUP_SECTS + 1) * 512u)
#define PAYLOAD_OFF 0x400u /* in the code, behind the 64-bit entry */
#define LZ4_MAGIC   0x184c2102u

struct segment {
	uint64_t image_at, vaddr, file_bytes, memory_bytes;
};

static const struct segment segments[] = {
    {0, SYNTH_VIRT, 0x31000, 0x31000},
    {0x200000, SYNTH_VIRT + 0x200000, 0x1800, 0x5000},
    {0x300000, 0, 0x100, 0x100},
};

static void *must(void *pointer)
{
	if (!pointer)
		abort();
	return pointer;
}

static struct synth_bytes bytes_alloc(size_t len)
{
	return (struct synth_bytes){must(calloc(1, MAX(len, (size_t)1))), len};
}

void synth_free(struct synth_bytes *bytes)
{
	free(bytes->data);
	*bytes = (struct synth_bytes){0};
}

static void append(struct synth_bytes *bytes, const void *data, size_t len)
{
	bytes->data = must(realloc(bytes->data, bytes->len + len));
	memcpy(bytes->data + bytes->len, data, len);
	bytes->len += len;
}

static void append32(struct synth_bytes *bytes, uint32_t word)
{
	append(bytes, &word, sizeof(word));
}

/* Not zero, and not the same on two pages. */
static void pattern(uint8_t *image, size_t from, size_t to)
{
	size_t i;

	for (i = from; i < to; i++)
		image[i] = (uint8_t)(1 + (i * 7 + (i >> 12) * 13) % 251);
}

uint8_t *synth_image(void)
{
	const uint64_t word64 = SYNTH_VIRT + 0x10;
	const uint32_t word32 = (uint32_t)SYNTH_VIRT + 0x20;
	const uint32_t sub32 = 0x00345678;
	uint8_t *image = must(calloc(1, SYNTH_IMAGE_BYTES));

	pattern(image, 0, 0x2000);
	pattern(image, 0x30000, 0x31000);
	pattern(image, 0x200000, 0x201800);
	pattern(image, 0x300000, 0x300100);
	memcpy(image + SYNTH_ADD64_AT, &word64, sizeof(word64));
	memcpy(image + SYNTH_ADD32_AT, &word32, sizeof(word32));
	memcpy(image + SYNTH_SUB32_AT, &sub32, sizeof(sub32));
	return image;
}

static void append_lists(struct synth_bytes *elf, enum synth_lists lists)
{
	const uint32_t virt = (uint32_t)SYNTH_VIRT;

	if (lists == SYNTH_NO_LISTS)
		return;
	append32(elf, lists == SYNTH_BAD_SHAPE ? virt : 0);
	append32(elf, virt + SYNTH_ADD64_AT);
	if (lists == SYNTH_BAD_TARGET)
		append32(elf, virt + 0x31000 - 4); /* half of it is outside */
	append32(elf, 0);
	if (lists != SYNTH_TWO_LISTS) {
		append32(elf, virt + SYNTH_SUB32_AT);
		append32(elf, 0);
	}
	append32(elf, virt + SYNTH_ADD32_AT);
}

struct synth_bytes synth_vmlinux(enum synth_lists lists)
{
	const size_t count = ARRAY_LEN(segments);
	struct synth_bytes elf = bytes_alloc(0);
	uint8_t *image = synth_image();
	uint64_t offset = 0x1000;
	Elf64_Ehdr eh = {
	    .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB,
			EV_CURRENT},
	    .e_type = ET_EXEC,
	    .e_machine = EM_X86_64,
	    .e_version = EV_CURRENT,
	    .e_entry = SYNTH_PADDR + SYNTH_ENTRY,
	    .e_phoff = sizeof(eh),
	    .e_ehsize = sizeof(eh),
	    .e_phentsize = sizeof(Elf64_Phdr),
	    .e_phnum = (Elf64_Half)count,
	    .e_shentsize = sizeof(Elf64_Shdr),
	    .e_shnum = 1,
	};
	Elf64_Shdr none = {0};
	size_t i;

	append(&elf, &eh, sizeof(eh));
	for (i = 0; i < count; i++) {
		Elf64_Phdr ph = {
		    .p_type = PT_LOAD,
		    .p_offset = offset,
		    .p_vaddr = segments[i].vaddr,
		    .p_paddr = SYNTH_PADDR + segments[i].image_at,
		    .p_filesz = segments[i].file_bytes,
		    .p_memsz = segments[i].memory_bytes,
		};

		append(&elf, &ph, sizeof(ph));
		offset += segments[i].file_bytes;
	}
	while (elf.len < 0x1000)
		append(&elf, "", 1);
	for (i = 0; i < count; i++)
		append(&elf, image + segments[i].image_at,
		       segments[i].file_bytes);
	((Elf64_Ehdr *)(void *)elf.data)->e_shoff = elf.len;
	append(&elf, &none, sizeof(none));
	free(image);
	append_lists(&elf, lists);
	return elf;
}

/* ---- packing ---- */

static void pack_gzip(const struct synth_bytes *in, struct synth_bytes *out)
{
	z_stream z = {.next_in = in->data,
		      .avail_in = (uInt)in->len,
		      .next_out = out->data,
		      .avail_out = (uInt)out->len};

	if (deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK ||
	    deflate(&z, Z_FINISH) != Z_STREAM_END)
		abort();
	out->len = z.total_out;
	deflateEnd(&z);
}

/* As the kernel's build: x86 branch converter, then LZMA2, CRC32. */
static void pack_xz(const struct synth_bytes *in, struct synth_bytes *out)
{
	lzma_options_lzma options;
	lzma_filter filters[] = {{LZMA_FILTER_X86, NULL},
				 {LZMA_FILTER_LZMA2, &options},
				 {LZMA_VLI_UNKNOWN, NULL}};
	size_t at = 0;

	if (lzma_lzma_preset(&options, 6) ||
	    lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, NULL, in->data,
				      in->len, out->data, &at,
				      out->len) != LZMA_OK)
		abort();
	out->len = at;
}

static void pack_lzma(const struct synth_bytes *in, struct synth_bytes *out)
{
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_options_lzma options;

	if (lzma_lzma_preset(&options, 6) ||
	    lzma_alone_encoder(&z, &options) != LZMA_OK)
		abort();
	z.next_in = in->data;
	z.avail_in = in->len;
	z.next_out = out->data;
	z.avail_out = out->len;
	if (lzma_code(&z, LZMA_FINISH) != LZMA_STREAM_END)
		abort();
	out->len = z.total_out;
	lzma_end(&z);
}

static void pack_lz4(const struct synth_bytes *in, struct synth_bytes *out)
{
	const uint32_t magic = LZ4_MAGIC;
	int n =
	    LZ4_compress_default((const char *)in->data, (char *)out->data + 8,
				 (int)in->len, (int)out->len - 8);

	if (n <= 0)
		abort();
	memcpy(out->data, &magic, 4);
	memcpy(out->data + 4, &n, 4);
	out->len = (size_t)n + 8;
}

struct synth_bytes synth_pack(enum synth_pack method,
			      const struct synth_bytes *plain)
{
	struct synth_bytes out = bytes_alloc(plain->len + 65536);

	switch (method) {
	case SYNTH_PLAIN:
		memcpy(out.data, plain->data, plain->len);
		out.len = plain->len;
		return out;
	case SYNTH_GZIP:
		pack_gzip(plain, &out); /* ends in the size by itself */
		return out;
	case SYNTH_XZ:
		pack_xz(plain, &out);
		break;
	case SYNTH_LZMA:
		pack_lzma(plain, &out);
		break;
	case SYNTH_ZSTD:
		out.len = ZSTD_compress(out.data, out.len, plain->data,
					plain->len, 3);
		break;
	case SYNTH_LZ4:
		pack_lz4(plain, &out);
		break;
	}
	append32(&out, (uint32_t)plain->len);
	return out;
}

/* ---- bzImage ---- */

struct setup_header synth_header(void)
{
	return (struct setup_header){
	    .setup_sects = SETUP_SECTS,
	    .boot_flag = 0xaa55,
	    .jump =
		(uint16_t)(0xeb | (0x1f1 + sizeof(struct setup_header) - 0x202)
				      << 8),
	    .header = 0x53726448,
	    .version = 0x020f,
	    .loadflags = LOADED_HIGH,
	    .code32_start = 0x100000,
	    .initrd_addr_max = 0x7fffffff,
	    .kernel_alignment = 0x200000,
	    .relocatable_kernel = 1,
	    .min_alignment = 21,
	    .xloadflags = XLF_KERNEL_64,
	    .cmdline_size = 2047,
	    .pref_address = SYNTH_PADDR,
	    .init_size = 0x400000,
	};
}

struct synth_bytes synth_bzimage(const struct setup_header *header,
				 const struct synth_bytes *payload)
{
	struct synth_bytes image = bytes_alloc(CODE_AT + PAYLOAD_OFF);
	struct setup_header hdr = *header;

	pattern(image.data, CODE_AT, CODE_AT + PAYLOAD_OFF);
	if (payload) {
		append(&image, payload->data, payload->len);
		hdr.payload_offset = PAYLOAD_OFF;
		hdr.payload_length = (uint32_t)payload->len;
	}
	hdr.syssize = (uint32_t)((image.len - CODE_AT + 15) / 16);
	memcpy(image.data + 0x1f1, &hdr, sizeof(hdr));
	return image;
}

void synth_save(const char *path, const struct synth_bytes *bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, bytes->data, bytes->len) != (ssize_t)bytes->len)
		abort();
	close(fd);
}
