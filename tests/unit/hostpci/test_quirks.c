/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of broken resets (hostpci/quirks.c): what matches, and that
 * docs/passthrough.md has the same one. argv[1]: that file.
 */
#include "fixture.h"

#include <string.h>

#include "hostpci/quirks.h"

static unsigned quirks_of(unsigned vendor, unsigned device, uint32_t class,
			  unsigned *ret_wait)
{
	struct hostpci_dev dev = {
	    .vendor = (uint16_t)vendor,
	    .device = (uint16_t)device,
	    .class = class,
	};

	return hostpci_quirks(&dev, ret_wait);
}

static void test_match(void **state UNUSED)
{
	unsigned wait;

	assert_int_equal(quirks_of(0x8086, 0x0953, 0x010802, &wait),
			 QUIRK_WAIT);
	assert_int_equal(wait, 250);
	/* Another class has other registers. */
	assert_int_equal(quirks_of(0x8086, 0x0953, 0x020000, &wait), 0);
	assert_int_equal(wait, 0);
	assert_int_equal(quirks_of(0x10de, 0x233f, 0x030200, &wait), 0);
	assert_int_equal(quirks_of(0x10de, 0x2340, 0x030200, &wait),
			 QUIRK_NO_BUS);
	assert_int_equal(quirks_of(0x10de, 0x237f, 0x030200, &wait),
			 QUIRK_NO_BUS);
	assert_int_equal(quirks_of(0x10de, 0x2380, 0x030200, &wait), 0);
	/* Two entries. */
	assert_int_equal(quirks_of(0x1002, 0x67df, 0x030000, &wait),
			 QUIRK_NO_PM | QUIRK_MODULE);
	assert_int_equal(quirks_of(0x1002, 0x6650, 0x038000, &wait), QUIRK_SMC);
	assert_int_equal(quirks_of(0x1002, 0x67b0, 0x030000, &wait),
			 QUIRK_NO_PM | QUIRK_SMC);
	assert_int_equal(quirks_of(0x1022, 0x15b8, 0x0c0330, &wait),
			 QUIRK_HOST);
	/* A P4 has none. */
	assert_int_equal(quirks_of(0x10de, 0x1bb3, 0x030200, &wait), 0);
}

static void test_kernels(void **state UNUSED)
{
	assert_non_null(hostpci_kernel_quirk("6.14.2"));
	assert_non_null(hostpci_kernel_quirk("6.14.2-arch1-1"));
	assert_non_null(hostpci_kernel_quirk("6.12.23+deb13-amd64"));
	assert_null(hostpci_kernel_quirk("6.14.20"));
	assert_null(hostpci_kernel_quirk("6.14.3"));
	assert_null(hostpci_kernel_quirk("6.1.0-17-amd64"));
}

/* Each entry says all that the table in the documentation has. */
static void test_whole(void **state UNUSED)
{
	const struct hostpci_quirk *q;
	char cure[64];

	for (size_t i = 0; (q = hostpci_quirk_at(i)) != NULL; i++) {
		hostpci_quirk_cure(q->what, q->wait_ms, cure, sizeof(cure));
		assert_true(cure[0] && q->name[0] && q->broken[0] &&
			    q->source[0] && q->first <= q->last);
		assert_int_equal(!!(q->what & (QUIRK_WAIT | QUIRK_WAIT_PM)),
				 q->wait_ms > 0);
	}
}

static void row(FILE *f, const struct hostpci_quirk *q)
{
	char cure[64], ids[24];

	hostpci_quirk_cure(q->what, q->wait_ms, cure, sizeof(cure));
	if (q->last == QUIRK_ANY)
		snprintf(ids, sizeof(ids), "%04x:*", q->vendor);
	else if (q->first == q->last)
		snprintf(ids, sizeof(ids), "%04x:%04x", q->vendor, q->first);
	else
		snprintf(ids, sizeof(ids), "%04x:%04x-%04x", q->vendor,
			 q->first, q->last);
	fprintf(f, "| %s | %s | %s | %s | %s |\n", ids, q->name, q->broken,
		cure, q->source);
}

static void test_documentation(void **state)
{
	const char *doc = *state;
	const struct hostpci_kernel_quirk *k;
	const struct hostpci_quirk *q;
	char *table = NULL, *text = NULL;
	size_t size = 0;
	bool found;
	FILE *f = open_memstream(&table, &size);

	for (size_t i = 0; (q = hostpci_quirk_at(i)) != NULL; i++)
		row(f, q);
	for (size_t i = 0; (k = hostpci_kernel_quirk_at(i)) != NULL; i++)
		fprintf(f, "| Linux %s | | %s | bus is tried after pm | %s |\n",
			k->version, k->broken, k->source);
	fclose(f);
	f = fopen(doc, "re");
	assert_non_null(f);
	size = 0;
	assert_true(getdelim(&text, &size, '\0', f) > 0);
	fclose(f);
	found = strstr(text, table) != NULL;
	if (!found)
		print_error("%s lacks lines of this table:\n", doc);
	for (char *line = table; !found && line && *line;
	     line += strcspn(line, "\n") + 1)
		print_error("%.*s\n", (int)strcspn(line, "\n"), line);
	free(text);
	free(table);
	assert_true(found);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_match),
	    cmocka_unit_test(test_kernels),
	    cmocka_unit_test(test_whole),
	    cmocka_unit_test_prestate(test_documentation, argv[1]),
	};

	if (argc != 2)
		return 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
