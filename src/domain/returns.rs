//! When those come back that nobody steers (design section 5: K).

use super::band::own_rule_seconds;
use super::time::DAY;

/// K.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Returns;

impl Returns {
    /// Seconds from issuance to return, and the share that returns then.
    #[must_use]
    pub fn lags(&self, life_seconds: i64) -> Vec<(i64, f64)> {
        let own = own_rule_seconds(life_seconds);
        let later = DAY.min((life_seconds - own) / 2);
        vec![(own, 0.5), (own + later, 0.5)]
    }
}
