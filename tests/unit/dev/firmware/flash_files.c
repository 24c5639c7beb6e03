/* SPDX-License-Identifier: BSD-2-Clause */
/* Firmware files for tests; described in flash_files.h. */
#include "flash_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "spec/uefi_fv.h"

void file_put(const char *path, const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
}

void file_get(const char *path, void *bytes, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		fail_msg("%s: no such file", path);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, size);
	assert_int_equal(read(fd, bytes, size), size);
	close(fd);
}

bool file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

void vars_make(uint8_t bytes[VARS_BYTES])
{
	struct fv_header fv = {.file_system = FV_NVDATA_GUID,
			       .fv_length = VARS_BYTES,
			       .signature = {'_', 'F', 'V', 'H'},
			       .attributes = 0x0004feff,
			       .header_length = 0x48,
			       .revision = FV_REVISION};
	const uint32_t map[4] = {VARS_BYTES / 4096, 4096, 0, 0};
	const struct fv_varstore store = {.guid = FV_VARSTORE_AUTH_GUID,
					  .size = WORKING - 0x48,
					  .format = FV_VARSTORE_FORMATTED,
					  .state = FV_VARSTORE_HEALTHY};
	uint16_t sum = 0, word;
	size_t i;

	memset(bytes, 0xff, VARS_BYTES);
	memcpy(bytes, &fv, sizeof(fv));
	memcpy(bytes + sizeof(fv), map, sizeof(map));
	for (i = 0; i < 0x48; i += 2) {
		memcpy(&word, bytes + i, 2);
		sum = (uint16_t)(sum + word);
	}
	fv.checksum = (uint16_t)-sum;
	memcpy(bytes, &fv, sizeof(fv));
	memcpy(bytes + 0x48, &store, sizeof(store));
}

/* A volume at the start, a jump at the end, and bytes that tell places. */
static void code_make(uint8_t bytes[CODE_BYTES])
{
	size_t i;

	for (i = 0; i < CODE_BYTES; i++)
		bytes[i] = (uint8_t)(i ^ i >> 8 ^ i >> 16);
	memset(bytes, 0, sizeof(struct fv_header));
	memcpy(bytes + offsetof(struct fv_header, signature), "_FVH", 4);
	memset(bytes + CODE_BYTES - 16, 0, 16);
	memcpy(bytes + CODE_BYTES - 16, "\x90\x90\xe9\x12\x34", 5);
}

void files_create(struct files *files)
{
	uint8_t *bytes = malloc(CODE_BYTES);

	/* In memory: a flush costs nothing there. */
	snprintf(files->dir, sizeof(files->dir), "%s/byway-flash-XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	assert_non_null(mkdtemp(files->dir));
	snprintf(files->code, sizeof(files->code), "%s/CODE.fd", files->dir);
	snprintf(files->vars, sizeof(files->vars), "%s/vars.fd", files->dir);
	snprintf(files->backup, sizeof(files->backup), "%s/vars.fd.bak",
		 files->dir);
	snprintf(files->mark, sizeof(files->mark), "%s/vars.fd.open",
		 files->dir);
	snprintf(files->torn, sizeof(files->torn), "%s/vars.fd.torn",
		 files->dir);
	assert_non_null(bytes);
	code_make(bytes);
	file_put(files->code, bytes, CODE_BYTES);
	vars_make(bytes);
	file_put(files->vars, bytes, VARS_BYTES);
	free(bytes);
}

void files_remove(const struct files *files)
{
	DIR *dir = opendir(files->dir);
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (unlinkat(dirfd(dir), entry->d_name, 0))
			(void)unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	closedir(dir);
	assert_int_equal(rmdir(files->dir), 0);
}
