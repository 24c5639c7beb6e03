/* SPDX-License-Identifier: BSD-2-Clause */
/* Firmware configuration device; the contract is in fwcfg.h. */
/*
 * Theory of operation
 *
 * Items lie in three tables: keys below 20, keys of the architecture, files.
 * The files are kept sorted, a file's key is its place in the table. Selecting
 * an item puts the offset at its start and, for one with a build function, has
 * it made. Data port and DMA move the same offset.
 *
 * A DMA operation is carried out whole before the guest runs on, so the guest
 * never sees one in progress. Its descriptor is copied once; nothing in it is
 * used as a length before it was compared with the item's.
 */
#include "dev/firmware/fwcfg.h"

#include <endian.h>
#include <pthread.h>
#include <string.h>

#include "base/log.h"

#define FIXED_KEYS (FW_CFG_FILE_FIRST)
#define ARCH_KEYS  0x20u
#define DIR_HEADER 4u
#define NAME_BYTES sizeof(((struct fw_cfg_file *)0)->name)
#define DMA_BYTES  8u

struct item {
	char name[NAME_BYTES]; /* of files */
	uint8_t *data;	       /* NULL: no such item */
	size_t len;
	bool writable;
	fwcfg_build_fn *build;
	fwcfg_written_fn *written;
	void *ctx;
};

struct fwcfg {
	struct aspace *pio;
	struct gmem *gmem;
	struct aspace_region ports, dma;
	struct item fixed[FIXED_KEYS], arch[ARCH_KEYS];
	struct item files[FWCFG_FILES_MAX];
	unsigned file_count;

	/* Locking: lock guards the rest, and the data of items. */
	pthread_mutex_t lock;
	struct item *item; /* selected; NULL: there is none with that key */
	size_t offset;	   /* at most item->len */
	uint32_t dma_high; /* upper half of the next descriptor's address */
};

/* ---- items ---- */

/* NULL when there is none. */
static struct item *find_key(struct fwcfg *fw, unsigned key)
{
	struct item *item = NULL;

	key &= ~(unsigned)FW_CFG_WRITE_CHANNEL;
	if (key < FIXED_KEYS)
		item = &fw->fixed[key];
	else if (key >= FW_CFG_ARCH_LOCAL &&
		 key - FW_CFG_ARCH_LOCAL < ARCH_KEYS)
		item = &fw->arch[key - FW_CFG_ARCH_LOCAL];
	else if (key - FW_CFG_FILE_FIRST < fw->file_count)
		item = &fw->files[key - FW_CFG_FILE_FIRST];
	return item && item->data ? item : NULL;
}

static void select_key(struct fwcfg *fw, unsigned key)
{
	struct item *item = find_key(fw, key);

	fw->item = item;
	fw->offset = 0;
	if (!item || !item->build)
		return;
	memset(item->data, 0, item->len);
	if (item->build(item->ctx, item->data, item->len))
		memset(item->data, 0, item->len);
}

/* The directory is an item that is built from the table of files. */
static int build_directory(void *ctx, uint8_t *buf, size_t len UNUSED)
{
	const struct fwcfg *fw = ctx;
	uint32_t count = htobe32(fw->file_count);
	unsigned i;

	memcpy(buf, &count, sizeof(count));
	buf += DIR_HEADER;
	for (i = 0; i < fw->file_count; i++) {
		struct fw_cfg_file entry = {
		    .size = htobe32((uint32_t)fw->files[i].len),
		    .select = htobe16((uint16_t)(FW_CFG_FILE_FIRST + i)),
		};

		memcpy(entry.name, fw->files[i].name, sizeof(entry.name));
		memcpy(buf, &entry, sizeof(entry));
		buf += sizeof(entry);
	}
	return 0;
}

/* What is left behind the offset; 0 without an item. */
static size_t item_left(const struct fwcfg *fw)
{
	return fw->item ? fw->item->len - fw->offset : 0;
}

/* ---- DMA ---- */

static int dma_read(struct fwcfg *fw, gpa_t to, uint32_t length)
{
	size_t have = MIN((size_t)length, item_left(fw));
	size_t pad = length - have;
	int r = 0;

	if (pad > FWCFG_PAD_MAX)
		return -E2BIG;
	if (have)
		r = gmem_write(fw->gmem, to, fw->item->data + fw->offset, have);
	if (!r && pad)
		r = gmem_zero(fw->gmem, gpa_add(to, have), pad);
	if (!r)
		fw->offset += have;
	return r;
}

/* All or nothing, and never beyond the item. */
static int dma_write(struct fwcfg *fw, gpa_t from, uint32_t length)
{
	uint8_t copy[FWCFG_WRITABLE_MAX];
	struct item *item = fw->item;
	int r;

	if (!item || !item->writable || length > item_left(fw) ||
	    length > sizeof(copy))
		return -EPERM;
	r = gmem_read(fw->gmem, from, copy, length);
	if (r)
		return r;
	memcpy(item->data + fw->offset, copy, length);
	fw->offset += length;
	if (item->written)
		item->written(item->ctx, item->data, item->len);
	return 0;
}

static int dma_run(struct fwcfg *fw, const struct fw_cfg_dma *dma)
{
	uint32_t control = be32toh(dma->control);
	uint32_t length = be32toh(dma->length);
	gpa_t address = gpa(be64toh(dma->address));

	if (control & FW_CFG_DMA_SELECT)
		select_key(fw, control >> 16);
	if (control & FW_CFG_DMA_READ)
		return dma_read(fw, address, length);
	if (control & FW_CFG_DMA_WRITE)
		return dma_write(fw, address, length);
	if (control & FW_CFG_DMA_SKIP)
		fw->offset += MIN((size_t)length, item_left(fw));
	return 0;
}

static void dma_trigger(struct fwcfg *fw, gpa_t at)
{
	struct fw_cfg_dma dma;
	uint32_t control;
	int r = gmem_read_obj(fw->gmem, at, &dma);

	if (!r) {
		r = dma_run(fw, &dma);
		control = r ? htobe32(FW_CFG_DMA_ERROR) : 0;
		if (gmem_write_obj(fw->gmem, at, &control))
			r = -EFAULT;
	}
	if (r)
		log_guest("fw_cfg: DMA at 0x%llx refused: %s",
			  (unsigned long long)at.v, strerror(-r));
}

/* The register shows the signature, its most significant byte first. */
static uint64_t dma_port_read(void *ctx UNUSED, uint64_t offset,
			      unsigned size UNUSED)
{
	return htobe32((uint32_t)(FW_CFG_DMA_SIGNATURE >> (offset ? 0 : 32)));
}

static void dma_port_write(void *ctx, uint64_t offset, unsigned size UNUSED,
			   uint64_t value)
{
	struct fwcfg *fw = ctx;
	uint32_t half = be32toh((uint32_t)value);
	uint64_t high = fw->dma_high;

	if (offset == 0) {
		fw->dma_high = half;
		return;
	}
	fw->dma_high = 0;
	dma_trigger(fw, gpa(high << 32 | half));
}

/* ---- ports ---- */

static uint64_t port_read(void *ctx, uint64_t offset, unsigned size UNUSED)
{
	struct fwcfg *fw = ctx;

	if (offset != FW_CFG_PORT_DATA - FW_CFG_PORT_SELECT || !item_left(fw))
		return 0;
	return fw->item->data[fw->offset++];
}

static void port_write(void *ctx, uint64_t offset, unsigned size,
		       uint64_t value)
{
	/* Only a word selects; the data port has been read-only for long. */
	if (offset == 0 && size == 2)
		select_key(ctx, (unsigned)value);
}

/* ---- adding ---- */

/* Consumes data, also on failure. */
static int set_item(struct item *item, uint8_t *data, size_t len)
{
	if (!data)
		return -ENOMEM;
	if (item->data || len > UINT32_MAX) {
		free(data);
		return item->data ? -EEXIST : -E2BIG;
	}
	item->data = data;
	item->len = len;
	return 0;
}

/* Never a zero-sized object: a file may well be empty. */
static uint8_t *copy_bytes(const void *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (copy && len)
		memcpy(copy, data, len);
	return copy;
}

int fwcfg_add_bytes(struct fwcfg *fw, uint16_t key, const void *data,
		    size_t len, struct err *err)
{
	struct item *item = NULL;
	int r;

	if (key < FIXED_KEYS)
		item = &fw->fixed[key];
	else if (key >= FW_CFG_ARCH_LOCAL &&
		 key - (unsigned)FW_CFG_ARCH_LOCAL < ARCH_KEYS)
		item = &fw->arch[key - FW_CFG_ARCH_LOCAL];
	r = item ? set_item(item, copy_bytes(data, len), len) : -EINVAL;
	return r ? err_sys(err, r, "fw_cfg: item 0x%x", key) : 0;
}

int fwcfg_add_u16(struct fwcfg *fw, uint16_t key, uint16_t value,
		  struct err *err)
{
	value = htole16(value);
	return fwcfg_add_bytes(fw, key, &value, sizeof(value), err);
}

int fwcfg_add_u32(struct fwcfg *fw, uint16_t key, uint32_t value,
		  struct err *err)
{
	value = htole32(value);
	return fwcfg_add_bytes(fw, key, &value, sizeof(value), err);
}

int fwcfg_add_u64(struct fwcfg *fw, uint16_t key, uint64_t value,
		  struct err *err)
{
	value = htole64(value);
	return fwcfg_add_bytes(fw, key, &value, sizeof(value), err);
}

static int check_name(const char *name, struct err *err)
{
	size_t i, len = strlen(name);

	if (len == 0 || len >= NAME_BYTES)
		return err_set(err, -EINVAL,
			       "fw_cfg file \"%s\": a name has 1 to %zu"
			       " characters, this one has %zu",
			       name, NAME_BYTES - 1, len);
	for (i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return err_set(err, -EINVAL,
				       "fw_cfg file \"%s\": a name is of"
				       " printable ASCII without spaces",
				       name);
	return 0;
}

/* A new place in the sorted table. */
static int make_place(struct fwcfg *fw, const char *name, struct err *err,
		      struct item **ret_item)
{
	unsigned at = 0;
	int r = check_name(name, err);

	if (r)
		return r;
	while (at < fw->file_count && strcmp(fw->files[at].name, name) < 0)
		at++;
	if (at < fw->file_count && !strcmp(fw->files[at].name, name))
		return err_set(err, -EEXIST,
			       "fw_cfg file %s: there is one of that name"
			       " already; give each only once",
			       name);
	if (fw->file_count == FWCFG_FILES_MAX)
		return err_set(err, -ENOSPC,
			       "fw_cfg file %s: more than %u files", name,
			       FWCFG_FILES_MAX);
	memmove(&fw->files[at + 1], &fw->files[at],
		(fw->file_count - at) * sizeof(fw->files[0]));
	fw->files[at] = (struct item){.ctx = NULL};
	snprintf(fw->files[at].name, NAME_BYTES, "%s", name);
	fw->file_count++;
	fw->fixed[FW_CFG_FILE_DIR].len =
	    DIR_HEADER + fw->file_count * sizeof(struct fw_cfg_file);
	*ret_item = &fw->files[at];
	return 0;
}

/* Consumes data, also on failure. */
static int add_file(struct fwcfg *fw, const char *name, uint8_t *data,
		    size_t len, struct err *err, struct item **ret_item)
{
	int r;

	if (!data)
		return err_set(err, -ENOMEM, "fw_cfg file %s: out of memory",
			       name);
	if (len > UINT32_MAX)
		r = err_set(err, -E2BIG, "fw_cfg file %s: 4 GiB or more", name);
	else
		r = make_place(fw, name, err, ret_item);
	if (r) {
		free(data);
		return r;
	}
	(*ret_item)->data = data;
	(*ret_item)->len = len;
	return 0;
}

int fwcfg_add_file(struct fwcfg *fw, const char *name, const void *data,
		   size_t len, struct err *err)
{
	struct item *item = NULL;

	return add_file(fw, name, copy_bytes(data, len), len, err, &item);
}

int fwcfg_add_file_fn(struct fwcfg *fw, const char *name, size_t len,
		      fwcfg_build_fn *build, void *ctx, struct err *err)
{
	struct item *item = NULL;
	int r = add_file(fw, name, calloc(1, len ? len : 1), len, err, &item);

	if (r)
		return r;
	item->build = build;
	item->ctx = ctx;
	return 0;
}

int fwcfg_add_writable_file(struct fwcfg *fw, const char *name, size_t len,
			    fwcfg_written_fn *written, void *ctx,
			    struct err *err)
{
	struct item *item = NULL;
	int r;

	if (len > FWCFG_WRITABLE_MAX)
		return err_set(err, -E2BIG,
			       "fw_cfg file %s: %zu bytes, a writable one has"
			       " at most %u",
			       name, len, FWCFG_WRITABLE_MAX);
	r = add_file(fw, name, calloc(1, len ? len : 1), len, err, &item);
	if (r)
		return r;
	item->writable = true;
	item->written = written;
	item->ctx = ctx;
	return 0;
}

/* ---- life ---- */

void fwcfg_reset(struct fwcfg *fw)
{
	unsigned i;

	pthread_mutex_lock(&fw->lock);
	for (i = 0; i < fw->file_count; i++)
		if (fw->files[i].writable)
			memset(fw->files[i].data, 0, fw->files[i].len);
	fw->dma_high = 0;
	select_key(fw, FW_CFG_SIGNATURE);
	pthread_mutex_unlock(&fw->lock);
}

static int add_regions(struct fwcfg *fw, struct err *err)
{
	int r;

	fw->ports = (struct aspace_region){
	    .name = "fw_cfg",
	    .size = 2,
	    .read = port_read,
	    .write = port_write,
	    .ctx = fw,
	    .lock = &fw->lock,
	    .min_size = 1,
	    .max_size = 2,
	};
	fw->dma = (struct aspace_region){
	    .name = "fw_cfg DMA",
	    .size = DMA_BYTES,
	    .read = dma_port_read,
	    .write = dma_port_write,
	    .ctx = fw,
	    .lock = &fw->lock,
	    .min_size = 4,
	    .max_size = 4,
	};
	r = aspace_add(fw->pio, &fw->ports, FW_CFG_PORT_SELECT, err);
	return r ? r : aspace_add(fw->pio, &fw->dma, FW_CFG_PORT_DMA, err);
}

static int add_own_items(struct fwcfg *fw, struct err *err)
{
	struct item *dir = &fw->fixed[FW_CFG_FILE_DIR];
	int r;

	dir->data = calloc(1, DIR_HEADER +
				  FWCFG_FILES_MAX * sizeof(struct fw_cfg_file));
	if (!dir->data)
		return err_set(err, -ENOMEM, "fw_cfg: out of memory");
	dir->len = DIR_HEADER;
	dir->build = build_directory;
	dir->ctx = fw;
	r = fwcfg_add_bytes(fw, FW_CFG_SIGNATURE, FW_CFG_SIGNATURE_TEXT,
			    strlen(FW_CFG_SIGNATURE_TEXT), err);
	if (!r)
		r = fwcfg_add_u32(fw, FW_CFG_ID,
				  FW_CFG_ID_TRADITIONAL | FW_CFG_ID_DMA, err);
	return r;
}

int fwcfg_create(const struct model_env *env, struct err *err,
		 struct fwcfg **ret_fw)
{
	struct fwcfg *fw = calloc(1, sizeof(*fw));
	int r;

	if (!fw)
		return err_set(err, -ENOMEM, "fw_cfg: out of memory");
	fw->pio = env->pio;
	fw->gmem = env->gmem;
	pthread_mutex_init(&fw->lock, NULL);
	r = add_own_items(fw, err);
	if (!r)
		r = add_regions(fw, err);
	if (r) {
		fwcfg_destroy(fw);
		return r;
	}
	fwcfg_reset(fw);
	*ret_fw = fw;
	return 0;
}

void fwcfg_destroy(struct fwcfg *fw)
{
	unsigned i;

	if (!fw)
		return;
	aspace_remove(fw->pio, &fw->ports);
	aspace_remove(fw->pio, &fw->dma);
	for (i = 0; i < FIXED_KEYS; i++)
		free(fw->fixed[i].data);
	for (i = 0; i < ARCH_KEYS; i++)
		free(fw->arch[i].data);
	for (i = 0; i < fw->file_count; i++)
		free(fw->files[i].data);
	pthread_mutex_destroy(&fw->lock);
	free(fw);
}
