//! What a counter block may get wrong: more ports than it can count, addresses that cannot be
//! mapped.

use super::{Checked, wrong};
use crate::description::{Counter, CounterKind, Description};
use crate::registers::{cci400, cci550};

/// Checks every counter block of a board.
pub(super) fn check(board: &Description) -> Checked {
    for (index, counter) in board.counters.iter().enumerate() {
        check_bases(counter, &board.counters[..index])?;
        check_ports(counter)?;
    }
    Ok(())
}

fn check_bases(counter: &Counter, before: &[Counter]) -> Checked {
    let here = counter.name.span();
    let key = format!("counters.{}.bases", counter.name());
    let blocks = match counter.kind {
        CounterKind::Cci400 | CounterKind::Cci550 => 1,
        CounterKind::ExynosPpmu => counter.ports.len().max(1),
    };
    if counter.bases.len() != blocks {
        return wrong(here, key, format!("expected one address for each block, {blocks} in all"));
    }
    if counter.bases.iter().any(|base| base % 0x1000 != 0) {
        return wrong(here, key, "expected addresses that are multiples of 0x1000");
    }
    for (index, base) in counter.bases.iter().enumerate() {
        let elsewhere = before.iter().any(|other| other.bases.contains(base));
        if elsewhere || counter.bases[..index].contains(base) {
            return wrong(here, key, format!("{base:#x} is there twice"));
        }
    }
    Ok(())
}

fn check_ports(counter: &Counter) -> Checked {
    let here = counter.name.span();
    let key = format!("counters.{}.ports", counter.name());
    // A port takes two counters, one for reads and one for writes.
    let (most, numbers) = match counter.kind {
        CounterKind::Cci400 => (cci400::COUNTERS / 2, cci400::SLAVE_PORTS),
        CounterKind::Cci550 => (cci550::COUNTERS / 2, cci550::MASTER_PORTS),
        CounterKind::ExynosPpmu => (counter.bases.len(), counter.bases.len() as u32),
    };
    if counter.ports.is_empty() || counter.ports.len() > most {
        return wrong(
            here,
            key,
            format!("expected 1 to {most} ports, which is what it can count at once"),
        );
    }
    for (index, port) in counter.ports.iter().enumerate() {
        let key = format!("{key}.{}", port.name);
        if port.number >= numbers {
            let message =
                format!("expected a number from 0 to {}, not {}", numbers - 1, port.number);
            return wrong(here, key, message);
        }
        if counter.kind == CounterKind::ExynosPpmu && port.number as usize != index {
            let message = format!("expected {index}, the index of its address in bases");
            return wrong(here, key, message);
        }
        let same = |other: &&crate::description::Port| {
            other.number == port.number || other.name == port.name
        };
        if let Some(other) = counter.ports[..index].iter().find(same) {
            let message = format!("{:?} has the same name or number", other.name);
            return wrong(here, key, message);
        }
    }
    Ok(())
}
