/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keysym to key; the contract is in keymap.h.
 *
 * Theory of operation. libxkbcommon answers the forward question: which symbol
 * does this key type in this state? It is asked once, for every key and every
 * combination of the KEYMAP_* bits, and the answers are the table in which
 * keymap_find() then looks backwards. So no xkb object is needed while clients
 * type, which would have to be locked.
 *
 * The layout is compiled together with "us" as a second group: guests that
 * type Cyrillic or Greek switch to it for Latin letters, and a key combination
 * such as Ctrl+C must find its key in any case.
 */
#include "backend/display/keymap.h"

#include <dlfcn.h>
#include <string.h>
#include <xkbcommon/xkbcommon-keysyms.h>
#include <xkbcommon/xkbcommon.h>

#include "backend/display/keymap_internal.h"

#define XKB_LIBRARY  "libxkbcommon.so.0"
#define XKB_PACKAGES "libxkbcommon0 and xkb-data"
#define EVDEV_OFFSET 8u /* xkb's key codes are evdev's plus this */
#define KEYCODE_END  256u
#define GROUPS	     2u
#define KEYS_MAX     160u
#define UNICODE_SYMS 0x01000000u /* keysyms that are a code point plus this */

/* The functions used, by their names in xkbcommon.h. */
struct xkb_lib {
	__typeof__(xkb_context_new) *context_new;
	__typeof__(xkb_context_unref) *context_unref;
	__typeof__(xkb_context_set_log_fn) *context_set_log_fn;
	__typeof__(xkb_keymap_new_from_names) *keymap_new_from_names;
	__typeof__(xkb_keymap_unref) *keymap_unref;
	__typeof__(xkb_keymap_num_layouts) *keymap_num_layouts;
	__typeof__(xkb_keymap_mod_get_index) *mod_get_index;
	__typeof__(xkb_keymap_num_levels_for_key) *num_levels;
	__typeof__(xkb_keymap_key_get_syms_by_level) *syms_by_level;
	__typeof__(xkb_state_new) *state_new;
	__typeof__(xkb_state_unref) *state_unref;
	__typeof__(xkb_state_update_key) *state_update_key;
	__typeof__(xkb_state_update_mask) *state_update_mask;
	__typeof__(xkb_state_serialize_mods) *state_mods;
	__typeof__(xkb_state_key_get_one_sym) *state_sym;
	__typeof__(xkb_keysym_to_utf32) *to_utf32;
	__typeof__(xkb_utf32_to_keysym) *from_utf32;
};

struct key {
	uint8_t code;
	uint8_t holds; /* KEYMAP_HELD bits */
	uint32_t sym[GROUPS][KEYMAP_STATES];
	/* A symbol no KEYMAP_* state gives (Sys_Req on Alt+Print), or 0. */
	uint32_t other;
};

struct keymap {
	void *handle; /* of the library */
	struct xkb_lib lib;
	unsigned groups;
	unsigned count;
	struct key key[KEYS_MAX];
};

/* xkb's objects while the table is made. */
struct build {
	const struct xkb_lib *lib;
	struct xkb_context *context;
	struct xkb_keymap *xkb;
	xkb_mod_mask_t mask[5]; /* of KEYMAP_* bit n; 0: not in this layout */
};

/* ---- the library ---- */

static int load_library(struct keymap *keymap, struct err *err)
{
	struct xkb_lib *lib = &keymap->lib;
	const struct {
		const char *name;
		void *slot;
	} symbols[] = {
	    {"xkb_context_new", &lib->context_new},
	    {"xkb_context_unref", &lib->context_unref},
	    {"xkb_context_set_log_fn", &lib->context_set_log_fn},
	    {"xkb_keymap_new_from_names", &lib->keymap_new_from_names},
	    {"xkb_keymap_unref", &lib->keymap_unref},
	    {"xkb_keymap_num_layouts", &lib->keymap_num_layouts},
	    {"xkb_keymap_mod_get_index", &lib->mod_get_index},
	    {"xkb_keymap_num_levels_for_key", &lib->num_levels},
	    {"xkb_keymap_key_get_syms_by_level", &lib->syms_by_level},
	    {"xkb_state_new", &lib->state_new},
	    {"xkb_state_unref", &lib->state_unref},
	    {"xkb_state_update_key", &lib->state_update_key},
	    {"xkb_state_update_mask", &lib->state_update_mask},
	    {"xkb_state_serialize_mods", &lib->state_mods},
	    {"xkb_state_key_get_one_sym", &lib->state_sym},
	    {"xkb_keysym_to_utf32", &lib->to_utf32},
	    {"xkb_utf32_to_keysym", &lib->from_utf32},
	};
	unsigned i;
	void *symbol;

	keymap->handle = dlopen(XKB_LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!keymap->handle)
		return err_set(
		    err, -ENOENT,
		    "keyboard layouts: %s; install the packages " XKB_PACKAGES,
		    dlerror());
	for (i = 0; i < ARRAY_LEN(symbols); i++) {
		symbol = dlsym(keymap->handle, symbols[i].name);
		if (!symbol)
			return err_set(err, -ENOENT,
				       "keyboard layouts: %s lacks %s; install"
				       " the packages " XKB_PACKAGES,
				       XKB_LIBRARY, symbols[i].name);
		memcpy(symbols[i].slot, &symbol, sizeof(symbol));
	}
	return 0;
}

/* Its complaints go to stderr otherwise; ours is one sentence. */
static void drop_log(struct xkb_context *context UNUSED,
		     enum xkb_log_level level UNUSED, const char *format UNUSED,
		     va_list args UNUSED)
{
}

/* ---- making the table ---- */

/* A symbol as named and as code point must compare equal. */
static uint32_t canonical(const struct xkb_lib *lib, uint32_t keysym)
{
	uint32_t named;

	if ((keysym & 0xff000000u) != UNICODE_SYMS)
		return keysym;
	named = lib->from_utf32(keysym - UNICODE_SYMS);
	return named ? named : keysym;
}

static unsigned bit_of_symbol(uint32_t keysym)
{
	switch (keysym) {
	case XKB_KEY_Shift_L:
	case XKB_KEY_Shift_R:
		return KEYMAP_SHIFT;
	case XKB_KEY_ISO_Level3_Shift:
		return KEYMAP_LEVEL3;
	case XKB_KEY_ISO_Level5_Shift:
		return KEYMAP_LEVEL5;
	case XKB_KEY_Num_Lock:
		return KEYMAP_NUM;
	default:
		return 0;
	}
}

/* What the key adds to the state while it is down (or toggles). */
static int probe_key(struct build *b, xkb_keycode_t kc, uint8_t code,
		     struct key *key)
{
	struct xkb_state *state = b->lib->state_new(b->xkb);
	xkb_mod_mask_t mods;
	unsigned bit;

	if (!state)
		return -ENOMEM;
	bit = bit_of_symbol(b->lib->state_sym(state, kc));
	b->lib->state_update_key(state, kc, XKB_KEY_DOWN);
	mods = b->lib->state_mods(state, XKB_STATE_MODS_DEPRESSED |
					     XKB_STATE_MODS_LOCKED);
	b->lib->state_unref(state);
	if (!bit)
		return 0;
	/* Also of keys PCs do not have: xkb puts level 3 on one in any case. */
	b->mask[__builtin_ctz(bit)] |= mods;
	if (code)
		key->holds = bit & KEYMAP_HELD;
	return 0;
}

static void fill_symbols(const struct build *b, unsigned groups,
			 struct xkb_state *state, xkb_keycode_t kc,
			 struct key *key)
{
	xkb_mod_mask_t held, locked;
	unsigned group, s, i;

	for (group = 0; group < groups; group++) {
		for (s = 0; s < KEYMAP_STATES; s++) {
			held = locked = 0;
			for (i = 0; i < ARRAY_LEN(b->mask); i++) {
				if (!(s & BIT(i)))
					continue;
				if (BIT(i) & KEYMAP_HELD)
					held |= b->mask[i];
				else
					locked |= b->mask[i];
			}
			b->lib->state_update_mask(state, held, 0, locked, 0, 0,
						  group);
			key->sym[group][s] =
			    canonical(b->lib, b->lib->state_sym(state, kc));
		}
	}
}

static bool key_has(const struct key *key, unsigned group, uint32_t sym)
{
	unsigned s;

	for (s = 0; s < KEYMAP_STATES; s++)
		if (key->sym[group][s] == sym)
			return true;
	return false;
}

static void fill_other(const struct build *b, xkb_keycode_t kc, struct key *key)
{
	xkb_level_index_t level, levels = b->lib->num_levels(b->xkb, kc, 0);
	const xkb_keysym_t *syms;
	uint32_t sym;

	for (level = 0; level < levels; level++) {
		if (b->lib->syms_by_level(b->xkb, kc, 0, level, &syms) != 1)
			continue;
		sym = canonical(b->lib, syms[0]);
		if (!key_has(key, 0, sym))
			key->other = sym;
	}
}

static int fill_table(struct build *b, struct keymap *keymap)
{
	struct xkb_state *state;
	xkb_keycode_t kc, of_key[KEYS_MAX];
	uint8_t code;
	unsigned i;
	int r = 0;

	b->mask[__builtin_ctz(KEYMAP_CAPS)] =
	    BIT(b->lib->mod_get_index(b->xkb, XKB_MOD_NAME_CAPS));
	for (kc = EVDEV_OFFSET; !r && kc < KEYCODE_END; kc++) {
		struct key *key = &keymap->key[keymap->count];

		code = keymap_code_of_evdev(kc - EVDEV_OFFSET);
		if (keymap->count == KEYS_MAX)
			code = 0;
		r = probe_key(b, kc, code, key);
		if (!code)
			continue;
		key->code = code;
		of_key[keymap->count++] = kc;
	}
	/* Only now it is known which modifiers there are. */
	state = r ? NULL : b->lib->state_new(b->xkb);
	if (!state)
		return -ENOMEM;
	for (i = 0; i < keymap->count; i++) {
		fill_symbols(b, keymap->groups, state, of_key[i],
			     &keymap->key[i]);
		fill_other(b, of_key[i], &keymap->key[i]);
	}
	b->lib->state_unref(state);
	return 0;
}

static void build_free(struct build *b)
{
	if (b->xkb)
		b->lib->keymap_unref(b->xkb);
	if (b->context)
		b->lib->context_unref(b->context);
}

#define CLEANUP_BUILD __attribute__((cleanup(build_free)))

static int compile(struct keymap *keymap, const struct keymap_name *name,
		   const char *text, struct err *err)
{
	CLEANUP_BUILD struct build b = {.lib = &keymap->lib};
	char layout[KEYMAP_NAME_MAX + 8], variant[KEYMAP_NAME_MAX + 8];
	const struct xkb_rule_names names = {
	    .rules = "evdev",
	    .model = "pc105",
	    .layout = layout,
	    .variant = variant,
	    .options = "",
	};
	bool us = !strcmp(name->layout, "us") && !name->variant[0];

	snprintf(layout, sizeof(layout), "%s%s", name->layout, us ? "" : ",us");
	snprintf(variant, sizeof(variant), "%s%s", name->variant,
		 us ? "" : ",");
	b.context = b.lib->context_new(XKB_CONTEXT_NO_ENVIRONMENT_NAMES);
	if (!b.context)
		return err_set(err, -ENOENT,
			       "keyboard layout '%s': xkb's files are missing;"
			       " install the package xkb-data",
			       text);
	b.lib->context_set_log_fn(b.context, drop_log);
	b.xkb = b.lib->keymap_new_from_names(b.context, &names,
					     XKB_KEYMAP_COMPILE_NO_FLAGS);
	if (!b.xkb)
		return err_set(err, -EINVAL,
			       "keyboard layout '%s': xkb cannot read it;"
			       " install or repair the package xkb-data",
			       text);
	keymap->groups = MIN(b.lib->keymap_num_layouts(b.xkb), GROUPS);
	if (fill_table(&b, keymap))
		return err_set(err, -ENOMEM,
			       "keyboard layout '%s': out of memory", text);
	return 0;
}

int keymap_create(const char *text, struct err *err, struct keymap **ret_keymap)
{
	struct keymap_name name;
	struct keymap *keymap;
	int r = keymap_resolve(KEYMAP_XKB_ROOT, text, err, &name);

	if (r)
		return r;
	keymap = calloc(1, sizeof(*keymap));
	if (!keymap)
		return err_set(err, -ENOMEM, "keyboard layout: out of memory");
	r = load_library(keymap, err);
	if (!r)
		r = compile(keymap, &name, text, err);
	if (r) {
		keymap_destroy(keymap);
		return r;
	}
	*ret_keymap = keymap;
	return 0;
}

void keymap_destroy(struct keymap *keymap)
{
	if (!keymap)
		return;
	if (keymap->handle)
		dlclose(keymap->handle);
	free(keymap);
}

/* ---- looking backwards ---- */

/* A key rather than a character; dead keys, fe50 up, are like characters. */
static bool is_function(uint32_t keysym)
{
	return (keysym >= 0xfe00 && keysym < 0xfe50) ||
	       (keysym >= 0xff00 && keysym <= 0xffff);
}

/*
 * Bits of KEYMAP_HELD that would have to change, or more than there are when
 * something must change that cannot.
 */
static unsigned change_cost(const struct keymap *keymap, unsigned from,
			    unsigned to)
{
	unsigned i, change = from ^ to;

	if (change & KEYMAP_TOGGLED)
		return KEYMAP_STATES;
	for (i = 0; i < 3; i++)
		if ((to & ~from & BIT(i)) && !keymap_holder(keymap, BIT(i)))
			return KEYMAP_STATES;
	return (unsigned)__builtin_popcount(change);
}

static bool find_in_group(const struct keymap *keymap, unsigned group,
			  uint32_t sym, unsigned state,
			  struct keymap_hit *ret_hit)
{
	unsigned i, s, cost, best = KEYMAP_STATES;

	/* Keys that are no characters: whatever the state makes of them. */
	for (s = 0; !is_function(sym) && s < KEYMAP_STATES; s++) {
		cost = change_cost(keymap, state, s);
		for (i = 0; cost < best && i < keymap->count; i++) {
			if (keymap->key[i].sym[group][s] != sym)
				continue;
			best = cost;
			ret_hit->code = keymap->key[i].code;
			ret_hit->state = s;
		}
	}
	if (best < KEYMAP_STATES)
		return true;
	for (i = 0; i < keymap->count; i++) {
		if (!key_has(&keymap->key[i], group, sym) &&
		    (group || keymap->key[i].other != sym))
			continue;
		ret_hit->code = keymap->key[i].code;
		ret_hit->state = state;
		return true;
	}
	return false;
}

/* An accent that stands alone and the dead key that types it. */
static uint32_t other_accent(uint32_t keysym)
{
	static const uint32_t pairs[][2] = {
	    {XKB_KEY_dead_grave, XKB_KEY_grave},
	    {XKB_KEY_dead_acute, XKB_KEY_acute},
	    {XKB_KEY_dead_circumflex, XKB_KEY_asciicircum},
	    {XKB_KEY_dead_tilde, XKB_KEY_asciitilde},
	    {XKB_KEY_dead_macron, XKB_KEY_macron},
	    {XKB_KEY_dead_breve, XKB_KEY_breve},
	    {XKB_KEY_dead_abovedot, XKB_KEY_abovedot},
	    {XKB_KEY_dead_diaeresis, XKB_KEY_diaeresis},
	    {XKB_KEY_dead_abovering, XKB_KEY_degree},
	    {XKB_KEY_dead_doubleacute, XKB_KEY_doubleacute},
	    {XKB_KEY_dead_caron, XKB_KEY_caron},
	    {XKB_KEY_dead_cedilla, XKB_KEY_cedilla},
	    {XKB_KEY_dead_ogonek, XKB_KEY_ogonek},
	};
	unsigned i;

	for (i = 0; i < ARRAY_LEN(pairs); i++) {
		if (pairs[i][0] == keysym)
			return pairs[i][1];
		if (pairs[i][1] == keysym)
			return pairs[i][0];
	}
	return 0;
}

/* Keys that clients name in ways the layout may not. */
static uint8_t fixed_code(uint32_t keysym)
{
	switch (keysym) {
	case XKB_KEY_Alt_R:
	case XKB_KEY_ISO_Level3_Shift:
	case XKB_KEY_Mode_switch:
	case XKB_KEY_Meta_R:
		return 0xb8;
	case XKB_KEY_Meta_L:
		return 0x38;
	case XKB_KEY_Super_L:
	case XKB_KEY_Hyper_L:
		return 0xdb;
	case XKB_KEY_Super_R:
	case XKB_KEY_Hyper_R:
		return 0xdc;
	case XKB_KEY_Caps_Lock:
		return 0x3a;
	case XKB_KEY_yen: /* xkb's jp calls what is on this key a backslash */
		return 0x7d;
	default:
		return 0;
	}
}

bool keymap_find(const struct keymap *keymap, uint32_t keysym, unsigned state,
		 struct keymap_hit *ret_hit)
{
	uint32_t sym = canonical(&keymap->lib, keysym);
	uint32_t accent = other_accent(sym);

	state &= KEYMAP_STATES - 1;
	if (!sym)
		return false;
	if (find_in_group(keymap, 0, sym, state, ret_hit) ||
	    (accent && find_in_group(keymap, 0, accent, state, ret_hit)))
		return true;
	ret_hit->code = fixed_code(sym);
	ret_hit->state = state;
	if (ret_hit->code)
		return true;
	return keymap->groups > 1 &&
	       find_in_group(keymap, 1, sym, state, ret_hit);
}

unsigned keymap_holds(const struct keymap *keymap, uint8_t code)
{
	unsigned i;

	for (i = 0; i < keymap->count; i++)
		if (keymap->key[i].code == code)
			return keymap->key[i].holds;
	return 0;
}

uint8_t keymap_holder(const struct keymap *keymap, unsigned bit)
{
	unsigned i;

	for (i = 0; i < keymap->count; i++)
		if (keymap->key[i].holds == bit)
			return keymap->key[i].code;
	return 0;
}

unsigned keymap_toggles(uint32_t keysym)
{
	switch (keysym) {
	case XKB_KEY_Caps_Lock:
		return KEYMAP_CAPS;
	case XKB_KEY_Num_Lock:
		return KEYMAP_NUM;
	default:
		return 0;
	}
}
