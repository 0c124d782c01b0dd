// SPDX-License-Identifier: GPL-2.0
/*
 * Exynos PPMU v1: one block at each of the four memory channels of an
 * Exynos 5422, seen here as one device whose sources are the channels. They see
 * all traffic to DRAM, the GPU's too.
 *
 * Registers and event codes: drivers/devfreq/event/exynos-ppmu.[ch], and the
 * exynos_ppmu.[ch] of Hardkernel's 3.10 kernel.
 *
 * A block has four counters. The fourth, which is wider and laid out otherwise,
 * is the one that the kernel's memory frequency driver would use; it is left
 * alone, as is the cycle counter. There is no identity register.
 */
#include <linux/bitfield.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/sizes.h>

#include "wattline_cci.h"

#define PPMU_PMNC		0x000
#define PPMU_PMNC_ENABLE	BIT(0)
#define PPMU_PMNC_RESETS	GENMASK(2, 1)
#define PPMU_PMNC_START_MODE	BIT(16)	/* started by a signal, not by ENABLE */
#define PPMU_CNTENS		0x010	/* ones written enable counters */
#define PPMU_CNTENC		0x020	/* ones written disable them */
#define PPMU_PMCNT(n)		(0x110 + 0x10 * (n))
#define PPMU_BEVTSEL(n)		(0x1000 + 0x100 * (n))

#define PPMU_COUNTERS		3
#define PPMU_COUNTERS_MASK	GENMASK(PPMU_COUNTERS - 1, 0)

/* Counter numbers of the shim: block by block. */
static void __iomem *ppmu_block(struct shim *shim, unsigned int counter)
{
	return shim->block[counter / PPMU_COUNTERS];
}

static void __iomem *ppmu_select_register(struct shim *shim, unsigned int counter)
{
	return ppmu_block(shim, counter) + PPMU_BEVTSEL(counter % PPMU_COUNTERS);
}

static int ppmu_identify(struct shim *shim)
{
	unsigned int counter, block;

	shim->implemented = GENMASK(shim->model->blocks * PPMU_COUNTERS - 1, 0);
	for (block = 0; block < shim->model->blocks; block++) {
		void __iomem *base = shim->block[block];

		shim->found.control[block] = readl(base + PPMU_PMNC) & ~PPMU_PMNC_RESETS;
		shim->found.enabled[block] = readl(base + PPMU_CNTENS);
	}
	for_each_set_bit(counter, &shim->implemented, SHIM_COUNTERS_MAX)
		shim->found.select[counter] = readl(ppmu_select_register(shim, counter));
	return 0;
}

static unsigned long ppmu_counters(struct shim *shim, u64 config, unsigned int source)
{
	return PPMU_COUNTERS_MASK << (source * PPMU_COUNTERS);
}

static void ppmu_disable(struct shim *shim)
{
	unsigned int counter, block;

	for_each_set_bit(counter, &shim->implemented, SHIM_COUNTERS_MAX)
		writel(shim->found.select[counter], ppmu_select_register(shim, counter));
	for (block = 0; block < shim->model->blocks; block++) {
		void __iomem *base = shim->block[block];

		writel(PPMU_COUNTERS_MASK & ~shim->found.enabled[block], base + PPMU_CNTENC);
		writel(shim->found.control[block], base + PPMU_PMNC);
	}
}

/* All three counters run as long as an event is open; those that none holds are not looked at. */
static int ppmu_enable(struct shim *shim)
{
	unsigned int block;
	bool kept = true;

	for (block = 0; block < shim->model->blocks; block++) {
		void __iomem *base = shim->block[block];
		u32 pmnc = shim->found.control[block] & ~PPMU_PMNC_START_MODE;

		/*
		 * Zeros do nothing to the chip. Where registers are played in memory they
		 * take back a disabling that the player has not seen yet.
		 */
		writel(0, base + PPMU_CNTENC);
		writel(shim->found.enabled[block] | PPMU_COUNTERS_MASK, base + PPMU_CNTENS);
		writel(pmnc | PPMU_PMNC_ENABLE, base + PPMU_PMNC);
		kept &= (readl(base + PPMU_CNTENS) & PPMU_COUNTERS_MASK) == PPMU_COUNTERS_MASK;
		kept &= readl(base + PPMU_PMNC) & PPMU_PMNC_ENABLE;
	}
	if (kept)
		return 0;
	ppmu_disable(shim);
	return -EACCES;
}

static u32 ppmu_read(struct shim *shim, unsigned int counter)
{
	return readl(ppmu_block(shim, counter) + PPMU_PMCNT(counter % PPMU_COUNTERS));
}

static u32 ppmu_select(struct shim *shim, unsigned int counter, u64 config, unsigned int source)
{
	u64 event = config & GENMASK(shim->model->event_bits - 1, 0);

	writel(event, ppmu_select_register(shim, counter));
	return ppmu_read(shim, counter);
}

static const char * const ppmu_channels[] = { "dmc0_0", "dmc0_1", "dmc1_0", "dmc1_1" };

static const struct shim_named_event ppmu_events[] = {
	{ "read-beats", 0x5 },
	{ "write-beats", 0x6 },
	{ }
};

static const struct shim_bank ppmu_banks[] = {
	{
		.names = ppmu_channels,
		.first = 0,
		.last = 3,
		/* Busy cycles from 0x0, requests from 0x3, data from 0x5 to both ways' 0x7. */
		.first_event = 0x0,
		.last_event = 0x7,
		.bytes = true,
		.events = ppmu_events,
	},
	{ }
};

const struct shim_model shim_ppmu = {
	.name = "wattline_ppmu",
	.blocks = 4,
	.block_size = SZ_8K,
	.event_bits = 8,
	.source_bits = 4,
	.banks = ppmu_banks,
	.byte_sources = 0xf,
	.read_event = 0x5,
	.write_event = 0x6,
	.bytes_per_count = 16,
	.identify = ppmu_identify,
	.counters = ppmu_counters,
	.enable = ppmu_enable,
	.disable = ppmu_disable,
	.select = ppmu_select,
	.read = ppmu_read,
};
