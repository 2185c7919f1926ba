//! Whose ticks make the peak, as an operator asks for it.

use offpeak::domain::policy::ca::CaName;
use offpeak::domain::time::MINUTE;

use super::*;
use crate::support::databases;

#[tokio::test]
async fn advice_names_the_minutes_of_timers_and_the_effect_of_moving_them() {
    for database in databases().await {
        let Service { engine, .. } = service(&database.url(), &one_ca("")).await;
        let advice = || engine.advice(&CaName::default()).unwrap().advice;
        assert_eq!(advice(), None, "nothing is registered");
        // Five days of two each five minutes, and of forty more at midnight.
        let midnight = NOW - NOW.second_of_day();
        let mut submissions = Vec::new();
        let mut issue = |at: Timestamp, count: u64| {
            for _ in 0..count {
                submissions.push(issued(submissions.len() as u64, at));
            }
        };
        for grain in 0..5 * 288 {
            issue(midnight - 5 * DAY + grain * 5 * MINUTE, 2);
        }
        for day in 1..5 {
            issue(midnight - day * DAY + 20, 40);
        }
        register(&engine, &submissions).await;
        let advice = advice().unwrap();
        assert_eq!(advice.days, 4);
        let [moment] = advice.moments.as_slice() else {
            panic!("{advice:?}");
        };
        assert_eq!(moment.at, "00:00");
        assert!((moment.per_day - 40.0).abs() < 1e-6, "{moment:?}");
        // 24 an hour and 40 more in the first, of 25.7 on the mean.
        assert!((advice.peak - 64.0 / 25.67).abs() < 0.01, "{advice:?}");
        assert!((moment.peak_if_moved - 1.0).abs() < 0.01, "{moment:?}");
        let none: CaName = "other".parse().unwrap();
        assert_eq!(engine.advice(&none), None);
    }
}
