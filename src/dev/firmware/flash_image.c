/* SPDX-License-Identifier: BSD-2-Clause */
/* The firmware's code file; the contract is in flash_internal.h. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "dev/firmware/flash_internal.h"
#include "spec/uefi_fv.h"

#define IMAGE_MIN    KIB(64)
#define VECTOR_BYTES 16u /* from where the processor starts to the end */
#define JUMP_WITHIN  12u

int pages_alloc(size_t size, uint8_t **ret_bytes)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return -errno;
	*ret_bytes = map;
	return 0;
}

void pages_free(uint8_t *bytes, size_t size)
{
	if (bytes)
		munmap(bytes, size);
}

int file_read(int fd, uint8_t *bytes, size_t size)
{
	size_t at = 0;
	ssize_t n;

	while (at < size) {
		n = pread(fd, bytes + at, size - at, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENODATA;
		at += (size_t)n;
	}
	return 0;
}

int file_write(int fd, const uint8_t *bytes, size_t size, size_t offset)
{
	size_t at = 0;
	ssize_t n;

	while (at < size) {
		n = pwrite(fd, bytes + at, size - at, (off_t)(offset + at));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		at += (size_t)n;
	}
	return 0;
}

/* ---- checks ---- */

static int open_code(const char *path, struct err *err, int *ret_fd,
		     size_t *ret_size)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return err_set(err, -ENOENT,
			       "%s: no such firmware file; Debian's package"
			       " ovmf has /usr/share/OVMF/OVMF_CODE_4M.fd",
			       path);
	if (fd < 0 || fstat(fd, &st))
		return err_sys(err, -errno, "%s: cannot be read", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL,
			       "%s: not a regular file, so no firmware image",
			       path);
	if (st.st_size < (off_t)IMAGE_MIN || st.st_size > (off_t)FLASH_MAX ||
	    st.st_size % FLASH_BLOCK)
		return err_set(
		    err, -EINVAL,
		    "%s: %lld bytes; firmware has 64 KiB to 16 MiB, in a"
		    " multiple of 4 KiB: is the file complete, and firmware?",
		    path, (long long)st.st_size);
	*ret_size = (size_t)st.st_size;
	*ret_fd = take_fd(fd);
	return 0;
}

/* A processor starts 16 bytes below 4 GiB: there is no room but for a jump. */
static bool jumps_at_reset(const struct image *image)
{
	const uint8_t *vector = image->bytes + image->size - VECTOR_BYTES;
	unsigned i;

	for (i = 0; i < JUMP_WITHIN; i++)
		if (vector[i] >= 0xe9 && vector[i] <= 0xeb)
			return true;
	return false;
}

static int check_code(const char *path, const struct image *image,
		      struct err *err)
{
	if (jumps_at_reset(image))
		return 0;
	if (image->own_vars)
		return err_set(
		    err, -EINVAL,
		    "%s: UEFI variables, not firmware; they are given second:"
		    " bootrom,CODE,VARS",
		    path);
	return err_set(err, -EINVAL,
		       "%s: not firmware: there is no jump where the processor"
		       " starts, 16 bytes before the end",
		       path);
}

/*
 * Unused variables lie beside the code in files named alike:
 * .../OVMF_CODE_4M.fd and .../OVMF_VARS_4M.fd. Right when it is of the right
 * size and shape.
 */
static char *find_template(const char *path, size_t want)
{
	CLEANUP_FREE char *name = strdup(path);
	CLEANUP_CLOSE int fd = -1;
	uint8_t block[FLASH_BLOCK];
	char *word = name ? strrchr(name, '/') : NULL;
	struct stat st;

	word = name ? strstr(word ? word : name, "CODE") : NULL;
	if (!word || !want)
		return NULL;
	memcpy(word, "VARS", 4);
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) || st.st_size != (off_t)want ||
	    file_read(fd, block, sizeof(block)))
		return NULL;
	return memcmp(block + offsetof(struct fv_header, signature),
		      FV_SIGNATURE, strlen(FV_SIGNATURE))
		   ? NULL
		   : take_ptr(name);
}

int image_load(const char *path, struct err *err, struct image *ret_image)
{
	CLEANUP_CLOSE int fd = -1;
	struct image image = {.size = 0};
	int r = open_code(path, err, &fd, &image.size);

	if (r)
		return r;
	r = pages_alloc(image.size, &image.bytes);
	if (!r)
		r = file_read(fd, image.bytes, image.size);
	if (r)
		err_sys(err, r, "%s: cannot be read", path);
	if (!r && !fv_holds_variables(image.bytes, image.size, &image.own_vars))
		image.own_vars = 0;
	if (!r)
		r = check_code(path, &image, err);
	if (r) {
		image_unload(&image);
		return r;
	}
	image.uefi =
	    !memcmp(image.bytes + offsetof(struct fv_header, signature),
		    FV_SIGNATURE, strlen(FV_SIGNATURE));
	/* edk2 splits an image of 2^n bytes in variables and code. */
	if (image.uefi)
		image.want_vars = round_up_pow2(image.size) - image.size;
	image.template = find_template(path, image.want_vars);
	*ret_image = image;
	return 0;
}

void image_unload(struct image *image)
{
	pages_free(image->bytes, image->size);
	free(image->template);
	*image = (struct image){.size = 0};
}
