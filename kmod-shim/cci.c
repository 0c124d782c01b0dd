// SPDX-License-Identifier: GPL-2.0
/*
 * ARM's cache coherent interconnects CCI-400, CCI-500 and CCI-550.
 *
 * Registers and event codes: those of mainline's arm-cci PMU driver; peripheral
 * id registers and part numbers: the CCI driver of Trusted Firmware-A.
 *
 * Sources are ports, numbered as the event select register does. A slave port
 * faces a cluster, a GPU or another requester; a master port faces memory.
 *
 * The CCI-500's and CCI-550's clock gating can swallow what is written to a
 * counter's value. Nothing here writes one.
 */
#include <linux/bitfield.h>
#include <linux/bitops.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/kernel.h>
#include <linux/sizes.h>

#include "wattline_cci.h"

#define CCI_PMCR		0x100
#define CCI_PMCR_CEN		BIT(0)
#define CCI_PMCR_RESETS		GENMASK(2, 1)	/* of the event counters and the cycle counter */
#define CCI_PMCR_DIVIDER	BIT(3)		/* has the cycle counter count every 64th */
#define CCI_PMCR_NCNT		GENMASK(15, 11)

#define CCI_PID0		0xfe0
#define CCI_PID0_PART_LOW	GENMASK(7, 0)
#define CCI_PID1		0xfe4
#define CCI_PID1_PART_HIGH	GENMASK(3, 0)
#define CCI_PID2		0xfe8
#define CCI_PID2_REVISION	GENMASK(7, 4)

#define CCI400_PART		0x420
#define CCI500_PART		0x422
#define CCI550_PART		0x423

/* Event codes differ before and from this revision on. */
#define CCI400_REVISION_R1	5

#define CCI400_COUNTERS		4
#define CCI400_CYCLE_COUNTER	4
#define CCI400_CYCLES		0xff
#define CCI5XX_COUNTERS		8
/* Where the counters start; the address that device trees give for the PMU. */
#define CCI5XX_PMU		SZ_64K

/* In a counter's block */
#define CCI_EVT_SEL		0x0
#define CCI_CNTR		0x4
#define CCI_CNTR_CTRL		0x8
#define CCI_CNTR_CTRL_ENABLE	BIT(0)
#define CCI_OVRFLW		0xc
#define CCI_OVRFLW_FLAG		BIT(0)	/* a one written clears it */

static const struct shim_bank cci400_r0_banks[];
static const struct shim_bank cci400_r1_banks[];

static bool cci_is_400(const struct shim *shim)
{
	return shim->model == &shim_cci400;
}

static void __iomem *cci_counter(struct shim *shim, unsigned int counter)
{
	if (!cci_is_400(shim))
		return shim->block[0] + CCI5XX_PMU + counter * SZ_64K;
	if (counter == CCI400_CYCLE_COUNTER)
		return shim->block[0] + 0x9000;
	return shim->block[0] + 0xa000 + counter * SZ_4K;
}

/* All counters but the cycle counter can be told what to count. */
static bool cci_has_event(const struct shim *shim, unsigned int counter)
{
	return !cci_is_400(shim) || counter != CCI400_CYCLE_COUNTER;
}

static unsigned int cci_part(void __iomem *base)
{
	return FIELD_GET(CCI_PID1_PART_HIGH, readl(base + CCI_PID1)) << 8 |
	       FIELD_GET(CCI_PID0_PART_LOW, readl(base + CCI_PID0));
}

static unsigned int cci_expected_part(const struct shim_model *model)
{
	if (model == &shim_cci400)
		return CCI400_PART;
	return model == &shim_cci500 ? CCI500_PART : CCI550_PART;
}

static void cci_remember(struct shim *shim)
{
	struct shim_found *found = &shim->found;
	unsigned int counter;

	found->control[0] = readl(shim->block[0] + CCI_PMCR) & ~CCI_PMCR_RESETS;
	for_each_set_bit(counter, &shim->implemented, SHIM_COUNTERS_MAX) {
		void __iomem *registers = cci_counter(shim, counter);

		if (cci_has_event(shim, counter))
			found->select[counter] = readl(registers + CCI_EVT_SEL);
		found->enabled[counter] = readl(registers + CCI_CNTR_CTRL);
		found->overflow[counter] = readl(registers + CCI_OVRFLW);
	}
}

static int cci_identify(struct shim *shim)
{
	unsigned int part = cci_part(shim->block[0]);
	unsigned int expected = cci_expected_part(shim->model);
	unsigned int revision = FIELD_GET(CCI_PID2_REVISION, readl(shim->block[0] + CCI_PID2));
	unsigned int implemented = FIELD_GET(CCI_PMCR_NCNT, readl(shim->block[0] + CCI_PMCR));
	unsigned int known = cci_is_400(shim) ? CCI400_COUNTERS : CCI5XX_COUNTERS;

	if (part != expected) {
		dev_err(shim->dev, "the peripheral id says part 0x%03x, not 0x%03x: no %s here\n",
			part, expected, shim->model->name);
		return -ENODEV;
	}
	if (!implemented) {
		dev_err(shim->dev, "PMCR says that there are no counters: firmware keeps it closed\n");
		return -EACCES;
	}
	shim->implemented = GENMASK(min(implemented, known) - 1, 0);
	if (cci_is_400(shim)) {
		shim->implemented |= BIT(CCI400_CYCLE_COUNTER);
		shim->banks = revision < CCI400_REVISION_R1 ? cci400_r0_banks : cci400_r1_banks;
	}
	cci_remember(shim);
	return 0;
}

/*
 * For the CCI-500 and CCI-550, device trees give the PMU's address, 64 KiB into
 * the block; a user may give either that or the block's own. The peripheral id
 * tells which: where it would be, seen from the PMU, lies the unused end of the
 * first counter.
 */
static int cci5xx_locate(struct device *dev, phys_addr_t *base)
{
	unsigned int part = 0;
	void __iomem *map;

	if (!request_mem_region(*base, SZ_4K, dev_name(dev)))
		return -EBUSY;
	map = ioremap(*base, SZ_4K);
	if (map) {
		part = cci_part(map);
		iounmap(map);
	}
	release_mem_region(*base, SZ_4K);
	if (!map)
		return -ENOMEM;

	/* Another CCI's is for the identity check to complain of. */
	if (part == CCI400_PART || part == CCI500_PART || part == CCI550_PART)
		return 0;
	if (*base < CCI5XX_PMU)
		return -EINVAL;
	*base -= CCI5XX_PMU;
	return 0;
}

static unsigned long cci_counters(struct shim *shim, u64 config, unsigned int source)
{
	if (!cci_is_400(shim))
		return shim->implemented;
	if (config == CCI400_CYCLES)
		return BIT(CCI400_CYCLE_COUNTER);
	return shim->implemented & ~BIT(CCI400_CYCLE_COUNTER);
}

static int cci_enable(struct shim *shim)
{
	void __iomem *pmcr = shim->block[0] + CCI_PMCR;
	u32 found = shim->found.control[0];

	writel((found & ~CCI_PMCR_DIVIDER) | CCI_PMCR_CEN, pmcr);
	if (readl(pmcr) & CCI_PMCR_CEN)
		return 0;
	writel(found, pmcr);
	return -EACCES;
}

static void cci_disable(struct shim *shim)
{
	struct shim_found *found = &shim->found;
	unsigned int counter;

	for_each_set_bit(counter, &shim->implemented, SHIM_COUNTERS_MAX) {
		void __iomem *registers = cci_counter(shim, counter);
		u32 overflow = readl(registers + CCI_OVRFLW) & ~found->overflow[counter];

		writel(0, registers + CCI_CNTR_CTRL);
		if (cci_has_event(shim, counter))
			writel(found->select[counter], registers + CCI_EVT_SEL);
		if (overflow & CCI_OVRFLW_FLAG)
			writel(CCI_OVRFLW_FLAG, registers + CCI_OVRFLW);
		writel(found->enabled[counter], registers + CCI_CNTR_CTRL);
	}
	writel(found->control[0], shim->block[0] + CCI_PMCR);
}

static u32 cci_read(struct shim *shim, unsigned int counter)
{
	return readl(cci_counter(shim, counter) + CCI_CNTR);
}

static u32 cci_select(struct shim *shim, unsigned int counter, u64 config, unsigned int source)
{
	void __iomem *registers = cci_counter(shim, counter);
	u64 event = config & GENMASK(shim->model->event_bits - 1, 0);
	u32 count;

	writel(0, registers + CCI_CNTR_CTRL);
	if (cci_has_event(shim, counter))
		writel(source << shim->model->event_bits | event, registers + CCI_EVT_SEL);
	count = readl(registers + CCI_CNTR);
	writel(CCI_CNTR_CTRL_ENABLE, registers + CCI_CNTR_CTRL);
	return count;
}

/* A request moves a cache line, mostly: the CCI-400 has no event for the data itself. */
static const struct shim_named_event cci400_slave_events[] = {
	{ "read-requests", 0x00 },
	{ "write-requests", 0x0c },
	{ }
};

static const struct shim_bank cci400_r0_banks[] = {
	{
		.prefix = "s",
		.first = 0,
		.last = 4,
		.first_event = 0x00,
		.last_event = 0x13,
		.bytes = true,
		.events = cci400_slave_events,
	},
	{ .prefix = "m", .first = 5, .last = 7, .first_event = 0x14, .last_event = 0x1a },
	{ }
};

static const struct shim_bank cci400_r1_banks[] = {
	{
		.prefix = "s",
		.first = 0,
		.last = 4,
		.first_event = 0x00,
		.last_event = 0x14,
		.bytes = true,
		.events = cci400_slave_events,
	},
	{ .prefix = "m", .first = 5, .last = 7, .first_event = 0x00, .last_event = 0x11 },
	{ }
};

static const struct shim_named_event cci5xx_slave_events[] = {
	{ "read-requests", 0x00 },
	{ "write-requests", 0x0a },
	{ "write-beats", 0x12 },
	{ }
};

static const struct shim_named_event cci5xx_master_events[] = {
	{ "read-beats", 0x00 },
	{ "write-beats", 0x01 },
	{ }
};

/* Events of the whole interconnect. */
#define CCI5XX_GLOBAL_BANK { .first = 15, .last = 15, .first_event = 0x00, .last_event = 0x0f }

static const struct shim_bank cci500_banks[] = {
	{
		.prefix = "s",
		.first = 0,
		.last = 6,
		.first_event = 0x00,
		.last_event = 0x1f,
		.events = cci5xx_slave_events,
	},
	{
		.prefix = "m",
		.first = 8,
		.last = 13,
		.first_event = 0x00,
		.last_event = 0x06,
		.bytes = true,
		.events = cci5xx_master_events,
	},
	CCI5XX_GLOBAL_BANK,
	{ }
};

static const struct shim_bank cci550_banks[] = {
	{
		.prefix = "s",
		.first = 0,
		.last = 6,
		.first_event = 0x00,
		.last_event = 0x1f,
		.events = cci5xx_slave_events,
	},
	{
		.prefix = "m",
		.first = 8,
		.last = 14,
		.first_event = 0x00,
		.last_event = 0x06,
		.bytes = true,
		.events = cci5xx_master_events,
	},
	CCI5XX_GLOBAL_BANK,
	{ }
};

/* S3 and S4 are the ports that a cluster can snoop through: the CPUs are behind them. */
const struct shim_model shim_cci400 = {
	.name = "wattline_cci400",
	.blocks = 1,
	.block_size = 0xe000,
	.event_bits = 5,
	.source_bits = 3,
	.cycles = CCI400_CYCLES,
	.byte_sources = BIT(3) | BIT(4),
	.read_event = 0x00,
	.write_event = 0x0c,
	.bytes_per_count = 64,
	.identify = cci_identify,
	.counters = cci_counters,
	.enable = cci_enable,
	.disable = cci_disable,
	.select = cci_select,
	.read = cci_read,
};

/*
 * How many memory ports a chip has is not to be found out. Four of each way fit
 * into eight counters; with more, reads and writes have to take turns.
 */
#define CCI5XX_MODEL					\
	.blocks = 1,					\
	.block_size = 0x90000,				\
	.event_bits = 5,				\
	.source_bits = 4,				\
	.byte_sources = GENMASK(11, 8),			\
	.read_event = 0x00,				\
	.write_event = 0x01,				\
	.bytes_per_count = 16,				\
	.locate = cci5xx_locate,			\
	.identify = cci_identify,			\
	.counters = cci_counters,			\
	.enable = cci_enable,				\
	.disable = cci_disable,				\
	.select = cci_select,				\
	.read = cci_read

const struct shim_model shim_cci500 = {
	.name = "wattline_cci500",
	.banks = cci500_banks,
	CCI5XX_MODEL,
};

const struct shim_model shim_cci550 = {
	.name = "wattline_cci550",
	.banks = cci550_banks,
	CCI5XX_MODEL,
};
