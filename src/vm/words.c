/* SPDX-License-Identifier: BSD-2-Clause */
/* Word lists and warnings; the contract is words.h. */
#include "vm/words.h"

#include <string.h>

/* Consumes `text`, which may be NULL after a failed allocation. */
static void words_take(struct words *words, char *text)
{
	char **grown;

	if (!text) {
		words->failed = true;
		return;
	}
	grown = reallocarray(words->word, words->count + 2, sizeof(*grown));
	if (!grown) {
		free(text);
		words->failed = true;
		return;
	}
	words->word = grown;
	words->word[words->count++] = text;
	words->word[words->count] = NULL;
}

void words_add(struct words *words, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	words_take(words, text);
}

void words_append(struct words *words, const struct words *other)
{
	for (size_t i = 0; i < other->count; i++)
		words_take(words, strdup(other->word[i]));
	words->failed |= other->failed;
}

void words_split(struct words *words, const char *text)
{
	while (text && *text) {
		size_t len;

		text += strspn(text, " \t");
		len = strcspn(text, " \t");
		if (len > 0)
			words_take(words, strndup(text, len));
		text += len;
	}
}

static int word_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void words_sort(struct words *words)
{
	if (words->count > 1)
		qsort(words->word, words->count, sizeof(*words->word),
		      word_compare);
}

bool words_contain(const struct words *words, const char *word)
{
	for (size_t i = 0; i < words->count; i++)
		if (strcmp(words->word[i], word) == 0)
			return true;
	return false;
}

int words_check(const struct words *words, struct err *err)
{
	if (words->failed)
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

char *words_join(const struct words *words, char between)
{
	size_t size = 1;
	char *text, *p;

	for (size_t i = 0; i < words->count; i++)
		size += strlen(words->word[i]) + 1;
	text = malloc(size);
	if (!text)
		return NULL;
	p = text;
	for (size_t i = 0; i < words->count; i++) {
		if (i > 0)
			*p++ = between;
		p = stpcpy(p, words->word[i]);
	}
	*p = '\0';
	return text;
}

void words_free(struct words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->word[i]);
	free(words->word);
	*words = (struct words){0};
}

void warner_say(const struct warner *warner, const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;

	if (!warner || !warner->fn)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	warner->fn(warner->ctx, text);
}

int err_cure_root(int code, struct err *err)
{
	size_t len = err ? strlen(err->msg) : 0;

	if (err && (code == -EACCES || code == -EPERM) && geteuid() != 0)
		snprintf(err->msg + len, sizeof(err->msg) - len,
			 "; run as root");
	return code;
}
