/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding a guest's firmware; the contract is firmware.h. */
#include "vm/firmware.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "vm/runas.h"
#include "vm/userdir.h"

/* Code and the variables that belong to it, below a folder. */
struct build {
	const char *code, *vars;
};

static const struct build uefi_builds[] = {
    {"OVMF/OVMF_CODE_4M.fd", "OVMF/OVMF_VARS_4M.fd"},
    {"OVMF/OVMF_CODE.fd", "OVMF/OVMF_VARS.fd"},
};

static const struct build custom_builds[] = {
    {"BHYVE_UEFI_CODE.fd", "BHYVE_UEFI_VARS.fd"},
    {"BHYVE_UEFI.fd", "BHYVE_UEFI_VARS.fd"},
};

static const struct build bios_builds[] = {
    {"seabios/bios-256k.bin", NULL},
    {"seabios/bios.bin", NULL},
};

/* What a search goes through. */
struct search {
	const struct place *place;
	const struct guest *guest;
	const struct conf *conf;
	struct err *err;
	bool vars_wanted;
	off_t vars_size; /* of the guest's copy, -1 when there is none */
	struct firmware *found;
};

static const struct {
	const char *word;
	enum loader loader;
} loaders[] = {
    {"linux", LOADER_LINUX},	 {"uefi", LOADER_UEFI},
    {"uefi-devel", LOADER_UEFI}, {"uefi-custom", LOADER_UEFI_CUSTOM},
    {"bios", LOADER_BIOS},
};

static const struct {
	const char *word, *cure;
} refused_loaders[] = {
    {"uefi-csm", "there is no UEFI firmware with a BIOS in it on this host; "
		 "loader=\"bios\" starts BIOS guests with SeaBIOS"},
    {"bhyveload", "FreeBSD's loader does not run on this host; "
		  "loader=\"uefi\" boots the same disk through its EFI "
		  "partition"},
    {"grub", "grub-bhyve does not run on this host; use loader=\"uefi\", or "
	     "loader=\"linux\" with linux_kernel, linux_initrd and "
	     "linux_cmdline"},
};

int loader_find(const struct conf *conf, struct err *err,
		enum loader *ret_loader)
{
	const char *word = conf_get_or(conf, "loader", NULL);
	const char *cure = "expected uefi, uefi-custom, bios or linux";

	if (!word)
		return err_set(err, -EINVAL, "%s: loader is missing: %s",
			       conf->path, cure);
	for (size_t i = 0; i < ARRAY_LEN(loaders); i++) {
		if (strcmp(loaders[i].word, word) != 0)
			continue;
		*ret_loader = loaders[i].loader;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(refused_loaders); i++)
		if (strcmp(refused_loaders[i].word, word) == 0)
			cure = refused_loaders[i].cure;
	return err_set(err, -EINVAL, "%s:%u: loader=\"%s\": %s", conf->path,
		       conf_line(conf, "loader"), word, cure);
}

bool loader_is_uefi(const struct conf *conf)
{
	enum loader loader = LOADER_LINUX;

	return loader_find(conf, NULL, &loader) == 0 &&
	       (loader == LOADER_UEFI || loader == LOADER_UEFI_CUSTOM);
}

static int path_below(char buf[PATH_MAX], const char *dir, const char *name,
		      struct err *err)
{
	if (snprintf(buf, PATH_MAX, "%s/%s", dir, name) >= PATH_MAX)
		return err_set(err, -ENAMETOOLONG, "%.60s...: path too long",
			       dir);
	return 0;
}

static int code_check(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(err, -errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL,
			       "%s: not a firmware image: not a regular file",
			       path);
	if (access(path, R_OK) < 0)
		return err_sys(err, -errno, "%s", path);
	if (st.st_size < (off_t)FIRMWARE_MIN ||
	    st.st_size > (off_t)FIRMWARE_MAX || st.st_size % FIRMWARE_UNIT)
		return err_set(err, -EINVAL,
			       "%s: not a firmware image: %" PRIdMAX
			       " bytes, expected a multiple of %u from 64K to "
			       "16M; reinstall it",
			       path, (intmax_t)st.st_size, FIRMWARE_UNIT);
	return 0;
}

/*
 * Is this build there, and the one for the guest? -ENOENT when it is not, 0
 * with `found` filled when it is.
 */
static int build_try(const struct search *s, const char *dir,
		     const struct build *build)
{
	struct firmware *fw = s->found;
	struct stat st;
	int rc = path_below(fw->code, dir, build->code, s->err);

	if (rc < 0)
		return rc;
	if (access(fw->code, F_OK) < 0)
		return -ENOENT;
	fw->vars_from[0] = '\0';
	if (!s->vars_wanted || !build->vars)
		return code_check(fw->code, s->err);
	rc = path_below(fw->vars_from, dir, build->vars, s->err);
	if (rc < 0)
		return rc;
	if (stat(fw->vars_from, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(s->err, -EINVAL,
			       "%s:%u: uefi_vars: %s has no file of variables: "
			       "%s is missing",
			       s->conf->path, conf_line(s->conf, "uefi_vars"),
			       fw->code, fw->vars_from);
	if (s->vars_size >= 0 && st.st_size != s->vars_size)
		return -ENOENT;
	return code_check(fw->code, s->err);
}

static int builds_try(const struct search *s, const char *dir,
		      const struct build *builds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int rc = build_try(s, dir, &builds[i]);

		if (rc != -ENOENT)
			return rc;
	}
	return -ENOENT;
}

static int uefi_search(const struct search *s, bool custom)
{
	char dir[PATH_MAX];
	int rc = -ENOENT;

	if (!custom)
		rc = builds_try(s, s->place->share, uefi_builds,
				ARRAY_LEN(uefi_builds));
	if (rc != -ENOENT)
		return rc;
	rc = path_below(dir, s->place->dir, ".config", s->err);
	return rc < 0 ? rc
		      : builds_try(s, dir, custom_builds,
				   ARRAY_LEN(custom_builds));
}

static int missing(const struct search *s, enum loader loader)
{
	if (loader == LOADER_UEFI_CUSTOM)
		return err_set(s->err, -ENOENT,
			       "loader=\"uefi-custom\": there is no "
			       "%s/.config/BHYVE_UEFI.fd; put the firmware "
			       "there",
			       s->place->dir);
	if (loader == LOADER_BIOS)
		return err_set(s->err, -ENOENT,
			       "loader=\"bios\": there is no "
			       "%s/seabios/bios-256k.bin; apt install seabios",
			       s->place->share);
	return err_set(s->err, -ENOENT,
		       "loader=\"uefi\": there is no "
		       "%s/OVMF/OVMF_CODE_4M.fd; apt install ovmf",
		       s->place->share);
}

/* byway keeps the last good copy beside the file. */
static int vars_damaged(const struct search *s, off_t expected)
{
	const struct firmware *fw = s->found;
	static const char name[] = UEFI_VARS_NAME ".bak";
	char cure[PATH_MAX + 64] = "put a copy back, or remove it to begin "
				   "with fresh ones";
	char backup[PATH_MAX + 8];
	struct stat st;
	int rc;

	snprintf(backup, sizeof(backup), "%.*s.bak", PATH_MAX - 1, fw->vars);
	rc = fw->users ? userdir_stat(s->guest, name, &st) : stat(backup, &st);
	if (rc == 0 && st.st_size == expected)
		snprintf(cure, sizeof(cure),
			 "the last good copy is %s: cp it back", backup);
	return err_set(s->err, -EINVAL,
		       "%s: %" PRIdMAX " bytes, but the variables of %s have "
		       "%" PRIdMAX "; %s",
		       fw->vars, (intmax_t)s->vars_size, fw->code,
		       (intmax_t)expected, cure);
}

static int firmware_search(struct search *s, enum loader loader)
{
	const struct search any = {.place = s->place,
				   .guest = s->guest,
				   .conf = s->conf,
				   .err = s->err,
				   .vars_wanted = s->vars_wanted,
				   .vars_size = -1,
				   .found = s->found};
	bool custom = loader == LOADER_UEFI_CUSTOM;
	struct stat st;
	int rc;

	rc = loader == LOADER_BIOS ? builds_try(s, s->place->share, bios_builds,
						ARRAY_LEN(bios_builds))
				   : uefi_search(s, custom);
	if (rc == -ENOENT && s->vars_size >= 0) {
		/* None has variables of that size: the file is damaged. */
		rc = uefi_search(&any, custom);
		if (rc == 0 && stat(s->found->vars_from, &st) == 0)
			return vars_damaged(s, st.st_size);
	}
	return rc == -ENOENT ? missing(s, loader) : rc;
}

/* stat(2), but for a copy of a user's, whose links lead nowhere. */
static int vars_stat(const struct guest *guest, const struct firmware *fw,
		     struct stat *ret_st)
{
	if (fw->users)
		return userdir_stat(guest, UEFI_VARS_NAME, ret_st);
	if (lstat(fw->vars, ret_st) < 0)
		return -errno;
	/* A link to nothing is not nothing. */
	return stat(fw->vars, ret_st) == 0 ? 0
	       : errno == ENOENT	   ? -ENOLINK
					   : -errno;
}

/* The guest's copy: its size, or -1 when it has none yet. */
static int vars_look(const struct guest *guest, const struct firmware *fw,
		     struct err *err, off_t *ret_size)
{
	const char *path = fw->vars;
	struct stat st;
	int rc = vars_stat(guest, fw, &st);

	*ret_size = -1;
	if (rc == -ENOENT)
		return 0;
	if (rc < 0 && rc != -EXDEV)
		return err_sys(err, rc == -ENOLINK ? -ENOENT : rc, "%s", path);
	if (rc == -EXDEV || !S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "%s: not a regular file", path);
	/* root may write everything, and would not notice. */
	if (!(st.st_mode & (S_IWUSR | S_IWGRP | S_IWOTH)))
		return err_set(err, -EACCES,
			       "%s: read-only, but the firmware keeps its "
			       "settings there; chmod u+w it",
			       path);
	if (!fw->users &&
	    faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) < 0)
		return err_sys(err, -errno,
			       "%s: the firmware keeps its settings there",
			       path);
	*ret_size = st.st_size;
	return 0;
}

/* A BIOS has no driver of its own for the screen; UEFI firmware has. */
static int video_find(const struct place *place, struct err *err,
		      char ret_path[PATH_MAX])
{
	char path[PATH_MAX];
	int rc = path_below(path, place->share,
			    "seabios/vgabios-bochs-display.bin", err);

	if (rc == 0 && access(path, R_OK) == 0)
		strcpy(ret_path, path);
	return rc;
}

int firmware_find(const struct place *place, const struct guest *guest,
		  const struct conf *conf, struct err *err,
		  struct firmware *ret_firmware)
{
	struct firmware fw = {0};
	struct search search = {.place = place,
				.guest = guest,
				.conf = conf,
				.err = err,
				.vars_wanted =
				    conf_bool(conf, "uefi_vars", false),
				.vars_size = -1,
				.found = &fw};
	enum loader loader;
	int rc = loader_find(conf, err, &loader);

	if (rc == 0 && loader == LOADER_BIOS)
		search.vars_wanted = false;
	if (rc == 0 && loader != LOADER_LINUX && search.vars_wanted) {
		fw.users = runas_wanted(place, conf);
		rc = path_below(fw.vars, guest->dir,
				fw.users ? USERDIR_NAME "/" UEFI_VARS_NAME
					 : UEFI_VARS_NAME,
				err);
		if (rc == 0)
			rc = vars_look(guest, &fw, err, &search.vars_size);
	}
	if (rc == 0 && loader != LOADER_LINUX)
		rc = firmware_search(&search, loader);
	if (rc == 0 && loader == LOADER_BIOS)
		rc = video_find(place, err, fw.video);
	if (rc < 0)
		return rc;
	if (strchr(fw.code, ',') || strchr(fw.vars, ','))
		return err_set(err, -EINVAL,
			       "%s: a path with a comma cannot be given to "
			       "byway",
			       strchr(fw.code, ',') ? fw.code : fw.vars);
	*ret_firmware = fw;
	return 0;
}

/* It belongs to who has the folder. */
static int vars_make(int dir, int from)
{
	struct stat st;
	int rc;

	if (fstat(dir, &st) < 0)
		return -errno;
	rc = file_place(from, dir, UEFI_VARS_NAME, FIRMWARE_MAX, st.st_uid);
	if (rc == 0 && fsync(dir) < 0 && errno != EINVAL)
		rc = -errno;
	return rc;
}

int firmware_make_vars(const struct guest *guest,
		       const struct firmware *firmware, struct err *err,
		       bool *ret_made)
{
	CLEANUP_CLOSE int from = -1, folder = -1;
	int dir = guest->dirfd, rc;
	struct stat st;

	*ret_made = false;
	if (!firmware->vars[0] || vars_stat(guest, firmware, &st) != -ENOENT)
		return 0;
	if (firmware->users)
		dir = folder = userdir_open(guest);
	if (dir < 0)
		return err_sys(err, dir, "%s/" USERDIR_NAME, guest->dir);
	from = open(firmware->vars_from, O_RDONLY | O_CLOEXEC);
	if (from < 0)
		return err_sys(err, -errno, "%s", firmware->vars_from);
	rc = vars_make(dir, from);
	if (rc < 0)
		return err_sys(err, rc, "%s: cannot be made", firmware->vars);
	*ret_made = true;
	return 0;
}
