//! How a kernel could show a counter that it does not show: mainline's driver and a node of the
//! device tree, or our own module.
//! [Documentation/devicetree/bindings/arm/arm,cci-400.yaml]

use std::fs;
use std::path::Path;

use wattline_board::Roots;
use wattline_board::description::{Counter, CounterKind};

use crate::inventory::Missing;

/// Nodes lie no deeper, nor are there more of them, in any device tree.
const DEEPEST: usize = 8;

/// What a device tree knows of a CCI.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tree {
    /// There is none, or it does not know the CCI.
    Silent,
    /// It has the CCI's node, at this path, and no PMU in it.
    WithoutPmu(String),
    /// It has the PMU's node.
    WithPmu,
}

/// The command that loads our module for a counter.
pub(super) fn module_command(counter: &Counter) -> String {
    let parameter = match counter.kind {
        CounterKind::Cci400 => "cci400",
        CounterKind::Cci550 => "cci550",
        CounterKind::ExynosPpmu => "ppmu",
    };
    let bases: Vec<String> = counter.bases.iter().map(|base| format!("{base:#x}")).collect();
    format!("insmod wattline_cci.ko {parameter}={}", bases.join(","))
}

/// What to do so that the kernel shows a counter as a PMU. `revision` is what the CCI-400's own
/// register says.
pub(super) fn hint(counter: &Counter, roots: &Roots, revision: Option<&str>) -> Missing {
    let module = format!("load kmod-shim ({})", module_command(counter));
    let (names, family, option, node) = match counter.kind {
        CounterKind::Cci400 => (
            "wattline_cci400, CCI_400",
            "arm,cci-400",
            "CONFIG_ARM_CCI400_PMU",
            format!(
                "pmu@9000 {{ compatible = \"arm,cci-400-pmu,{}\"; reg = <0x9000 0x5000>; \
                 interrupts = <…>; }};",
                revision.unwrap_or("r1")
            ),
        ),
        CounterKind::Cci550 => (
            "wattline_cci550, CCI_550",
            "arm,cci-550",
            "CONFIG_ARM_CCI5xx_PMU",
            "pmu@10000 { compatible = \"arm,cci-550-pmu,r0\"; reg = <0x10000 0x80000>; \
             interrupts = <…>; };"
                .to_owned(),
        ),
        CounterKind::ExynosPpmu => {
            return Missing {
                what: format!("perf PMU of counter {}", counter.name()),
                why:
                    "the kernel shows no wattline_ppmu, and its own driver counts for itself alone"
                        .to_owned(),
                advice: module,
            };
        }
    };
    let tree = look(&roots.procfs.join("device-tree"), family);
    let (state, mainline) = match tree {
        Tree::WithPmu => (
            "its node is in the device tree".to_owned(),
            format!("build the kernel with {option}=y and see `dmesg | grep -i cci`"),
        ),
        Tree::WithoutPmu(path) => (
            format!("node {path} of the device tree has no PMU"),
            format!("add to it `{node}` with the SoC's interrupts, on a kernel with {option}=y"),
        ),
        Tree::Silent => (
            format!("the device tree has no {family} node"),
            format!(
                "add {family} at {:#x} to it, and in it `{node}` with the SoC's interrupts, on a \
                 kernel with {option}=y",
                counter.bases.first().copied().unwrap_or_default()
            ),
        ),
    };
    Missing {
        what: format!("perf PMU of counter {}", counter.name()),
        why: format!("the kernel shows none ({names}); {state}"),
        advice: format!("{module}, or for mainline's driver {mainline}"),
    }
}

/// Looks through a device tree for a CCI and its PMU.
fn look(tree: &Path, family: &str) -> Tree {
    let mut found = Tree::Silent;
    visit(tree, tree, family, DEEPEST, &mut found);
    found
}

fn visit(root: &Path, node: &Path, family: &str, depth: usize, found: &mut Tree) {
    let compatible = fs::read(node.join("compatible")).unwrap_or_default();
    for entry in compatible.split(|&byte| byte == 0) {
        let entry = String::from_utf8_lossy(entry);
        if entry == family && *found == Tree::Silent {
            let path = node.strip_prefix(root).unwrap_or(node);
            *found = Tree::WithoutPmu(format!("/{}", path.display()));
        } else if entry.strip_prefix(family).is_some_and(|rest| rest.starts_with("-pmu")) {
            *found = Tree::WithPmu;
        }
    }
    if depth == 0 {
        return;
    }
    for entry in fs::read_dir(node).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            visit(root, &entry.path(), family, depth - 1, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use wattline_board::RegisterSource;
    use wattline_board::description::Description;

    use super::*;

    fn hints_of(board: &str, nodes: &[(&str, &str)]) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let roots = Roots {
            sysfs: directory.path().join("sys"),
            procfs: directory.path().join("proc"),
            registers: RegisterSource::DevMem,
        };
        for (node, compatible) in nodes {
            let node = roots.procfs.join("device-tree").join(node);
            fs::create_dir_all(&node).unwrap();
            fs::write(node.join("compatible"), format!("{compatible}\0")).unwrap();
        }
        let description = Description::load(board).unwrap();
        description.counters.iter().map(|it| hint(it, &roots, None).to_string()).collect()
    }

    #[test]
    fn a_node_without_a_pmu_is_named_with_what_to_add() {
        let node = [("soc/cci@10d20000", "arm,cci-400"), ("soc/cci@10d20000/port@1", "other")];
        let hints = hints_of("exynos5422", &node);
        for part in [
            "/soc/cci@10d20000 of the device tree has no PMU",
            "arm,cci-400-pmu,r1",
            "reg = <0x9000 0x5000>",
            "CONFIG_ARM_CCI400_PMU",
            "insmod wattline_cci.ko cci400=0x10d20000",
        ] {
            assert!(hints[0].contains(part), "{part:?} is not in {}", hints[0]);
        }
        assert!(
            hints[1].contains("ppmu=0x10d00000,0x10d10000,0x10d60000,0x10d70000"),
            "{}",
            hints[1]
        );
    }

    #[test]
    fn a_node_whose_driver_is_not_there_is_told_from_none() {
        let nodes = [("cci@0", "arm,cci-550"), ("cci@0/pmu@10000", "arm,cci-550-pmu,r0")];
        let there = hints_of("kirin970", &nodes);
        assert!(there[0].contains("its node is in the device tree"), "{}", there[0]);
        assert!(there[0].contains("CONFIG_ARM_CCI5xx_PMU"), "{}", there[0]);
        let silent = hints_of("kirin970", &[]);
        assert!(silent[0].contains("no arm,cci-550 node"), "{}", silent[0]);
        assert!(silent[0].contains("0xe8100000"), "{}", silent[0]);
    }
}
