/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of what is said over rtnetlink and how answers are read: the test is
 * the other end of the socket. Requests were compared with ip(8)'s by strace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/socket.h>

#include "vm/netlink.h"

struct fixture {
	struct netlink *net;
	int kernel;	    /* our end */
	uint32_t seq;	    /* of the next answer */
	uint8_t buf[16384]; /* the answer being made */
	size_t len;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct timeval deadline = {2, 0};
	int fds[2];

	if (!f || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) < 0)
		return -1;
	f->kernel = fds[1];
	setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &deadline,
		   sizeof(deadline));
	*state = f;
	return netlink_open_fd(fds[0], &f->net);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	netlink_close(f->net);
	close(f->kernel);
	free(f);
	return 0;
}

/* --- answers --- */

static struct nlmsghdr *message(struct fixture *f, uint16_t type,
				uint16_t flags)
{
	struct nlmsghdr *head = mnl_nlmsg_put_header(f->buf + f->len);

	head->nlmsg_type = type;
	head->nlmsg_flags = flags;
	head->nlmsg_seq = f->seq + 1;
	return head;
}

static void message_end(struct fixture *f, const struct nlmsghdr *head)
{
	f->len += MNL_ALIGN(head->nlmsg_len);
}

/* The datagram that answers the next request. */
static void answer(struct fixture *f)
{
	assert_int_equal(send(f->kernel, f->buf, f->len, 0), f->len);
	f->len = 0;
	f->seq++;
}

static void answer_done(struct fixture *f)
{
	struct nlmsghdr *head = message(f, NLMSG_DONE, NLM_F_MULTI);

	mnl_nlmsg_put_extra_header(head, 4);
	message_end(f, head);
	answer(f);
}

static void answer_code(struct fixture *f, int code, const char *words)
{
	struct nlmsghdr *head =
	    message(f, NLMSG_ERROR,
		    (uint16_t)(NLM_F_CAPPED | (words ? NLM_F_ACK_TLVS : 0)));
	struct nlmsgerr *error =
	    mnl_nlmsg_put_extra_header(head, sizeof(*error));

	error->error = code;
	error->msg.nlmsg_len = 100; /* of the request, which is not here */
	if (words)
		mnl_attr_put_strz(head, NLMSGERR_ATTR_MSG, words);
	message_end(f, head);
	answer(f);
}

/* --- requests as text --- */

static void attrs_print(const uint8_t *p, size_t len, int depth, FILE *out)
{
	while (len >= sizeof(struct nlattr)) {
		const struct nlattr *attr = (const void *)p;
		size_t step = MNL_ALIGN((size_t)attr->nla_len);

		fprintf(out, "%*s%u", 2 * depth, "", mnl_attr_get_type(attr));
		if (attr->nla_type & NLA_F_NESTED) {
			fprintf(out, "\n");
			attrs_print(p + sizeof(*attr),
				    attr->nla_len - sizeof(*attr), depth + 1,
				    out);
		} else {
			for (size_t i = sizeof(*attr); i < attr->nla_len; i++)
				fprintf(out, " %02x", p[i]);
			fprintf(out, "\n");
		}
		p += step;
		len -= MIN(step, len);
	}
}

/* The request that is waiting: type, flags, header, attributes. */
static void expect_request(struct fixture *f, size_t header, const char *text)
{
	uint8_t buf[2048];
	struct nlmsghdr *head = (void *)buf;
	char *is = NULL;
	size_t size;
	FILE *out;
	ssize_t n = recv(f->kernel, buf, sizeof(buf), MSG_DONTWAIT);

	assert_true(n >= (ssize_t)(sizeof(*head) + header));
	assert_int_equal(head->nlmsg_len, n);
	out = open_memstream(&is, &size);
	fprintf(out, "%u %x:", head->nlmsg_type, head->nlmsg_flags);
	for (size_t i = 0; i < header; i++)
		fprintf(out, " %02x", buf[sizeof(*head) + i]);
	fprintf(out, "\n");
	attrs_print(buf + sizeof(*head) + header,
		    (size_t)n - sizeof(*head) - header, 0, out);
	fclose(out);
	assert_string_equal(is, text);
	free(is);
}

#define NOTHING "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"

static void test_add(void **state)
{
	static const uint8_t mac[6] = {2, 3, 4, 5, 6, 7};
	const struct netlink_new spec = {
	    .name = "br0", .kind = "bridge", .alias = "xy", .mac = mac};
	struct fixture *f = *state;

	answer_code(f, 0, NULL);
	answer_code(f, 0, NULL);
	assert_int_equal(f->net->ops->add(f->net, &spec, NULL), 0);
	expect_request(f, sizeof(struct ifinfomsg),
		       "16 605: " NOTHING "\n"
		       "3 62 72 30 00\n"
		       "1 02 03 04 05 06 07\n"
		       "18\n"
		       "  1 62 72 69 64 67 65 00\n");
	expect_request(f, sizeof(struct ifinfomsg),
		       "16 5: " NOTHING "\n"
		       "3 62 72 30 00\n"
		       "20 78 79\n");
}

/* "lo" has the number 1 in every network. */
static void test_add_vlan(void **state)
{
	const struct netlink_new spec = {.name = "lo.300",
					 .kind = "vlan",
					 .alias = "xy",
					 .lower = "lo",
					 .vlan = 300};
	struct fixture *f = *state;
	struct err err = {0};

	answer_code(f, -EOPNOTSUPP, "Unknown device type");
	assert_int_equal(f->net->ops->add(f->net, &spec, &err), -EOPNOTSUPP);
	assert_string_equal(err.msg, "lo.300: this kernel has no interfaces "
				     "of kind vlan (module 8021q)");
	expect_request(f, sizeof(struct ifinfomsg),
		       "16 605: " NOTHING "\n"
		       "3 6c 6f 2e 33 30 30 00\n"
		       "5 01 00 00 00\n"
		       "18\n"
		       "  1 76 6c 61 6e 00\n"
		       "  2\n"
		       "    1 2c 01\n");
}

/* An interface that did not get its alias is not left behind. */
static void test_add_undone(void **state)
{
	const struct netlink_new spec = {
	    .name = "br0", .kind = "bridge", .alias = "xy"};
	struct fixture *f = *state;
	struct err err = {0};

	answer_code(f, 0, NULL);
	answer_code(f, -ENOMEM, NULL);
	answer_code(f, 0, NULL);
	assert_int_equal(f->net->ops->add(f->net, &spec, &err), -ENOMEM);
	assert_string_equal(err.msg, "br0: cannot be given an alias: Cannot "
				     "allocate memory");
	expect_request(f, sizeof(struct ifinfomsg),
		       "16 605: " NOTHING "\n"
		       "3 62 72 30 00\n"
		       "18\n"
		       "  1 62 72 69 64 67 65 00\n");
	expect_request(f, sizeof(struct ifinfomsg),
		       "16 5: " NOTHING "\n"
		       "3 62 72 30 00\n"
		       "20 78 79\n");
	expect_request(f, sizeof(struct ifinfomsg),
		       "17 5: " NOTHING "\n"
		       "3 62 72 30 00\n");
}

static void test_change(void **state)
{
	struct fixture *f = *state;
	struct netlink_change join = {.set = NETLINK_MASTER, .master = "lo"};
	struct netlink_change leave = {.set = NETLINK_MASTER};
	struct netlink_change up = {.set = NETLINK_UP, .up = true};
	struct netlink_change mtu = {.set = NETLINK_MTU, .mtu = 1400};
	struct netlink_change isolate = {.set = NETLINK_ISOLATED,
					 .isolated = true};
	struct err err = {0};

	for (int i = 0; i < 5; i++)
		answer_code(f, 0, NULL);
	assert_int_equal(f->net->ops->change(f->net, "t0", &join, NULL), 0);
	assert_int_equal(f->net->ops->change(f->net, "t0", &leave, NULL), 0);
	assert_int_equal(f->net->ops->change(f->net, "t0", &up, NULL), 0);
	assert_int_equal(f->net->ops->change(f->net, "t0", &mtu, NULL), 0);
	assert_int_equal(f->net->ops->change(f->net, "t0", &isolate, NULL), 0);
	expect_request(f, sizeof(struct ifinfomsg),
		       "16 5: " NOTHING "\n"
		       "3 74 30 00\n10 01 00 00 00\n");
	expect_request(f, sizeof(struct ifinfomsg),
		       "16 5: " NOTHING "\n"
		       "3 74 30 00\n10 00 00 00 00\n");
	expect_request(f, sizeof(struct ifinfomsg),
		       "16 5: 00 00 00 00 00 00 00 00 01 00 00 00 01 00 00 "
		       "00\n"
		       "3 74 30 00\n");
	expect_request(f, sizeof(struct ifinfomsg),
		       "16 5: " NOTHING "\n"
		       "3 74 30 00\n4 78 05 00 00\n");
	expect_request(f, sizeof(struct ifinfomsg),
		       "16 5: " NOTHING "\n"
		       "3 74 30 00\n"
		       "18\n"
		       "  4 62 72 69 64 67 65 00\n"
		       "  5\n"
		       "    33 01\n");
	answer_code(f, -EBUSY, "Device is a stone");
	assert_int_equal(f->net->ops->change(f->net, "t0", &join, &err),
			 -EBUSY);
	assert_string_equal(err.msg,
			    "t0: cannot join the bridge: Device or resource "
			    "busy (Device is a stone)");
}

static void test_addr(void **state)
{
	struct netlink_addr v4 = {
	    .family = AF_INET, .prefix = 20, .bytes = {10, 1, 2, 3}};
	struct netlink_addr v6 = {
	    .family = AF_INET6, .prefix = 64, .bytes = {0xfd, [15] = 1}};
	struct fixture *f = *state;
	struct err err = {0};

	answer_code(f, 0, NULL);
	answer_code(f, -EADDRNOTAVAIL, NULL);
	assert_int_equal(f->net->ops->addr_add(f->net, "lo", &v4, NULL), 0);
	assert_int_equal(f->net->ops->addr_remove(f->net, "lo", &v6, &err),
			 -EADDRNOTAVAIL);
	assert_string_equal(err.msg, "lo: address fd00::1/64 cannot be "
				     "removed: Cannot assign requested "
				     "address");
	expect_request(f, sizeof(struct ifaddrmsg),
		       "20 605: 02 14 00 00 01 00 00 00\n"
		       "2 0a 01 02 03\n"
		       "1 0a 01 02 03\n"
		       "4 0a 01 0f ff\n");
	expect_request(f, sizeof(struct ifaddrmsg),
		       "21 5: 0a 40 00 00 01 00 00 00\n"
		       "2 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01\n"
		       "1 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01\n");
}

/* --- reading --- */

static void answer_bridge(struct fixture *f, uint16_t flags)
{
	struct nlmsghdr *head = message(f, RTM_NEWLINK, flags);
	struct rtnl_link_stats64 stats = {.rx_bytes = 7, .tx_bytes = 9};
	struct nlattr *info;
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(head, sizeof(*ifi));

	ifi->ifi_index = 5;
	ifi->ifi_type = ARPHRD_ETHER;
	ifi->ifi_flags = IFF_UP;
	mnl_attr_put_strz(head, IFLA_IFNAME, "vm-lan0");
	mnl_attr_put_strz(head, IFLA_IFALIAS, "vm-switch/lan0");
	mnl_attr_put_u32(head, IFLA_MTU, 1400);
	/* A future kernel's are longer, an older one's shorter. */
	mnl_attr_put(head, IFLA_STATS64, sizeof(stats) - 8, &stats);
	info = mnl_attr_nest_start(head, IFLA_LINKINFO);
	mnl_attr_put_strz(head, IFLA_INFO_KIND, "bridge");
	mnl_attr_nest_end(head, info);
	message_end(f, head);
}

static void answer_vlan(struct fixture *f)
{
	struct nlmsghdr *head = message(f, RTM_NEWLINK, NLM_F_MULTI);
	struct nlattr *info, *data;
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(head, sizeof(*ifi));

	ifi->ifi_index = 6;
	ifi->ifi_type = ARPHRD_ETHER;
	mnl_attr_put_strz(head, IFLA_IFNAME, "eno1.300");
	mnl_attr_put_u32(head, IFLA_LINK, 2);
	mnl_attr_put_u32(head, IFLA_MASTER, 5);
	info = mnl_attr_nest_start(head, IFLA_LINKINFO);
	mnl_attr_put_strz(head, IFLA_INFO_KIND, "vlan");
	data = mnl_attr_nest_start(head, IFLA_INFO_DATA);
	mnl_attr_put_u16(head, IFLA_VLAN_ID, 300);
	mnl_attr_nest_end(head, data);
	mnl_attr_put_strz(head, IFLA_INFO_SLAVE_KIND, "bridge");
	data = mnl_attr_nest_start(head, IFLA_INFO_SLAVE_DATA);
	mnl_attr_put_u8(head, IFLA_BRPORT_ISOLATED, 1);
	mnl_attr_nest_end(head, data);
	mnl_attr_nest_end(head, info);
	message_end(f, head);
}

/* What a broken peer could send is read as far as it goes. */
static void answer_odd_link(struct fixture *f)
{
	struct nlmsghdr *head = message(f, RTM_NEWLINK, NLM_F_MULTI);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(head, sizeof(*ifi));
	struct nlattr *info;

	ifi->ifi_index = 7;
	mnl_attr_put(head, IFLA_IFNAME, 20, "aaaaaaaaaaaaaaaaaaaa");
	mnl_attr_put_u8(head, IFLA_MTU, 1);
	mnl_attr_put(head, IFLA_MASTER, 0, "");
	mnl_attr_put(head, IFLA_STATS64, 3, "abc");
	info = mnl_attr_nest_start(head, IFLA_LINKINFO);
	mnl_attr_put(head, IFLA_INFO_KIND, 4, "vlan");
	mnl_attr_put(head, IFLA_INFO_DATA, 2, "ab");
	mnl_attr_nest_end(head, info);
	message_end(f, head);
	head = message(f, RTM_NEWLINK, NLM_F_MULTI);
	mnl_nlmsg_put_extra_header(head, 4);
	message_end(f, head);
}

static void answer_addr(struct fixture *f, uint8_t scope, uint8_t last)
{
	struct nlmsghdr *head = message(f, RTM_NEWADDR, NLM_F_MULTI);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(head, sizeof(*ifa));
	const uint8_t own[4] = {10, 0, 0, last}, peer[4] = {10, 0, 0, 99};

	ifa->ifa_family = AF_INET;
	ifa->ifa_prefixlen = 24;
	ifa->ifa_scope = scope;
	ifa->ifa_index = 5;
	mnl_attr_put(head, IFA_ADDRESS, 4, peer);
	mnl_attr_put(head, IFA_LOCAL, 4, own);
	message_end(f, head);
}

static void answer_addr6(struct fixture *f, size_t len)
{
	static const uint8_t own[16] = {0xfd, [15] = 7};
	struct nlmsghdr *head = message(f, RTM_NEWADDR, NLM_F_MULTI);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(head, sizeof(*ifa));

	ifa->ifa_family = AF_INET6;
	ifa->ifa_prefixlen = 64;
	ifa->ifa_index = 5;
	mnl_attr_put(head, IFA_ADDRESS, len, own);
	message_end(f, head);
}

static struct nlmsghdr *answer_route(struct fixture *f, uint8_t dst_len,
				     uint8_t type)
{
	struct nlmsghdr *head = message(f, RTM_NEWROUTE, NLM_F_MULTI);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(head, sizeof(*rtm));

	rtm->rtm_family = AF_INET;
	rtm->rtm_dst_len = dst_len;
	rtm->rtm_type = type;
	return head;
}

static void answer_routes(struct fixture *f)
{
	const struct rtnexthop hops[] = {{.rtnh_len = 8, .rtnh_ifindex = 12},
					 {.rtnh_len = 8, .rtnh_ifindex = 13},
					 {.rtnh_len = 200, .rtnh_ifindex = 14}};
	struct nlmsghdr *head = answer_route(f, 0, RTN_UNICAST);

	mnl_attr_put_u32(head, RTA_OIF, 11);
	message_end(f, head);
	head = answer_route(f, 24, RTN_UNICAST);
	mnl_attr_put_u32(head, RTA_OIF, 15);
	message_end(f, head);
	head = answer_route(f, 0, RTN_UNREACHABLE);
	mnl_attr_put_u32(head, RTA_OIF, 1);
	message_end(f, head);
	head = answer_route(f, 0, RTN_UNICAST);
	mnl_attr_put(head, RTA_MULTIPATH, sizeof(hops), hops);
	message_end(f, head);
	answer_done(f);
}

static void test_read(void **state)
{
	CLEANUP_NETLINK_STATE struct netlink_state s = {0};
	struct fixture *f = *state;
	char text[NETLINK_ADDR_TEXT];

	answer_bridge(f, NLM_F_MULTI);
	answer_vlan(f);
	answer_odd_link(f);
	answer_done(f);
	answer_addr(f, RT_SCOPE_UNIVERSE, 1);
	answer_addr(f, RT_SCOPE_HOST, 2);
	answer_addr6(f, 16);
	answer_addr6(f, 15);
	answer_done(f);
	answer_routes(f);
	assert_int_equal(netlink_read(f->net, NULL, &s), 0);

	assert_int_equal(s.links, 3);
	assert_string_equal(s.link[0].name, "vm-lan0");
	assert_string_equal(s.link[0].alias, "vm-switch/lan0");
	assert_true(netlink_is_bridge(&s.link[0]));
	assert_true(s.link[0].up && s.link[0].ethernet);
	assert_int_equal(s.link[0].mtu, 1400);
	assert_int_equal(s.link[0].rx_bytes, 7);
	assert_int_equal(s.link[0].tx_bytes, 9);
	assert_int_equal(s.link[1].vlan, 300);
	assert_int_equal(s.link[1].lower, 2);
	assert_true(s.link[1].isolated);
	assert_true(netlink_is_port(&s, &s.link[1], "vm-lan0"));
	assert_string_equal(s.link[2].name, "aaaaaaaaaaaaaaa");
	assert_int_equal(s.link[2].mtu, 0);

	assert_int_equal(s.addrs, 2);
	netlink_addr_format(&s.addr[0], text);
	assert_string_equal(text, "10.0.0.1/24");
	netlink_addr_format(&s.addr[1], text);
	assert_string_equal(text, "fd00::7/64");

	assert_int_equal(s.gateways, 3);
	assert_true(netlink_is_gateway(&s, 11));
	assert_true(netlink_is_gateway(&s, 12));
	assert_true(netlink_is_gateway(&s, 13));
	assert_false(netlink_is_gateway(&s, 15));
}

/* A dump that a change tore is asked for again. */
static void test_read_torn(void **state)
{
	CLEANUP_NETLINK_STATE struct netlink_state s = {0};
	struct fixture *f = *state;

	answer_bridge(f, NLM_F_MULTI | NLM_F_DUMP_INTR);
	answer_done(f);
	answer_bridge(f, NLM_F_MULTI);
	answer_done(f);
	answer_done(f);
	answer_done(f);
	assert_int_equal(netlink_read(f->net, NULL, &s), 0);
	assert_int_equal(s.links, 1);
}

static void test_read_fails(void **state)
{
	CLEANUP_NETLINK_STATE struct netlink_state s = {0};
	struct fixture *f = *state;
	struct err err = {0};

	answer_bridge(f, NLM_F_MULTI);
	answer_done(f);
	answer_code(f, -EPERM, NULL);
	assert_int_equal(netlink_read(f->net, &err, &s), -EPERM);
	assert_int_equal(s.links, 0);
	assert_string_equal(err.msg, "the host's network interfaces: "
				     "Operation not permitted");
}

static void test_names(void **state)
{
	static const char *const good[] = {"eno1", "a", "eno1.4094", "vm-lan_0",
					   "123456789012345"};
	static const char *const bad[] = {"",	  "1234567890123456",
					  "a b",  "a/b",
					  "a:b",  "..",
					  "a\nb", "a\"b",
					  ".",	  "tap%d",
					  "\x80"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(netlink_name_valid(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(netlink_name_valid(bad[i]));
}

static void test_overlap(void **state)
{
	struct netlink_addr a = {.family = AF_INET, .prefix = 24};
	struct netlink_addr b = {.family = AF_INET, .prefix = 16};

	(void)state;
	memcpy(a.bytes, "\x0a\x00\x05\x01", 4);
	memcpy(b.bytes, "\x0a\x00\x09\x01", 4);
	assert_true(netlink_addr_overlap(&a, &b));
	b.prefix = 24;
	assert_false(netlink_addr_overlap(&a, &b));
	b.prefix = 20;
	assert_true(netlink_addr_overlap(&a, &b));
	b.family = AF_INET6;
	assert_false(netlink_addr_overlap(&a, &b));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_add),
	    TEST(test_add_vlan),
	    TEST(test_add_undone),
	    TEST(test_change),
	    TEST(test_addr),
	    TEST(test_read),
	    TEST(test_read_torn),
	    TEST(test_read_fails),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_overlap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
