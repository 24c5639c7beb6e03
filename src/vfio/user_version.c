/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the two sides of vfio-user tell each other at the start: version
 * numbers and a JSON object. The JSON is read by jansson, which is loaded when
 * the first such device is opened (ADR 0012).
 */
#include <dlfcn.h>
#include <jansson.h>
#include <string.h>

#include "vfio/user_internal.h"

#define JSON_LIBRARY "libjansson.so.4"

struct json_lib {
	__typeof__(json_loadb) *loadb;
	__typeof__(json_object_get) *object_get;
	__typeof__(json_integer_value) *integer_value;
	__typeof__(json_delete) *delete;
};

const char *user_version_text(void)
{
	static_assert(VFIO_USER_DATA_MAX == 1048576 && VFIO_USER_FDS_MAX == 16,
		      "what we say is what we can");
	return "{\"capabilities\":{\"max_msg_fds\":16,"
	       "\"max_data_xfer_size\":1048576}}";
}

static bool load_library(struct json_lib *lib, char why[VFIO_USER_WHY_MAX])
{
	void *handle = dlopen(JSON_LIBRARY, RTLD_NOW | RTLD_LOCAL);
	const struct {
		const char *name;
		void *slot;
	} symbols[] = {
	    {"json_loadb", &lib->loadb},
	    {"json_object_get", &lib->object_get},
	    {"json_integer_value", &lib->integer_value},
	    {"json_delete", &lib->delete},
	};
	size_t i;
	void *symbol;

	if (!handle) {
		snprintf(why, VFIO_USER_WHY_MAX,
			 "speaks JSON: install the package libjansson4");
		return false;
	}
	/* Stays loaded, for the next device. */
	for (i = 0; i < ARRAY_LEN(symbols); i++) {
		symbol = dlsym(handle, symbols[i].name);
		if (!symbol) {
			snprintf(why, VFIO_USER_WHY_MAX,
				 "speaks JSON: %s has no %s", JSON_LIBRARY,
				 symbols[i].name);
			return false;
		}
		memcpy(symbols[i].slot, &symbol, sizeof(symbol));
	}
	return true;
}

/* An optional number: `fallback` when absent, at least 1, at most `max`. */
static bool number(const struct json_lib *lib, const json_t *object,
		   const char *name, unsigned max, unsigned *value)
{
	const json_t *v = lib->object_get(object, name);
	json_int_t n;

	if (!v)
		return true;
	n = lib->integer_value(v); /* 0: not a number */
	if (!json_is_integer(v) || n < 1)
		return false;
	*value = (unsigned)MIN(n, (json_int_t)max);
	return true;
}

static int capabilities(const char *text, size_t len,
			struct user_version *version,
			char why[VFIO_USER_WHY_MAX])
{
	struct json_lib lib;
	json_error_t error;
	json_t *root;
	const json_t *caps;
	bool good;

	if (!load_library(&lib, why))
		return -ENOTSUP;
	root = lib.loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	good = root && json_is_object(root);
	caps = good ? lib.object_get(root, "capabilities") : NULL;
	if (caps)
		good = number(&lib, caps, "max_msg_fds", VFIO_USER_FDS_MAX,
			      &version->max_fds) &&
		       number(&lib, caps, "max_data_xfer_size",
			      VFIO_USER_DATA_MAX, &version->max_data);
	if (root && --root->refcount == 0)
		lib.delete(root);
	if (!good)
		snprintf(why, VFIO_USER_WHY_MAX,
			 "describes itself by something that is not the JSON"
			 " expected");
	return good ? 0 : -EBADMSG;
}

int user_version_parse(const uint8_t *body, size_t size,
		       struct user_version *ret_version,
		       char why[VFIO_USER_WHY_MAX])
{
	struct vfio_user_version v;
	struct user_version version = {
	    .max_fds = VFIO_USER_DEFAULT_MAX_FDS,
	    .max_data = VFIO_USER_DEFAULT_MAX_DATA,
	};
	int r = 0;

	if (size < sizeof(v)) {
		snprintf(why, VFIO_USER_WHY_MAX, "sent no version");
		return -EBADMSG;
	}
	memcpy(&v, body, sizeof(v));
	if (v.major != VFIO_USER_MAJOR || v.minor > VFIO_USER_MINOR) {
		snprintf(why, VFIO_USER_WHY_MAX,
			 "speaks version %u.%u, byway %u.%u", v.major, v.minor,
			 VFIO_USER_MAJOR, VFIO_USER_MINOR);
		return -EPROTO;
	}
	version.minor = v.minor;
	body += sizeof(v);
	size -= sizeof(v);
	if (size && body[size - 1] == '\0')
		size--;
	if (size)
		r = capabilities((const char *)body, size, &version, why);
	if (!r)
		*ret_version = version;
	return r;
}
