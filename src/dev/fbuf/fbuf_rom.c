/* SPDX-License-Identifier: BSD-2-Clause */
/* The card's expansion ROM; the contract is in fbuf_rom.h. */
#include "dev/fbuf/fbuf_rom.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROM_UNIT 512u /* of the length in a ROM's third byte */
#define ROM_MIN	 KIB(2)

/* Also of a pipe or a device: what counts is what can be read. */
static int read_all(int fd, uint8_t *buf, size_t size, size_t *ret_len)
{
	size_t len = 0;
	ssize_t n;

	do {
		n = read(fd, buf + len, size - len);
		if (n < 0)
			return -errno;
		len += (size_t)n;
	} while (n > 0 && len < size);
	*ret_len = len;
	return 0;
}

static bool is_rom(const uint8_t *bytes, size_t len)
{
	return len >= 3 && bytes[0] == 0x55 && bytes[1] == 0xaa &&
	       bytes[2] != 0 && bytes[2] * ROM_UNIT <= len;
}

int fbuf_rom_load(const char *path, struct err *err, struct fbuf_rom *ret_rom)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	/* One byte more tells a file that is too long. */
	CLEANUP_FREE uint8_t *bytes = calloc(1, FBUF_ROM_MAX + 1);
	size_t len = 0;
	int r;

	if (!bytes)
		return err_set(err, -ENOMEM, "out of memory");
	r = fd < 0 ? -errno : read_all(fd, bytes, FBUF_ROM_MAX + 1, &len);
	if (r)
		return err_sys(err, r, "rom=%s", path);
	if (len > FBUF_ROM_MAX)
		return err_set(err, -EINVAL,
			       "rom=%s: longer than %u KiB; name a video BIOS"
			       " such as vgabios-bochs-display.bin of SeaBIOS",
			       path, (unsigned)(FBUF_ROM_MAX / 1024));
	if (!is_rom(bytes, len))
		return err_set(err, -EINVAL,
			       "rom=%s: not a whole expansion ROM (55 aa and"
			       " its length); name a video BIOS such as"
			       " vgabios-bochs-display.bin of SeaBIOS",
			       path);
	ret_rom->size = MAX(round_up_pow2(len), ROM_MIN);
	ret_rom->bytes = bytes;
	bytes = NULL;
	return 0;
}

void fbuf_rom_free(struct fbuf_rom *rom)
{
	free(rom->bytes);
	*rom = (struct fbuf_rom){0};
}

uint64_t fbuf_rom_read(const struct fbuf_rom *rom, uint64_t off, unsigned size)
{
	uint64_t value = 0;

	if (rom->bytes && off < rom->size && size <= rom->size - off)
		memcpy(&value, rom->bytes + off, MIN(size, sizeof(value)));
	return value;
}
