//! An error with its causes, on one line.

/// The chain of causes with colons between. Many errors say their cause themselves, so what stands
/// at the end already is left out.
pub(super) fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let cause = cause.to_string().lines().collect::<Vec<_>>().join(" ");
        if line.is_empty() {
            line = cause;
        } else if !line.ends_with(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}
