//! What is said when a command fails.

/// The error with its causes, each once: many messages already hold what they come from.
pub(crate) fn told(error: &anyhow::Error) -> String {
    let mut causes = error.chain().map(ToString::to_string);
    let first = causes.next().unwrap_or_default();
    causes.fold(first, |told, cause| match told.contains(&cause) {
        true => told,
        false => format!("{told}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::told;

    #[test]
    fn a_cause_is_told_once() {
        let error = anyhow!("no such file").context("cannot read a: no such file");
        assert_eq!(told(&error), "cannot read a: no such file");
        let error = anyhow!("no such file").context("cannot read a").context("--images");
        assert_eq!(told(&error), "--images: cannot read a: no such file");
    }
}
