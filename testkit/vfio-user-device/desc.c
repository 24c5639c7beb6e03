/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads descriptions of test devices; the statements are a table below. */
#include "desc.h"

#include <string.h>

#include "base/cfg.h"

#define LINE_BYTES 256u
#define WORDS_MAX  24u

struct line {
	char *word[WORDS_MAX];
	unsigned words, at; /* at: next word to take */
	struct desc *desc;
	const char *why; /* what is wrong with it */
};

typedef bool statement_fn(struct line *line);

/* ---- words ---- */

static bool fail(struct line *line, const char *why)
{
	if (!line->why)
		line->why = why;
	return false;
}

static const char *take(struct line *line)
{
	if (line->at < line->words)
		return line->word[line->at++];
	fail(line, "something is missing at the end");
	return "";
}

/* Takes the next word if it is this one. */
static bool take_if(struct line *line, const char *word)
{
	if (line->at >= line->words || strcmp(line->word[line->at], word) != 0)
		return false;
	line->at++;
	return true;
}

static uint64_t number(struct line *line, int base, uint64_t max)
{
	const char *word = take(line);
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(word, &end, base);
	if (!*word || *end || errno || v > max)
		fail(line, "a number is malformed or too large");
	return v;
}

static uint64_t hex(struct line *line, uint64_t max)
{
	return number(line, 16, max);
}

static unsigned count(struct line *line, unsigned max)
{
	return (unsigned)number(line, 10, max);
}

static uint64_t size_of(struct line *line)
{
	uint64_t v = 0;

	if (parse_size(take(line), &v) || !is_pow2(v))
		fail(line, "a size has to be a power of two");
	return v;
}

/* The index of the next word in a NULL-terminated list. */
static unsigned choose(struct line *line, const char *const *list)
{
	const char *word = take(line);
	unsigned i;

	for (i = 0; list[i]; i++)
		if (strcmp(word, list[i]) == 0)
			return i;
	fail(line, "a word is not one of those expected");
	return 0;
}

/* ---- statements ---- */

static bool pair(struct line *line, uint16_t *a, uint16_t *b)
{
	const char *word = take(line);
	int used = 0;

	if (sscanf(word, "%4hx:%4hx%n", a, b, &used) != 2 || word[used])
		return fail(line, "expected VENDOR:DEVICE");
	return true;
}

static bool st_id(struct line *line)
{
	struct desc *d = line->desc;

	if (!pair(line, &d->vendor, &d->device))
		return false;
	d->subvendor = d->vendor;
	d->subdevice = d->device;
	return line->at == line->words ||
	       pair(line, &d->subvendor, &d->subdevice);
}

static bool st_class(struct line *line)
{
	line->desc->class = (uint32_t)hex(line, 0xffffff);
	if (line->at < line->words)
		line->desc->revision = (uint8_t)hex(line, 0xff);
	return true;
}

static bool st_pin(struct line *line)
{
	static const char *const pins[] = {"none", "A", "B", "C", "D", NULL};

	line->desc->pin = (uint8_t)choose(line, pins);
	return true;
}

static bool st_bar(struct line *line)
{
	static const char *const kinds[] = {"io", "mem32", "mem64", NULL};
	unsigned n = count(line, DESC_BARS - 1);
	struct desc_bar *bar = &line->desc->bar[n];

	bar->kind = DESC_BAR_IO + choose(line, kinds);
	bar->size = size_of(line);
	bar->prefetch = take_if(line, "prefetch");
	bar->mapped = take_if(line, "mapped");
	if (bar->kind == DESC_BAR_MEM64 && n == DESC_BARS - 1)
		return fail(line, "a 64-bit BAR takes two");
	return true;
}

static bool st_registers(struct line *line)
{
	line->desc->registers_bar = count(line, DESC_BARS - 1);
	line->desc->registers_off = hex(line, UINT32_MAX);
	return line->desc->registers_off % 4096 == 0 ||
	       fail(line, "the registers begin at a multiple of 1000");
}

static bool st_rom(struct line *line)
{
	line->desc->rom_size = size_of(line);
	return true;
}

static bool add_cap(struct line *line, enum desc_cap_kind kind, unsigned min,
		    unsigned max)
{
	struct desc *d = line->desc;
	unsigned at = (unsigned)hex(line, max);

	if (at < min || at % 4)
		return fail(line, "no capability can be there");
	if (d->caps == DESC_CAPS)
		return fail(line, "too many capabilities");
	d->cap[d->caps++] = (struct desc_cap){kind, at};
	return true;
}

static bool st_pm(struct line *line)
{
	line->desc->soft_reset = true;
	if (!add_cap(line, DESC_CAP_PM, 0x40, 0xf8))
		return false;
	if (take_if(line, "no-soft-reset"))
		line->desc->soft_reset = false;
	return true;
}

static bool st_msi(struct line *line)
{
	if (!add_cap(line, DESC_CAP_MSI, 0x40, 0xe8))
		return false;
	line->desc->msi = count(line, 32);
	line->desc->msi_64 = take_if(line, "64");
	line->desc->msi_maskable = take_if(line, "maskable");
	return is_pow2(line->desc->msi) ||
	       fail(line, "vectors of MSI are a power of two");
}

static bool st_msix(struct line *line)
{
	struct desc *d = line->desc;

	if (!add_cap(line, DESC_CAP_MSIX, 0x40, 0xf4))
		return false;
	d->msix = count(line, 2048);
	d->table_bar = count(line, DESC_BARS - 1);
	d->table_off = (uint32_t)hex(line, UINT32_MAX);
	d->pba_bar = count(line, DESC_BARS - 1);
	d->pba_off = (uint32_t)hex(line, UINT32_MAX);
	return d->msix > 0 || fail(line, "no vectors");
}

static bool st_pcie(struct line *line)
{
	struct desc *d = line->desc;

	if (!add_cap(line, DESC_CAP_PCIE, 0x40, 0xc4))
		return false;
	d->speed = count(line, 6);
	d->width = count(line, 32);
	d->flr = take_if(line, "flr");
	return true;
}

static bool st_aer(struct line *line)
{
	return add_cap(line, DESC_CAP_AER, 0x100, 0xfb4);
}

static bool st_init(struct line *line)
{
	struct desc *d = line->desc;
	struct desc_value v = {.bar = count(line, DESC_BARS - 1)};

	v.off = hex(line, UINT32_MAX);
	v.value = (uint32_t)hex(line, UINT32_MAX);
	if (d->inits == DESC_INITS)
		return fail(line, "too many values");
	d->init[d->inits++] = v;
	return true;
}

static bool st_config(struct line *line)
{
	struct desc *d = line->desc;
	unsigned at = (unsigned)hex(line, 0xfff);

	while (line->at < line->words) {
		if (d->bytes == DESC_BYTES || at > 0xfff)
			return fail(line, "too many bytes");
		d->byte[d->bytes++] = (struct desc_value){
		    .off = at++,
		    .value = (uint32_t)hex(line, 0xff),
		};
	}
	return true;
}

static bool st_reset(struct line *line)
{
	static const char *const how[] = {"ok",	   "none",    "fails",
					  "hangs", "ignored", NULL};

	line->desc->reset = choose(line, how);
	return true;
}

static bool st_fault(struct line *line)
{
	static const char *const triggers[] = {"start", "resets", "write",
					       "ms",	"dma",	  NULL};
	static const char *const actions[] = {
	    "ones",    "die",	      "hang",	     "aer",
	    "request", "reset-fails", "reset-hangs", NULL};
	struct desc *d = line->desc;
	struct desc_fault f = {.trigger = choose(line, triggers)};

	if (f.trigger == DESC_ON_WRITE) {
		f.bar = count(line, DESC_BARS - 1);
		f.off = hex(line, UINT32_MAX);
		f.value = hex(line, UINT32_MAX);
	} else if (f.trigger != DESC_ON_START) {
		f.n = count(line, 3600000);
	}
	f.action = choose(line, actions);
	if (d->faults == DESC_FAULTS)
		return fail(line, "too many faults");
	d->fault[d->faults++] = f;
	return true;
}

static const struct {
	const char *name;
	statement_fn *parse;
} statements[] = {
    {"id", st_id},	   {"class", st_class}, {"pin", st_pin},
    {"bar", st_bar},	   {"rom", st_rom},	{"registers", st_registers},
    {"pm", st_pm},	   {"msi", st_msi},	{"msix", st_msix},
    {"pcie", st_pcie},	   {"aer", st_aer},	{"init", st_init},
    {"config", st_config}, {"reset", st_reset}, {"fault", st_fault},
};

/* ---- the file ---- */

static void split(char *text, struct line *line)
{
	char *save = NULL, *word;

	text[strcspn(text, "#\n")] = '\0';
	for (word = strtok_r(text, " \t", &save);
	     word && line->words < WORDS_MAX;
	     word = strtok_r(NULL, " \t", &save))
		line->word[line->words++] = word;
	if (word)
		fail(line, "too many words");
}

static void parse_line(struct line *line)
{
	const char *name;
	size_t i;

	if (line->why || !line->words)
		return;
	name = take(line);
	for (i = 0; i < ARRAY_LEN(statements); i++)
		if (strcmp(name, statements[i].name) == 0)
			break;
	if (i == ARRAY_LEN(statements))
		fail(line, "unknown statement");
	else if (statements[i].parse(line) && line->at < line->words)
		fail(line, "something is left over at the end");
}

static bool in_bar(const struct desc *d, unsigned bar, uint64_t off,
		   uint64_t len)
{
	return d->bar[bar].kind != DESC_BAR_NONE &&
	       range_inside(off, len, 0, d->bar[bar].size);
}

/* What only the whole says. */
static const char *check(const struct desc *d)
{
	unsigned i;

	if (!d->vendor || d->vendor == 0xffff)
		return "no id";
	if (d->registers_bar != DESC_NOWHERE &&
	    !in_bar(d, d->registers_bar, d->registers_off, 256))
		return "the registers are outside their BAR";
	if (d->msix &&
	    (!in_bar(d, d->table_bar, d->table_off, d->msix * 16ull) ||
	     !in_bar(d, d->pba_bar, d->pba_off, (d->msix + 63) / 64 * 8ull)))
		return "the MSI-X table is outside its BAR";
	for (i = 0; i < d->inits; i++)
		if (!in_bar(d, d->init[i].bar, d->init[i].off, 4))
			return "a value is outside its BAR";
	for (i = 0; i + 1 < DESC_BARS; i++)
		if (d->bar[i].kind == DESC_BAR_MEM64 &&
		    d->bar[i + 1].kind != DESC_BAR_NONE)
			return "a BAR is the upper half of a 64-bit one";
	return NULL;
}

int desc_read(FILE *in, const char *name, struct err *err,
	      struct desc *ret_desc)
{
	struct desc d = {.registers_bar = DESC_NOWHERE};
	char text[LINE_BYTES];
	const char *why;
	unsigned n = 0;

	while (fgets(text, sizeof(text), in)) {
		struct line line = {.desc = &d};

		n++;
		split(text, &line);
		parse_line(&line);
		if (line.why)
			return err_set(err, -EINVAL, "%s:%u: %s", name, n,
				       line.why);
	}
	if (ferror(in))
		return err_set(err, -EIO, "%s: cannot be read", name);
	why = check(&d);
	if (why)
		return err_set(err, -EINVAL, "%s: %s", name, why);
	*ret_desc = d;
	return 0;
}
