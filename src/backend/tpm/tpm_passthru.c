/* SPDX-License-Identifier: BSD-2-Clause */
/* A TPM of the host behind its character device; see tpm.h. */
#include <fcntl.h>
#include <sys/stat.h>

#include "backend/tpm/tpm_internal.h"
#include "base/holder.h"

static int explain(const struct tpm *tpm, const struct stat *st, int code,
		   struct err *err)
{
	char holder[HOLDER_TEXT_BYTES];

	if (code == -ENOENT)
		return err_set(err, code,
			       "tpm: %s: no such TPM; a host that has one shows"
			       " it as /dev/tpm0",
			       tpm->path);
	if (code == -EBUSY) {
		holder_find(st, holder);
		return err_set(err, code,
			       "tpm: %s: in use%s; a TPM serves one at a time:"
			       " stop that, or use swtpm",
			       tpm->path, holder);
	}
	return err_sys(err, code, "tpm: %s: cannot be opened", tpm->path);
}

static int passthru_open(struct tpm *tpm, struct err *err)
{
	struct stat st;

	if (stat(tpm->path, &st))
		return explain(tpm, NULL, -errno, err);
	if (!S_ISCHR(st.st_mode))
		return err_set(err, -EINVAL,
			       "tpm: %s: not a device; for swtpm's socket write"
			       " tpm,swtpm,%s",
			       tpm->path, tpm->path);
	tpm->data = open(tpm->path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	return tpm->data < 0 ? explain(tpm, &st, -errno, err) : 0;
}

const struct tpm_kind tpm_passthru = {
    .name = "passthru",
    .open = passthru_open,
    .wrong_version = "guests are given a TPM 2.0 only, for instance by swtpm",
};
