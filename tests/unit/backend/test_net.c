/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Network back ends: choice and refusals, the tap's flow control over a packet
 * socket, a real tap in a network of the test's own, and libslirp.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "backend/net_internal.h"
#include "base/clock.h"

#define HDR	NET_HDR_BYTES
#define WAIT_NS (10 * NS_PER_S)

struct fixture {
	struct evloop *loop;
	struct cfg *root, *node;
	struct net *net;
	struct net like;
	struct err err;
	/* what the guest's side received */
	unsigned room; /* frames it takes before it refuses */
	unsigned frames, refusals;
	unsigned turns;	 /* that ended */
	unsigned untold; /* frames since the last one */
	void (*on_frame)(struct fixture *f);
	uint8_t last[2048];
	size_t last_len;
	int peer; /* other end of a packet socket */
};

static bool receive(void *ctx, const struct iovec *iov, unsigned iovcnt)
{
	struct fixture *f = ctx;
	unsigned i;

	if (f->room == 0) {
		f->refusals++;
		return false;
	}
	f->room--;
	f->frames++;
	f->untold++;
	if (f->on_frame)
		f->on_frame(f);
	f->last_len = 0;
	for (i = 0; i < iovcnt; i++) {
		size_t len = MIN(iov[i].iov_len, sizeof(f->last) - f->last_len);

		memcpy(f->last + f->last_len, iov[i].iov_base, len);
		f->last_len += len;
	}
	return true;
}

static void turn_end(void *ctx)
{
	struct fixture *f = ctx;

	/* A turn is one because of its frames. */
	assert_true(f->untold > 0);
	f->turns++;
	f->untold = 0;
}

static const struct net_receiver receiver = {
    .frame = receive,
    .turn_end = turn_end,
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->peer = -1;
	f->room = 1000;
	f->root = cfg_create();
	assert_non_null(f->root);
	assert_int_equal(cfg_make(f->root, "nic", NULL, &f->node), 0);
	assert_int_equal(evloop_create(&f->loop), 0);
	f->like = (struct net){.loop = f->loop, .to = &receiver, .ctx = f};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	net_close(f->net);
	evloop_destroy(f->loop);
	cfg_destroy(f->root);
	if (f->peer >= 0)
		close(f->peer);
	free(f);
	return 0;
}

static void step(struct fixture *f)
{
	unsigned i;

	for (i = 0; i < 4; i++)
		assert_int_equal(evloop_step(f->loop, 0), 0);
	/* Whatever happened, the guest heard of all its frames. */
	assert_int_equal(f->untold, 0);
}

static bool wait_frames(struct fixture *f, unsigned frames)
{
	uint64_t start = clock_host()->mono_ns(clock_host());

	while (f->frames < frames) {
		if (clock_host()->mono_ns(clock_host()) - start > WAIT_NS)
			return false;
		assert_int_equal(evloop_step(f->loop, 10), 0);
	}
	return true;
}

static int open_with(struct fixture *f, const char *options)
{
	assert_int_equal(cfg_set_list(f->node, options, NULL), 0);
	return net_open(f->node, f->loop, &receiver, f, &f->err, &f->net);
}

static void refused(struct fixture *f, const char *options, int code,
		    const char *text)
{
	assert_int_equal(open_with(f, options), code);
	assert_null(f->net);
	assert_string_equal(f->err.msg, text);
}

/* ---- choice ---- */

static void test_no_backend(void **state)
{
	struct fixture *f = *state;
	struct iovec iov = {(char[64]){0}, 64};

	assert_int_equal(open_with(f, ""), 0);
	assert_false(net_has_vnet_hdr(f->net));
	assert_false(net_can_lend(f->net));
	assert_int_equal(net_lend(f->net), -ENOTSUP);
	assert_int_equal(net_set_vnet_hdr(f->net, true, 0), -ENOTSUP);
	assert_int_equal(net_set_vnet_hdr(f->net, false, 0), 0);
	net_enable(f->net, true);
	net_send(f->net, &iov, 1);
	net_resume(f->net);
	step(f);
	assert_int_equal(f->frames, 0);
}

static void test_unknown_backend(void **state)
{
	refused(
	    *state, "backend=nosuchif0", -ENODEV,
	    "network back end nosuchif0: no interface of that name; create it"
	    " with 'ip tuntap add dev nosuchif0 mode tap', or use tapN or"
	    " slirp");
}

static void test_freebsd_backend(void **state)
{
	refused(*state, "backend=netgraph", -EINVAL,
		"network back end netgraph exists on FreeBSD only; use a tap"
		" interface (tapN) or slirp");
}

static void test_hostfwd_without_slirp(void **state)
{
	refused(*state, "backend=tap0,hostfwd=tcp::1-:2", -EINVAL,
		"hostfwd works with the back end slirp only");
}

/* ---- tap: flow, over a packet socket ---- */

static void wrap(struct fixture *f)
{
	int pair[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
		       0, pair),
	    0);
	f->peer = pair[1];
	assert_int_equal(net_tap_wrap("tap9", pair[0], &f->like, &f->net), 0);
}

/* A frame from the wire, the header in front, `mark` its first byte. */
static void wire_send(struct fixture *f, uint8_t mark, size_t len)
{
	uint8_t frame[HDR + 1600] = {0};

	memset(frame + HDR, mark, len);
	assert_int_equal(send(f->peer, frame, HDR + len, 0), HDR + len);
}

static void test_tap_receive(void **state)
{
	struct fixture *f = *state;

	wrap(f);
	wire_send(f, 1, 60);
	step(f);
	assert_int_equal(f->frames, 0); /* not enabled */
	net_enable(f->net, true);
	step(f);
	assert_int_equal(f->frames, 1);
	/* Nobody asked for headers: none seen. */
	assert_int_equal(f->last_len, 60);
	assert_int_equal(f->last[0], 1);
	net_enable(f->net, false);
	step(f);
	wire_send(f, 2, 60);
	step(f);
	assert_int_equal(f->frames, 1);
}

static void test_tap_no_room(void **state)
{
	struct fixture *f = *state;
	unsigned i;

	wrap(f);
	net_enable(f->net, true);
	f->room = 2;
	for (i = 0; i < 5; i++)
		wire_send(f, (uint8_t)i, 60 + i);
	step(f);
	assert_int_equal(f->frames, 2);
	assert_int_equal(f->refusals, 1);
	/* It waits: no asking again until there is room. */
	step(f);
	assert_int_equal(f->refusals, 1);
	net_resume(f->net);
	step(f);
	assert_int_equal(f->refusals, 2);
	f->room = 1000;
	net_resume(f->net);
	step(f);
	assert_int_equal(f->frames, 5);
	assert_int_equal(f->last_len, 64); /* in order, none lost */
	assert_int_equal(f->last[0], 4);
}

/* What is there is one turn; what comes later is another. */
static void test_tap_turn(void **state)
{
	struct fixture *f = *state;
	unsigned i;

	wrap(f);
	net_enable(f->net, true);
	step(f);
	for (i = 0; i < 10; i++)
		wire_send(f, (uint8_t)i, 60);
	step(f);
	assert_int_equal(f->frames, 10);
	assert_int_equal(f->turns, 1);
	wire_send(f, 10, 60);
	step(f);
	assert_int_equal(f->frames, 11);
	assert_int_equal(f->turns, 2);
	step(f);
	assert_int_equal(f->turns, 2);
}

static void test_tap_turn_limits(void **state)
{
	struct fixture *f = *state;
	unsigned i;

	wrap(f);
	net_enable(f->net, true);
	step(f);
	for (i = 0; i < 65; i++)
		wire_send(f, 1, 60);
	step(f);
	assert_int_equal(f->frames, 65);
	assert_int_equal(f->turns, 2);
	/* Long frames: not all of them at once. */
	for (i = 0; i < 5; i++) {
		static const uint8_t frame[HDR + 40000];

		assert_int_equal(send(f->peer, frame, sizeof(frame), 0),
				 sizeof(frame));
	}
	step(f);
	assert_int_equal(f->frames, 70);
	assert_int_equal(f->turns, 4);
}

/* No room ends a turn, and the frame that waited begins the next one. */
static void test_tap_turn_no_room(void **state)
{
	struct fixture *f = *state;
	unsigned i;

	wrap(f);
	net_enable(f->net, true);
	step(f);
	f->room = 2;
	for (i = 0; i < 5; i++)
		wire_send(f, (uint8_t)i, 60);
	step(f);
	assert_int_equal(f->frames, 2);
	assert_int_equal(f->turns, 1);
	net_resume(f->net); /* still none: nothing to tell */
	step(f);
	assert_int_equal(f->turns, 1);
	f->room = 1000;
	net_resume(f->net);
	step(f);
	assert_int_equal(f->frames, 5);
	assert_int_equal(f->turns, 2);
	assert_int_equal(f->last[0], 4);
}

static void switch_off(struct fixture *f)
{
	net_enable(f->net, false);
}

static void hang_up(struct fixture *f)
{
	if (f->peer >= 0)
		close(f->peer);
	f->peer = -1;
}

/* Switched off, or broken, in the middle of a turn. */
static void test_tap_turn_cut(void **state)
{
	struct fixture *f = *state;

	wrap(f);
	net_enable(f->net, true);
	step(f);
	f->on_frame = switch_off;
	wire_send(f, 1, 60);
	wire_send(f, 2, 60);
	step(f);
	assert_int_equal(f->frames, 1);
	assert_int_equal(f->turns, 1);
	f->on_frame = hang_up;
	net_enable(f->net, true);
	step(f);
	assert_int_equal(f->frames, 2);
	assert_int_equal(f->turns, 2);
}

static void test_tap_disabled_drops_waiting(void **state)
{
	struct fixture *f = *state;

	wrap(f);
	net_enable(f->net, true);
	f->room = 0;
	wire_send(f, 1, 60);
	step(f);
	assert_int_equal(f->refusals, 1);
	net_enable(f->net, false);
	step(f);
	f->room = 10;
	net_enable(f->net, true);
	wire_send(f, 2, 60);
	step(f);
	assert_int_equal(f->frames, 1);
	assert_int_equal(f->last[0], 2);
}

/* What came for the driver before is not for the one that borrows. */
static void test_tap_lend(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[HDR + 1600];
	int fd;

	wrap(f);
	assert_true(net_can_lend(f->net));
	net_enable(f->net, true);
	f->room = 1;
	wire_send(f, 1, 60);
	wire_send(f, 2, 60);
	step(f);
	assert_int_equal(f->refusals, 1); /* 2 is kept */
	wire_send(f, 3, 1500);
	wire_send(f, 4, 60);
	fd = net_lend(f->net);
	assert_true(fd >= 0);
	assert_int_equal(recv(fd, frame, sizeof(frame), MSG_DONTWAIT), -1);
	/* From now on nobody but the borrower reads. */
	f->room = 1000;
	wire_send(f, 5, 60);
	net_resume(f->net);
	step(f);
	assert_int_equal(f->frames, 1);
	assert_int_equal(recv(fd, frame, sizeof(frame), MSG_DONTWAIT),
			 HDR + 60);
	assert_int_equal(frame[HDR], 5);
	net_enable(f->net, true);
	wire_send(f, 6, 60);
	step(f);
	assert_int_equal(f->frames, 2);
	assert_int_equal(f->last[0], 6);
}

static void test_tap_send(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[] = {{(char[]){"head"}, 4}, {(char[]){"tail"}, 4}};
	struct iovec many[NET_IOV_MAX + 1];
	uint8_t back[128];
	unsigned i;

	wrap(f);
	net_send(f->net, iov, 2);
	assert_int_equal(recv(f->peer, back, sizeof(back), 0), HDR + 8);
	assert_memory_equal(back + HDR, "headtail", 8);
	for (i = 0; i < HDR; i++)
		assert_int_equal(back[i], 0);
	/* More pieces than promised: dropped. */
	for (i = 0; i < ARRAY_LEN(many); i++)
		many[i] = (struct iovec){back, 1};
	net_send(f->net, many, ARRAY_LEN(many));
	assert_int_equal(recv(f->peer, back, sizeof(back), 0), -1);
	net_send(f->net, many, NET_IOV_MAX);
	assert_int_equal(recv(f->peer, back, sizeof(back), MSG_TRUNC),
			 HDR + NET_IOV_MAX);
}

static void test_tap_send_never_blocks(void **state)
{
	struct fixture *f = *state;
	struct iovec iov = {f->last, 1500};
	unsigned i;

	wrap(f);
	for (i = 0; i < 10000; i++)
		net_send(f->net, &iov, 1);
}

static void test_tap_gone(void **state)
{
	struct fixture *f = *state;

	wrap(f);
	net_enable(f->net, true);
	step(f);
	close(f->peer);
	f->peer = -1;
	step(f);
	/* Tried once more, not over and over. */
	net_enable(f->net, true);
	step(f);
	assert_int_equal(f->frames, 0);
}

/* ---- tap: the real thing ---- */

static void test_tap_refusals(void **state)
{
	struct fixture *f = *state;
	char want[160];

	assert_int_equal(net_tap_open("tap7", "/nonexistent/tun", &f->like,
				      &f->err, &f->net),
			 -ENOENT);
	assert_string_equal(
	    f->err.msg,
	    "tap7: /nonexistent/tun is missing; load it with 'modprobe tun'");
	assert_int_equal(
	    net_tap_open("tap7", "/dev/null", &f->like, &f->err, &f->net),
	    -ENOTTY);
	snprintf(want, sizeof(want), "tap7: cannot be opened as a tap: %s",
		 strerror(ENOTTY));
	assert_string_equal(f->err.msg, want);
	assert_int_equal(net_tap_open("interfacenametoolong", "/dev/null",
				      &f->like, &f->err, &f->net),
			 -EINVAL);
	assert_string_equal(f->err.msg, "interfacenametoolong: longer than an"
					" interface name can be (15)");
}

/* A packet socket on the interface: what its wire carries. */
static int wire_open(const char *name)
{
	struct sockaddr_ll addr = {
	    .sll_family = AF_PACKET,
	    .sll_protocol = htons(ETH_P_ALL),
	    .sll_ifindex = (int)if_nametoindex(name),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	if (fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static const uint8_t test_frame[64] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x58,
    0x9c, 0xfc, 0,    0,    1,	  0x88, 0xb5 /* for experiments */,
    'h',  'i'};

static bool wire_expects(int wire, const uint8_t *frame, size_t len)
{
	struct pollfd p = {.fd = wire, .events = POLLIN};
	uint8_t buf[2048];
	unsigned i;

	/* The kernel announces itself on a fresh interface: look past that. */
	for (i = 0; i < 100 && poll(&p, 1, 5000) == 1; i++) {
		ssize_t n = recv(wire, buf, sizeof(buf), 0);

		if (n == (ssize_t)len && memcmp(buf, frame, len) == 0)
			return true;
	}
	return false;
}

static bool guest_expects(struct fixture *f, const uint8_t *frame, size_t len)
{
	unsigned i;

	for (i = 0; i < 100; i++) {
		if (f->last_len == len && memcmp(f->last, frame, len) == 0)
			return true;
		if (!wait_frames(f, f->frames + 1))
			return false;
	}
	return false;
}

/* In a child with a network of its own; the exit status names the failure. */
static int tap_child(struct fixture *f)
{
	struct iovec with_header[2] = {
	    {(uint8_t[HDR]){0}, HDR},
	    {(void *)(uintptr_t)test_frame, sizeof(test_frame)}};
	uint8_t expected[HDR + sizeof(test_frame)] = {0};
	struct net *second = NULL;
	int wire;

	if (net_tap_open("tap0", "/dev/net/tun", &f->like, &f->err, &f->net))
		return 2;
	if (net_tap_open("tap0", "/dev/net/tun", &f->like, &f->err, &second) !=
		-EBUSY ||
	    strcmp(f->err.msg, "tap0: in use by another process, such as a"
			       " running guest") != 0)
		return 3;
	wire = wire_open("tap0");
	if (wire < 0)
		return 4;
	net_enable(f->net, true);
	net_send(f->net, &with_header[1], 1);
	if (!wire_expects(wire, test_frame, sizeof(test_frame)))
		return 5;
	if (send(wire, test_frame, sizeof(test_frame), 0) < 0 ||
	    !guest_expects(f, test_frame, sizeof(test_frame)))
		return 6;
	/* With headers now, and every offload a driver may ask for. */
	if (net_set_vnet_hdr(f->net, true,
			     TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 |
				 TUN_F_TSO_ECN))
		return 7;
	net_send(f->net, with_header, 2);
	if (!wire_expects(wire, test_frame, sizeof(test_frame)))
		return 8;
	memcpy(expected + HDR, test_frame, sizeof(test_frame));
	if (send(wire, test_frame, sizeof(test_frame), 0) < 0 ||
	    !guest_expects(f, expected, sizeof(expected)))
		return 9;
	close(wire);
	if (if_nametoindex("lo") && net_tap_open("lo", "/dev/net/tun", &f->like,
						 &f->err, &second) != -EINVAL)
		return 10;
	return strcmp(f->err.msg, "lo: exists but is not a plain tap interface")
		   ? 11
		   : 0;
}

static void test_tap_real(void **state)
{
	struct fixture *f = *state;
	int status, why[2];
	ssize_t n;
	char text[512] = "";
	pid_t child;

	assert_int_equal(pipe(why), 0);
	child = fork();
	if (child == 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET) &&
		    unshare(CLONE_NEWNET)) {
			dprintf(why[1], "no network namespace: %s",
				strerror(errno));
			_exit(77);
		}
		if (access("/dev/net/tun", R_OK | W_OK)) {
			dprintf(why[1], "/dev/net/tun: %s", strerror(errno));
			_exit(77);
		}
		status = tap_child(f);
		dprintf(why[1], "%s", f->err.msg);
		net_close(f->net);
		evloop_destroy(f->loop);
		_exit(status);
	}
	assert_true(child > 0);
	close(why[1]);
	n = read(why[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	close(why[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("skipped: %s\n", text);
		skip();
	}
	if (WEXITSTATUS(status))
		fail_msg("step %d: %s", WEXITSTATUS(status), text);
}

/* ---- slirp ---- */

static bool slirp_open(struct fixture *f, const char *options)
{
	int r = open_with(f, options);

	if (r == 0)
		return true;
	assert_int_equal(r, -ENOENT);
	print_message("skipped: %s\n", f->err.msg);
	return false;
}

/* "Who has 10.0.2.2?" from the guest's first address. */
static void send_arp(struct fixture *f)
{
	static const uint8_t arp[] = {
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x58, 0x9c, 0xfc, 0,  0,
	    1,	  0x08, 0x06, 0,    1,	  0x08, 0,    6,    4,	  0,  1,
	    0x58, 0x9c, 0xfc, 0,    0,	  1,	10,   0,    2,	  15, 0,
	    0,	  0,	0,    0,    0,	  10,	0,    2,    2,
	};
	struct iovec iov[] = {
	    {(void *)(uintptr_t)arp, 20},
	    {(void *)(uintptr_t)(arp + 20), sizeof(arp) - 20},
	};
	net_send(f->net, iov, 2);
}

static void test_slirp_answers(void **state)
{
	struct fixture *f = *state;

	if (!slirp_open(f, "backend=slirp"))
		skip();
	assert_false(net_has_vnet_hdr(f->net));
	net_enable(f->net, true);
	step(f);
	send_arp(f);
	/* Never inside net_send(): the NIC's lock is held there. */
	assert_int_equal(f->frames, 0);
	/* But right after, not when some timer is due. */
	step(f);
	assert_int_equal(f->frames, 1);
	assert_int_equal(f->last[12] << 8 | f->last[13], 0x0806);
	assert_int_equal(f->last[21], 2); /* a reply */
	assert_memory_equal(f->last + 28, "\x0a\x00\x02\x02", 4);
}

static void test_slirp_keeps_frames(void **state)
{
	struct fixture *f = *state;

	if (!slirp_open(f, "backend=slirp"))
		skip();
	net_enable(f->net, true);
	f->room = 0;
	send_arp(f);
	send_arp(f);
	step(f);
	assert_int_equal(f->frames, 0);
	assert_int_equal(f->turns, 0);
	assert_true(f->refusals > 0);
	f->room = 10;
	net_resume(f->net);
	assert_true(wait_frames(f, 2));
	assert_int_equal(f->turns, 1);
	assert_int_equal(f->untold, 0);
}

static uint16_t ip_sum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* The datagram received last, turned round, its data "pong". */
static void answer_datagram(const struct fixture *f, uint8_t *reply)
{
	const uint8_t *eth = f->last, *from = f->last + 14;
	uint8_t *ip = reply + 14;
	uint16_t sum;

	memcpy(reply, f->last, f->last_len);
	memcpy(reply, eth + 6, 6);
	memcpy(reply + 6, eth, 6);
	memcpy(ip + 12, from + 16, 4);
	memcpy(ip + 16, from + 12, 4);
	memcpy(ip + 20, from + 22, 2);
	memcpy(ip + 22, from + 20, 2);
	memcpy(ip + 28, "pong", 4);
	ip[26] = ip[27] = 0; /* no UDP checksum */
	ip[10] = ip[11] = 0;
	sum = ip_sum(ip, 20);
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
}

/* A host program's UDP datagram comes to the guest, and the answer back. */
static void test_slirp_forwards(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in addr = {
	    .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t addr_len = sizeof(addr);
	int probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint8_t reply[64];
	char option[96], text[16];
	struct iovec iov = {reply, 0};
	unsigned i;

	/* A port that is free: the kernel's choice, then given back. */
	assert_true(probe >= 0);
	assert_int_equal(bind(probe, (void *)&addr, sizeof(addr)), 0);
	assert_int_equal(getsockname(probe, (void *)&addr, &addr_len), 0);
	close(probe);
	snprintf(option, sizeof(option),
		 "backend=slirp,hostfwd=udp:127.0.0.1:%u-:7777",
		 ntohs(addr.sin_port));
	if (!slirp_open(f, option))
		skip();
	net_enable(f->net, true);
	send_arp(f); /* so that it knows who 10.0.2.15 is */
	assert_true(wait_frames(f, 1));

	probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    sendto(probe, "ping", 4, 0, (void *)&addr, sizeof(addr)), 4);
	assert_true(wait_frames(f, 2));
	assert_int_equal(f->last_len, 14 + 20 + 8 + 4);
	assert_int_equal(f->last[14 + 9], 17);
	assert_int_equal(f->last[14 + 20 + 2] << 8 | f->last[14 + 20 + 3],
			 7777);
	assert_memory_equal(f->last + 14 + 28, "ping", 4);

	answer_datagram(f, reply);
	iov.iov_len = f->last_len;
	net_send(f->net, &iov, 1);
	for (i = 0; i < 1000; i++) {
		assert_int_equal(evloop_step(f->loop, 10), 0);
		if (recv(probe, text, sizeof(text), MSG_DONTWAIT) == 4)
			break;
	}
	assert_memory_equal(text, "pong", 4);
	close(probe);
}

static void test_slirp_port_taken(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in addr = {
	    .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t addr_len = sizeof(addr);
	int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char option[96], want[160];
	int r;

	assert_int_equal(bind(taken, (void *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(taken, 1), 0);
	assert_int_equal(getsockname(taken, (void *)&addr, &addr_len), 0);
	snprintf(option, sizeof(option),
		 "backend=slirp,hostfwd=tcp:127.0.0.1:%u-:22",
		 ntohs(addr.sin_port));
	r = open_with(f, option);
	close(taken);
	if (r == -ENOENT) {
		print_message("skipped: %s\n", f->err.msg);
		skip();
	}
	assert_int_equal(r, -EADDRINUSE);
	snprintf(want, sizeof(want),
		 "slirp: cannot listen on tcp 127.0.0.1:%u,"
		 " choose another hostfwd= port: Address already in use",
		 ntohs(addr.sin_port));
	assert_string_equal(f->err.msg, want);
}

static void test_slirp_bad_rule(void **state)
{
	struct fixture *f = *state;
	int r = open_with(f, "backend=slirp,hostfwd=tcp::1-:2x");

	if (r == -ENOENT) {
		print_message("skipped: %s\n", f->err.msg);
		skip();
	}
	assert_int_equal(r, -EINVAL);
	assert_non_null(strstr(f->err.msg, "hostfwd rule tcp::1-:2x"));
}

static void test_slirp_flood(void **state)
{
	struct fixture *f = *state;
	struct iovec junk = {f->last, sizeof(f->last)};
	unsigned i;

	if (!slirp_open(f, "backend=slirp"))
		skip();
	net_enable(f->net, true);
	/* Far more than the queue holds: the rest is lost, nothing breaks. */
	for (i = 0; i < 1000; i++)
		net_send(f->net, &junk, 1);
	step(f);
	send_arp(f);
	assert_true(wait_frames(f, 1));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_no_backend),
	    T(test_unknown_backend),
	    T(test_freebsd_backend),
	    T(test_hostfwd_without_slirp),
	    T(test_tap_receive),
	    T(test_tap_no_room),
	    T(test_tap_turn),
	    T(test_tap_turn_limits),
	    T(test_tap_turn_no_room),
	    T(test_tap_turn_cut),
	    T(test_tap_disabled_drops_waiting),
	    T(test_tap_lend),
	    T(test_tap_send),
	    T(test_tap_send_never_blocks),
	    T(test_tap_gone),
	    T(test_tap_refusals),
	    T(test_tap_real),
	    T(test_slirp_answers),
	    T(test_slirp_keeps_frames),
	    T(test_slirp_forwards),
	    T(test_slirp_port_taken),
	    T(test_slirp_bad_rule),
	    T(test_slirp_flood),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
