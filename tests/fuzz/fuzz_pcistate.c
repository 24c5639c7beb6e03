/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target: what vm keeps of host PCI devices (src/vm: names, histories,
 * rules for udev; src/hostpci: identities and slots as text).
 */
#include <string.h>

#include "vm/devlog.h"
#include "vm/pcinames.h"
#include "vm/persist.h"

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_text(const char *text)
{
	for (; *text; text++)
		require((unsigned char)*text >= ' ' && *text != 0x7f);
}

/* What is read is written the same, and is the name of one file. */
static void fuzz_identity(const char *text)
{
	struct hostpci_identity identity;
	char again[HOSTPCI_IDENTITY_MAX], key[DEVLOG_KEY_MAX];

	if (hostpci_identity_parse(text, &identity) < 0)
		return;
	hostpci_identity_format(&identity, again);
	require(strcmp(again, text) == 0);
	devlog_key(&identity, key);
	require(key[0] && key[0] != '.' && !strchr(key, '/') &&
		strlen(key) < NAME_MAX);
}

static void fuzz_history(const char *text)
{
	struct devlog_line line;

	if (devlog_parse(text, &line) < 0)
		return;
	check_text(line.when);
	check_text(line.guest);
	check_text(line.bdf);
	check_text(line.method);
	check_text(line.text);
}

/* Rules that were read are written so that they are read again. */
static void fuzz_rules(const char *text)
{
	CLEANUP_FREE char *rules = NULL;
	struct persist persist, back;
	struct err err = {0};

	if (persist_parse(text, "F", &err, &persist) < 0) {
		require(err.code < 0 && err.msg[0]);
		check_text(err.msg);
		return;
	}
	require(persist.count <= PERSIST_MAX);
	rules = persist_rules(&persist, "/usr/sbin/vm");
	require(rules && persist_parse(rules, "F", &err, &back) == 0);
	require(back.count == persist.count);
	for (size_t i = 0; i < back.count; i++)
		require(persist_has(&persist, &back.device[i]));
}

static void fuzz_words(const char *text)
{
	struct hostpci_addr addr;
	struct err err = {0};

	if (hostpci_parse_slot(text, &err, &addr) == 0) {
		require(addr.slot < 32 && addr.func == 0);
		/* An address is no slot. */
		require(hostpci_parse_addr(text, NULL, &addr) < 0);
	}
	if (!pciname_valid(text))
		return;
	require(strlen(text) <= PCINAME_MAX && pciname_like(text));
	require(hostpci_parse_addr(text, NULL, &addr) < 0);
	require(hostpci_parse_slot(text, NULL, &addr) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *text = strndup((const char *)data, size);

	require(text != NULL);
	fuzz_identity(text);
	fuzz_history(text);
	fuzz_rules(text);
	fuzz_words(text);
	return 0;
}
