//! Warnings: settings that are allowed but probably not intended.

use super::{Config, SourceKind};
use crate::domain::demand::observation::Source;

impl Config {
    /// Settings that are allowed but probably not intended.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.tokens.is_empty() {
            warnings.push(
                "token: there is none, so that the admin listener lets nobody in but who has the \
                 token of OFFPEAK_ADMIN_TOKEN, where that is set: `offpeak token new` prints one"
                    .to_owned(),
            );
        }
        for source in &self.sources {
            let columns = match &source.kind {
                SourceKind::Csv(csv) => &csv.columns,
                SourceKind::Ct(ct) if ct.contact.contains("CHANGE-ME") => {
                    warnings.push(format!(
                        "source {:?}: its `contact` is nobody's: the operators of the logs may want to write to you",
                        source.name
                    ));
                    continue;
                }
                SourceKind::Sql(sql) => &sql.columns,
                _ => continue,
            };
            if columns.believed_as == Source::Import {
                warnings.push(format!(
                    "source {:?}: its counts are `import`, which moves no volume: say by `source` whose they are, \
                     \"ca\", \"log\", \"metrics\" or \"ct\"",
                    source.name
                ));
            }
        }
        warnings
    }
}
