// SPDX-License-Identifier: GPL-2.0
/*
 * The perf PMU of every shim: events are placed on counters, counted without
 * an interrupt, and summed up.
 *
 * Counters are 32 bits wide, run freely and are never written: an event's value
 * is the sum of the differences between readings. A timer reads them often
 * enough that none wraps between two readings. Nothing stops or restarts a
 * block while events are open, so one event's coming or going costs no other
 * event a count.
 */
#include <linux/bitops.h>
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/pm.h>
#include <linux/version.h>

#include "wattline_cci.h"

/*
 * A counter that counts once a cycle wraps after 4.3 s at 1 GHz, more than any
 * of these blocks is clocked at.
 */
#define SHIM_TICK_NS	(500 * NSEC_PER_MSEC)

/* The state of CPU hotplug in which events are moved; each shim is an instance of it. */
static enum cpuhp_state shim_hotplug;

/*
 * Places an event on counters that are free: one for each of its sources.
 * Returns them as a mask, 0 where they do not suffice. Any free counter that
 * can count at a source will do, because sources share either all of their
 * counters or none.
 */
static unsigned long shim_place(struct shim *shim, struct perf_event *event, unsigned long used,
				u8 source_of[SHIM_COUNTERS_MAX])
{
	u64 config = event->attr.config;
	unsigned long sources, placed = 0;
	unsigned int source;

	if (shim_sources(shim, config, &sources))
		return 0;
	for_each_set_bit(source, &sources, SHIM_SOURCES_MAX) {
		unsigned long free = shim->model->counters(shim, config, source) & ~used & ~placed;

		if (!free)
			return 0;
		source_of[__ffs(free)] = source;
		placed |= BIT(__ffs(free));
	}
	return placed;
}

/* Whether a group's events, this one among them, can count at the same time. */
static bool shim_group_fits(struct shim *shim, struct perf_event *event)
{
	struct perf_event *leader = event->group_leader, *sibling;
	u8 source_of[SHIM_COUNTERS_MAX];
	unsigned long used, placed;

	used = shim_place(shim, event, 0, source_of);
	if (!used)
		return false;
	if (leader == event)
		return true;

	if (leader->pmu == event->pmu) {
		placed = shim_place(shim, leader, used, source_of);
		if (!placed)
			return false;
		used |= placed;
	} else if (!is_software_event(leader)) {
		return false;
	}
	for_each_sibling_event(sibling, leader) {
		if (sibling->pmu != event->pmu) {
			if (!is_software_event(sibling))
				return false;
			continue;
		}
		placed = shim_place(shim, sibling, used, source_of);
		if (!placed)
			return false;
		used |= placed;
	}
	return true;
}

/* Adds what one counter counted since it was last read. */
static void shim_counter_update(struct shim *shim, unsigned int index)
{
	struct shim_counter *counter = &shim->counter[index];
	u32 now = shim->model->read(shim, index);

	lockdep_assert_held(&shim->lock);
	local64_add(now - counter->last, &counter->event->count);
	counter->last = now;
}

/* Adds what all counters counted, but for those whose event stands still. */
static void shim_update(struct shim *shim)
{
	unsigned int index;

	for_each_set_bit(index, &shim->used, SHIM_COUNTERS_MAX)
		if (!(shim->counter[index].event->hw.state & PERF_HES_STOPPED))
			shim_counter_update(shim, index);
}

static void shim_event_update(struct shim *shim, struct perf_event *event)
{
	unsigned int index;

	for_each_set_bit(index, &shim->used, SHIM_COUNTERS_MAX)
		if (shim->counter[index].event == event)
			shim_counter_update(shim, index);
}

static void shim_event_select(struct shim *shim, struct perf_event *event)
{
	unsigned int index;

	for_each_set_bit(index, &shim->used, SHIM_COUNTERS_MAX) {
		struct shim_counter *counter = &shim->counter[index];

		if (counter->event == event)
			counter->last = shim->model->select(shim, index, event->attr.config,
							    counter->source);
	}
}

static enum hrtimer_restart shim_tick(struct hrtimer *timer)
{
	struct shim *shim = container_of(timer, struct shim, timer);
	unsigned long flags;
	bool again;

	raw_spin_lock_irqsave(&shim->lock, flags);
	shim_update(shim);
	again = shim->used;
	shim->ticking = again;
	raw_spin_unlock_irqrestore(&shim->lock, flags);

	if (!again)
		return HRTIMER_NORESTART;
	hrtimer_forward_now(timer, ns_to_ktime(SHIM_TICK_NS));
	return HRTIMER_RESTART;
}

static void shim_pmu_start(struct perf_event *event, int flags)
{
	struct shim *shim = to_shim(event->pmu);
	unsigned long irq;

	raw_spin_lock_irqsave(&shim->lock, irq);
	shim_event_select(shim, event);
	event->hw.state = 0;
	raw_spin_unlock_irqrestore(&shim->lock, irq);
}

static void shim_pmu_stop(struct perf_event *event, int flags)
{
	struct shim *shim = to_shim(event->pmu);
	unsigned long irq;

	raw_spin_lock_irqsave(&shim->lock, irq);
	if (!(event->hw.state & PERF_HES_STOPPED)) {
		shim_event_update(shim, event);
		event->hw.state = PERF_HES_STOPPED | PERF_HES_UPTODATE;
	}
	raw_spin_unlock_irqrestore(&shim->lock, irq);
}

static int shim_pmu_add(struct perf_event *event, int flags)
{
	struct shim *shim = to_shim(event->pmu);
	u8 source_of[SHIM_COUNTERS_MAX];
	unsigned long placed, irq;
	unsigned int index;

	raw_spin_lock_irqsave(&shim->lock, irq);
	placed = shim_place(shim, event, shim->used, source_of);
	for_each_set_bit(index, &placed, SHIM_COUNTERS_MAX) {
		shim->counter[index].event = event;
		shim->counter[index].source = source_of[index];
	}
	shim->used |= placed;
	event->hw.state = PERF_HES_STOPPED | PERF_HES_UPTODATE;
	if (placed && !shim->ticking) {
		shim->ticking = true;
		hrtimer_start(&shim->timer, ns_to_ktime(SHIM_TICK_NS),
			      HRTIMER_MODE_REL_PINNED_HARD);
	}
	raw_spin_unlock_irqrestore(&shim->lock, irq);

	if (!placed)
		return -EAGAIN;
	if (flags & PERF_EF_START)
		shim_pmu_start(event, flags);
	perf_event_update_userpage(event);
	return 0;
}

static void shim_pmu_del(struct perf_event *event, int flags)
{
	struct shim *shim = to_shim(event->pmu);
	unsigned int index;
	unsigned long irq;

	shim_pmu_stop(event, PERF_EF_UPDATE);

	/* The timer sees for itself when no counter is used any more. */
	raw_spin_lock_irqsave(&shim->lock, irq);
	for_each_set_bit(index, &shim->used, SHIM_COUNTERS_MAX) {
		if (shim->counter[index].event == event) {
			shim->counter[index].event = NULL;
			__clear_bit(index, &shim->used);
		}
	}
	raw_spin_unlock_irqrestore(&shim->lock, irq);
	perf_event_update_userpage(event);
}

static void shim_pmu_read(struct perf_event *event)
{
	struct shim *shim = to_shim(event->pmu);
	unsigned long irq;

	raw_spin_lock_irqsave(&shim->lock, irq);
	if (!(event->hw.state & PERF_HES_STOPPED))
		shim_event_update(shim, event);
	raw_spin_unlock_irqrestore(&shim->lock, irq);
}

/* The first event that is opened lets the block count. */
static int shim_open(struct shim *shim)
{
	int err = 0;

	mutex_lock(&shim->opening);
	if (!shim->opened) {
		raw_spin_lock_irq(&shim->lock);
		err = shim->model->enable(shim);
		raw_spin_unlock_irq(&shim->lock);
		if (err)
			dev_err_ratelimited(shim->dev,
					    "the registers do not keep what is written to them: firmware keeps them closed, or their clock is off\n");
	}
	if (!err)
		shim->opened++;
	mutex_unlock(&shim->opening);
	return err;
}

/* The last one that is closed leaves it as it was. */
static void shim_event_destroy(struct perf_event *event)
{
	struct shim *shim = to_shim(event->pmu);

	mutex_lock(&shim->opening);
	if (!--shim->opened) {
		raw_spin_lock_irq(&shim->lock);
		shim->model->disable(shim);
		raw_spin_unlock_irq(&shim->lock);
	}
	mutex_unlock(&shim->opening);
}

static int shim_event_init(struct perf_event *event)
{
	struct shim *shim = to_shim(event->pmu);
	unsigned long sources;
	int err;

	if (event->attr.type != event->pmu->type)
		return -ENOENT;
	/* What is counted belongs to no task, and there is no interrupt to sample at. */
	if (is_sampling_event(event) || event->attach_state & PERF_ATTACH_TASK)
		return -EOPNOTSUPP;
	if (event->cpu < 0)
		return -EINVAL;
	if (event->attr.config1 || event->attr.config2)
		return -EINVAL;
	err = shim_sources(shim, event->attr.config, &sources);
	if (err)
		return err;
	if (!shim_group_fits(shim, event))
		return -EINVAL;

	err = shim_open(shim);
	if (err)
		return err;
	event->cpu = shim->cpu;
	event->destroy = shim_event_destroy;
	return 0;
}

static ssize_t cpumask_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct shim *shim = to_shim(dev_get_drvdata(dev));

	return cpumap_print_to_pagebuf(true, buf, cpumask_of(shim->cpu));
}
static DEVICE_ATTR_RO(cpumask);

static struct attribute *shim_attrs[] = {
	&dev_attr_cpumask.attr,
	NULL
};

static const struct attribute_group shim_group = {
	.attrs = shim_attrs,
};

/* Called for every CPU that is online when a shim comes, and for those that come later. */
static int shim_cpu_online(unsigned int cpu, struct hlist_node *node)
{
	struct shim *shim = hlist_entry_safe(node, struct shim, node);

	if (shim->cpu >= nr_cpu_ids)
		shim->cpu = cpu;
	return 0;
}

static int shim_cpu_offline(unsigned int cpu, struct hlist_node *node)
{
	struct shim *shim = hlist_entry_safe(node, struct shim, node);
	unsigned int target;

	if (cpu != shim->cpu)
		return 0;
	target = cpumask_any_but(cpu_online_mask, cpu);
	if (target >= nr_cpu_ids)
		return 0;
	if (shim->registered)
		perf_pmu_migrate_context(&shim->pmu, cpu, target);
	shim->cpu = target;
	return 0;
}

int shim_hotplug_init(void)
{
	int state = cpuhp_setup_state_multi(CPUHP_AP_ONLINE_DYN, "perf/wattline:online",
					    shim_cpu_online, shim_cpu_offline);

	if (state < 0)
		return state;
	shim_hotplug = state;
	return 0;
}

void shim_hotplug_exit(void)
{
	cpuhp_remove_multi_state(shim_hotplug);
}

static void shim_unregister(void *data)
{
	struct shim *shim = data;

	/* No event is open: each holds a reference to the module. */
	cpuhp_state_remove_instance_nocalls(shim_hotplug, &shim->node);
	if (shim->registered)
		perf_pmu_unregister(&shim->pmu);
	hrtimer_cancel(&shim->timer);
}

int shim_register(struct shim *shim)
{
	int err;

	raw_spin_lock_init(&shim->lock);
	mutex_init(&shim->opening);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(&shim->timer, shim_tick, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
#else
	hrtimer_init(&shim->timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	shim->timer.function = shim_tick;
#endif
	shim->groups[0] = &shim_group;
	shim->groups[1] = &shim->format_group;
	shim->groups[2] = &shim->events_group;
	shim->pmu = (struct pmu) {
		.module		= THIS_MODULE,
		.task_ctx_nr	= perf_invalid_context,
		.event_init	= shim_event_init,
		.add		= shim_pmu_add,
		.del		= shim_pmu_del,
		.start		= shim_pmu_start,
		.stop		= shim_pmu_stop,
		.read		= shim_pmu_read,
		.attr_groups	= shim->groups,
		.capabilities	= PERF_PMU_CAP_NO_EXCLUDE | PERF_PMU_CAP_NO_INTERRUPT,
	};

	shim->cpu = nr_cpu_ids;
	err = cpuhp_state_add_instance(shim_hotplug, &shim->node);
	if (err)
		return err;
	err = devm_add_action_or_reset(shim->dev, shim_unregister, shim);
	if (err)
		return err;
	err = perf_pmu_register(&shim->pmu, shim->model->name, -1);
	shim->registered = !err;
	return err;
}

/* A block forgets its registers while the system sleeps; what it counted before is kept. */
static int __maybe_unused shim_suspend(struct device *dev)
{
	struct shim *shim = dev_get_drvdata(dev);
	unsigned long flags;

	raw_spin_lock_irqsave(&shim->lock, flags);
	shim_update(shim);
	if (shim->opened)
		shim->model->disable(shim);
	raw_spin_unlock_irqrestore(&shim->lock, flags);
	return 0;
}

static int __maybe_unused shim_resume(struct device *dev)
{
	struct shim *shim = dev_get_drvdata(dev);
	unsigned int index;
	unsigned long flags;
	int err = 0;

	raw_spin_lock_irqsave(&shim->lock, flags);
	if (shim->opened)
		err = shim->model->enable(shim);
	for_each_set_bit(index, &shim->used, SHIM_COUNTERS_MAX)
		shim_event_select(shim, shim->counter[index].event);
	raw_spin_unlock_irqrestore(&shim->lock, flags);
	return err;
}

const struct dev_pm_ops shim_pm_ops = {
	SET_NOIRQ_SYSTEM_SLEEP_PM_OPS(shim_suspend, shim_resume)
};
