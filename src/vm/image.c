/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Marks of disk image formats; the contract is image.h.
 *
 * Where the marks are from: qcow and qcow2, QEMU's docs/interop/qcow2.txt;
 * VMDK, VMware's "Virtual Disk Format 5.0"; VHDX, Microsoft's MS-VHDX; VHD,
 * Microsoft's "Virtual Hard Disk Image Format Specification"; VDI, the public
 * description of VirtualBox's image header.
 */
#include "vm/image.h"

#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static const struct {
	const char *name, *ending;
} formats[] = {
    [IMAGE_RAW] = {"raw", ".raw"},    [IMAGE_QCOW2] = {"qcow2", ".qcow2"},
    [IMAGE_QCOW] = {"qcow", ".qcow"}, [IMAGE_VMDK] = {"vmdk", ".vmdk"},
    [IMAGE_VDI] = {"vdi", ".vdi"},    [IMAGE_VHDX] = {"vhdx", ".vhdx"},
    [IMAGE_VPC] = {"vpc", ".vhd"},
};

/* QCOW has its version in the big-endian word after its mark. */
static const struct {
	enum image_format format;
	size_t at, len;
	const char *mark;
} marks[] = {
    {IMAGE_QCOW, 0, 8, "QFI\xfb\0\0\0\1"},
    {IMAGE_QCOW2, 0, 4, "QFI\xfb"},
    {IMAGE_VMDK, 0, 4, "KDMV"},
    {IMAGE_VMDK, 0, 4, "COWD"},
    {IMAGE_VMDK, 0, 21, "# Disk DescriptorFile"},
    {IMAGE_VDI, 64, 4, "\x7f\x10\xda\xbe"},
    {IMAGE_VHDX, 0, 8, "vhdxfile"},
    {IMAGE_VPC, 0, 8, "conectix"},
};

const char *image_name(enum image_format format)
{
	return formats[format].name;
}

int image_parse(const char *word, enum image_format *ret_format)
{
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		if (strcmp(formats[i].name, word) != 0)
			continue;
		*ret_format = (enum image_format)i;
		return 0;
	}
	return -EINVAL;
}

enum image_format image_probe(const uint8_t *head, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(marks); i++)
		if (marks[i].at + marks[i].len <= len &&
		    memcmp(head + marks[i].at, marks[i].mark, marks[i].len) ==
			0)
			return marks[i].format;
	return IMAGE_RAW;
}

enum image_format image_by_name(const char *path)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		size_t ending = strlen(formats[i].ending);

		if (len > ending &&
		    strcasecmp(path + len - ending, formats[i].ending) == 0)
			return (enum image_format)i;
	}
	return IMAGE_RAW;
}

int image_detect(const char *path, unsigned disk, struct err *err,
		 enum image_format *ret_format)
{
	CLEANUP_CLOSE int fd =
	    open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	enum image_format marked, named = image_by_name(path);
	uint8_t head[IMAGE_HEAD];
	struct stat st;
	ssize_t len = 0;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		len = pread(fd, head, sizeof(head), 0);
	if (len <= 0) {
		*ret_format = IMAGE_RAW;
		return 0;
	}
	marked = image_probe(head, (size_t)len);
	if (marked == named) {
		*ret_format = named;
		return 0;
	}
	if (named == IMAGE_RAW)
		return err_set(err, -EINVAL,
			       "%s: begins like a %s image but is not named "
			       "so; set disk%u_format=\"%s\" if it is one, "
			       "\"raw\" if its guest wrote that",
			       path, image_name(marked), disk,
			       image_name(marked));
	return err_set(err, -EINVAL,
		       "%s: is named like a %s image but does not begin like "
		       "one; set disk%u_format to what it is",
		       path, image_name(named), disk);
}
