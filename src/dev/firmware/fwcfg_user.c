/* SPDX-License-Identifier: BSD-2-Clause */
/* The user's fw_cfg files: -f and fwcfg.N.*; the contract is in fwcfg.h. */
#include "dev/firmware/fwcfg.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"

#define ROOT	  "fwcfg"
#define NAME_ROOM sizeof(((struct fw_cfg_file *)0)->name)

static int bad_option(const char *text, struct err *err)
{
	return err_set(err, -EINVAL,
		       "-f %s: expected [name=]NAME,string=TEXT or"
		       " [name=]NAME,file=PATH",
		       text);
}

/* The first fwcfg.N that does not exist yet. */
static int next_node(struct cfg *root, struct err *err, struct cfg **ret_node)
{
	char path[32];
	unsigned n = 0;

	do
		snprintf(path, sizeof(path), ROOT ".%u", n++);
	while (cfg_find(root, path));
	return cfg_make(root, path, err, ret_node);
}

int fwcfg_parse_user(struct cfg *root, const char *text, struct err *err)
{
	const char *name = text, *comma, *equals;
	char word[CFG_VALUE_MAX], key[8];
	struct cfg *node;
	int r;

	if (!strncmp(name, "name=", 5))
		name += 5;
	comma = strchr(name, ',');
	equals = comma ? strchr(comma, '=') : NULL;
	if (!equals || comma == name || comma - name >= (int)sizeof(word) ||
	    equals - comma - 1 >= (int)sizeof(key))
		return bad_option(text, err);
	snprintf(word, sizeof(word), "%.*s", (int)(comma - name), name);
	snprintf(key, sizeof(key), "%.*s", (int)(equals - comma - 1),
		 comma + 1);
	if (strcmp(key, "string") && strcmp(key, "file"))
		return bad_option(text, err);
	/* Said here too: before a machine is built. */
	if (strlen(word) >= NAME_ROOM)
		return err_set(err, -EINVAL,
			       "-f %s: the name has %zu characters, at most %zu"
			       " fit",
			       text, strlen(word), NAME_ROOM - 1);
	r = next_node(root, err, &node);
	if (!r)
		r = cfg_set(node, "name", word, err);
	return r ? r : cfg_set(node, key, equals + 1, err);
}

static int open_file(const char *name, const char *path, struct err *err,
		     int *ret_fd, size_t *ret_len)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return err_sys(err, -errno,
			       "fw_cfg file %s: %s cannot be read; correct the"
			       " path or its permissions",
			       name, path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL,
			       "fw_cfg file %s: %s is not a regular file", name,
			       path);
	if ((uint64_t)st.st_size > FWCFG_USER_MAX)
		return err_set(err, -E2BIG,
			       "fw_cfg file %s: %s has %lld bytes, at most %llu"
			       " MiB can be given",
			       name, path, (long long)st.st_size,
			       (unsigned long long)(FWCFG_USER_MAX >> 20));
	*ret_len = (size_t)st.st_size;
	*ret_fd = take_fd(fd);
	return 0;
}

static int add_file(struct fwcfg *fw, const char *name, const char *path,
		    struct err *err)
{
	CLEANUP_CLOSE int fd = -1;
	CLEANUP_FREE uint8_t *data = NULL;
	size_t len = 0, at = 0;
	ssize_t n;
	int r = open_file(name, path, err, &fd, &len);

	if (r)
		return r;
	data = malloc(len ? len : 1);
	if (!data)
		return err_set(err, -ENOMEM, "fw_cfg file %s: out of memory",
			       name);
	while (at < len) {
		n = pread(fd, data + at, len - at, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(err, n ? -errno : -ENODATA,
				       "fw_cfg file %s: %s cannot be read",
				       name, path);
		at += (size_t)n;
	}
	return fwcfg_add_file(fw, name, data, len, err);
}

static int add_node(struct fwcfg *fw, struct cfg *node, struct err *err)
{
	static const char *const known[] = {"name", "string", "file", NULL};
	char name[CFG_VALUE_MAX], value[CFG_VALUE_MAX], path[CFG_PATH_MAX];
	bool string = cfg_raw(node, "string"), file = cfg_raw(node, "file");
	int r = cfg_check_known(node, known, err);

	if (r)
		return r;
	cfg_path(node, path, sizeof(path));
	if (!cfg_raw(node, "name") || string == file)
		return err_set(err, -EINVAL,
			       "%s: needs %s.name and one of %s.string and"
			       " %s.file",
			       path, path, path, path);
	r = cfg_get(node, "name", name, sizeof(name), err);
	if (r > 0)
		r = cfg_get(node, string ? "string" : "file", value,
			    sizeof(value), err);
	if (r < 0)
		return r;
	if (strncmp(name, "opt/", 4))
		log_warn("fw_cfg file %s: names that do not start with opt/"
			 " belong to the machine; it may not start",
			 name);
	return string ? fwcfg_add_file(fw, name, value, strlen(value) + 1, err)
		      : add_file(fw, name, value, err);
}

int fwcfg_add_user(struct fwcfg *fw, struct cfg *root, struct err *err)
{
	struct cfg *node;
	int r = 0;

	for (node = cfg_first(cfg_find(root, ROOT)); node && !r;
	     node = cfg_next(node))
		r = add_node(fw, node, err);
	return r;
}
