//! The index alone, by its own benchmark, up to as many certificates as no store is filled with here.

use std::path::Path;
use std::process::Command;

use anyhow::bail;

use super::figures::Figures;
use super::process::output_of;
use super::setup::Setup;

/// How many certificates are put in, each in a process of its own.
const COUNTS: [u64; 4] = [100_000, 1_000_000, 10_000_000, 100_000_000];
/// At a glance, what takes seconds.
const FEW_COUNTS: usize = 2;

/// `cargo bench --profile dist --bench index -- COUNT`, where there is one: a line `name value unit` a figure.
pub(super) fn growth(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !root.join("benches/index.rs").exists() {
        return Ok(());
    }
    let counts = if setup.size.is_quick() {
        &COUNTS[..FEW_COUNTS]
    } else {
        &COUNTS
    };
    for count in counts {
        let lines = output_of(
            Command::new("cargo")
                .args(["bench", "--locked", "--quiet", "--profile", "dist"])
                .args(["--bench", "index", "--"])
                .arg(count.to_string())
                .current_dir(root),
        )?;
        if lines.trim().is_empty() {
            bail!("the index's own benchmark printed nothing for {count}");
        }
        lines.lines().try_for_each(|line| figures.put_line(line))?;
    }
    let known = [
        "renewal_info",
        "index_100000_reads",
        "index_100000000_reads",
    ]
    .map(|name| figures.median(name));
    if let [Some(requests), Some(few), Some(many)] = known {
        figures.put("requests_1e8_to_1e5", &[slowed(requests, few, many)])?;
    }
    Ok(())
}

/// The share of so many requests a second that is left where a look-up takes as long as with `many`
/// certificates instead of with `few`, both in look-ups a second: nothing else of a request grows.
fn slowed(requests: f64, few: f64, many: f64) -> f64 {
    let before = requests.recip();
    before / (before + many.recip() - few.recip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_slowed_by_what_its_look_up_takes_longer() {
        // 10 µs, of which the look-up takes 1 or 3.5.
        let share = slowed(1e5, 1e6, 1e6 / 3.5);
        assert!((share - 0.8).abs() < 1e-9, "{share}");
        assert!((slowed(1e5, 1e6, 1e6) - 1.0).abs() < 1e-9);
    }
}
