// SPDX-License-Identifier: GPL-2.0
/*
 * Where the blocks are: in the device tree, under compatibles of our own, or
 * at addresses given to the module. Either way a block is claimed, its clock is
 * switched on and its identity checked before a PMU is made of it.
 */
#include <linux/bitops.h>
#include <linux/clk.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/of_address.h>
#include <linux/of_clk.h>
#include <linux/platform_device.h>
#include <linux/property.h>
#include <linux/slab.h>

#include "wattline_cci.h"

/* What a user gives for one device, and why it was not taken. */
struct shim_given {
	const struct shim_model *model;
	unsigned long long base[SHIM_BLOCKS_MAX];
	unsigned int blocks;
	unsigned int byte_sources;
	int error;
};

static unsigned long long cci400[1], cci500[1], cci550[1], ppmu[SHIM_BLOCKS_MAX];
static unsigned int nr_cci400, nr_cci500, nr_cci550, nr_ppmu;
static unsigned int cci400_sources, cci500_sources, cci550_sources;

module_param_array(cci400, ullong, &nr_cci400, 0444);
MODULE_PARM_DESC(cci400, "address of a CCI-400, e.g. 0x10d20000 on an Exynos 5422");
module_param_array(cci500, ullong, &nr_cci500, 0444);
MODULE_PARM_DESC(cci500, "address of a CCI-500, or of its PMU, 0x10000 above");
module_param_array(cci550, ullong, &nr_cci550, 0444);
MODULE_PARM_DESC(cci550,
		 "address of a CCI-550, or of its PMU, 0x10000 above, e.g. 0xe8110000 on a Kirin 970");
module_param_array(ppmu, ullong, &nr_ppmu, 0444);
MODULE_PARM_DESC(ppmu,
		 "addresses of the four PPMUs of an Exynos 5422's memory channels: 0x10d00000,0x10d10000,0x10d60000,0x10d70000");
module_param(cci400_sources, uint, 0444);
MODULE_PARM_DESC(cci400_sources, "ports in read-bytes and write-bytes, as a mask (0x18: S3, S4)");
module_param(cci500_sources, uint, 0444);
MODULE_PARM_DESC(cci500_sources, "ports in read-bytes and write-bytes, as a mask (0xf00: M0 to M3)");
module_param(cci550_sources, uint, 0444);
MODULE_PARM_DESC(cci550_sources, "ports in read-bytes and write-bytes, as a mask (0xf00: M0 to M3)");

static void shim_clock_off(void *clock)
{
	clk_disable_unprepare(clock);
	clk_put(clock);
}

/* Whatever the device tree describes at an address, if it has a clock there. */
static struct device_node *shim_clocked_node_at(phys_addr_t base)
{
	struct device_node *node;
	struct resource range;

	for_each_node_with_property(node, "clocks")
		if (!of_address_to_resource(node, 0, &range) && range.start == base)
			return node;
	return NULL;
}

/*
 * Switches a block's clock on, if the device tree knows it: from this device's
 * own node, or from that of the driver which would have the block otherwise.
 * Touching a block whose clock is off can hang the system.
 */
static int shim_clock_on(struct device *dev, phys_addr_t base, unsigned int index)
{
	struct device_node *node;
	struct clk *clock;
	int err;

	if (dev->of_node && of_find_property(dev->of_node, "clocks", NULL)) {
		node = of_node_get(dev->of_node);
	} else {
		node = shim_clocked_node_at(base);
		index = 0;
	}
	if (!node)
		return 0;
	clock = of_clk_get(node, index);
	of_node_put(node);
	if (IS_ERR(clock))
		return PTR_ERR(clock);
	err = clk_prepare_enable(clock);
	if (err) {
		clk_put(clock);
		return err;
	}
	return devm_add_action_or_reset(dev, shim_clock_off, clock);
}

static int shim_claim(struct shim *shim, unsigned int index, phys_addr_t base)
{
	u32 size = shim->model->block_size;
	struct device *dev = shim->dev;
	int err;

	if (!base || !IS_ALIGNED(base, SZ_4K) || base + size - 1 < base) {
		dev_err(dev, "%pa is no address of registers\n", &base);
		return -EINVAL;
	}
	if (!devm_request_mem_region(dev, base, size, shim->model->name)) {
		dev_err(dev, "of the 0x%x bytes at %pa some belong to another driver: see /proc/iomem\n",
			size, &base);
		return -EBUSY;
	}
	err = shim_clock_on(dev, base, index);
	if (err) {
		dev_err(dev, "the clock of %pa cannot be switched on: %d\n", &base, err);
		return err;
	}
	shim->block[index] = devm_ioremap(dev, base, size);
	return shim->block[index] ? 0 : -ENOMEM;
}

static int shim_choose_sources(struct shim *shim, u32 chosen)
{
	if (!shim_counts_bytes(shim, chosen)) {
		dev_err(shim->dev, "not all sources in 0x%x count bytes\n", chosen);
		return -EINVAL;
	}
	shim->byte_sources = chosen ?: shim->model->byte_sources;
	return 0;
}

static int shim_bind(struct device *dev, const struct shim_model *model, const phys_addr_t *base,
		     u32 byte_sources)
{
	unsigned int index;
	struct shim *shim;
	int err;

	shim = devm_kzalloc(dev, sizeof(*shim), GFP_KERNEL);
	if (!shim)
		return -ENOMEM;
	shim->dev = dev;
	shim->model = model;
	shim->banks = model->banks;
	for (index = 0; index < model->blocks; index++) {
		err = shim_claim(shim, index, base[index]);
		if (err)
			return err;
	}
	err = model->identify(shim);
	if (err)
		return err;
	err = shim_choose_sources(shim, byte_sources);
	if (err)
		return err;
	err = shim_describe(shim);
	if (err)
		return err;
	err = shim_register(shim);
	if (err)
		return err;
	dev_set_drvdata(dev, shim);
	dev_info(dev, "%s at %pa, %lu counters\n", model->name, base,
		 hweight_long(shim->implemented));
	return 0;
}

static int shim_bind_given(struct device *dev, struct shim_given *given)
{
	const struct shim_model *model = given->model;
	phys_addr_t base[SHIM_BLOCKS_MAX];
	unsigned int index;
	int err;

	if (given->blocks != model->blocks) {
		dev_err(dev, "%u addresses given, %u needed\n", given->blocks, model->blocks);
		return -EINVAL;
	}
	for (index = 0; index < model->blocks; index++) {
		base[index] = given->base[index];
		if (base[index] != given->base[index])
			return -EINVAL;
	}
	if (model->locate) {
		err = model->locate(dev, base);
		if (err) {
			dev_err(dev, "%pa is in use (see /proc/iomem) or no address of registers\n",
				base);
			return err;
		}
	}
	return shim_bind(dev, model, base, given->byte_sources);
}

static int shim_bind_node(struct platform_device *pdev)
{
	const struct shim_model *model = device_get_match_data(&pdev->dev);
	phys_addr_t base[SHIM_BLOCKS_MAX];
	u32 byte_sources = 0;
	unsigned int index;

	for (index = 0; index < model->blocks; index++) {
		struct resource *range = platform_get_resource(pdev, IORESOURCE_MEM, index);

		if (!range || resource_size(range) < model->block_size) {
			dev_err(&pdev->dev, "reg needs %u ranges of 0x%x bytes\n", model->blocks,
				model->block_size);
			return -EINVAL;
		}
		base[index] = range->start;
	}
	of_property_read_u32(pdev->dev.of_node, "wattline,sources", &byte_sources);
	return shim_bind(&pdev->dev, model, base, byte_sources);
}

static int shim_probe(struct platform_device *pdev)
{
	struct shim_given *given = dev_get_platdata(&pdev->dev);

	if (!given)
		return shim_bind_node(pdev);
	given->error = shim_bind_given(&pdev->dev, given);
	return given->error;
}

static const struct of_device_id shim_of_match[] = {
	{ .compatible = "wattline,cci-400", .data = &shim_cci400 },
	{ .compatible = "wattline,cci-500", .data = &shim_cci500 },
	{ .compatible = "wattline,cci-550", .data = &shim_cci550 },
	{ .compatible = "wattline,exynos-ppmu", .data = &shim_ppmu },
	{ }
};
MODULE_DEVICE_TABLE(of, shim_of_match);

/* What devices are called that the module's parameters ask for. */
#define SHIM_GIVEN	"wattline-cci"

static const struct platform_device_id shim_ids[] = {
	{ SHIM_GIVEN },
	{ }
};
MODULE_DEVICE_TABLE(platform, shim_ids);

static struct platform_driver shim_driver = {
	.probe = shim_probe,
	.id_table = shim_ids,
	.driver = {
		.name = "wattline_cci",
		.of_match_table = shim_of_match,
		.pm = &shim_pm_ops,
		/* Events hold the module, not the driver's binding. */
		.suppress_bind_attrs = true,
	},
};

static struct platform_device *shim_devices[4];

static void shim_release_given(void)
{
	unsigned int index;

	for (index = 0; index < ARRAY_SIZE(shim_devices); index++)
		platform_device_unregister(shim_devices[index]);
}

/* Has the driver bind what a parameter names, or says why it does not. */
static int shim_add_given(unsigned int index, const struct shim_given *given)
{
	struct platform_device *pdev;
	struct shim_given *answer;

	pdev = platform_device_register_data(NULL, SHIM_GIVEN, index, given, sizeof(*given));
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	shim_devices[index] = pdev;
	answer = dev_get_platdata(&pdev->dev);
	if (answer->error)
		return answer->error;
	return platform_get_drvdata(pdev) ? 0 : -ENODEV;
}

static int shim_add_all_given(void)
{
	struct shim_given given[] = {
		{ .model = &shim_cci400, .blocks = nr_cci400, .byte_sources = cci400_sources },
		{ .model = &shim_cci500, .blocks = nr_cci500, .byte_sources = cci500_sources },
		{ .model = &shim_cci550, .blocks = nr_cci550, .byte_sources = cci550_sources },
		{ .model = &shim_ppmu, .blocks = nr_ppmu },
	};
	unsigned int index;
	int err;

	given[0].base[0] = cci400[0];
	given[1].base[0] = cci500[0];
	given[2].base[0] = cci550[0];
	memcpy(given[3].base, ppmu, sizeof(ppmu));

	for (index = 0; index < ARRAY_SIZE(given); index++) {
		if (!given[index].blocks)
			continue;
		err = shim_add_given(index, &given[index]);
		if (err)
			return err;
	}
	return 0;
}

static int __init shim_init(void)
{
	int err = shim_hotplug_init();

	if (err)
		return err;
	err = platform_driver_register(&shim_driver);
	if (err)
		goto no_driver;
	err = shim_add_all_given();
	if (err)
		goto not_given;
	return 0;

not_given:
	shim_release_given();
	platform_driver_unregister(&shim_driver);
no_driver:
	shim_hotplug_exit();
	return err;
}
module_init(shim_init);

static void __exit shim_exit(void)
{
	shim_release_given();
	platform_driver_unregister(&shim_driver);
	shim_hotplug_exit();
}
module_exit(shim_exit);

MODULE_DESCRIPTION("Memory traffic counters of CCI-400, CCI-500, CCI-550 and Exynos PPMU as perf PMUs");
MODULE_LICENSE("GPL");
