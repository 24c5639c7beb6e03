/* SPDX-License-Identifier: BSD-2-Clause */
/* What is parsed of a NIC's network options: addresses, forwarding rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "backend/net_internal.h"

struct fixture {
	struct cfg *root, *node;
	struct err err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->root = cfg_create();
	assert_non_null(f->root);
	assert_int_equal(cfg_make(f->root, "nic", NULL, &f->node), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	cfg_destroy(f->root);
	free(f);
	return 0;
}

static void test_mac_given(void **state)
{
	struct fixture *f = *state;
	uint8_t mac[6];

	assert_int_equal(cfg_set(f->node, "mac", "58:9C:fc:00:11:2f", NULL), 0);
	assert_int_equal(net_mac(f->node, "x", &f->err, mac), 0);
	assert_memory_equal(mac, "\x58\x9c\xfc\x00\x11\x2f", 6);
}

static void test_mac_bad(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
	    {"58:9c:fc:00:11", "mac=58:9c:fc:00:11 is not an address such as"
			       " 58:9c:fc:00:11:22"},
	    {"58:9c:fc:00:11:2g",
	     "mac=58:9c:fc:00:11:2g is not an address such as"
	     " 58:9c:fc:00:11:22"},
	    {"58-9c-fc-00-11-22",
	     "mac=58-9c-fc-00-11-22 is not an address such as"
	     " 58:9c:fc:00:11:22"},
	    {"59:9c:fc:00:11:22",
	     "mac=59:9c:fc:00:11:22 is a multicast address and cannot be a"
	     " NIC's own"},
	    {"00:00:00:00:00:00",
	     "mac=00:00:00:00:00:00 is a null address and cannot be a NIC's"
	     " own"},
	};
	struct fixture *f = *state;
	uint8_t mac[6] = {9};
	unsigned i;

	for (i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(cfg_set(f->node, "mac", cases[i].text, NULL),
				 0);
		assert_int_equal(net_mac(f->node, "x", &f->err, mac), -EINVAL);
		assert_string_equal(f->err.msg, cases[i].message);
		assert_int_equal(mac[0], 9);
	}
}

static void test_mac_derived(void **state)
{
	struct fixture *f = *state;
	uint8_t a[6], b[6], again[6];

	assert_int_equal(net_mac(f->node, "0-4-0-one", &f->err, a), 0);
	assert_int_equal(net_mac(f->node, "0-5-0-one", &f->err, b), 0);
	assert_int_equal(net_mac(f->node, "0-4-0-one", &f->err, again), 0);
	assert_memory_equal(a, "\x58\x9c\xfc", 3);
	assert_memory_equal(a, again, 6);
	assert_memory_not_equal(a, b, 6);
}

static void test_forward_rules(void **state)
{
	static const char *const bad[] = {
	    "",		  "tcp",	   "tcp::22",	    "tcp::22-22",
	    "sctp::1-:2", "tcp::0-:2",	   "tcp::1-:65536", "tcp:host:1-:2",
	    "tcp::x-:2",  "tcp:1.2.3:1-:2"};
	struct fixture *f = *state;
	const char *text = "udp:127.0.0.1:5353-10.0.2.20:53";
	struct net_fwd fwd;
	char want[256];
	unsigned i;

	assert_int_equal(net_fwd_parse("tcp::2222-:22;junk", 13, &f->err, &fwd),
			 0);
	assert_false(fwd.udp);
	assert_int_equal(fwd.host_addr, 0);
	assert_int_equal(fwd.host_port, 2222);
	assert_int_equal(fwd.guest_addr, 0);
	assert_int_equal(fwd.guest_port, 22);
	assert_int_equal(net_fwd_parse(text, strlen(text), &f->err, &fwd), 0);
	assert_true(fwd.udp);
	assert_int_equal(fwd.host_addr, htonl(0x7f000001));
	assert_int_equal(fwd.guest_addr, htonl(0x0a000214));
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(
		    net_fwd_parse(bad[i], strlen(bad[i]), &f->err, &fwd),
		    -EINVAL);
		snprintf(want, sizeof(want),
			 "hostfwd rule %s is not PROTO:"
			 "[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT, such as"
			 " tcp::2222-:22",
			 bad[i]);
		assert_string_equal(f->err.msg, want);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_mac_given),
	    T(test_mac_bad),
	    T(test_mac_derived),
	    T(test_forward_rules),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
