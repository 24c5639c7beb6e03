/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The AHCI controller as a whole: PCI function, registers, interrupts, start
 * and stop, and the resets with requests in flight.
 */
#include "ahci_fixture.h"

#include <string.h>

#include "dev/ahci/ahci_models.h"

#define SECTOR 512u

static const struct command read_one = {
    .command = ATA_READ_DMA_EXT, .lba = 3, .count = 1, .len = SECTOR};
static const struct command write_one = {.command = ATA_WRITE_DMA_EXT,
					 .lba = 3,
					 .count = 1,
					 .len = SECTOR,
					 .write = true};

static int setup(void **state)
{
	*state = ahci_build("hd:/disk0,hd:/disk1,cd:/disc");
	return 0;
}

static int setup_cold(void **state)
{
	*state = ahci_build_cold("hd:/disk0");
	return 0;
}

static uint32_t cfg(struct fixture *f, unsigned off, unsigned size)
{
	return world_cfg_read(&f->w, AHCI_ADDR, off, size);
}

static bool data_is(struct fixture *f, uint64_t at, uint8_t value, size_t len)
{
	uint8_t byte;
	size_t i;

	for (i = 0; i < len; i++) {
		mem_get(&f->w, at + i, &byte, 1);
		if (byte != value)
			return false;
	}
	return true;
}

/* ---- PCI function and registers ---- */

static void test_pci(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(cfg(f, PCI_VENDOR_ID, 4), 0x29228086);
	assert_int_equal(cfg(f, PCI_CLASS_REVISION, 4), 0x01060102);
	assert_int_equal(cfg(f, PCI_INTERRUPT_PIN, 1), 1);
	assert_int_equal(cfg(f, PCI_CAPABILITY_LIST, 1), 0x80);
	assert_int_equal(cfg(f, 0x80, 1), PCI_CAP_ID_MSI);
	/* One message. */
	assert_int_equal(cfg(f, 0x82, 2) & PCI_MSI_FLAGS_QMASK, 0);
	world_cfg_write(&f->w, AHCI_ADDR, PCI_BASE_ADDRESS_5, 4, ~0u);
	assert_int_equal(cfg(f, PCI_BASE_ADDRESS_5, 4), 0xfffff000);
	/* AHCI mode; PCS: three ports enabled and present. */
	assert_int_equal(cfg(f, 0x90, 1), 0x40);
	assert_int_equal(cfg(f, 0x92, 2), 0x0707);
	world_cfg_write(&f->w, AHCI_ADDR, 0x92, 2, 0xffff);
	assert_int_equal(cfg(f, 0x92, 2), 0x073f);
}

static void test_generic_registers(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(hba_read(&f->d, AHCI_CAP),
			 AHCI_CAP_S64A | AHCI_CAP_SNCQ | AHCI_CAP_SCLO |
			     3u << 20 | AHCI_CAP_SAM | AHCI_CAP_PMD | 31 << 8 |
			     2);
	assert_int_equal(hba_read(&f->d, AHCI_PI), 7);
	assert_int_equal(hba_read(&f->d, AHCI_VS), 0x10301);
	assert_int_equal(hba_read(&f->d, AHCI_CAP2), 0);
	assert_int_equal(hba_read(&f->d, AHCI_BOHC), 0);
	/* None of them can be written. */
	hba_write(&f->d, AHCI_CAP, 0);
	hba_write(&f->d, AHCI_PI, 0xff);
	hba_write(&f->d, AHCI_BOHC, 2);
	assert_int_equal(hba_read(&f->d, AHCI_PI), 7);
	assert_int_equal(hba_read(&f->d, AHCI_CAP) & 31, 2);
	assert_int_equal(hba_read(&f->d, AHCI_BOHC), 0);
	/* AE stays, also when written as 0. */
	hba_write(&f->d, AHCI_GHC, 0);
	assert_int_equal(hba_read(&f->d, AHCI_GHC), AHCI_GHC_AE);
	/* A port that is not there reads as zeroes and takes nothing. */
	port_write(&f->d, 3, AHCI_PXIE, ~0u);
	assert_int_equal(port_read(&f->d, 3, AHCI_PXIE), 0);
	assert_int_equal(port_read(&f->d, 3, AHCI_PXSSTS), 0);
}

static void test_port_after_power_on(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(port_read(&f->d, 0, AHCI_PXCMD),
			 AHCI_PXCMD_SUD | AHCI_PXCMD_POD);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXSSTS), 0x133);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXSIG), AHCI_SIG_ATA);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x150);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXSERR),
			 AHCI_SERR_X | AHCI_SERR_N);
	/* PxIS mirrors them, and follows when they are cleared. */
	assert_int_equal(port_read(&f->d, 0, AHCI_PXIS),
			 AHCI_PXIS_PCS | AHCI_PXIS_PRCS);
	port_write(&f->d, 0, AHCI_PXIS, ~0u);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXIS),
			 AHCI_PXIS_PCS | AHCI_PXIS_PRCS);
	port_write(&f->d, 0, AHCI_PXSERR, ~0u);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXIS), 0);
	/* Without the engine nothing can be issued. */
	port_write(&f->d, 0, AHCI_PXCI, ~0u);
	port_write(&f->d, 0, AHCI_PXSACT, ~0u);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCI), 0);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXSACT), 0);
}

static void test_access_sizes(void **state)
{
	struct fixture *f = *state;
	uint64_t clb = f->d.bar + AHCI_PORT_BASE + AHCI_PXCLB, v;

	(void)aspace_write(f->w.mmio, clb, 8, 0x123456789abcdef0);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCLB), 0x9abcdc00);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCLBU), 0x12345678);
	(void)aspace_read(f->w.mmio, clb, 8, &v);
	assert_int_equal(v, 0x123456789abcdc00);
	/* A narrow write leaves the other bytes alone. */
	(void)aspace_write(f->w.mmio, clb + 6, 2, 0x4321);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCLBU), 0x43215678);
	(void)aspace_write(f->w.mmio, clb + 5, 1, 0xaa);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCLBU), 0x4321aa78);
	(void)aspace_read(f->w.mmio, clb + 5, 1, &v);
	assert_int_equal(v, 0xaa);
	/* So does one to bits that are cleared by ones. */
	(void)aspace_write(
	    f->w.mmio, f->d.bar + AHCI_PORT_BASE + AHCI_PXSERR + 3, 1, 0xff);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXSERR), AHCI_SERR_N);
}

static void test_holes(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct cfg *node;
	struct err err;

	world_create(&f->w);
	node = world_node(&f->w, "device=ahci,port.1.type=hd,"
				 "port.1.path=/disk0,port.31.path=/disk1");
	assert_int_equal(ahci_model.create(&f->w.env, AHCI_ADDR, node, &err),
			 0);
	world_start(&f->w);
	assert_true(hba_probe(&f->d, &f->w));
	assert_int_equal(hba_read(&f->d, AHCI_PI), 0x80000002);
	assert_int_equal(hba_read(&f->d, AHCI_CAP) & AHCI_CAP_NP_MASK, 31);
	assert_int_equal(port_read(&f->d, 31, AHCI_PXSSTS), 0x133);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXSSTS), 0);
	/* Port 31's registers do not fit into one page. */
	world_cfg_write(&f->w, AHCI_ADDR, PCI_BASE_ADDRESS_5, 4, ~0u);
	assert_int_equal(cfg(f, PCI_BASE_ADDRESS_5, 4), 0xffffe000);
	*state = f;
}

static int setup_nothing(void **state)
{
	*state = NULL;
	return 0;
}

/* ---- interrupts ---- */

static void test_msi(void **state)
{
	struct fixture *f = *state;
	uint32_t before = world_msis(&f->w);

	ahci_run(f, 0, &read_one);
	assert_int_equal(world_msis(&f->w), before + 1);
	assert_int_equal(f->w.msi_data, 0x51);
	assert_int_equal(hba_read(&f->d, AHCI_IS), 1);
	/* The same port again: its bit is set already. */
	ahci_run(f, 0, &read_one);
	assert_int_equal(world_msis(&f->w), before + 1);
	/* Another port is another bit. */
	ahci_run(f, 1, &read_one);
	assert_int_equal(world_msis(&f->w), before + 2);
	assert_int_equal(hba_read(&f->d, AHCI_IS), 3);
	/* One of two cleared: the other one has to be told again. */
	port_write(&f->d, 0, AHCI_PXIS, ~0u);
	hba_write(&f->d, AHCI_IS, 1);
	assert_int_equal(world_msis(&f->w), before + 3);
	assert_int_equal(hba_read(&f->d, AHCI_IS), 2);
	/* The last one: nothing to tell. */
	port_write(&f->d, 1, AHCI_PXIS, ~0u);
	hba_write(&f->d, AHCI_IS, 2);
	assert_int_equal(world_msis(&f->w), before + 3);
	assert_int_equal(hba_read(&f->d, AHCI_IS), 0);
}

/* An event between the clearing of PxIS and of IS must not get lost. */
static void test_msi_race(void **state)
{
	struct fixture *f = *state;
	uint32_t before;

	ahci_run(f, 0, &read_one);
	before = world_msis(&f->w);
	port_write(&f->d, 0, AHCI_PXIS, ~0u);
	ahci_run(f, 0, &read_one);
	assert_int_equal(world_msis(&f->w), before);
	hba_write(&f->d, AHCI_IS, 1);
	assert_int_equal(world_msis(&f->w), before + 1);
	assert_int_equal(hba_read(&f->d, AHCI_IS), 1);
}

static void test_interrupt_enables(void **state)
{
	struct fixture *f = *state;
	uint32_t before = world_msis(&f->w);

	/* PxIE: the event is noted, nobody told. */
	port_write(&f->d, 0, AHCI_PXIE, AHCI_PXIS_SDBS);
	ahci_run(f, 0, &read_one);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXIS), AHCI_PXIS_DHRS);
	assert_int_equal(hba_read(&f->d, AHCI_IS), 0);
	port_write(&f->d, 0, AHCI_PXIE, AHCI_PXIS_DHRS);
	assert_int_equal(world_msis(&f->w), before + 1);
	/* GHC.IE: told when it is switched on. */
	port_write(&f->d, 0, AHCI_PXIS, ~0u);
	hba_write(&f->d, AHCI_IS, 1);
	hba_write(&f->d, AHCI_GHC, AHCI_GHC_AE);
	ahci_run(f, 0, &read_one);
	assert_int_equal(world_msis(&f->w), before + 1);
	assert_int_equal(hba_read(&f->d, AHCI_IS), 1);
	hba_write(&f->d, AHCI_GHC, AHCI_GHC_AE | AHCI_GHC_IE);
	assert_int_equal(world_msis(&f->w), before + 2);
}

static void test_intx(void **state)
{
	struct fixture *f = *state;

	port_up(&f->d, 0);
	hba_write(&f->d, AHCI_GHC, AHCI_GHC_AE | AHCI_GHC_IE);
	assert_false(world_line(&f->w, AHCI_GSI));
	ahci_run(f, 0, &read_one);
	assert_true(world_line(&f->w, AHCI_GSI));
	/* Clearing IS alone does not help while PxIS asks. */
	hba_write(&f->d, AHCI_IS, 1);
	assert_true(world_line(&f->w, AHCI_GSI));
	port_write(&f->d, 0, AHCI_PXIS, ~0u);
	assert_true(world_line(&f->w, AHCI_GSI));
	hba_write(&f->d, AHCI_IS, 1);
	assert_false(world_line(&f->w, AHCI_GSI));
	assert_int_equal(world_msis(&f->w), 0);
	/* Switching to messages with the line up takes it down. */
	ahci_run(f, 0, &read_one);
	assert_true(world_line(&f->w, AHCI_GSI));
	hba_msi_enable(&f->d);
	assert_false(world_line(&f->w, AHCI_GSI));
	assert_int_equal(world_msis(&f->w), 1);
}

static void test_prd_interrupt(void **state)
{
	struct fixture *f = *state;
	struct command c = read_one;

	command_write(&f->d, 0, &c);
	mem_put32(&f->w, TABLE(0, 0) + AHCI_TABLE_PRDT + 12,
		  AHCI_PRD_I | (SECTOR - 1));
	port_write(&f->d, 0, AHCI_PXCI, 1);
	disk_complete_all();
	assert_int_equal(port_read(&f->d, 0, AHCI_PXIS),
			 AHCI_PXIS_DHRS | AHCI_PXIS_DPS);
}

/* ---- start and stop ---- */

static void test_ports_are_independent(void **state)
{
	struct fixture *f = *state;

	command_issue(&f->d, 0, &read_one);
	command_issue(&f->d, 1, &write_one);
	assert_int_equal(disks[0]->count, 1);
	assert_int_equal(disks[1]->count, 1);
	disk_complete(disks[1], 0, 0);
	assert_int_equal(port_read(&f->d, 1, AHCI_PXCI), 0);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCI), 1);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD) & ATA_STATUS_BSY,
			 ATA_STATUS_BSY);
	/* A reset of one port leaves the other alone. */
	port_comreset(&f->d, 1);
	disk_complete(disks[0], 0, 0);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCI), 0);
}

/* All slots at once: one after another, each its own data. */
static void test_all_slots(void **state)
{
	struct fixture *f = *state;
	struct command c = read_one;
	unsigned i, n;

	for (i = 0; i < AHCI_SLOTS; i++) {
		c.slot = i;
		c.lba = i;
		command_write(&f->d, 0, &c);
	}
	port_write(&f->d, 0, AHCI_PXCI, ~0u);
	for (n = 0; disks[0]->count; n++) {
		assert_int_equal(disks[0]->count, 1);
		assert_int_equal(port_read(&f->d, 0, AHCI_PXCMD) >> 8 & 0x1f,
				 n);
		disk_complete(disks[0], 0, 0);
	}
	assert_int_equal(n, AHCI_SLOTS);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCI), 0);
	for (i = 0; i < AHCI_SLOTS; i++) {
		uint8_t got[SECTOR];

		mem_get(&f->w, SLOT_DATA(i), got, sizeof(got));
		assert_memory_equal(got, disks[0]->disk + i * SECTOR, SECTOR);
		assert_int_equal(command_prdbc(&f->d, 0, i), SECTOR);
	}
}

static void stop(struct fixture *f, unsigned port)
{
	port_write(&f->d, port, AHCI_PXCMD,
		   port_read(&f->d, port, AHCI_PXCMD) & ~AHCI_PXCMD_ST);
}

static void start(struct fixture *f, unsigned port)
{
	port_write(&f->d, port, AHCI_PXCMD,
		   port_read(&f->d, port, AHCI_PXCMD) | AHCI_PXCMD_ST);
}

static void test_stop_in_flight(void **state)
{
	struct fixture *f = *state;

	command_issue(&f->d, 0, &read_one);
	stop(f, 0);
	/* CI is gone at once, CR when the memory is the guest's again. */
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCI), 0);
	assert_true(port_read(&f->d, 0, AHCI_PXCMD) & AHCI_PXCMD_CR);
	disk_complete_all();
	assert_false(port_read(&f->d, 0, AHCI_PXCMD) & AHCI_PXCMD_CR);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x50);
	/* Nothing was reported for it. */
	assert_int_equal(port_read(&f->d, 0, AHCI_PXIS), 0);
	assert_int_equal(hba_read(&f->d, AHCI_IS), 0);
	assert_int_equal(command_prdbc(&f->d, 0, 0), 0);
	start(f, 0);
	ahci_ok(f, 0, &read_one);
}

/* A driver that does not wait for CR: its command starts after the drain. */
static void test_restart_while_draining(void **state)
{
	struct fixture *f = *state;
	struct command c = write_one;

	command_issue(&f->d, 0, &read_one);
	stop(f, 0);
	start(f, 0);
	c.slot = 5;
	command_issue(&f->d, 0, &c);
	assert_int_equal(disks[0]->count, 1);
	disk_complete(disks[0], 0, 0);
	assert_int_equal(disks[0]->count, 1);
	assert_int_equal(disks[0]->pending[0]->op, BLOCK_WRITE);
	disk_complete_all();
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCI), 0);
	assert_int_equal(command_prdbc(&f->d, 0, 5), SECTOR);
}

static void test_clo(void **state)
{
	struct fixture *f = *state;
	struct command c = {.control = ATA_CONTROL_SRST, .is_control = true};

	/* SRST without "clear busy" leaves the port busy. */
	ahci_run(f, 0, &c);
	assert_true(port_read(&f->d, 0, AHCI_PXTFD) & ATA_STATUS_BSY);
	stop(f, 0);
	assert_true(port_read(&f->d, 0, AHCI_PXTFD) & ATA_STATUS_BSY);
	port_write(&f->d, 0, AHCI_PXCMD,
		   port_read(&f->d, 0, AHCI_PXCMD) | AHCI_PXCMD_CLO);
	assert_false(port_read(&f->d, 0, AHCI_PXCMD) & AHCI_PXCMD_CLO);
	assert_false(port_read(&f->d, 0, AHCI_PXTFD) & ATA_STATUS_BSY);
}

/* ---- resets ---- */

static void test_comreset(void **state)
{
	struct fixture *f = *state;
	struct fis_d2h fis;

	stop(f, 0);
	port_write(&f->d, 0, AHCI_PXSCTL, AHCI_SCTL_COMRESET);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXSSTS), 0);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXSIG), AHCI_SIG_NONE);
	port_write(&f->d, 0, AHCI_PXSCTL, 0);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXSSTS), 0x133);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXSIG), AHCI_SIG_ATA);
	assert_true(port_read(&f->d, 0, AHCI_PXSERR) & AHCI_SERR_X);
	mem_get(&f->w, RECEIVED(0) + AHCI_RX_RFIS, &fis, sizeof(fis));
	assert_int_equal(fis.type, FIS_REG_D2H);
	assert_int_equal(fis.lba[0], 1);
	assert_int_equal(fis.count, 1);
	/* Slower when told so. */
	port_write(&f->d, 0, AHCI_PXSCTL, 0x11);
	port_write(&f->d, 0, AHCI_PXSCTL, 0x10);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXSSTS), 0x113);
	/* Offline. */
	port_write(&f->d, 0, AHCI_PXSCTL, 4);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXSSTS), 4);
	port_write(&f->d, 0, AHCI_PXSCTL, 0);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXSSTS), 0x133);
	port_comreset(&f->d, 2);
	assert_int_equal(port_read(&f->d, 2, AHCI_PXSIG), AHCI_SIG_ATAPI);
}

static void test_comreset_in_flight(void **state)
{
	struct fixture *f = *state;

	command_issue(&f->d, 0, &read_one);
	stop(f, 0);
	port_comreset(&f->d, 0);
	/* The link is up, the drive is busy until its memory is back. */
	assert_int_equal(port_read(&f->d, 0, AHCI_PXSSTS), 0x133);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD) & 0xff,
			 ATA_STATUS_BSY);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXSIG), AHCI_SIG_NONE);
	port_write(&f->d, 0, AHCI_PXIS, ~0u);
	disk_complete_all();
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x150);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXSIG), AHCI_SIG_ATA);
	assert_int_equal(command_prdbc(&f->d, 0, 0), 0);
	port_write(&f->d, 0, AHCI_PXSERR, ~0u);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXIS), 0);
	start(f, 0);
	ahci_ok(f, 0, &read_one);
}

static void test_hba_reset(void **state)
{
	struct fixture *f = *state;

	ahci_run(f, 1, &read_one);
	hba_write(&f->d, AHCI_GHC, AHCI_GHC_AE | AHCI_GHC_IE | AHCI_GHC_HR);
	assert_int_equal(hba_read(&f->d, AHCI_GHC), AHCI_GHC_AE);
	assert_int_equal(hba_read(&f->d, AHCI_IS), 0);
	assert_int_equal(hba_read(&f->d, AHCI_PI), 7);
	assert_int_equal(hba_read(&f->d, AHCI_VS), 0x10301);
	assert_int_equal(port_read(&f->d, 1, AHCI_PXIE), 0);
	assert_int_equal(port_read(&f->d, 1, AHCI_PXCMD),
			 AHCI_PXCMD_SUD | AHCI_PXCMD_POD);
	assert_int_equal(port_read(&f->d, 1, AHCI_PXSIG), AHCI_SIG_ATA);
	/* The bases stay (10.4.3). */
	assert_int_equal(port_read(&f->d, 1, AHCI_PXCLB), LIST(1));
	assert_int_equal(port_read(&f->d, 1, AHCI_PXFB), RECEIVED(1));
}

/* Two ports busy, one abandoned twice; the reset is over with the last. */
static void test_hba_reset_in_flight(void **state)
{
	struct fixture *f = *state;
	uint32_t msis;

	mem_put(&f->w, SLOT_DATA(0), "\xee", 1);
	command_issue(&f->d, 0, &read_one);
	command_issue(&f->d, 1, &write_one);
	port_comreset(&f->d, 1);
	hba_write(&f->d, AHCI_GHC, AHCI_GHC_AE | AHCI_GHC_HR);
	assert_int_equal(hba_read(&f->d, AHCI_GHC), AHCI_GHC_AE | AHCI_GHC_HR);
	/* Deaf meanwhile. */
	port_write(&f->d, 0, AHCI_PXCLB, 0);
	hba_write(&f->d, AHCI_GHC, AHCI_GHC_AE | AHCI_GHC_IE);
	msis = world_msis(&f->w);
	disk_complete(disks[1], 0, 0);
	assert_true(hba_read(&f->d, AHCI_GHC) & AHCI_GHC_HR);
	disk_complete(disks[0], 0, 0);
	assert_int_equal(hba_read(&f->d, AHCI_GHC), AHCI_GHC_AE);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCI), 0);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x150);
	assert_int_equal(port_read(&f->d, 1, AHCI_PXTFD), 0x150);
	assert_int_equal(world_msis(&f->w), msis);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCLB), LIST(0));
	assert_int_equal(command_prdbc(&f->d, 0, 0), 0);
}

static void test_software_reset(void **state)
{
	struct fixture *f = *state;
	struct command on = {.control = ATA_CONTROL_SRST,
			     .is_control = true,
			     .flags = AHCI_HEADER_RESET | AHCI_HEADER_CLEAR};
	struct command off = {.is_control = true, .slot = 1};
	const struct command set = {.command = ATA_SET_MULTIPLE_MODE,
				    .count = 4};
	const struct command use = {
	    .command = ATA_READ_MULTIPLE, .count = 1, .len = SECTOR};

	ahci_ok(f, 0, &set);
	ahci_ok(f, 0, &use);
	ahci_run(f, 0, &on);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCI), 0);
	assert_false(port_read(&f->d, 0, AHCI_PXTFD) & ATA_STATUS_BSY);
	ahci_run(f, 0, &off);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCI), 0);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXTFD), 0x150);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXSIG), AHCI_SIG_ATA);
	/* The drive has forgotten its settings. */
	ahci_fails(f, 0, &use, ATA_ERROR_ABRT);
	/* Control without SRST before it changes nothing. */
	ahci_ok(f, 0, &set);
	ahci_run(f, 0, &off);
	ahci_ok(f, 0, &use);
}

/* ---- what a hostile or confused driver does ---- */

static void expect_fatal(struct fixture *f, uint32_t bit)
{
	assert_int_equal(port_read(&f->d, 0, AHCI_PXIS) & bit, bit);
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCI), 1);
	/* The engine is dead until it is restarted. */
	port_write(&f->d, 0, AHCI_PXCI, 2);
	assert_int_equal(disks[0]->count, 0);
	port_recover(&f->d, 0);
	assert_false(port_read(&f->d, 0, AHCI_PXTFD) & ATA_STATUS_BSY);
	port_write(&f->d, 0, AHCI_PXCLB, LIST(0));
	port_write(&f->d, 0, AHCI_PXCLBU, 0);
	port_write(&f->d, 0, AHCI_PXFB, RECEIVED(0));
	ahci_ok(f, 0, &read_one);
}

static void test_bad_pointers(void **state)
{
	const struct piece outside = {WORLD_RAM_END, SECTOR};
	const struct piece across = {WORLD_RAM_END - 256, SECTOR};
	struct fixture *f = *state;
	struct command c = read_one;

	port_write(&f->d, 0, AHCI_PXCLBU, 1);
	port_write(&f->d, 0, AHCI_PXCI, 1);
	expect_fatal(f, AHCI_PXIS_HBFS);
	command_write(&f->d, 0, &c);
	mem_put32(&f->w, LIST(0) + 8, 0xf0000000);
	port_write(&f->d, 0, AHCI_PXCI, 1);
	expect_fatal(f, AHCI_PXIS_HBFS);
	port_write(&f->d, 0, AHCI_PXFB, 0xf0000000);
	ahci_run(f, 0, &c);
	expect_fatal(f, AHCI_PXIS_HBFS);
	c.len = 0;
	c.pieces = &outside;
	c.piece_count = 1;
	ahci_run(f, 0, &c);
	expect_fatal(f, AHCI_PXIS_HBFS);
	c.pieces = &across;
	ahci_run(f, 0, &c);
	expect_fatal(f, AHCI_PXIS_HBFS);
	/* The table's entries end behind the end of RAM. */
	c.prdtl = 0xffff;
	c.pieces = NULL;
	c.piece_count = 0;
	command_write(&f->d, 0, &c);
	mem_put32(&f->w, LIST(0) + 8, WORLD_RAM_END - 128);
	mem_put(&f->w, WORLD_RAM_END - 128,
		&(struct fis_h2d){.type = 0x27,
				  .flags = FIS_H2D_C,
				  .command = ATA_READ_DMA_EXT,
				  .count = 1},
		sizeof(struct fis_h2d));
	port_write(&f->d, 0, AHCI_PXCI, 1);
	expect_fatal(f, AHCI_PXIS_HBFS);
}

static void test_bad_fis(void **state)
{
	struct fixture *f = *state;
	struct command c = read_one;

	c.fis_type = 0x46;
	ahci_run(f, 0, &c);
	assert_true(port_read(&f->d, 0, AHCI_PXSERR) & AHCI_SERR_P);
	expect_fatal(f, AHCI_PXIS_IFS);
	/* A FIS of one dword. */
	c = read_one;
	command_write(&f->d, 0, &c);
	mem_put16(&f->w, LIST(0), 1);
	port_write(&f->d, 0, AHCI_PXCI, 1);
	expect_fatal(f, AHCI_PXIS_IFS);
	/* PACKET without a packet. */
	c.command = ATA_PACKET;
	ahci_run(f, 0, &c);
	expect_fatal(f, AHCI_PXIS_IFS);
}

/* Byte counts are even: bit 0 counts as set whatever it says. */
static void test_even_count(void **state)
{
	struct fixture *f = *state;

	command_write(&f->d, 0, &read_one);
	mem_put32(&f->w, TABLE(0, 0) + AHCI_TABLE_PRDT + 12, SECTOR - 2);
	port_write(&f->d, 0, AHCI_PXCI, 1);
	disk_complete_all();
	assert_int_equal(port_read(&f->d, 0, AHCI_PXCI), 0);
	assert_int_equal(command_prdbc(&f->d, 0, 0), SECTOR);
}

static void test_short_list(void **state)
{
	const struct piece half = {SLOT_DATA(0), SECTOR / 2};
	struct fixture *f = *state;
	struct command c = read_one;

	c.len = 0;
	c.pieces = &half;
	c.piece_count = 1;
	mem_put(&f->w, SLOT_DATA(0), "\x11\x11", 2);
	ahci_run(f, 0, &c);
	assert_true(data_is(f, SLOT_DATA(0), 0x11, 2));
	expect_fatal(f, AHCI_PXIS_OFS);
	c.piece_count = 0;
	ahci_run(f, 0, &c);
	expect_fatal(f, AHCI_PXIS_OFS);
	/* Also where the drive itself has the data. */
	c.command = ATA_IDENTIFY_DEVICE;
	c.piece_count = 1;
	ahci_run(f, 0, &c);
	expect_fatal(f, AHCI_PXIS_OFS);
}

static void test_bus_master_off(void **state)
{
	struct fixture *f = *state;

	world_cfg_write(&f->w, AHCI_ADDR, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	command_issue(&f->d, 0, &read_one);
	assert_int_equal(disks[0]->count, 0);
	/* It starts when the bus is there. */
	world_cfg_write(&f->w, AHCI_ADDR, PCI_COMMAND, 2,
			PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(disks[0]->count, 1);
	/* Taken away in flight, the answer has no way out. */
	world_cfg_write(&f->w, AHCI_ADDR, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	disk_complete_all();
	assert_true(port_read(&f->d, 0, AHCI_PXIS) & AHCI_PXIS_HBFS);
	world_cfg_write(&f->w, AHCI_ADDR, PCI_COMMAND, 2,
			PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	port_recover(&f->d, 0);
	ahci_ok(f, 0, &read_one);
}

static void test_no_worker(void **state)
{
	struct fixture *f = *state;

	disks[0]->no_thread = true;
	ahci_fails(f, 0, &read_one, ATA_ERROR_UNC);
	disks[0]->no_thread = false;
	ahci_ok(f, 0, &read_one);
}

/* Destroyed with requests in flight and more waiting behind them. */
static void test_destroy_in_flight(void **state)
{
	struct fixture *f = *state;
	struct command c = write_one;

	command_issue(&f->d, 0, &read_one);
	c.slot = 1;
	command_issue(&f->d, 0, &c);
	assert_int_equal(disks[0]->count, 1);
	submissions = 0;
	assert_int_equal(ahci_teardown(state), 0);
	/* The one that waited was not started any more. */
	assert_int_equal(submissions, 0);
}

static int teardown_nothing(void **state UNUSED)
{
	return 0;
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, ahci_teardown)
#define TEST_COLD(t) \
	cmocka_unit_test_setup_teardown(t, setup_cold, ahci_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_pci),
	    TEST(test_generic_registers),
	    TEST_COLD(test_port_after_power_on),
	    TEST_COLD(test_access_sizes),
	    cmocka_unit_test_setup_teardown(test_holes, setup_nothing,
					    ahci_teardown),
	    TEST(test_msi),
	    TEST(test_msi_race),
	    TEST(test_interrupt_enables),
	    TEST_COLD(test_intx),
	    TEST(test_prd_interrupt),
	    TEST(test_ports_are_independent),
	    TEST(test_all_slots),
	    TEST(test_stop_in_flight),
	    TEST(test_restart_while_draining),
	    TEST(test_clo),
	    TEST(test_comreset),
	    TEST(test_comreset_in_flight),
	    TEST(test_hba_reset),
	    TEST(test_hba_reset_in_flight),
	    TEST(test_software_reset),
	    TEST(test_bad_pointers),
	    TEST(test_bad_fis),
	    TEST(test_even_count),
	    TEST(test_short_list),
	    TEST(test_bus_master_off),
	    TEST(test_no_worker),
	    cmocka_unit_test_setup_teardown(test_destroy_in_flight, setup,
					    teardown_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
