/* SPDX-License-Identifier: BSD-2-Clause */
/* A place with one guest in a folder of its own, for the tests of vm. */
#ifndef TEST_VM_PLACE_FIXTURE_H
#define TEST_VM_PLACE_FIXTURE_H

#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

#include "vm/place.h"

struct fixture {
	char root[64]; /* TMP: TMP/vms, TMP/dev, TMP/share, TMP/bin */
	struct place place;
	struct guest guest; /* TMP/vms/demo */
	struct conf *conf;
	char *path; /* PATH as it was */
	struct err err;
};

static void fixture_mkdir(const struct fixture *f, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", f->root, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

/* A file below TMP of `size` bytes that begins with `head`. */
static void fixture_file(const struct fixture *f, const char *name,
			 const void *head, size_t len, off_t size)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", f->root, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, head, len), len);
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

/* A program in TMP/bin, which is all that PATH has besides /bin. */
UNUSED static void fixture_program(const struct fixture *f, const char *name,
				   const char *script)
{
	char path[256], text[4096];

	snprintf(path, sizeof(path), "bin/%s", name);
	snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
	fixture_file(f, path, text, strlen(text), (off_t)strlen(text));
	snprintf(path, sizeof(path), "%s/bin/%s", f->root, name);
	assert_int_equal(chmod(path, 0755), 0);
}

UNUSED static void fixture_conf(struct fixture *f, const char *text)
{
	conf_free(f->conf);
	f->conf = NULL;
	f->err = (struct err){0};
	assert_int_equal(
	    conf_parse(text, strlen(text), "F", NULL, &f->err, &f->conf), 0);
}

/* `text` with each TMP replaced. */
UNUSED static const char *fixture_text(const struct fixture *f,
				       const char *text, char buf[1024])
{
	size_t len = 0;

	while (*text && len + sizeof(f->root) < 1024) {
		if (strncmp(text, "TMP", 3) == 0) {
			len += (size_t)sprintf(buf + len, "%s", f->root);
			text += 3;
		} else {
			buf[len++] = *text++;
		}
	}
	buf[len] = '\0';
	return buf;
}

UNUSED static void expect_err(const struct fixture *f, const char *text)
{
	char expected[1024];

	assert_string_equal(f->err.msg, fixture_text(f, text, expected));
}

static int fixture_setup(void **state)
{
	static const char *const dirs[] = {"vms", "vms/.config",  "vms/demo",
					   "dev", "share",	  "share/OVMF",
					   "bin", "share/seabios"};
	struct fixture *f = calloc(1, sizeof(*f));
	char path[256];

	if (!f)
		return -1;
	strcpy(f->root, "/tmp/byway-vm-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		fixture_mkdir(f, dirs[i]);
	sprintf(f->place.dir, "%s/vms", f->root);
	sprintf(f->place.dev, "%s/dev", f->root);
	sprintf(f->place.share, "%s/share", f->root);
	strcpy(f->guest.name, "demo");
	strcpy(f->guest.conf_name, "demo.conf");
	sprintf(f->guest.dir, "%s/vms/demo", f->root);
	f->guest.dirfd = open(f->guest.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->guest.dirfd >= 0);
	f->path = strdup(getenv("PATH"));
	sprintf(path, "%s/bin:/bin:/usr/bin", f->root);
	setenv("PATH", path, 1);
	*state = f;
	return 0;
}

static int fixture_remove_entry(const char *path, const struct stat *st,
				int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	setenv("PATH", f->path, 1);
	free(f->path);
	conf_free(f->conf);
	conf_free(f->place.conf);
	close(f->guest.dirfd);
	nftw(f->root, fixture_remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

#endif
