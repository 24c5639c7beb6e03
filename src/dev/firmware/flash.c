/* SPDX-License-Identifier: BSD-2-Clause */
/* The boot flash as the guest sees it; the contract is in flash.h. */
/*
 * Theory of operation
 *
 * While the array is shown, both parts are memory of the guest that it may not
 * write: reading and running code cost no exit. A write does exit and is a
 * command. Those that make the flash show something else take the mapping of
 * the variables away, so that reads exit too; "read array" brings it back.
 *
 * Programming and erasing are over when the write returns, so that they leave
 * the array shown, where real flash shows its status until told otherwise. That
 * saves a series of programmed bytes two changes of the guest's memory map, the
 * first of which costs the guest all its page tables in KVM. It also helps
 * edk2, which reads after some erases without asking for the array.
 *
 * The status register starts, and is after "clear status", all zero: edk2 tells
 * flash from memory by that. Real flash shows its ready bit there.
 */
#include "dev/firmware/flash.h"

#include <endian.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#include "base/log.h"
#include "dev/firmware/flash_internal.h"
#include "spec/cfi.h"

#define UNMAPPED (-1)
#define TOP	 GIB(4)

enum shown {
	SHOW_ARRAY,
	SHOW_STATUS,
	SHOW_ID,
	SHOW_QUERY
};

struct flash {
	struct memmap *memmap;
	struct aspace *mmio;
	struct image image;
	struct cells *cells; /* NULL: nothing below the code */
	uint64_t vars_base;
	int code_handle;
	struct aspace_region region;

	/* Locking: lock guards the rest. */
	pthread_mutex_t lock;
	int vars_handle;
	enum shown shown;
	uint8_t setup; /* command that waits for its second write, or 0 */
	uint8_t status;
	bool map_failed; /* has been said */
};

/* ---- what is shown ---- */

static int map_vars(struct flash *flash)
{
	return flash->memmap->ops->map(
	    flash->memmap->ctx, gpa(flash->vars_base), cells_size(flash->cells),
	    cells_bytes(flash->cells), MEMMAP_READONLY, &flash->vars_handle);
}

static void unmap(struct flash *flash, int *handle)
{
	if (*handle != UNMAPPED)
		flash->memmap->ops->unmap(flash->memmap->ctx, *handle);
	*handle = UNMAPPED;
}

static void show(struct flash *flash, enum shown shown)
{
	int r;

	if (shown == flash->shown)
		return;
	flash->shown = shown;
	if (shown != SHOW_ARRAY) {
		unmap(flash, &flash->vars_handle);
		return;
	}
	r = map_vars(flash);
	if (r && !flash->map_failed)
		log_warn("flash: cannot be mapped (%s), so reading is slow",
			 strerror(-r));
	flash->map_failed |= r != 0;
}

static uint8_t query_byte(const struct flash *flash, uint64_t offset)
{
	uint64_t size = cells_size(flash->cells);
	uint16_t blocks = htole16((uint16_t)(size / FLASH_BLOCK - 1));
	const struct cfi_query query = {
	    .signature = {'Q', 'R', 'Y'},
	    .command_set = {CFI_COMMAND_SET_INTEL},
	    .vcc_min = 0x27,
	    .vcc_max = 0x36,
	    .program_us = 4,
	    .erase_ms = 4,
	    .program_max = 4,
	    .erase_max = 4,
	    .size = (uint8_t)__builtin_ctzll(round_up_pow2(size)),
	    .regions = 1,
	    .region_blocks = {(uint8_t)blocks, (uint8_t)(blocks >> 8)},
	    .region_block = {FLASH_BLOCK / 256 % 256, FLASH_BLOCK / 65536},
	};
	uint8_t bytes[sizeof(query)];

	if (!range_inside(offset, 1, CFI_QUERY_FIRST, sizeof(query)))
		return 0;
	memcpy(bytes, &query, sizeof(query));
	return bytes[offset - CFI_QUERY_FIRST];
}

static uint8_t shown_byte(const struct flash *flash, uint64_t offset)
{
	switch (flash->shown) {
	case SHOW_STATUS:
		return flash->status;
	case SHOW_ID:
		return offset % FLASH_BLOCK == 0 ? CFI_VENDOR_INTEL : 0;
	case SHOW_QUERY:
		return query_byte(flash, offset);
	case SHOW_ARRAY:
	default:
		return cells_bytes(flash->cells)[offset];
	}
}

static uint64_t flash_read(void *ctx, uint64_t offset, unsigned size)
{
	const struct flash *flash = ctx;
	uint64_t value = 0;
	unsigned i;

	for (i = 0; i < size; i++)
		value |= (uint64_t)shown_byte(flash, offset + i) << 8 * i;
	return value;
}

/* ---- commands ---- */

static void end_program(struct flash *flash, uint64_t offset, unsigned size,
			uint64_t value)
{
	if (cells_program(flash->cells, offset, value, size))
		flash->status |= CFI_STATUS_PROGRAM_ERROR;
	flash->status |= CFI_STATUS_READY;
}

static void end_erase(struct flash *flash, uint64_t offset, uint8_t command)
{
	if (command != CFI_CONFIRM) /* "command sequence error" */
		flash->status |=
		    CFI_STATUS_ERASE_ERROR | CFI_STATUS_PROGRAM_ERROR;
	else if (cells_erase(flash->cells, offset))
		flash->status |= CFI_STATUS_ERASE_ERROR;
	flash->status |= CFI_STATUS_READY;
}

static void start_command(struct flash *flash, uint64_t offset, uint8_t command)
{
	switch (command) {
	case CFI_PROGRAM:
	case CFI_PROGRAM_ALT:
	case CFI_ERASE:
		flash->setup = command;
		break;
	case CFI_CLEAR_STATUS:
		flash->status = 0;
		break;
	case CFI_READ_STATUS:
		show(flash, SHOW_STATUS);
		break;
	case CFI_READ_ID:
		show(flash, SHOW_ID);
		break;
	case CFI_QUERY:
		show(flash, SHOW_QUERY);
		break;
	case CFI_READ_ARRAY:
		show(flash, SHOW_ARRAY);
		break;
	default:
		log_guest("flash: command %02x at 0x%llx is not known, the"
			  " array is shown",
			  command,
			  (unsigned long long)(flash->vars_base + offset));
		show(flash, SHOW_ARRAY);
		break;
	}
}

static void flash_write(void *ctx, uint64_t offset, unsigned size,
			uint64_t value)
{
	struct flash *flash = ctx;
	uint8_t setup = flash->setup;

	flash->setup = 0;
	if (setup == CFI_ERASE)
		end_erase(flash, offset, (uint8_t)value);
	else if (setup)
		end_program(flash, offset, size, value);
	else
		start_command(flash, offset, (uint8_t)value);
}

/* ---- life ---- */

void flash_reset(struct flash *flash)
{
	if (!flash->cells)
		return;
	pthread_mutex_lock(&flash->lock);
	flash->setup = 0;
	flash->status = 0;
	show(flash, SHOW_ARRAY);
	pthread_mutex_unlock(&flash->lock);
}

uint64_t flash_base(const struct flash *flash)
{
	return flash->cells ? flash->vars_base
			    : TOP - (flash->image.size - flash->image.own_vars);
}

void *flash_image_tail(const struct flash *flash, size_t len)
{
	const struct image *image = &flash->image;

	return len <= image->size - image->own_vars
		   ? image->bytes + image->size - len
		   : NULL;
}

static int load_template(struct flash *flash, const char *path, struct err *err)
{
	struct image *image = &flash->image;
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t *bytes = NULL;
	int r = fd < 0 ? -errno : pages_alloc(image->want_vars, &bytes);

	if (!r)
		r = file_read(fd, bytes, image->want_vars);
	if (!r)
		r = cells_create(bytes, image->want_vars, &flash->cells);
	pages_free(bytes, image->want_vars);
	return r ? err_sys(err, r, "%s: cannot be read", path) : 0;
}

static int create_volatile(struct flash *flash,
			   const struct flash_params *params, struct err *err)
{
	const struct image *image = &flash->image;
	int r = 0;

	if (image->own_vars)
		r = cells_create(image->bytes, image->own_vars, &flash->cells);
	else if (image->template)
		return load_template(flash, image->template, err);
	return r ? err_sys(err, r, "%s", params->code) : 0;
}

static void say_volatile(const struct image *image, const char *code)
{
	if (image->own_vars)
		log_info("%s: what the guest stores in its firmware is lost"
			 " when it ends; to keep it use firmware whose code is"
			 " apart, such as OVMF_CODE_4M.fd, with a copy of its"
			 " variables file",
			 code);
	else if (image->uefi)
		log_info("%s: no variables file, so what the guest stores in"
			 " its firmware is lost when it ends; to keep it use"
			 " bootrom,%s,VARS where VARS is a copy of %s",
			 code, code,
			 image->template ? image->template
					 : "the file that came with it");
}

static int create_cells(struct flash *flash, const struct flash_params *params,
			struct err *err)
{
	const struct image *image = &flash->image;
	const struct cells_params cells = {
	    .path = params->vars,
	    .size = image->want_vars,
	    .room = FLASH_MAX - image->size,
	    .needed_by = params->code,
	    .template = image->template,
	};
	int r;

	if (params->vars && image->own_vars)
		return err_set(
		    err, -EINVAL,
		    "%s: has its own variables, %s does not go with it; use"
		    " firmware whose code is apart, such as OVMF_CODE_4M.fd",
		    params->code, params->vars);
	if (params->vars)
		return cells_open(&cells, err, &flash->cells);
	r = create_volatile(flash, params, err);
	if (!r)
		say_volatile(image, params->code);
	return r;
}

static int map_code(struct flash *flash, const char *path, struct err *err)
{
	struct image *image = &flash->image;
	uint64_t size = image->size - image->own_vars;
	int r = flash->memmap->ops->map(flash->memmap->ctx, gpa(TOP - size),
					size, image->bytes + image->own_vars,
					MEMMAP_READONLY, &flash->code_handle);

	return r ? err_sys(err, r, "%s: cannot be mapped into the guest", path)
		 : 0;
}

static int place_vars(struct flash *flash, const char *path, struct err *err)
{
	const struct image *image = &flash->image;
	uint64_t size = cells_size(flash->cells);
	int r;

	flash->vars_base = TOP - (image->size - image->own_vars) - size;
	flash->region = (struct aspace_region){
	    .name = "flash",
	    .size = size,
	    .read = flash_read,
	    .write = flash_write,
	    .ctx = flash,
	    .lock = &flash->lock,
	    .min_size = 1,
	    .max_size = 8,
	};
	r = aspace_add(flash->mmio, &flash->region, flash->vars_base, err);
	if (r)
		return r;
	r = map_vars(flash);
	return r ? err_sys(err, r, "%s: cannot be mapped into the guest", path)
		 : 0;
}

int flash_create(const struct model_env *env, const struct flash_params *params,
		 struct err *err, struct flash **ret_flash)
{
	struct flash *flash = calloc(1, sizeof(*flash));
	int r;

	if (!flash)
		return err_set(err, -ENOMEM, "flash: out of memory");
	flash->memmap = env->memmap;
	flash->mmio = env->mmio;
	flash->code_handle = flash->vars_handle = UNMAPPED;
	pthread_mutex_init(&flash->lock, NULL);
	r = image_load(params->code, err, &flash->image);
	if (!r)
		r = create_cells(flash, params, err);
	if (!r)
		r = map_code(flash, params->code, err);
	if (!r && flash->cells)
		r = place_vars(flash,
			       params->vars ? params->vars : params->code, err);
	if (r) {
		flash_destroy(flash);
		return r;
	}
	*ret_flash = flash;
	return 0;
}

void flash_destroy(struct flash *flash)
{
	if (!flash)
		return;
	unmap(flash, &flash->vars_handle);
	unmap(flash, &flash->code_handle);
	aspace_remove(flash->mmio, &flash->region);
	cells_close(flash->cells);
	image_unload(&flash->image);
	pthread_mutex_destroy(&flash->lock);
	free(flash);
}
