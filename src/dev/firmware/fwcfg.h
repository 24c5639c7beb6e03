/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fw_cfg: how firmware learns about the machine (memory, processors, tables,
 * boot order) and, through opt/ files, what the user wants to tell it.
 *
 * An item is a string of bytes behind a 16-bit key. A file is an item with a
 * name; its key is given in the order of names, and the directory (key 19)
 * lists it. Ports: spec/fw_cfg.h.
 *
 * Call order: fwcfg_create(), any number of fwcfg_add_*() (which copy what they
 * are given), the guest runs, fwcfg_destroy(). Adding while vCPUs run is not
 * possible: keys and sizes were told already.
 *
 * Threads: ports from any vCPU; the rest before vCPUs run, or while none does.
 * Callbacks run on a vCPU's thread under the device's lock: they must not call
 * back into fw_cfg.
 * Limits: FWCFG_FILES_MAX files; writable ones FWCFG_WRITABLE_MAX bytes; a DMA
 * read zero-fills at most FWCFG_PAD_MAX bytes behind an item's end.
 * Source: QEMU's docs/specs/fw_cfg.rst.
 */
#ifndef DEV_FIRMWARE_FWCFG_H
#define DEV_FIRMWARE_FWCFG_H

#include "bus/model.h"
#include "spec/fw_cfg.h"

#define FWCFG_FILES_MAX	   256u
#define FWCFG_WRITABLE_MAX 4096u
#define FWCFG_PAD_MAX	   MIB(16)
#define FWCFG_USER_MAX	   MIB(64) /* bytes of a file given by -f */

struct fwcfg;

MUST_CHECK int fwcfg_create(const struct model_env *env, struct err *err,
			    struct fwcfg **ret_fw);
void fwcfg_destroy(struct fwcfg *fw); /* NULL allowed */

/* Selects the signature; writable files get their first contents back. */
void fwcfg_reset(struct fwcfg *fw);

/*
 * Items with a fixed key: below 20 (hex), or 8000 to 801f. -EEXIST when the key
 * is taken (signature, id and directory always are), -EINVAL for another key.
 * Numbers are little-endian.
 */
MUST_CHECK int fwcfg_add_bytes(struct fwcfg *fw, uint16_t key, const void *data,
			       size_t len, struct err *err);
MUST_CHECK int fwcfg_add_u16(struct fwcfg *fw, uint16_t key, uint16_t value,
			     struct err *err);
MUST_CHECK int fwcfg_add_u32(struct fwcfg *fw, uint16_t key, uint32_t value,
			     struct err *err);
MUST_CHECK int fwcfg_add_u64(struct fwcfg *fw, uint16_t key, uint64_t value,
			     struct err *err);

/*
 * Files. -EINVAL when the name is empty, longer than 55 characters or not
 * printable ASCII, -EEXIST when it is taken, -ENOSPC when there are too many.
 */
MUST_CHECK int fwcfg_add_file(struct fwcfg *fw, const char *name,
			      const void *data, size_t len, struct err *err);

/*
 * A file made when the guest selects it, each time anew: tables that depend on
 * what firmware did before (where it put the BARs). The size is told to the
 * guest long before that, so it is fixed: `build` gets `len` zeroed bytes and
 * fills from the front. When it fails (negative errno) it has logged why, and
 * the file reads as zeros.
 */
typedef int fwcfg_build_fn(void *ctx, uint8_t *buf, size_t len);
MUST_CHECK int fwcfg_add_file_fn(struct fwcfg *fw, const char *name, size_t len,
				 fwcfg_build_fn *build, void *ctx,
				 struct err *err);

/*
 * A file the guest may write by DMA, zeroed at first. After each write
 * `written` (NULL allowed) sees the whole file; what it says is the guest's
 * word. `len` at most FWCFG_WRITABLE_MAX.
 */
typedef void fwcfg_written_fn(void *ctx, const uint8_t *data, size_t len);
MUST_CHECK int fwcfg_add_writable_file(struct fwcfg *fw, const char *name,
				       size_t len, fwcfg_written_fn *written,
				       void *ctx, struct err *err);

/*
 * The user's files: "-f [name=]NAME,string=TEXT" (with its NUL, as in bhyve) or
 * "-f [name=]NAME,file=PATH". fwcfg_parse_user() turns the option into
 * fwcfg.N.name and fwcfg.N.string or fwcfg.N.file with the next free N;
 * fwcfg_add_user() adds all of them. Errors name the file and the cure.
 */
MUST_CHECK int fwcfg_parse_user(struct cfg *root, const char *text,
				struct err *err);
MUST_CHECK int fwcfg_add_user(struct fwcfg *fw, struct cfg *root,
			      struct err *err);

#endif
