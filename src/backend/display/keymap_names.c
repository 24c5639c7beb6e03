/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of layouts: bhyve's and xkb's, and what to say about one that is
 * neither. The list of xkb's is rules/evdev.lst of xkb-data: a section
 * "! layout" of lines "  jp   Japanese", one "! variant" of "  kana  jp: ...".
 */
#include <ctype.h>
#include <string.h>

#include "backend/display/keymap_internal.h"
#include "base/cfg.h"

#define PATH_BYTES 256u

/* bhyve's names (those of vt(4)'s keymaps) that mean something else to xkb. */
static const struct alias {
	const char *name, *layout, *variant;
} aliases[] = {
    {"be_acc", "be", ""},
    {"bg_bds", "bg", ""},
    {"br_noacc", "br", "nodeadkeys"},
    {"centraleuropean", "pl", ""},
    {"ch-fr", "ch", "fr"},
    {"ch-fr_acc", "ch", "fr"},
    {"ch_acc", "ch", ""},
    {"ch_macbook_acc", "ch", "de_mac"},
    {"de_acc", "de", ""},
    {"de_noacc", "de", "nodeadkeys"},
    {"default", "us", ""},
    {"dk_macbook", "dk", "mac"},
    {"es_acc", "es", ""},
    {"fr_acc", "fr", ""},
    {"fr_dvorak_acc", "fr", "dvorak"},
    {"fr_macbook", "fr", "mac"},
    {"gr_101_acc", "gr", ""},
    {"gr_elot_acc", "gr", ""},
    {"hu_101", "hu", "101_qwertz_comma_dead"},
    {"hu_102", "hu", "102_qwertz_comma_dead"},
    {"is_acc", "is", ""},
    {"jp_capsctrl", "jp", ""},
    {"kz_io", "kz", ""},
    {"kz_kst", "kz", "kazrus"},
    {"latinamerican", "latam", ""},
    {"latinamerican_acc", "latam", ""},
    {"nordic_asus-eee", "se", ""},
    {"pt_acc", "pt", ""},
    {"ru_shift", "ru", ""},
    {"ru_win", "ru", ""},
    {"ua_shift_alt", "ua", ""},
    {"uk", "gb", ""},
    {"uk_capsctrl", "gb", ""},
    {"uk_dvorak", "gb", "dvorak"},
    {"uk_macbook", "gb", "mac"},
    {"us_dvorakl", "us", "dvorak-l"},
    {"us_dvorakp", "us", "dvp"},
    {"us_dvorakr", "us", "dvorak-r"},
    {"us_dvorakx", "us", "dvorak"},
    {"us_emacs", "us", ""},
    {"us_unix", "us", ""},
};

/* A list of words, one of them per line of a section. */
struct words {
	char **word; /* NULL-terminated */
	size_t count;
};

static void words_free(struct words *words)
{
	size_t i;

	for (i = 0; i < words->count; i++)
		free(words->word[i]);
	free(words->word);
}

#define CLEANUP_WORDS __attribute__((cleanup(words_free)))

static int words_add(struct words *words, const char *text)
{
	char **grown =
	    reallocarray(words->word, words->count + 2, sizeof(*words->word));

	if (!grown)
		return -ENOMEM;
	words->word = grown;
	grown[words->count] = strdup(text);
	if (!grown[words->count])
		return -ENOMEM;
	grown[++words->count] = NULL;
	return 0;
}

static bool words_have(const struct words *words, const char *text)
{
	size_t i;

	for (i = 0; i < words->count; i++)
		if (!strcmp(words->word[i], text))
			return true;
	return false;
}

/*
 * First words of the lines of section `title`; with `layout` only of lines
 * that name it before a colon. -ENOENT when there is no such file.
 */
static int read_section(const char *root, const char *title, const char *layout,
			struct words *words)
{
	char path[PATH_BYTES], section[32] = "";
	CLEANUP_FREE char *line = NULL;
	CLEANUP_FCLOSE FILE *file = NULL;
	char word[KEYMAP_NAME_MAX], owner[KEYMAP_NAME_MAX];
	size_t room = 0;
	int fields, r;

	snprintf(path, sizeof(path), "%s/rules/evdev.lst", root);
	file = fopen(path, "re");
	if (!file)
		return -ENOENT;
	while (getline(&line, &room, file) >= 0) {
		if (sscanf(line, "! %31s", section) == 1 ||
		    strcmp(section, title))
			continue;
		fields = sscanf(line, " %63s %63[^: ]:", word, owner);
		if (fields < (layout ? 2 : 1) ||
		    (layout && strcmp(owner, layout)))
			continue;
		r = words_add(words, word);
		if (r)
			return r;
	}
	return 0;
}

static bool has_symbols_file(const char *root, const char *layout)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s/symbols/%s", root, layout);
	return access(path, R_OK) == 0;
}

static int add_aliases(struct words *words, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
		if (words_add(words, aliases[i].name))
			return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

static int explain_layout(const char *name, struct words *layouts,
			  struct err *err)
{
	const char *near;
	int r = add_aliases(layouts, err);

	if (r)
		return r;
	near = nearest_word(name, (const char *const *)layouts->word);
	if (near)
		return err_set(err, -ENOENT,
			       "keyboard layout '%s' is unknown; did you mean"
			       " '%s'?",
			       name, near);
	return err_set(err, -ENOENT,
		       "keyboard layout '%s' is unknown; %s/rules/evdev.lst"
		       " lists them",
		       name, KEYMAP_XKB_ROOT);
}

/* text: as given, which may be meant to be one of bhyve's names. */
static int explain_variant(const char *text, const struct keymap_name *name,
			   const struct words *variants, struct err *err)
{
	CLEANUP_WORDS struct words known = {0};
	const char *near = NULL;
	int r = add_aliases(&known, err);

	if (r)
		return r;
	if (variants->count)
		near = nearest_word(name->variant,
				    (const char *const *)variants->word);
	if (near)
		return err_set(err, -ENOENT,
			       "keyboard layout '%s' has no variant '%s'; did"
			       " you mean '%s(%s)'?",
			       name->layout, name->variant, name->layout, near);
	near = nearest_word(text, (const char *const *)known.word);
	if (near)
		return err_set(err, -ENOENT,
			       "keyboard layout '%s' is unknown; did you mean"
			       " '%s'?",
			       text, near);
	return err_set(err, -ENOENT,
		       "keyboard layout '%s' has no variant '%s'; use '%s'",
		       name->layout, name->variant, name->layout);
}

/* layout, layout(variant), layout:variant or layout_variant. */
static bool split_name(const char *text, struct keymap_name *ret)
{
	size_t len = strlen(text), head = strcspn(text, "(:_"), tail, i;
	const char *variant = text + head + (text[head] != '\0');

	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) &&
		    !strchr("_-:()", text[i]))
			return false;
	tail = strlen(variant);
	if (text[head] == '(') {
		if (!tail || variant[tail - 1] != ')')
			return false;
		tail--;
	}
	if (!head || head >= sizeof(ret->layout) ||
	    tail >= sizeof(ret->variant) || memchr(variant, ')', tail) ||
	    (text[head] && !tail))
		return false;
	*ret = (struct keymap_name){0};
	memcpy(ret->layout, text, head);
	memcpy(ret->variant, variant, tail);
	return true;
}

static bool find_alias(const char *text, struct keymap_name *ret)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(aliases); i++) {
		if (strcmp(aliases[i].name, text))
			continue;
		snprintf(ret->layout, sizeof(ret->layout), "%s",
			 aliases[i].layout);
		snprintf(ret->variant, sizeof(ret->variant), "%s",
			 aliases[i].variant);
		return true;
	}
	return false;
}

int keymap_resolve(const char *root, const char *text, struct err *err,
		   struct keymap_name *ret_name)
{
	CLEANUP_WORDS struct words layouts = {0};
	CLEANUP_WORDS struct words variants = {0};
	struct keymap_name name = {0};
	bool good = find_alias(text, &name) || split_name(text, &name);
	int r = read_section(root, "layout", NULL, &layouts);

	if (!r && good && name.variant[0])
		r = read_section(root, "variant", name.layout, &variants);
	if (r == -ENOMEM)
		return err_set(err, r, "keyboard layout: out of memory");
	/* No list, nothing to compare with. */
	if (!good || (!r && !words_have(&layouts, name.layout) &&
		      !has_symbols_file(root, name.layout)))
		return explain_layout(text, &layouts, err);
	if (!r && name.variant[0] && words_have(&layouts, name.layout) &&
	    !words_have(&variants, name.variant))
		return explain_variant(text, &name, &variants, err);
	*ret_name = name;
	return 0;
}

int keymap_check(const char *name, struct err *err)
{
	struct keymap_name resolved;

	return keymap_resolve(KEYMAP_XKB_ROOT, name, err, &resolved);
}
