/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers, descriptors and identification of Intel's 8254x family of
 * network controllers, as the 82545EM has them.
 * Source: PCI/PCI-X Family of Gigabit Ethernet Controllers Software
 * Developer's Manual (317453), chapters 3 (descriptors), 5 (EEPROM), 8 (PHY
 * access) and 13 (registers). All fields little-endian.
 */
#ifndef SPEC_E1000_H
#define SPEC_E1000_H

#include <assert.h>
#include <stdint.h>

#define E1000_VENDOR 0x8086
#define E1000_DEVICE 0x100f /* 82545EM, copper */

/* BARs (4.1): registers, flash, and a window to the registers in I/O space. */
#define E1000_MEM_BYTES	  0x20000u
#define E1000_FLASH_BYTES 0x10000u
#define E1000_IO_BYTES	  8u
#define E1000_IOADDR	  0u
#define E1000_IODATA	  4u

/* ---- registers ---- */

#define E1000_CTRL	 0x0000u
#define E1000_STATUS	 0x0008u
#define E1000_EECD	 0x0010u
#define E1000_EERD	 0x0014u
#define E1000_CTRL_EXT	 0x0018u
#define E1000_FLA	 0x001cu
#define E1000_MDIC	 0x0020u
#define E1000_FCAL	 0x0028u
#define E1000_FCAH	 0x002cu
#define E1000_FCT	 0x0030u
#define E1000_VET	 0x0038u
#define E1000_ICR	 0x00c0u
#define E1000_ITR	 0x00c4u
#define E1000_ICS	 0x00c8u
#define E1000_IMS	 0x00d0u
#define E1000_IMC	 0x00d8u
#define E1000_RCTL	 0x0100u
#define E1000_FCTTV	 0x0170u
#define E1000_TXCW	 0x0178u
#define E1000_RXCW	 0x0180u
#define E1000_TCTL	 0x0400u
#define E1000_TIPG	 0x0410u
#define E1000_AIFS	 0x0458u
#define E1000_LEDCTL	 0x0e00u
#define E1000_PBA	 0x1000u
#define E1000_FCRTL	 0x2160u
#define E1000_FCRTH	 0x2168u
#define E1000_RDFH	 0x2410u
#define E1000_RDFT	 0x2418u
#define E1000_RDFHS	 0x2420u
#define E1000_RDFTS	 0x2428u
#define E1000_RDFPC	 0x2430u
#define E1000_RDBAL	 0x2800u
#define E1000_RDBAH	 0x2804u
#define E1000_RDLEN	 0x2808u
#define E1000_RDH	 0x2810u
#define E1000_RDT	 0x2818u
#define E1000_RDTR	 0x2820u
#define E1000_RXDCTL	 0x2828u
#define E1000_RADV	 0x282cu
#define E1000_RSRPD	 0x2c00u
#define E1000_TXDMAC	 0x3000u
#define E1000_TDFH	 0x3410u
#define E1000_TDFT	 0x3418u
#define E1000_TDFHS	 0x3420u
#define E1000_TDFTS	 0x3428u
#define E1000_TDFPC	 0x3430u
#define E1000_TDBAL	 0x3800u
#define E1000_TDBAH	 0x3804u
#define E1000_TDLEN	 0x3808u
#define E1000_TDH	 0x3810u
#define E1000_TDT	 0x3818u
#define E1000_TIDV	 0x3820u
#define E1000_TXDCTL	 0x3828u
#define E1000_TADV	 0x382cu
#define E1000_TSPMT	 0x3830u
#define E1000_RXCSUM	 0x5000u
#define E1000_MTA	 0x5200u
#define E1000_MTA_COUNT	 128u
#define E1000_RA	 0x5400u /* 16 pairs RAL, RAH */
#define E1000_RA_COUNT	 16u
#define E1000_VFTA	 0x5600u
#define E1000_VFTA_COUNT 128u
#define E1000_WUC	 0x5800u
#define E1000_WUFC	 0x5808u
#define E1000_WUS	 0x5810u
#define E1000_MANC	 0x5820u
#define E1000_IPAV	 0x5838u
#define E1000_IP4AT	 0x5840u
#define E1000_IP6AT	 0x5880u
#define E1000_WUPL	 0x5900u

#define E1000_CTRL_FD	    (1u << 0)
#define E1000_CTRL_SLU	    (1u << 6)
#define E1000_CTRL_SPD_1000 (2u << 8)
#define E1000_CTRL_RST	    (1u << 26)
#define E1000_CTRL_RFCE	    (1u << 27)
#define E1000_CTRL_VME	    (1u << 30)
#define E1000_CTRL_PHY_RST  (1u << 31)

#define E1000_CTRL_EXT_EE_RST (1u << 13)

#define E1000_STATUS_FD	       (1u << 0)
#define E1000_STATUS_LU	       (1u << 1)
#define E1000_STATUS_SPD_1000  (2u << 6)
#define E1000_STATUS_ASDV_1000 (2u << 8)

#define E1000_EECD_SK	   (1u << 0)
#define E1000_EECD_CS	   (1u << 1)
#define E1000_EECD_DI	   (1u << 2)
#define E1000_EECD_DO	   (1u << 3)
#define E1000_EECD_FWE	   (3u << 4)
#define E1000_EECD_FWE_OFF (1u << 4)
#define E1000_EECD_REQ	   (1u << 6)
#define E1000_EECD_GNT	   (1u << 7)
#define E1000_EECD_PRES	   (1u << 8)

#define E1000_EERD_START      (1u << 0)
#define E1000_EERD_DONE	      (1u << 4)
#define E1000_EERD_ADDR_SHIFT 8
#define E1000_EERD_DATA_SHIFT 16

#define E1000_MDIC_REG_SHIFT 16
#define E1000_MDIC_PHY_SHIFT 21
#define E1000_MDIC_OP_WRITE  (1u << 26)
#define E1000_MDIC_OP_READ   (2u << 26)
#define E1000_MDIC_R	     (1u << 28)
#define E1000_MDIC_I	     (1u << 29)
#define E1000_MDIC_E	     (1u << 30)

#define E1000_ICR_TXDW	  (1u << 0)
#define E1000_ICR_TXQE	  (1u << 1)
#define E1000_ICR_LSC	  (1u << 2)
#define E1000_ICR_RXDMT0  (1u << 4)
#define E1000_ICR_RXO	  (1u << 6)
#define E1000_ICR_RXT0	  (1u << 7)
#define E1000_ICR_MDAC	  (1u << 9)
#define E1000_ICR_TXD_LOW (1u << 15)
#define E1000_ICR_SRPD	  (1u << 16)
#define E1000_ICR_ALL	  0x0001ffffu

#define E1000_RCTL_EN	       (1u << 1)
#define E1000_RCTL_UPE	       (1u << 3)
#define E1000_RCTL_MPE	       (1u << 4)
#define E1000_RCTL_LPE	       (1u << 5)
#define E1000_RCTL_LBM	       (3u << 6)
#define E1000_RCTL_RDMTS_SHIFT 8
#define E1000_RCTL_MO_SHIFT    12
#define E1000_RCTL_BAM	       (1u << 15)
#define E1000_RCTL_BSIZE_SHIFT 16
#define E1000_RCTL_VFE	       (1u << 18)
#define E1000_RCTL_CFIEN       (1u << 19)
#define E1000_RCTL_CFI	       (1u << 20)
#define E1000_RCTL_BSEX	       (1u << 25)
#define E1000_RCTL_SECRC       (1u << 26)

#define E1000_TCTL_EN (1u << 1)

#define E1000_RDTR_FPD (1u << 31)

#define E1000_TXDCTL_LWTHRESH_SHIFT 25 /* in units of 8 descriptors */

#define E1000_RXCSUM_PCSS  0xffu
#define E1000_RXCSUM_IPOFL (1u << 8)
#define E1000_RXCSUM_TUOFL (1u << 9)

#define E1000_RAH_ADDR	   0xffffu
#define E1000_RAH_AS_SHIFT 16
#define E1000_RAH_AV	   (1u << 31)

/* Interrupt throttling counts in 256 ns, the delay timers in 1.024 us. */
#define E1000_ITR_UNIT_NS   256u
#define E1000_DELAY_UNIT_NS 1024u

/* ---- statistics: cleared by reading (13.7) ---- */

#define E1000_STATS	  0x4000u
#define E1000_STATS_COUNT 74u	  /* up to 0x4124 */
#define E1000_PRC64	  0x405cu /* and 127, 255, 511, 1023, 1522 */
#define E1000_GPRC	  0x4074u
#define E1000_BPRC	  0x4078u
#define E1000_MPRC	  0x407cu
#define E1000_GPTC	  0x4080u
#define E1000_GORCL	  0x4088u
#define E1000_GOTCL	  0x4090u
#define E1000_RNBC	  0x40a0u
#define E1000_RUC	  0x40a4u
#define E1000_ROC	  0x40acu
#define E1000_TORL	  0x40c0u
#define E1000_TOTL	  0x40c8u
#define E1000_TPR	  0x40d0u
#define E1000_TPT	  0x40d4u
#define E1000_PTC64	  0x40d8u
#define E1000_MPTC	  0x40f0u
#define E1000_BPTC	  0x40f4u
#define E1000_TSCTC	  0x40f8u

/* ---- EEPROM: 64 words behind a Microwire interface (5.6, 5.3) ---- */

#define E1000_EEPROM_WORDS     64u
#define E1000_EEPROM_INIT1     0x0au
#define E1000_EEPROM_SUBDEVICE 0x0bu
#define E1000_EEPROM_SUBVENDOR 0x0cu
#define E1000_EEPROM_DEVICE    0x0du
#define E1000_EEPROM_VENDOR    0x0eu
#define E1000_EEPROM_CHECKSUM  0x3fu
#define E1000_EEPROM_SUM       0xbabau
/* Valid (01 in bits 15:14); ids and subsystem ids are to be loaded. */
#define E1000_EEPROM_INIT1_VALUE 0x4003u

#define E1000_MICROWIRE_READ	  2u
#define E1000_MICROWIRE_ADDR_BITS 6u

/* ---- PHY: Marvell 88E1011 inside, by IEEE 802.3 clause 22 ---- */

#define E1000_PHY_ADDR 1u
#define E1000_PHY_REGS 32u

#define MII_BMCR	 0u
#define MII_BMSR	 1u
#define MII_PHYID1	 2u
#define MII_PHYID2	 3u
#define MII_ANAR	 4u
#define MII_ANLPAR	 5u
#define MII_ANER	 6u
#define MII_1000T_CTRL	 9u
#define MII_1000T_STATUS 10u
#define MII_EXT_STATUS	 15u
#define M88_PHY_CTRL	 16u
#define M88_PHY_STATUS	 17u
#define M88_INT_ENABLE	 18u
#define M88_EXT_PHY_CTRL 20u
#define M88_PAGE_SELECT	 29u

#define MII_BMCR_RESET	   (1u << 15)
#define MII_BMCR_LOOPBACK  (1u << 14)
#define MII_BMCR_ANRESTART (1u << 9)

/* ---- receive descriptor (3.2.3) ---- */

struct e1000_rx_desc {
	uint64_t addr;
	uint16_t length;
	uint16_t checksum;
	uint8_t status;
	uint8_t errors;
	uint16_t special;
};
static_assert(sizeof(struct e1000_rx_desc) == 16, "317453, 3.2.3");

#define E1000_RXD_DD	(1u << 0)
#define E1000_RXD_EOP	(1u << 1)
#define E1000_RXD_IXSM	(1u << 2)
#define E1000_RXD_VP	(1u << 3)
#define E1000_RXD_TCPCS (1u << 5)
#define E1000_RXD_IPCS	(1u << 6)
#define E1000_RXD_PIF	(1u << 7)
#define E1000_RXD_TCPE	(1u << 5) /* errors */
#define E1000_RXD_IPE	(1u << 6)
#define E1000_RXD_RXE	(1u << 7)

/* ---- transmit descriptors (3.3): legacy, data, context ---- */

struct e1000_tx_desc {
	uint64_t addr;
	uint32_t lower; /* length, DTYP or CSO, command */
	uint32_t upper; /* status, POPTS or CSS, special */
};
static_assert(sizeof(struct e1000_tx_desc) == 16, "317453, 3.3.3");

#define E1000_TXD_CMD_SHIFT 24
#define E1000_TXD_EOP	    (1u << 0) /* command */
#define E1000_TXD_IFCS	    (1u << 1)
#define E1000_TXD_IC	    (1u << 2) /* legacy */
#define E1000_TXD_TSE	    (1u << 2) /* data, context */
#define E1000_TXD_RS	    (1u << 3)
#define E1000_TXD_DEXT	    (1u << 5)
#define E1000_TXD_VLE	    (1u << 6)
#define E1000_TXD_IDE	    (1u << 7)
#define E1000_TXD_DD	    (1u << 0) /* status */

#define E1000_TXD_LEGACY_LEN  0x0000ffffu
#define E1000_TXD_CSO_SHIFT   16
#define E1000_TXD_CSS_SHIFT   8
#define E1000_TXD_DATA_LEN    0x000fffffu
#define E1000_TXD_DTYP_SHIFT  20
#define E1000_TXD_DTYP_CTX    0u
#define E1000_TXD_DTYP_DATA   1u
#define E1000_TXD_POPTS_SHIFT 8
#define E1000_TXD_IXSM	      (1u << 0) /* POPTS */
#define E1000_TXD_TXSM	      (1u << 1)
#define E1000_TXD_TUCMD_TCP   (1u << 0)
#define E1000_TXD_TUCMD_IPV4  (1u << 1)

/* A context descriptor: the same 16 bytes. */
struct e1000_ctx_desc {
	uint8_t ipcss, ipcso;
	uint16_t ipcse;
	uint8_t tucss, tucso;
	uint16_t tucse;
	uint32_t lower;
	uint8_t status, hdrlen;
	uint16_t mss;
};
static_assert(sizeof(struct e1000_ctx_desc) == 16, "317453, 3.3.6");

#define E1000_DESC_BYTES 16u
#define E1000_RING_ALIGN 128u	/* RDLEN and TDLEN */
#define E1000_FRAME_MAX	 16288u /* longest that is not segmented */
#define E1000_FRAME_MIN	 60u	/* without the frame check sequence */
#define E1000_FCS_BYTES	 4u
#define E1000_SHORT_MAX	 1518u /* longest without LPE */

#endif
