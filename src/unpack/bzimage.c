/* SPDX-License-Identifier: BSD-2-Clause */
/* The bzImage header; the contract is in bzimage.h. */
#include "unpack/bzimage.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define SECTOR		 512u
#define BOOT_FLAG	 0xaa55
#define HEADER_MAGIC	 0x53726448 /* "HdrS" */
#define JUMP_AT		 0x201u /* its operand tells where the header ends */
#define HEADER_START	 0x202u
#define SETUP_SECTS_OLD	 4u	/* what 0 means */
#define PROTOCOL_NEEDED	 0x020c /* the first with xloadflags */
#define PARAGRAPH	 16u
#define GZIP_MAGIC	 0x8b1f
#define LOADED_HIGH_FLAG 1u

static int not_kernel(const uint8_t *head, size_t len, struct err *err)
{
	uint16_t word = 0;

	if (len >= sizeof(word))
		memcpy(&word, head, sizeof(word));
	if (len >= SELFMAG && !memcmp(head, ELFMAG, SELFMAG))
		return err_set(
		    err, -ENOEXEC,
		    "an ELF file, not a bzImage;"
		    " give the file that is installed as /boot/vmlinuz-*");
	if (word == GZIP_MAGIC)
		return err_set(
		    err, -ENOEXEC,
		    "gzip data, not a bzImage; is"
		    " it an initrd, or a kernel of another architecture?");
	return err_set(err, -ENOEXEC,
		       "not a Linux kernel for x86 (no boot"
		       " header); give a bzImage such as /boot/vmlinuz-*");
}

/* Copies the header's known part, as far as this kernel has it. */
static int copy_header(const uint8_t *head, size_t len, struct err *err,
		       struct setup_header *ret_hdr)
{
	struct setup_header hdr = {0};
	size_t end;

	if (len < BZIMAGE_HDR_AT + sizeof(hdr)) {
		/* Too short for any kernel: which sentence fits it? */
		memcpy(&hdr, head + MIN(len, (size_t)BZIMAGE_HDR_AT),
		       len - MIN(len, (size_t)BZIMAGE_HDR_AT));
		if (hdr.header == HEADER_MAGIC)
			return err_set(
			    err, -ENOEXEC,
			    "truncated: ends after %zu bytes, inside its boot"
			    " header",
			    len);
		return not_kernel(head, len, err);
	}
	memcpy(&hdr, head + BZIMAGE_HDR_AT, sizeof(hdr));
	if (hdr.boot_flag != BOOT_FLAG || hdr.header != HEADER_MAGIC)
		return not_kernel(head, len, err);
	end = HEADER_START + head[JUMP_AT];
	if (end < BZIMAGE_HDR_AT + sizeof(hdr))
		memset((uint8_t *)&hdr + (end - BZIMAGE_HDR_AT), 0,
		       BZIMAGE_HDR_AT + sizeof(hdr) - end);
	*ret_hdr = hdr;
	return 0;
}

static int check_abilities(const struct setup_header *hdr, struct err *err)
{
	if (hdr->version < PROTOCOL_NEEDED)
		return err_set(
		    err, -ENOTSUP,
		    "a kernel that speaks boot protocol %u.%02u; byway needs"
		    " 2.12 (Linux 3.8) or newer",
		    hdr->version >> 8, hdr->version & 0xff);
	if (!(hdr->xloadflags & XLF_KERNEL_64))
		return err_set(
		    err, -ENOTSUP,
		    "a 32-bit kernel (no 64-bit entry); give a 64-bit one"
		    " (amd64, x86_64)");
	if (!(hdr->loadflags & LOADED_HIGH_FLAG))
		return err_set(
		    err, -ENOTSUP,
		    "a zImage, which is loaded below 1 MiB; give a bzImage");
	return 0;
}

/* Where the parts lie in the file; a signature may follow the code. */
static int locate(struct bzimage *image, uint64_t file_bytes, struct err *err)
{
	const struct setup_header *hdr = &image->hdr;
	unsigned sectors =
	    hdr->setup_sects ? hdr->setup_sects : SETUP_SECTS_OLD;
	uint64_t code = (uint64_t)hdr->syssize * PARAGRAPH, end;

	image->code_at = (uint64_t)(sectors + 1) * SECTOR;
	/* The size is rounded up, the file need not be. */
	if (file_bytes < image->code_at ||
	    file_bytes - image->code_at + PARAGRAPH <= code)
		return err_set(
		    err, -ENOEXEC,
		    "truncated: %llu bytes, but its header says %llu; copy it"
		    " again",
		    (unsigned long long)file_bytes,
		    (unsigned long long)(image->code_at + code));
	image->code_bytes = MIN(code, file_bytes - image->code_at);
	if (image->code_bytes <= BZIMAGE_ENTRY64)
		return err_set(err, -ENOEXEC,
			       "its header says it has no code (%llu bytes)",
			       (unsigned long long)image->code_bytes);
	end = (uint64_t)hdr->payload_offset + hdr->payload_length;
	if (hdr->payload_length && end <= image->code_bytes) {
		image->payload_at = image->code_at + hdr->payload_offset;
		image->payload_bytes = hdr->payload_length;
	}
	return 0;
}

int bzimage_parse(const uint8_t *head, size_t head_bytes, uint64_t file_bytes,
		  struct err *err, struct bzimage *ret_image)
{
	struct bzimage image = {0};
	int r = copy_header(head, head_bytes, err, &image.hdr);

	if (!r)
		r = check_abilities(&image.hdr, err);
	if (!r)
		r = locate(&image, file_bytes, err);
	if (!r)
		*ret_image = image;
	return r;
}

int file_read_at(int fd, void *dst, size_t len, uint64_t offset)
{
	uint8_t *at = dst;
	ssize_t n;

	while (len) {
		n = pread(fd, at, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENODATA;
		at += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int open_regular(const char *path, struct err *err, int *ret_fd,
			uint64_t *ret_size)
{
	/* Not blocking: the path may turn out to be a pipe. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return err_sys(err, errno, "%s: cannot open", path);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(err, -EINVAL, "%s: not a regular file", path);
	}
	*ret_fd = fd;
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

int bzimage_open(const char *path, struct err *err, int *ret_fd,
		 struct bzimage *ret_image)
{
	uint8_t head[BZIMAGE_HEAD_BYTES];
	CLEANUP_CLOSE int fd = -1;
	uint64_t size = 0;
	size_t len;
	int r = open_regular(path, err, &fd, &size);

	if (r)
		return r;
	len = (size_t)MIN(size, (uint64_t)sizeof(head));
	r = file_read_at(fd, head, len, 0);
	if (r)
		return err_sys(err, r, "%s: cannot read", path);
	r = bzimage_parse(head, len, size, err, ret_image);
	if (r)
		return err_prefix(err, "%s", path);
	*ret_fd = take_fd(fd);
	return 0;
}
